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
# # Is the bias gone?

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** The adversary of `lnl` is close to chance; probes with the few digits of this page cannot say whether colour is left,
# > and probes with more images, stored with the project, read it.
# >
# > **Read before.** [Fooled is not forgotten](../book/is_it_gone.md).
# >
# > **Reading time.** 15 minutes.
#
# The adversary $h$ is at chance. Does $f$ hold nothing of the colour any more, or has it learnt what *this* $h$ cannot read?
# This page asks readers that took no part in the training: an $h$ of the same kind with fresh weights, and fresh probes of three
# kinds, with a control. The results are in accuracy, in nats, and in the length of a code. Then a formula removes what linear readers
# see, and the page measures who still reads the rest.
#
# **After this page you can**
#
# - read the answers of $h$, in accuracy and in nats, and say what follows from them;
# - train a fresh reader of frozen features, with a control and an interval, and read its cross-entropy as a bound on the information;
# - tell "hard to read" from "not there" by a code length;
# - erase what linear readers see (LEACE), and show who is not affected;
# - recognise the three inputs on which no such number may be reported.
#
# **What you need**
#
# | | |
# |---|---|
# | background | cross-entropy and conditional entropy ([02_derivation](02_derivation.ipynb)); who moves ([04_training](04_training.ipynb)) |
# | theory | [Fooled is not forgotten](../book/is_it_gone.md): the same questions for all methods; [measuring information](../book/measuring_information.md) |
#
# **Run time** on two CPU cores: smoke under a minute; demo about two minutes, with the embedded digits; short and full take more digits
# from `DATA_DIR` where MNIST is there.

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
import json
from math import log
from pathlib import Path

import torch
import torch.nn.functional as F

from lnl_core import accuracy, figures, load_data, load_model, resolve_profile
from lnl_core.errors import DataError
from lnl_core.evaluation import code_length, feature_maps, leakage
from lnl_core.evaluation.adversary import evaluate_adversary, retrain_adversary
from lnl_core.evaluation.erasure import linear_eraser
from lnl_core.experiments.splits import resolve
from lnl_core.runs.provenance import describe_environment
from lnl_core.runs.records import published_models, results_folder
from lnl_core.runs.run import model_config

figures.use_style()
profile = resolve_profile(PROFILE)
probing = {"epochs": 3, "steps": 10} if profile == "smoke" else {}  # how long a fresh probe is trained at least
images = {"smoke": 650, "demo": 900}.get(profile, 4000)  # digits to probe
seeds = {"smoke": 1, "demo": 3}.get(profile, 5)  # probes of each kind
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}: {images:,} digits, {seeds} probes of each kind")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three trained networks, and digits whose colour says nothing
#
# The project keeps small copies of models that were trained on the 60,000 digits of MNIST. Here are those whose variance is nearest to
# `COLOR_VAR`. They are tested on digits in **random colours**. With training colours a reader could
# read the digit instead of the colour and still be right.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
kept = published_models()
variance = min({model["color_var"] for model in kept}, key=lambda value: abs(value - COLOR_VAR))
paths = {model["method"]: model["path"] for model in kept if model["color_var"] == variance}
networks = {method: load_model(path) for method, path in paths.items()}
config = resolve(model_config(paths["lnl"]).with_options(source="auto", seed=SEED), DATA_DIR or None)

unbiased = load_data(config, "trainval", DATA_DIR or None, random_colors=True)
images = min(images, len(unbiased) // 2)
biased = load_data(config, "trainval", DATA_DIR or None).subset(slice(0, images))
probed, others = unbiased.subset(slice(0, images)), unbiased.subset(slice(images, 2 * images))
print(f"models at σ² = {variance}; digits: {unbiased.source}")
for method, network in networks.items():
    print(f"{method:<14} accuracy in random colours {accuracy(network, probed):.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# The digits are training digits that were painted again, since the leak of a network is measured and nothing is chosen by it. The
# networks may have seen their shapes; their colours here are new.
#
# ## What h says
#
# $h$ names, at every place that has a bias label, the level of each colour channel, one of eight. `evaluate_adversary` asks it.
# Two numbers to compare with: the share of the most frequent level, which a constant would name, and the entropy of the levels, which
# is what knowing their shares and nothing else costs.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("h of            asked on     accuracy   chance   cross-entropy   entropy   nats that h proves")
for method in ("lnl", "bias_balanced"):
    for name, data in {"training": biased, "unbiased": probed}.items():
        said = evaluate_adversary(networks[method], data)
        print(
            f"{method:<14}  {name:<9} {said.accuracy:>10.3f} {said.chance:>8.3f} {said.cross_entropy:>13.3f} {said.entropy:>11.3f} {said.information:>13.3f}"
        )

# %% [markdown] slideshow={"slide_type": "slide"}
# The $h$ of lnl is close to chance. Its lines do not show that anything of the colour is left. Now
#
# $$\mathbb E\big[-\log Q(b\mid f(x))\big]\;=\;H(B\mid F)+\mathbb E_F\big[D_{KL}(P\,\|\,Q)\big]\;\ge\;H(B\mid F) .$$
#
# A large cross-entropy comes from either term. The last column, $H(B)$ minus the cross-entropy, is a **lower** bound of the
# information. Near 0 it says: *this $h$ proves nothing.* That is a statement about $h$.
#
# ## The same h with fresh weights
#
# So take another $h$: the same layers, the same question at the same places, on the same frozen features, but with new weights.
# `retrain_adversary` trains it on half of the unbiased digits and tests it on the other half. The baseline's line shows that it can
# read at all, from features that were not trained to hide anything. This is an easy control. It does not show that a fresh $h$ has
# seen enough images to read a weak signal.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
half = 150 if profile == "smoke" else images // 2
train_half, held_out = probed.subset(slice(0, half)), probed.subset(slice(half, 2 * half))
print("                own h   fresh h   chance   nats of own h   nats of fresh h")
for method, network in networks.items():
    other = evaluate_adversary(retrain_adversary(network, train_half, epochs={"smoke": 2, "demo": 6}.get(profile, 10)), held_out)
    own = other if method == "baseline" else evaluate_adversary(network, held_out)  # nobody trained the h of a baseline
    own_words = ("  none", "           none") if method == "baseline" else (f"{own.accuracy:>6.3f}", f"{own.information:>15.3f}")
    print(f"{method:<14} {own_words[0]} {other.accuracy:>9.3f} {own.chance:>8.3f} {own_words[1]} {other.information:>17.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# A line can have three results.
#
# - The fresh $h$ is above chance and the old one is not: **the colour was not forgotten.** The old one was too slow, or it had learnt in
#   the training colours to name the colour by the digit; this line does not tell which.
# - Neither is above chance: **cannot say.** Either readers of *this kind* see nothing *at these places*, or the fresh one had too few
#   images and steps. In [the chapter](../book/is_it_gone.md) fresh ones are trained on 55,000 digits.
# - The old one is above chance itself: $f$ does not hide the colour from it.
#
# In the second case one needs readers of another kind. $h$ sees a window of five by five places, predicts one channel
# at a time, and in these models it has labels in the background only. The next readers see the whole picture.
#
# ## Fresh probes: which of the ten colours?
#
# Now a question about the image as a whole: which of the ten mean colours was it painted around? Three kinds of probe, a linear one,
# one with a hidden layer (mlp) and one with two convolutions (conv), each trained `seeds` times from new weights on a new split.
# Beside each, the **control**: the same probe trained and asked on shuffled labels, where there is nothing to read. The probes read
# means of $f(x)$ over $2\times2$ places, which can only hold less than $f(x)$ itself.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
features = {method: F.avg_pool2d(feature_maps(network, probed), 2) for method, network in networks.items()}
found = {}
print("network        probe    accuracy [95 % interval]   control   nats at least   found")
for method, maps in features.items():
    found[method] = {
        kind: leakage(maps, probed.group, kind=kind, seeds=seeds, **probing) for kind in ("linear", "mlp", "conv")
    }
    for kind, one in found[method].items():
        print(
            f"{method:<14} {kind:<7} {one.accuracy.mean:>7.3f} [{one.accuracy.low:.3f}, {one.accuracy.high:.3f}] {one.control.mean:>12.3f} "
            f"{one.information.low:>14.3f}        {'yes' if one.found else 'no'}"
        )

# %% [markdown]
# *How to read a line.* A **control** clearly above chance, one in ten, would mean that the measurement itself is wrong. **Nats at
# least** is the lower end of the 95 % interval of $H(B)$ minus the probe's held-out cross-entropy, out of $\log 10$. The mean over
# images is at most the V-information of this kind of probe, which is a lower bound of $I(B;F)$; it is known from a sample only, hence
# the lower end.
# "Found" says that the whole interval of the accuracy is above chance and control.

# %% tags=["nbval-ignore-output"]
for method, kinds in found.items():
    best = max(kinds.values(), key=lambda one: one.information.low)
    share = best.information.low / log(10)
    print(
        f"{method:<14} at least {best.information.low:.2f} of {log(10):.2f} nats of colour are left ({share:.0%}), says the {best.kind} probe"
    )

# %% [markdown]
# The numbers go beside your runs, with what they were measured on, for a later comparison of like with like.

# %%
summary = Path(OUT_DIR).expanduser() / f"leak-{variance:g}-{profile}.json"
summary.parent.mkdir(parents=True, exist_ok=True)
facts = {method: {kind: one.to_dict() for kind, one in kinds.items()} for method, kinds in found.items()}
with summary.open("w") as file:
    json.dump({"images": images, "source": unbiased.source, "seed": SEED, "probes": facts}, file, indent=2)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### More examples, more found
#
# A probe learns from examples, and the bound grows with them. So "at most so much is left" never follows; and two networks may only be
# compared with probes of the same kind and the same number of examples.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Nats that a probe with a hidden layer proves against the number of digits, one line a network. All lines rise to the right; the baseline's is the highest."}} slideshow={"slide_type": "-"}
counts = [images // 4, images // 2, images]
curves = {
    method: [
        leakage(maps[:count], probed.group[:count], kind="mlp", seeds=1, **probing).information.mean for count in counts
    ]
    for method, maps in features.items()
}
figures.lines(
    counts, curves, title="The bound of one mlp probe", xlabel="digits, half of them held out", ylabel="nats of colour at least"
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How many nats a code needs
#
# Send the colours of all digits to somebody who has the features. At first nothing is known and every label needs $\log 10$ nats.
# Then a probe is trained on what was sent so far, codes the next part, and so on. If colours are easy to read, few examples are
# enough, and the rest is short: the **compression**, the uniform length over the length of the code, is large. It is 1 where the
# features do not help.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("network          nats paid   uniform   shuffled labels   compression")
for method, maps in features.items():
    code = code_length(maps, probed.group, kind="mlp", seeds=max(1, seeds - 2), **probing)
    print(f"{method:<14} {code.nats.mean:>10.0f} {code.uniform:>9.0f} {code.control.mean:>14.0f} {code.compression.mean:>14.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Erasing by a formula
#
# Of all affine maps after which no linear probe beats a constant, LEACE is the one that changes the features least. It is fitted
# after the training, once, from features and colours. Here it acts on the mean feature of each quarter of the picture, and it is
# fitted to digits that are then *not* probed. Features that hardly vary are left out: corrected by the formula, they would hold a
# guess of the colour and little else ([why](../book/is_it_gone.md)). The linear probe reads its features as they are, scaled and not
# cut, since LEACE is made for linear readers.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("network        linear before   linear after   mlp after   chance")
for method, network in networks.items():
    fitted_to = F.avg_pool2d(feature_maps(network, others), 7).flatten(1)
    quarters = F.avg_pool2d(feature_maps(network, probed), 7).flatten(1)
    vary = fitted_to.std(0) >= 0.1 * fitted_to.std(0).max()
    fitted_to, quarters = fitted_to[:, vary], quarters[:, vary]
    erased = linear_eraser(fitted_to, others.group)(quarters)
    before, after, beyond = (
        leakage(values, probed.group, kind=kind, seeds=max(1, seeds - 1), **probing, cut=kind != "linear")
        for values, kind in ((quarters, "linear"), (erased, "linear"), (erased, "mlp"))
    )
    print(
        f"{method:<14} {before.accuracy.mean:>13.3f} {after.accuracy.mean:>14.3f} {beyond.accuracy.mean:>11.3f} {after.chance:>8.3f}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# On the digits that it was fitted to, LEACE leaves exactly nothing to a linear probe. On others a little comes back, since means and
# covariances were estimated. A hidden layer may read what no linear map can: LEACE erases for linear readers only.
#
# ## All methods, and the leak over training
#
# The same measurements of models of Figure 4, one seed each, whose answers are stored with the project, and small runs that were
# probed after every epoch. Which images, how many probes, and the tables are in [Fooled is not forgotten](../book/is_it_gone.md).

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "One panel a method: the accuracy for the level of a colour channel over the variance, of h itself, a fresh h and a fresh linear probe, with chance dashed."}} slideshow={"slide_type": "-"}
stored = [json.loads(path.read_text()) for path in sorted((results_folder() / "leakage").glob("colored_mnist-*.json"))]
stored.sort(key=lambda model: [*figures.METHOD_STYLE].index(model["method"]))
figures.what_h_says(stored)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels over the variance, one line a method: the nats of the colour that the strongest fresh probe proves, and the compression of the colour labels. Both fall with the variance, the baseline is on top of each."}} slideshow={"slide_type": "subslide"}
figures.what_is_left(stored)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Accuracy after every epoch for baseline, blind_eye and lnl. Above: what h sees and what a fresh linear probe sees of the levels, with chance dashed. Below: linear and mlp probes of the colour, with chance at 0.1."}} slideshow={"slide_type": "subslide"}
courses = {}
for path in sorted((results_folder() / "leakage").glob("training-*.json")):
    course = json.loads(path.read_text())
    courses.setdefault(course["name"], []).append(course["epochs"])
figures.over_training(courses)

# %% [markdown] slideshow={"slide_type": "slide"}
# *The pictures: in the first one, and above in the third, circles are $h$ (hollow the one that was trained, filled a fresh one)
# and squares a fresh linear probe that answers the same question.* Wherever a square lies above its circle, $h$ alone shows too
# little.
#
# ## When no number may be reported
#
# Three inputs on which a measure of the leak would be noise or nonsense. The library says so in a sentence instead.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
maps, group = features["lnl"].clone(), probed.group
broken = maps.clone()
broken[0, 0, 0, 0] = float("nan")
cases = {
    "a bias that never varies": (maps, torch.zeros_like(group)),
    "fewer digits than twice the classes": (maps[:15], group[:15].clone().index_fill_(0, torch.tensor([0]), 9)),
    "a network that diverged": (broken, group),
}
for name, (values, bias) in cases.items():
    try:
        leakage(values, bias, kind="linear", seeds=1)
    except DataError as error:
        print(f"{name}: {error}")

# %% [markdown]
# A constant bias has the entropy 0, so its information is 0 without any measurement, and "share of the entropy that was read" would
# divide by it.
#
# ## Exercises
#
# ### Exercise 1: chance for whom? (pencil; easy)
#
# An adversary names one of eight levels with accuracy 0.19. A friend says: "1/8 is 0.125, so it still reads something." Is the friend
# right?
#
# <details><summary>Solution</summary>
#
# Not from this alone. The levels are not equally frequent: the mean colours have channels near 0 and near 1. Whoever always names the
# most frequent level is right more often than 1/8, and that share is the number to compare with (`chance` above). The same for nats:
# the yardstick is the entropy of the levels and not $\log 8$.
#
# </details>
#
# ### Exercise 2: a probe of noise (code; easy)
#
# Replace the features by normal noise of the same shape. What do accuracy, control, nats and "found" say? And with all ten colours
# mapped to two groups, warm and cold?
#
# <details><summary>Solution</summary>
#
# ```python
# noise = torch.randn(len(probed), 32)
# warm = torch.isin(probed.group, torch.tensor([0, 2, 4, 7, 9])).long()
# for name, bias in {"ten colours": probed.group, "warm or cold": warm}.items():
#     one = leakage(noise, bias, kind="linear", seeds=seeds)
#     print(f"{name:<13} {one.accuracy.mean:.3f}, control {one.control.mean:.3f}, chance {one.chance:.3f}, {one.information.mean:.3f} nats, {one.found}")
# ```
#
# Accuracy and control are both near chance, the nats near 0 or a little below, and nothing is found. Below 0 is no mistake: a probe
# that learnt noise by heart is worse than no probe, and the bound may be negative.
#
# </details>
#
# ### Exercise 3: what g uses (predict, then run; medium)
#
# Erase the colour of `lnl`'s features with LEACE and let a *fresh linear probe* read the **digit** before and after. Will the digit
# suffer? Predict first: the colours here are random, so colour and digit are independent.
#
# <details><summary>Solution</summary>
#
# ```python
# for method, network in networks.items():
#     fitted_to = F.avg_pool2d(feature_maps(network, others), 7).flatten(1)
#     quarters = F.avg_pool2d(feature_maps(network, probed), 7).flatten(1)
#     erased = linear_eraser(fitted_to, others.group)(quarters)
#     before, after = (leakage(values, probed.labels, kind="linear", seeds=seeds).accuracy.mean for values in (quarters, erased))
#     print(f"{method:<14} digit before {before:.3f}, after {after:.3f}")
# ```
#
# Hardly: with independent colours the directions of the colour hold little of the digit, and LEACE changes nothing else. Fitted to
# digits in *training* colours it would be another matter, because there the two share their directions.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - $h$ at chance is a statement about $h$. Its cross-entropy bounds $H(B\mid F)$ from above. So $h$ can prove that the colour
#   is there, and never that it is gone.
# - A fresh reader on frozen, unbiased features, with control and interval, says what can be read; in nats it is a lower bound of the
#   information.
# - The bound depends on the kind of reader and on the number of examples. Compare like with like, and say which.
# - A code length also counts how soon the colour is read. LEACE removes what linear readers see, and no more.
#
# Next: [Where the colour hides](../book/where_the_colour_hides.md) finds one place in which $f$ keeps the colour.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
