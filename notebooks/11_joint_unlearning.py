# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # Joint learning and unlearning

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** Confusing $h$ removed most of the gender from the answers, a fresh probe still reads it from the
# > features, and whether the accuracy changes with $\alpha$ our runs cannot say.
# >
# > **Read before.** [Confusion loss, entropy and reversal](../book/confusion_loss.md), [04 Training](04_training.ipynb), [05
# > Embeddings](05_embeddings.ipynb).
# >
# > **Reading time.** 20 minutes.
#
# Alvi et al. alternate two tasks: a small network learns to read the bias, then the features learn the label and how to confuse
# that reader. A project report from Columbia University does this for one label, the **age** of a face, and one bias, the
# **gender**, and measures the gain on faces of cricketers. This page follows the report: its data sets, its algorithm, its table and
# its pictures. It also asks what unlearning can achieve where bias and label go together.
#
# **After this page you can**
#
# - draw the report's three sets from any table of faces, and say how many nats of the age their genders give away;
# - write its Algorithm 1 in ten lines, and say what decides when a turn ends;
# - read the curves of the two opposing losses;
# - judge a t-SNE "mixed by gender" by a number with a control and by a fresh probe;
# - prove that features which hide a bias must also hide part of a label that depends on it.
#
# **What you need**
#
# | | |
# |---|---|
# | background | cross-entropy; [04_training](04_training.ipynb) for who moves; [05_embeddings](05_embeddings.ipynb) for what a t-SNE cannot show |
# | theory | [the confusion loss](../book/confusion_loss.md): its gradient, why $h$ has to stay while $f$ descends it, and a bug in three public copies |
#
# **Run time** on two CPU cores: smoke under a minute; demo about two minutes, on synthetic faces. Where `LNL_DATA_DIR` (or
# `DATA_DIR`) holds UTKFace, demo, short and full train on it; short and full want a GPU.
#
# **Every face shown here is synthetic**, drawn by `lnl_core`. With UTKFace the page counts, trains and measures, and still shows no
# photograph.

# %% tags=["install"]
# Installs lnl_core where it is missing, as on Colab, beside what the machine has; elsewhere it does nothing.
import importlib.util

REPOSITORY = ""
REVISION = ""

if importlib.util.find_spec("lnl_core") is None:
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    if not REPOSITORY:
        raise ModuleNotFoundError("lnl_core is not installed and this notebook names no address to fetch it from: use `make lab`")
    pip = [sys.executable, "-m", "pip"]
    installed = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        keep = Path(folder, "keep.txt")
        keep.write_text(installed)
        wanted = f"git+{REPOSITORY}@{REVISION}"
        done = subprocess.run([*pip, "install", "--constraint", str(keep), wanted], capture_output=True, text=True)
    if done.returncode:
        report = done.stdout[-2000:] + done.stderr[-2000:]
        raise RuntimeError(f"pip could not add lnl_core from {REPOSITORY} to this machine's packages:\n{report}")
    importlib.invalidate_caches()

# %% tags=["parameters"]
PROFILE = "demo"
SEED = 0
COLOR_VAR = 0.03
DATA_DIR = ""
OUT_DIR = "runs"

# %% tags=["nbval-ignore-output"]
# %matplotlib inline
import inspect
import json
import os
from math import log, sqrt

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from sklearn.manifold import TSNE

from lnl_core import (
    build_network,
    embeddings,
    figures,
    load_model,
    methods,
    preset,
    probe_leakage,
    resolve_profile,
    results_table,
    run,
    run_folder,
)
from lnl_core.datasets import read_faces, synthetic_faces
from lnl_core.datasets.faces import JLU_BIN_YEARS, JLU_BINS, JLU_FIRST_AGE, JLU_SIZES, jlu_sets
from lnl_core.datasets.synthetic import face_table
from lnl_core.evaluation import data_information, predict
from lnl_core.evaluation.mixing import mixing_score
from lnl_core.experiments.splits import load_data, resolve
from lnl_core.information import entropy
from lnl_core.methods.jlu import JluCourse, Turns, read_updates
from lnl_core.runs.comparison import table_markdown
from lnl_core.runs.provenance import describe_environment
from lnl_core.runs.records import read_records, results_folder

figures.use_style()
profile = resolve_profile(PROFILE)
probe_steps = 60 if profile == "smoke" else 600  # that a fresh probe may take at least
MODELS = {"M1": ("baseline", 0.0), "α = 0": ("jlu", 0.0), "M3": ("jlu", 0.4), "M2": ("jlu", 1.0)}
GENDERS = ("men", "women")


def configuration(name):
    """One of the four models under this profile, with the source of its faces settled."""
    method, alpha = MODELS[name]
    config = preset(profile, method, experiment="jlu_faces", seed=SEED)
    config = config.with_options(confusion_weight=alpha) if method == "jlu" else config
    if profile in ("short", "full") or (profile == "demo" and (DATA_DIR or os.environ.get("LNL_DATA_DIR"))):
        config = config.with_options(source="auto")  # UTKFace or IMDB where they are, else synthetic
    return resolve(config, DATA_DIR or None)


configs = {name: configuration(name) for name in MODELS}
source = configs["M2"].source
print(f"profile {profile}, faces: {source}, seed {SEED}; nothing is coloured, so the colour variance {COLOR_VAR} plays no part")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three sets and a planted bias
#
# The report sorts ages from 16 to 71 into fourteen bins of four years and draws three sets.
#
# | set | men | women | what it is for |
# |---|---|---|---|
# | OD | 4,511, all ages | 500, all ages | what the authors could find: nine men to one woman |
# | BD | 1,017 of 40 to 70 | 482 of 16 to 35 | the biased set to **train** on: whoever knows the gender knows the half of life |
# | EBD | 478 | 478 | equally many of both in every age bin, the set to **test** on |
#
# `jlu_sets` draws them from any table of ages and genders, EBD first, so that no face is both trained and tested on. Synthetic faces
# are drawn by the same rules. Both need the tables alone.


# %%
def ages_and_genders(name):
    """Ages in years and genders (0 man, 1 woman) of "od", "bd" or "ebd"."""
    if source == "synthetic":
        return face_table(name, seed=SEED)
    table = read_faces(source, DATA_DIR or None)
    chosen = jlu_sets(table)[name]
    return table.age[chosen], table.gender[chosen]


tables = {name.upper(): ages_and_genders(name) for name in ("od", "bd", "ebd")}

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Histograms of age by gender for OD, BD and EBD. In OD men are far more than women at all ages. In BD women stand left of 36 and men right of 40, with a gap between. In EBD the bars of both genders are equal in every bin."}} slideshow={"slide_type": "-"}
edges = JLU_FIRST_AGE + JLU_BIN_YEARS * np.arange(JLU_BINS + 1)
panels, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), layout="constrained")
for panel, (name, (ages, genders)) in zip(axes, tables.items(), strict=True):
    for gender, word in enumerate(GENDERS):
        counts, _ = np.histogram(ages[genders == gender], edges)
        places = edges[:-1] + (0.29, 0.71)[gender] * JLU_BIN_YEARS
        hatch = ("", "////")[gender]
        panel.bar(places, counts, 0.42 * JLU_BIN_YEARS, color=figures.PALETTE[gender], hatch=hatch, edgecolor="white", label=word)
    panel.set_axisbelow(True)
    panel.set(title=f"{name}: {(genders == 0).sum():,} men, {(genders == 1).sum():,} women", xlabel="age in years", ylabel="faces")
axes[0].legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: faces in each bin of four years, men plain, women hatched.* In BD no age has both. How many nats is that, and what
# does a network score that looks at the gender only?

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "subslide"}
data = {split: load_data(configs["M2"], split, DATA_DIR or None) for split in ("train", "test")}
train, test = data["train"], data["test"]


def shares(labels):
    return np.bincount(labels, minlength=JLU_BINS) / len(labels)


for name, part in {"BD": train, "EBD": test}.items():
    told, there, genders = data_information(part), entropy(shares(part.labels)), entropy(shares(part.bias))
    print(
        f"{name:<4} {len(part):5,} faces: the gender tells {told:.2f} of the {there:.2f} nats of the age bin ({genders:.2f} nats of gender)"
    )

bins, genders = train.labels.numpy(), train.bias.numpy()
favourite = np.array([np.bincount(bins[genders == gender], minlength=JLU_BINS).argmax() for gender in (0, 1)])
middle = np.array([np.median(bins[genders == gender]) for gender in (0, 1)]).round().astype(int)
answer, years_off = favourite[test.bias], JLU_BIN_YEARS * np.abs(middle[test.bias] - test.labels.numpy())
print(f"\nchance, one bin of {JLU_BINS} by lot: {1 / JLU_BINS:.3f}")
print(f"from the gender alone, the bin most frequent in BD: {(favourite[genders] == bins).mean():.3f} on BD,", end=" ")
print(f"{(answer == test.labels.numpy()).mean():.3f} on EBD; with the middle bin it is {years_off.mean():.1f} years off on EBD")

# %% [markdown] slideshow={"slide_type": "-"}
# In BD **all nats of gender are also nats about the age**. In EBD gender tells nothing about the age. A network that uses the gender
# does well in training and no better than guessing in the test.
#
# What does a network see? Here are synthetic faces as EBD has them.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two rows of seven synthetic faces, men above and women below, from the youngest bin on the left to the oldest on the right. Wrinkles and grey hair increase to the right; women have longer hair and narrower jaws."}} slideshow={"slide_type": "subslide"}
shown = synthetic_faces("ebd", size=96, n=280, seed=SEED, learn="age")
panels, axes = plt.subplots(2, 7, figsize=(8.6, 3.0), layout="constrained")
for row, word in enumerate(GENDERS):
    for column, panel in enumerate(axes[row]):
        index = int(torch.nonzero((shown.bias == row) & (shown.labels == 2 * column))[0])
        panel.imshow(shown.images[index].permute(1, 2, 0).numpy())
        panel.set(xticks=[], yticks=[])
        panel.grid(False)
        first = JLU_FIRST_AGE + 2 * column * JLU_BIN_YEARS
        panel.set_title(f"{first}-{first + JLU_BIN_YEARS - 1}" if row == 0 else "", fontsize=9)
    axes[row][0].set_ylabel(word)
panels.suptitle("Synthetic faces: the age in years above")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: the first man and the first woman of every other bin.* Wrinkles, grey hair and the hairline tell the age; length of hair,
# jaw, brows and lips tell the gender. In synthetic faces these cues are drawn independently of each other.
# They are conventions of drawing and say nothing about people.
#
# ## Algorithm 1
#
# $f$ maps a face to 128 numbers, $g$ reads the age bin from them and $h$ the gender. In the report's words the procedure is:
# in every epoch, while the gender loss $L_B$ is not optimised, minimise it; then minimise $L_c+\alpha L_{\text{conf}}$. As a table
# of who moves:
#
# | turn | $f$ | $g$ | $h$ |
# |---|---|---|---|
# | secondary task, until "optimised" | stays | stays | descends $L_B$ |
# | primary task | descends $L_c+\alpha L_{\text{conf}}$ | descends $L_c$ | stays |
#
# $\alpha$ names the models: **M1** has $\alpha=0$, **M3** $\alpha=0.4$ and **M2** $\alpha=1$. In ten lines:


# %% slideshow={"slide_type": "-"}
def algorithm_1(network, batches, alpha, rounds, optimised, rate=0.02):
    """The report's Algorithm 1 with plain gradient descent; ``optimised(losses)`` says when h has learnt enough."""
    main = torch.optim.SGD([*network.extractor.parameters(), *network.label_head.parameters()], lr=rate)
    watch = torch.optim.SGD(network.bias_head.parameters(), lr=rate)
    for _ in range(rounds):
        losses = []
        while not optimised(losses):  # h's turn: cross-entropy of the gender, features held still
            batch = next(batches)
            gender = torch.nn.functional.cross_entropy(network.bias_head(network.extractor(batch.images).detach()), batch.bias)
            watch.zero_grad(), gender.backward(), watch.step()
            losses.append(gender.item())
        batch = next(batches)  # the turn of f and g: h passes the gradient on and stays
        features = network.extractor(batch.images)
        age = torch.nn.functional.cross_entropy(network.label_head(features), batch.labels)
        confusion = -torch.log_softmax(network.bias_head(features), dim=1).mean()  # against (1/2, 1/2)
        main.zero_grad(), (age + alpha * confusion).backward(), main.step()
    return network


# %% [markdown]
# The library has these two steps as functions. The next cells check that they leave the same gradients, and the table above.

# %% tags=["nbval-ignore-output"]
print(inspect.getsource(methods.jlu_bias_step))
print(inspect.getsource(methods.jlu_main_step))

# %% tags=["nbval-ignore-output"]
small = synthetic_faces("bd", size=32, n=64, seed=SEED, learn="age")
PARTS = ("extractor", "label_head", "bias_head")


def weights(network):
    return {part: torch.nn.utils.parameters_to_vector(getattr(network, part).parameters()).detach() for part in PARTS}


def one_round(step, alpha):
    """The weights of f, g and h after one update of each turn, by hand or with the library's steps."""
    config, network = configs["M2"].with_options(confusion_weight=alpha), build_network(configs["M2"]).train()
    before, batch = weights(network), small.batch(slice(0, 64))
    if step == "by hand":
        algorithm_1(network, iter([batch, batch]), alpha, rounds=1, optimised=lambda losses: len(losses) == 1)
    else:
        for turn in (methods.jlu_bias_step, methods.jlu_main_step):
            network.zero_grad()
            turn(network, batch, config)
            torch.optim.SGD(network.parameters(), lr=0.02).step()
    return {part: value - before[part] for part, value in weights(network).items()}


mine, library = one_round("by hand", 1.0), one_round("library", 1.0)
for part in PARTS:
    torch.testing.assert_close(mine[part], library[part], atol=1e-6, rtol=1e-4)
without = one_round("library", 0.0)
torch.testing.assert_close(without["label_head"], library["label_head"], atol=1e-6, rtol=1e-4)
assert not torch.allclose(without["extractor"], library["extractor"], atol=1e-6)
print("by hand and library agree; alpha changes where f goes, and neither g nor h notices in the first round")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### When is $L_B$ "optimised"?
#
# The report does not say, nor how long the second task lasts. A rule is needed, and it decides how strong the adversary is: an $h$ that
# stops early is weak. Ours is `Turns`: $h$ stops when its loss, averaged over a few batches, is below a goal; or has
# stopped falling; or after a fixed number of batches. Then $f$ and $g$ make ten updates.

# %% tags=["nbval-ignore-output"]
print(inspect.getsource(Turns.optimised))
print(inspect.getsource(JluCourse.bias_turn))

# %% [markdown]
# Three invented courses of $L_B$ show each clause:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
rule = Turns()
courses = {
    "falls quickly": lambda batch: 0.7 * 0.8**batch,
    "stays at guessing": lambda batch: log(2),
    "falls very slowly": lambda batch: 0.7 - 0.004 * batch,
}
for name, course in courses.items():
    seen = []
    while not rule.optimised(seen):
        seen.append(course(len(seen)))
    print(f"{name:<18} h has {len(seen):2} batches and ends at {seen[-1]:.2f} nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Training M1, M3 and M2
#
# `run` calls `fit_jlu` for the method `jlu`: the loop above with the rates, checkpoints and records of every other method here, and
# a line in `updates.jsonl` for every update. M1 is the method `baseline`, which has no $h$ at all. To see what $h$ reads from
# features that were not trained to forget, `jlu` is also trained with $\alpha=0$.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
records, networks, folders = {}, {}, {}
for name, config in configs.items():
    folders[name] = run_folder(OUT_DIR, config)
    records[name] = run(config, folders[name], data_dir=DATA_DIR or None)
    networks[name] = load_model(folders[name])
    print(
        f"{name:<6} {records[name].method:<9} trained on {records[name].data['train_size']:,} faces of BD ({records[name].data['source']})"
    )

first, second = (weights(networks[name]) for name in ("M1", "α = 0"))
apart = max(float((first[part] - second[part]).abs().max()) for part in ("extractor", "label_head"))
print(f"largest difference between a weight of f or g in M1 and in jlu with α = 0: {apart:.1e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# With $\alpha=0$ the two tasks are separate: $h$ has no effect, and $f$ and $g$ learn as in the baseline, up to rounding. So
# M1 and "α = 0" are one model, without and with an $h$. (Their predictions may differ in the third digit, because batch
# normalisation in $f$ also follows the batches of $h$'s turns.)
#
# ## The two losses over training
#
# The report's Figure 7 shows the gender loss going up and down while training. Here it is for $\alpha=0$, where $h$ has no effect,
# and for M2. Updates are counted over both turns.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Losses in nats per update for alpha 0. The loss of h falls far below the dashed line of guessing and the confusion loss climbs far above it."}} slideshow={"slide_type": "-"}
updates = {name: read_updates(folders[name]) for name in MODELS if name != "M1"}
window = 1 if profile == "smoke" else 5
of_gender = entropy(np.bincount(train.bias.numpy()) / len(train))  # what h pays in BD if it only knows how frequent the genders are
figures.turns(updates["α = 0"], "α = 0: h watches and nobody resists", of_gender, window)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Losses in nats per update for M2, alpha 1. The loss of h moves about the dashed line of guessing; the confusion loss shoots up and comes back again and again to the dotted line of its least value, far lower than for alpha 0."}} slideshow={"slide_type": "subslide"}
figures.turns(updates["M2"], "M2, α = 1: both losses", of_gender, window)

# %% [markdown] slideshow={"slide_type": "-"}
# *The pictures: circles are the loss of $h$ in its own turns, squares the confusion loss in those of $f$. The dashed line is
# what $h$ pays if it only knows how frequent the genders are, $H(B)$ of BD, and the dotted one the least confusion loss there is,
# $\log 2$.* The two losses of one prediction move against each other: an $h$ that is sure and right has a small loss and a large
# confusion loss. Without confusion they move apart. In M2 the loss of $h$ falls in its turn and rises in the next turn of $f$.
#
# What did the stopping rule do? The turns of $h$, and which clause ended each:


# %% tags=["nbval-ignore-output"]
def endings(lines):
    """Length of each of h's turns, and how many ended at the goal, on a plateau, and at the longest allowed."""
    lengths, how, turn = [], {"goal": 0, "plateau": 0, "longest": 0}, []
    for line in [*lines, {"turn": "main"}]:
        if line["turn"] == "bias":
            turn.append(line["bias"])
        elif turn:
            lengths.append(len(turn))
            reached = np.mean(turn[-rule.window :]) < rule.goal
            how["goal" if reached else "longest" if len(turn) >= rule.longest else "plateau"] += 1
            turn = []
    return lengths, how


for name, lines in updates.items():
    lengths, how = endings(lines)
    moves = sum(line["turn"] == "main" for line in lines)
    print(
        f"{name:<6} {sum(lengths):4} updates of h in {len(lengths)} turns ({how}), {moves} of f and g; median turn {np.median(lengths):.0f}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# The better $f$ confuses $h$, the longer the turns of $h$ are, and the more of them end without reaching the goal. A turn
# that ends on a plateau has two possible reasons: nothing is left to read, or this $h$, one linear layer, cannot read it. Only a
# fresh probe can tell the two apart.
#
# ## Table 1: train on BD, test on EBD
#
# The accuracy counts a neighbouring bin as wrong as one that is fifty years off. So three numbers stand side by side, all on
# EBD: the accuracy; the **mean error in years**, between centres of bins; and the **gap**, how many years older the network takes men
# than women. In EBD both genders have the same ages, so an unbiased network has a gap of 0, whatever its accuracy. So has one that
# says the same of everybody: read the gap together with the years.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
paper = json.loads((results_folder() / "paper.json").read_text(encoding="utf-8"))["experiments"]["jlu_faces"]
published = {row["label"]: row["value"] for row in paper["results"]}
centres = JLU_FIRST_AGE + JLU_BIN_YEARS * (np.arange(JLU_BINS) + 0.5)
men = test.bias.numpy() == 0
believed = {name: centres[predict(network, test)] for name, network in networks.items()}
true = centres[test.labels.numpy()]
gaps = {name: ages[men].mean() - ages[~men].mean() for name, ages in believed.items()}

kind = records["M2"].data["source"]
print(
    f"the report: {sum(JLU_SIZES['ebd'])} faces of cricketers, how many runs is not said; ours: {len(test)} faces, {kind}, one seed, profile {profile}\n"
)
print(f"{'model':<8}{'α':>5}{'published':>11}{'ours':>8}{'years off':>11}{'gap in years':>14}")
for name, (_, alpha) in MODELS.items():
    if name != "α = 0":
        theirs = f"{published[name]:.2f}" if name in published else "–"
        off = np.abs(believed[name] - true).mean()
        print(f"{name:<8}{alpha:>5}{theirs:>11}{records[name].metrics['test_accuracy']:>8.3f}{off:>11.1f}{gaps[name]:>+14.1f}")
print(
    f"{'chance':<13}{'':>11}{1 / JLU_BINS:>8.3f}{np.abs(np.median(true) - true).mean():>11.1f}{0:>+14.1f}   (years: the middle age for everybody)"
)

spread = sqrt(sum(share * (1 - share) / sum(JLU_SIZES["ebd"]) for share in published.values()))
print(
    f"\npublished difference {published['M2'] - published['M1']:.2f}; sampling alone, with two independent sets of that size, spreads it by ±{spread:.3f}"
)

# %% [markdown]
# "Published" and "ours" are **not** the same experiment: the faces differ, and on this site ours are synthetic. Compare our rows with each other. The gap shows the bias of the answers, and it shrinks too where the age is lost.

# %% tags=["nbval-ignore-output"]
step = believed["M2"] - believed["M1"]  # of each face: the two networks answer the same faces
error = sqrt(sum(step[who].var(ddof=1) / who.sum() for who in (men, ~men)))
told = abs(gaps["M2"] - gaps["M1"]) > 2 * error
less = abs(gaps["M2"]) < abs(gaps["M1"])
better = records["M2"].metrics["test_accuracy"] > records["M1"].metrics["test_accuracy"]
print(
    f"From M1 to M2 the gap {('shrank' if less else 'did not shrink') if told else 'cannot be told to change'} "
    f"({gaps['M1']:+.1f} to {gaps['M2']:+.1f} years, standard error of the difference {error:.1f}), "
    f"and the accuracy {'rose' if better else 'did not rise'}."
)
print("One seed: a direction, no proof." if profile != "smoke" else "Smoke: these numbers mean nothing.")

# %% [markdown]
# And the report's own three points, on 956 faces, lie within twice what sampling alone would do. They, too, show no more
# than what happened. Runs that may stand beside them are the ones on photographs, full or short; these are the records that the
# project has.

# %% tags=["nbval-ignore-output"]
Markdown(table_markdown(results_table("jlu_faces")))

# %% [markdown]
# The records hold more than the accuracy: how many nats of gender are in the *answers* on EBD, and how often a fresh probe names the
# gender from $f(x)$, beside its control on shuffled labels.

# %% tags=["nbval-ignore-output"]
stored = [record for record in read_records(results_folder() / "runs") if record.experiment == "jlu_faces"]
READ = {
    "test_accuracy": "accuracy",
    "prediction_information": "nats in answers",
    "bias_mlp_probe_accuracy": "fresh probe",
    "bias_mlp_probe_control_accuracy": "control",
}
print(f"{'α':<6}{'runs':>4}" + "".join(f"{title:>18}" for title in READ.values()))
for alpha in sorted({record.setting["alpha"] for record in stored}):
    of_alpha = [record.metrics for record in stored if record.setting["alpha"] == alpha and record.setting["train"] == "BD"]
    cells = ([metrics[name] for metrics in of_alpha] for name in READ)
    spread = "".join(f"{np.mean(values):>11.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}" for values in cells)
    print(f"{alpha:<6g}{len(of_alpha):>4}{spread}")

# %% [markdown] slideshow={"slide_type": "slide"}
# *Mean and standard deviation over seeds, UTKFace.* The results:
#
# - The **answers** of M3 and M2 hold a small part of the nats of gender that M1's hold.
# - A **fresh probe** names the gender less often from their features than from M1's, and far more often than its control. So $h$ is
#   confused, and the gender is not forgotten.
# - Whether the **accuracy** changes with $\alpha$ cannot be said: M2 is level with M1 in the mean and M3 a little below it, and both
#   intervals of the difference hold 0 (n = 3 each). The report has a rise at $\alpha=1$, which is not ruled out.
# - It is a third of the report's. Photographs, length of training and choice of the final network differ; which of them is the reason was
#   not tested.
#
# ## What can be expected?
#
# In BD every woman is young and every man old: the age bin *determines* the gender. Let $F=f(X)$ hold nothing about the gender $B$
# **on BD**, which is what $L_{\text{conf}}$ asks for, as it only ever sees BD. Then, since $B$ is a function of the age $Y$,
#
# $$
# \begin{aligned}
# I(F;Y) &= I(F;Y,B) = I(F;B)+I(F;Y\mid B) \\
# &= 0+I(F;Y\mid B) \le H(Y\mid B) = H(Y)-H(B).
# \end{aligned}
# $$
#
# **Perfect unlearning forgets $H(B)$ nats of the age.** Nothing in BD tells wrinkles that mean age from hair that means gender: on
# BD "40 or older" and "a man" are one and the same question, and features that cannot answer the one cannot answer the other.
#
# <details><summary>Three reasons why it may still help</summary>
#
# - Unlearning is never perfect. $f$ first drops what $h$ reads most easily, and this may be the superficial cue and not the
#   useful one. This is a hope, not a theorem.
# - *Within* a gender the ages differ, and $L_c$ rewards cues for that, which serve on EBD too.
# - With larger $\alpha$, once the superficial cue is gone, the age itself is forgotten.
#
# </details>
#
# With a bias that is merely *correlated*, as in OD, there are old women and young men to learn from.
# Forgetting then costs the label at least as many nats as the two share, which are fewer than in BD. An extreme set like BD shows the
# problem most clearly, and there it can be solved least.
#
# How far from perfect are ours? An $f$ that hides the gender on BD could name the right *half* of life of no more faces than always
# answering "old" does (Exercise 1).

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
old = train.labels.numpy() >= (40 - JLU_FIRST_AGE) // JLU_BIN_YEARS
print(f"the right half of life on BD, perfectly unlearnt: at most {max(old.mean(), 1 - old.mean()):.2f}")
asked = train.subset(slice(0, 500))
for name, network in networks.items():
    said = centres[predict(network, asked)] > 38  # BD holds nobody of 36 to 39
    print(f"{name:<6} {(said == old[: len(asked)]).mean():.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# Whatever lies above the bound is gender that was not unlearnt, or, on BD, the age: no measurement on BD can tell them apart.
#
# ## Are the genders mixed?
#
# The report shows t-SNE pictures: first of M1 and M2 on BD (its Figure 8), then of all three models on EBD (Figure 9). On
# which set is decisive. On BD age and gender are one, so features that know the age *must* separate the genders; a picture of BD
# cannot tell a network that reads gender from one that reads age. Here is EBD, where the two are independent.

# %% tags=["nbval-ignore-output"]
SHOWN = {"α = 0 (M1)": "M1", "α = 0.4 (M3)": "M3", "α = 1 (M2)": "M2"}


def squeeze(values):
    """t-SNE in the plane, (N, 2)."""
    return TSNE(perplexity=min(30, len(values) / 4), random_state=SEED, init="pca").fit_transform(values)


features = {title: embeddings(networks[name], test) for title, name in SHOWN.items()}
scores = {title: mixing_score(values, test.group, seed=SEED) for title, values in features.items()}
drawn = slice(0, 300 if profile == "demo" else None)
places = {title: squeeze(values[drawn].numpy()) for title, values in features.items()}

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three t-SNE pictures of the features of EBD for alpha 0, 0.4 and 1, men and women in two colours and markers, each with its mixing score and the shuffled control above. The genders lie apart for alpha 0 and overlap more as alpha grows."}} slideshow={"slide_type": "-"}
figures.mixed(places, test.group[drawn], GENDERS, scores, title="EBD: t-SNE of f(x) by gender (the report's Figure 9)")

# %% [markdown]
# *The picture: a point is a face of EBD.* The score above each is measured among the **128 features**, not in the picture: the share of
# a point's ten nearest neighbours that are of the other gender, where 1 is as mixed as chance has it. The shuffled control says what 1
# looks like for this many points.
#
# Mixed neighbours are still no proof, as [05_embeddings](05_embeddings.ipynb) shows with a planted secret. So ask fresh probes,
# beside the $h$ that took part in the training. For comparison also an **untrained** $f$: separation that is there before any
# training is not learnt bias.

# %% tags=["nbval-ignore-output"]
readable = {**features, "untrained f": embeddings(build_network(configs["M2"]).eval(), test)}
print(
    f"{'gender on EBD':<14}{'mixing':>8}{'shuffled':>10}{'linear':>9}{'mlp':>7}{'control':>9}{'chance':>8}{'nats at least':>15}{'its own h':>11}"
)
leaks = {}
for title, values in readable.items():
    score = scores[title] if title in scores else mixing_score(values, test.group, seed=SEED)
    linear, mlp = (probe_leakage(values, test.group, kind=kind, steps=probe_steps, seed=SEED) for kind in ("linear", "mlp"))
    leaks[title] = max(linear.accuracy, mlp.accuracy)
    witness = {"α = 0 (M1)": "α = 0"}.get(title, SHOWN.get(title))  # the baseline's h never learnt: its twin's did
    with torch.no_grad():
        own = (networks[witness].bias_head(values).argmax(1) == test.group).float().mean() if witness else None
    numbers = f"{score.score:>8.2f}{score.control:>10.2f}{linear.accuracy:>9.3f}{mlp.accuracy:>7.3f}"
    numbers += f"{max(linear.control_accuracy, mlp.control_accuracy):>9.3f}{linear.chance:>8.3f}{max(linear.information, mlp.information):>15.2f}"
    print(f"{title:<14}{numbers}" + (f"{own:>11.3f}" if own is not None else f"{'–':>11}"))

# %% tags=["nbval-ignore-output"]
start, end = (scores[title] for title in ("α = 0 (M1)", "α = 1 (M2)"))
print(
    f"From α = 0 to α = 1 the genders {'mix more' if end.score > start.score else 'do not mix more'} ({start.score:.2f} to {end.score:.2f})."
)
print(
    f"The better of two fresh probes names the gender of {leaks['α = 0 (M1)']:.0%} of the faces at α = 0 and of {leaks['α = 1 (M2)']:.0%} at α = 1: "
    + (
        "gender is still there to be read."
        if leaks["α = 1 (M2)"] > 0.5 + 2 * sqrt(0.25 / (len(test) / 2))
        else "not told from guessing."
    )
)

for title in ("α = 0 (M1)", "α = 1 (M2)"):
    excess, error = leaks[title] - leaks["untrained f"], sqrt(2 * 0.25 / (len(test) / 2))  # of a difference of two shares
    kept = "about as much as" if abs(excess) < error else "more than" if excess > 0 else "less than"
    print(f"{title}: {kept} what can be read from an f that was never trained ({leaks['untrained f']:.0%}).")

# %% [markdown]
# The last lines show that gender is in the pixels, and that random features pass some of it on. So $f$ must remove what
# is there; not learning it is not enough. (Differences of less than a standard error count as none.)
#
# A probe that reads more than $h$ does is the usual finding: $f$ was trained to confuse that one linear layer, and not a fresh
# reader. The report's evidence is weaker: on held-out faces of OD its own $h$ hardly beats one half.

# %% tags=["nbval-ignore-output"]
witness = next(row["value"] for row in paper["other_results"] if row["metric"] == "bias_head_accuracy")
counts = np.bincount(tables["OD"][1])
print(
    f"the report's h names {witness:.0%} of the genders; 'a man' for everybody is right for {counts.max() / counts.sum():.0%} of OD"
)

# %% [markdown]
# So that $h$ was worse than a constant answer. It had been confused, as $L_{\text{conf}}$ demands, so it does not show what can be
# read.
#
# Now the same for BD, the report's Figure 8, to see why the set matters.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two t-SNE pictures of the features of BD, for M1 and M2, men and women in two colours and markers, with mixing scores. For M1 the genders fill two separate regions; for M2 they lie closer together."}}
some = train.subset(slice(0, 400))
on_bd = {title: embeddings(networks[name], some) for title, name in SHOWN.items() if name != "M3"}
bd_scores = {title: mixing_score(values, some.group, seed=SEED) for title, values in on_bd.items()}
bd_places = {title: squeeze(values[drawn].numpy()) for title, values in on_bd.items()}
figures.mixed(bd_places, some.group[drawn], GENDERS, bd_scores, title="BD: t-SNE of f(x) by gender (the report's Figure 8)")

# %% [markdown]
# *The picture: training faces of BD.* M1 separates them here more sharply than on EBD, as it must, since the groups also differ in
# age. Mixing that M2 shows here suggests, and does not prove, that it knows less of the gender and so of the half of life.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Should one do this at all?
#
# Unlearning is often recommended against unfair predictions. Five points should be said about it.
#
# - **The labels are assigned by others.** "Gender" here is one of two words, assigned from outside by a file name, a web page or another
#   network's guess. It has no room for many people, and a network trained on it predicts how someone would be *labelled*. The age is a
#   guess as well: the report checked scraped ages with a commercial face service, and where that service errs more for some people than
#   for others, so do the labels.
# - **Hiding a column removes no injustice.** An $f$ that cannot name a gender can still be wrong more often for women. The gap
#   and the accuracy per group are what concerns people, and they must be measured apart.
# - **A probe's failure is no certificate.** It bounds what *this* reader finds on *these* faces.
# - **Consent.** No source of these sets says that the people in them agreed to be sorted by age and gender. This page shows no
#   photograph, and the project publishes no network trained on one.
# - **Consider the use.** Guessed ages and genders decide who sees an advertisement, enters a site or is stopped. Often the right
#   decision is not to build the classifier.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: how good can a perfect unlearner be? (pencil; medium)
#
# Let $F=f(X)$ be independent of gender on BD, which has a share $p$ of men. Show that no $g$ can name the right *half* of life
# (16 to 35 or 40 to 70) of more than $\max(p,1-p)$ of the faces of BD. What is that for the report's 1,017 men and 482 women? And
# what of EBD?
#
# <details><summary>Solution</summary>
#
# In BD the half of life is the gender. $g(F)$ is independent of $B$, so with $q=P(g(F)\text{ says "old"})$ the share of right
# answers is $pq+(1-p)(1-q)$, which lies between $1-p$ and $p$: at most $\max(p,1-p)=1017/1499\approx0.68$, reached by always
# saying "old". A network that does better on BD has not unlearnt. For EBD the argument says nothing: independence on BD is a
# statement about young women and old men. The features may differ between young and old *women*, of whom BD has no example, and it is
# an accident of generalisation whether they do.
#
# </details>
#
# ### Exercise 2: sets from your own table (code; hard)
#
# Invent a table of 20,000 faces with ages from 0 to 90 and genders by lot (a `FaceTable`; no picture is needed), draw the sets with
# `jlu_sets` and check the rules: sizes, ages of BD, balance of EBD in every bin, and that EBD shares no face with the others. Then
# leave only 300 women in the table. What gives way?
#
# <details><summary>Solution</summary>
#
# ```python
# from pathlib import Path
#
# from lnl_core.datasets import FaceTable
# from lnl_core.datasets.faces import jlu_age_bins
#
# def invented(women, size=20_000):
#     rng = np.random.default_rng(0)
#     names = np.array([f"{index:05}.jpg" for index in range(size)])
#     gender = np.zeros(size, dtype=np.int64)
#     gender[rng.choice(size, women, replace=False)] = 1
#     return FaceTable(names, rng.integers(0, 91, size), gender, "invented", Path("nowhere"))
#
# for women in (10_000, 300):
#     table = invented(women)
#     sets = jlu_sets(table)
#     for name, index in sets.items():
#         print(name, np.bincount(table.gender[index]))
#     men, ladies = (np.bincount(jlu_age_bins(table.age[sets["ebd"]][table.gender[sets["ebd"]] == g]), minlength=14) for g in (0, 1))
#     assert (men == ladies).all()
#     assert not any(set(sets["ebd"]) & set(sets[name]) for name in ("od", "bd", "bd_complement"))
# ```
#
# With few women every set shrinks: EBD takes at most half of the scarcer gender in each bin, so that something is left to train on, and
# OD and BD keep the report's *proportion* of men to women instead of its numbers.
#
# </details>
#
# ### Exercise 3: an h that learns little (predict, then run; medium)
#
# Let $h$ have **one** update in each of its turns, `Turns(longest=1)`, and train M2 again with `fit_jlu`. Will its bias loss at
# the end be higher or lower than before? Will the genders be better mixed, by the score and by the probe? Decide first.
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core import fit_jlu, read_history
#
# lazy = build_network(configs["M2"])
# history, short_updates = fit_jlu(lazy, train, configs["M2"], turns=Turns(longest=1), progress=False)
# values = embeddings(lazy.cpu(), test)
# print(f"bias loss at the end: {history[-1]['bias_loss']:.2f}, before {read_history(folders['M2'])[-1]['bias_loss']:.2f}")
# print(mixing_score(values, test.group), probe_leakage(values, test.group))
# ```
#
# Everybody's first guess is that a weak $h$ has a high loss and that this means success. The loss tells how far $f$ is ahead of
# *this* $h$, and against a slow reader it is easily ahead, by moving the gender to where $h$ does not look instead of dropping
# it. Compare the score and the probe with M2's in the table above: under demo the genders are mixed less and the probe reads more
# than with the patient $h$. A loss near $H(B)$ is what success and a lazy adversary have in common.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Joint learning and unlearning alternates: $h$ learns to read the bias until a stopping rule is content; then $f$ and $g$ descend
#   $L_c+\alpha L_{\text{conf}}$. The rule decides how strong the adversary is.
# - On BD the age determines the gender. Features that hide the gender there must give up $H(B)$ nats of the age; $\alpha$ trades one
#   for the other.
# - Accuracy on EBD mixes two effects: a bias that was forgotten, and age that was lost. The gap between genders shows the
#   bias of the answers; read it beside the years, for a network that says the same of everybody has none.
# - A t-SNE is only a picture. Use the mixing score with its shuffled control as the number, and a fresh probe as the test.
#
# Next: [Fairness](../book/fairness.md) applies the same methods to tables about people.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
