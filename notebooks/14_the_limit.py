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
# # The limit: how well can a network do that has forgotten the colour?

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** An accuracy above the limit, on digits painted as in training, proves without any probe that the features
# > still tell the colour.
# >
# > **Read before.** [The limit](../book/the_limit.md), [01 Biased data](01_biased_data.ipynb).
# >
# > **Reading time.** 10 minutes.
#
# Three lines of algebra bound what is left of the label in features that have forgotten the bias. This page computes the numbers: how
# much the colour leaves open about the digit, which accuracy follows from that, and how trained networks compare. It uses an accuracy
# to prove that the colour is still there, without any probe, and shows on which digits the limit holds.
#
# **After this page you can**
#
# - compute $H(Y\mid B)$ of Colored MNIST at any variance, and say which digits the last nats before $\sigma^2=0$ come from;
# - turn nats into the best possible accuracy with Fano's inequality, and an accuracy back into nats of colour that must be there;
# - say on which distribution the limit holds, and how little of it holds on the other;
# - say what happens to a network that is forced below it.
#
# **What you need**
#
# | | |
# |---|---|
# | background | entropy and mutual information of a table ([01_biased_data](01_biased_data.ipynb)) |
# | theory | [the limit](../book/the_limit.md): the proof, its examples, and why being colour-blind *and* independent means being empty |
#
# **Run time** on two CPU cores: smoke under a minute; demo about a minute and a half; short and full train on all of MNIST and want a
# GPU.

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

import numpy as np
from IPython.display import display

from lnl_core import accuracy, figures, load_model, preset, resolve_profile, run, run_folder
from lnl_core.datasets import COLOR_NAMES, MEAN_COLORS
from lnl_core.datasets.colored_mnist import sample_colors
from lnl_core.experiments.splits import load_data
from lnl_core.information import entropy, mutual_information
from lnl_core.information.limit import fano_accuracy, label_entropy, label_posterior, proved_leak
from lnl_core.runs.provenance import describe_environment
from lnl_core.runs.records import results_folder

figures.use_style()
profile = resolve_profile(PROFILE)
points = 2**8 if profile == "smoke" else 2**12
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What does the colour leave open?
#
# In training, digit $y$ has a colour that is normal around its mean colour, cut to $(0,1)$. So for every colour $b$ the odds of
# the ten digits are known exactly, and `label_posterior` gives them. Draw a few colours and ask.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
rng = np.random.default_rng(SEED)
digits = np.array([1, 3, 6, 8])
drawn = sample_colors(digits, COLOR_VAR, rng)
for digit, color, odds in zip(digits, drawn, label_posterior(drawn, COLOR_VAR), strict=True):
    first, second = np.argsort(odds)[::-1][:2]
    red, green, blue = (color * 255).astype(int)
    print(
        f"a {digit} in ({red:3d}, {green:3d}, {blue:3d}): the colour says {first} ({COLOR_NAMES[first]}) with {odds[first]:.2f}, "
        f"{second} ({COLOR_NAMES[second]}) with {odds[second]:.2f}; left open {entropy(odds):.2f} nats"
    )

# %% [markdown] slideshow={"slide_type": "subslide"}
# Average what is left open over all digits and colours and you have $H(Y\mid B)$, an integral over the cube of colours. `label_entropy`
# computes it with quasi-random points, and repeats it to know its own error.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels against the variance of the colours. On the left the entropy of the digit given its colour grows from 0. On the right the largest accuracy that goes with it grows from one tenth."}} slideshow={"slide_type": "-"}
variances = [0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05]
rows = []
for variance in variances:
    left, error = label_entropy(variance, points=points)
    rows.append({"color_var": variance, "entropy": left, "accuracy": fano_accuracy(left)})
    print(f"variance {variance:<6g} H(Y|B) = {left:.4f} nats (error {error:.0e}), so I(Y;B) = {log(10) - left:.4f}")

display(figures.limit(rows))

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: on the left what the colour leaves open, on the right the accuracy that goes with it.* The curve on the left meets 0
# with a slope that flattens out: long before the variance is 0, the ten clouds of colour no longer overlap. Which ones overlap last?

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "A ten by ten table of mean colours; the darkest cells join pairs of close colours such as teal and bondi blue."}} slideshow={"slide_type": "subslide"}
clouds = sample_colors(np.repeat(np.arange(10), 2000), 0.01, rng)
mixed = label_posterior(clouds, 0.01).reshape(10, 2000, 10).mean(axis=1)

panel = figures.place_maps(
    {"": np.where(np.eye(10), 0, mixed)},
    title="How often the colour of the row's digit looks like the column's, variance 0.01",
    label="mean posterior",
)
panel.axes[0].set(xlabel="digit that the colour suggests", ylabel="digit that wears the colour")
panel.axes[0].set_xticks(range(10), range(10))
panel.axes[0].set_yticks(range(10), range(10))
display(panel)
distance = np.linalg.norm(MEAN_COLORS[:, None] - MEAN_COLORS, axis=2) + 9 * np.eye(10)
one, other = np.unravel_index(distance.argmin(), distance.shape)
print(f"closest mean colours: {COLOR_NAMES[one]} ({one}) and {COLOR_NAMES[other]} ({other}), {distance.min():.2f} apart")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: each row is a digit, each cell how much its colours suggest another digit; the diagonal is left out.* What the bias
# leaves open comes from a few pairs of neighbours on the palette, not from all digits. Features that are free of the colour can
# separate only digits whose colours overlap.
#
# ## From nats to accuracy and back
#
# The chapter's line is $I(Z;Y)\le I(Z;B)+H(Y\mid B)$. Test it on thousands of random tables
# $p(y,b,z)$, from nearly deterministic to nearly uniform.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
worst = np.inf
for _ in range(2000):
    joint = rng.dirichlet(np.full(3 * 3 * 4, rng.choice([0.02, 0.2, 1.0]))).reshape(3, 3, 4)  # p(y, b, z)
    of_label, of_bias = mutual_information(joint.sum(axis=1)), mutual_information(joint.sum(axis=0))
    left = entropy(joint.sum(axis=2).ravel()) - entropy(joint.sum(axis=(0, 2)))
    worst = min(worst, of_bias + left - of_label)
print(f"smallest I(Z;B) + H(Y|B) - I(Z;Y) of 2,000 tables: {worst:.4f} nats; a negative number would have been news")

# %% [markdown]
# Fano's inequality translates: with $t$ nats about one of ten equally frequent digits, no guess is right more often than
# `fano_accuracy(t)`. Backwards, a guess that is right with probability $a$ proves that its features hold a certain number of nats
# of the digit; what the colour leaves open accounts for $H(Y\mid B)$ of them, and the rest must be nats *of the colour*.
# `proved_leak` says how many.
#
# An accuracy counted on a sample may lie above the true one by chance. Told the number of examples, `proved_leak` therefore takes the
# lower 95 % confidence limit of the accuracy in its place. Here the accuracies are supposed to be exact (`examples=None`).

# %% tags=["nbval-ignore-output"]
left = label_entropy(COLOR_VAR, points=points).value
print(f"variance {COLOR_VAR}: H(Y|B) = {left:.3f} nats, so features without the colour are right at most {fano_accuracy(left):.1%}")
for right in (0.5, 0.7, 0.9, 0.99, 1.0):
    print(f"right {right:>4.0%} of the time: at least {proved_leak(right, left, examples=None):.2f} nats of the colour are in the features")

# %% [markdown] slideshow={"slide_type": "slide"}
# This needed no probe and no adversary. But it holds only *on the distribution that has this* $H(Y\mid B)$.
#
# ## Trained networks beside the limit
#
# Train a plain network and an unlearning one at a strong and a complete bias, and let them name two kinds of test digits. **Painted**
# digits wear the colours of training, drawn anew: here the limit holds. **Unbiased** digits wear any of the ten colours. In the demo, the
# networks that no other page needs are trained on 2,000 digits and for half as many epochs.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
wanted = [COLOR_VAR] if profile == "smoke" else [COLOR_VAR, 0.0]
brief = {"epochs": 4, "train_size": 2000} if profile == "demo" else {}  # for the runs that no other page has, to save time


def configuration(method, color_var, **changes):
    config = preset(profile, method, color_var=color_var, seed=SEED)
    return config.with_options(**changes, **(brief if changes or color_var != COLOR_VAR else {}))


measured = []
for variance in wanted:
    left = label_entropy(variance, points=points).value
    for method in ("baseline", "lnl"):
        config = configuration(method, variance)
        folder = run_folder(OUT_DIR, config)
        record = run(config, folder, data_dir=DATA_DIR or None)
        digits_in_training_colors = load_data(config, "test", DATA_DIR or None, random_colors=False)
        painted = accuracy(load_model(folder), digits_in_training_colors)
        leak = proved_leak(painted, left, examples=len(digits_in_training_colors))
        unbiased = record.metrics["test_accuracy"]
        measured.append({"method": method, "color_var": variance, "painted_accuracy": painted, "test_accuracy": unbiased})
        print(
            f"variance {variance:<5g} {method:<9} painted {painted:.3f} (limit {fano_accuracy(left):.3f}), "
            f"proves {leak:.2f} nats; unbiased {unbiased:.3f}"
        )

# %% [markdown]
# Read the two columns against each other. On painted digits every network that has learnt anything is above the limit, so every one
# of them has features that tell the colour *of such digits*. This is not a fault: a network that knows the digit knows its colour. On
# unbiased digits the inequality says nothing, since there $H(Y\mid B)=\log 10$. But one in ten of them wears the colour of its own
# class, as in training, so a network that is right on at most a share $a$ of painted digits is right on at most $1-(1-a)/10$ of
# unbiased ones: `unbiased_accuracy`, the upper edge of the next picture. The two columns answer different questions.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All methods
#
# The same measurement was made on networks that learnt from all 60,000 digits, those of Figure 4.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels against the variance of the colours. On the left the accuracy of each method on digits in the colours of training, with the limit as a thick line and the area above it shaded. On the right the accuracy on unbiased digits, with a limit above nine tenths."}} slideshow={"slide_type": "-"}
stored = [json.loads(path.read_text()) for path in sorted((results_folder() / "limit" / "runs").glob("*.json"))]
stored = [found for found in stored if found["source"] == "mnist" and "network" not in found.get("changed", {})]
where = f"{len(stored)} networks trained on the full data" if stored else "the networks of this page"
display(figures.limit_methods(rows, stored or measured, title=f"Methods and the limit: {where}"))

# %% tags=["nbval-ignore-output"]
obedient = [found for found in stored if found["proved_leak"] == 0]
for found in obedient:
    print(
        f"{found['method']} at variance {found['color_var']}, seed {found['seed']}: painted {found['painted_accuracy']:.3f}, "
        f"unbiased {found['test_accuracy']:.3f}"
    )
print(f"{len(obedient)} of {len(stored)} stored networks are not above the limit, as far as 10,000 digits can tell at 95 %")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: a dot is a network, a line joins the means of a method; the shaded area is closed to features without the colour.* If
# a network is found at or below the limit, look at its accuracy on unbiased digits, too. By the chapter's last proposition, features
# that are both blind to the colour and independent of it in training must be empty: such a network is at chance on *both* kinds of
# digits. An adversary that succeeds completely makes features independent of the colour and need not make them blind to it. The
# chapter has an example of a network that is independent of the colour in training and right on 91 % of unbiased digits.
#
# ## What it costs to get below the limit
#
# The weight $\lambda$ and the reversal $\mu$ of the unlearning network are raised until it is below the limit.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Accuracy of two networks with growing unlearning weights on painted and on unbiased digits, with the limit as a dashed line and chance dotted."}} slideshow={"slide_type": "-"}
strengths = [1, 100]
left = label_entropy(COLOR_VAR, points=points).value
painted, unbiased = [], []
for strength in strengths:
    usual = preset(profile, "lnl")
    turned = {"mi_weight": strength * usual.mi_weight, "adv_weight": strength * usual.adv_weight} if strength > 1 else {}
    config = configuration("lnl", COLOR_VAR, **turned)
    folder = run_folder(OUT_DIR, config)
    record = run(config, folder, data_dir=DATA_DIR or None)
    digits_in_training_colors = load_data(config, "test", DATA_DIR or None, random_colors=False)
    painted.append(accuracy(load_model(folder), digits_in_training_colors))
    unbiased.append(record.metrics["test_accuracy"])

panel = figures.lines(
    strengths,
    {"painted as in training": painted, "unbiased": unbiased},
    title=f"lnl with its weights turned up, variance {COLOR_VAR}",
    xlabel="times the usual λ and μ",
    ylabel="accuracy",
    levels={"limit of I(Z;B) = 0": fano_accuracy(left), "chance": 0.1},
)
panel.axes[0].set_xscale("log")
panel.axes[0].set_ylim(0, 1)
display(panel)
for strength, on_painted, on_unbiased in zip(strengths, painted, unbiased, strict=True):
    leak = proved_leak(on_painted, left, examples=len(digits_in_training_colors))
    verdict = "proves a leak" if leak > 0 else "obeys, as far as this can tell"
    print(f"{strength:>4} times: painted {on_painted:.3f}, unbiased {on_unbiased:.3f}: {verdict}")

# %% [markdown]
# *The picture: accuracy on both kinds of digits as the weights grow.* One run a weight: what it shows of
# this network need not hold for another seed.
#
# ## Exercises
#
# ### Exercise 1: two digits (pencil; easy)
#
# Let there be two equally frequent digits and no variance. What are $H(Y\mid B)$, the limit, and the leak that an accuracy of $a$ proves?
# Evaluate it for $a=0.9$ in bits.
#
# <details><summary>Solution</summary>
#
# The colour tells everything: $H(Y\mid B)=0$, the limit is chance, $1/2$. With $K=2$ the term $e\log(K-1)$ vanishes, so the leak is
# $\log 2-h(a)$, the capacity of a binary symmetric channel. For $a=0.9$ that is $1-0.469=0.531$ bits.
#
# </details>
#
# ### Exercise 2: sharper than Fano (code; medium)
#
# Fano's inequality only uses how often the guess is right. The whole confusion matrix holds more: $I(Z;Y)\ge I(\hat Y;Y)$. Compute
# the leak that the confusion matrix of a trained network proves on painted digits, and compare it with `proved_leak`. Which one is
# larger, and what has to be corrected for?
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core.evaluation import predict
# from lnl_core.information import plug_in_mutual_information
#
# config = preset(profile, "lnl", color_var=COLOR_VAR, seed=SEED)
# network = load_model(run_folder(OUT_DIR, config))
# data = load_data(config, "test", DATA_DIR or None, random_colors=False)
# told = predict(network, data)
# left = label_entropy(COLOR_VAR).value
# by_table = plug_in_mutual_information(data.labels.numpy(), told) - left
# by_fano = proved_leak(float((told == data.labels.numpy()).mean()), left, examples=len(data))
# print(f"by the confusion matrix {by_table:.3f} nats, by Fano {by_fano:.3f}")
# ```
#
# The matrix proves more, because real mistakes are not spread evenly over the nine wrong digits, which is Fano's worst case. Counts
# of a finite sample overestimate information; `plug_in_mutual_information` takes the Miller-Madow correction off. What is left is an
# estimate and no bound at 95 %, which `proved_leak` is.
#
# </details>
#
# ### Exercise 3: a palette without neighbours (predict, then run; medium)
#
# Push the ten mean colours as far apart as the cube allows: its eight corners and two more points. Predict: does $H(Y\mid B)$ at the same
# variance rise or fall, and does a biased task become easier or harder for an unlearning method?
#
# <details><summary>Solution</summary>
#
# ```python
# from itertools import product
#
# corners = np.array([*product((0.05, 0.95), repeat=3), (0.5, 0.5, 0.5), (0.5, 0.95, 0.5)])
# for variance in (0.02, 0.05):
#     print(variance, label_entropy(variance).value, label_entropy(variance, means=corners).value)
# ```
#
# It falls: colours far apart are seldom mistaken for each other, so the colour leaves less open. The bias is stronger at the same
# variance, the limit lower, and there are fewer training digits whose colour misleads, which are those that teach shape.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - $I(Z;Y)\le I(Z;B)+H(Y\mid B)$: features without the bias know no more of the label than the bias leaves open.
# - $H(Y\mid B)$ of Colored MNIST is one integral; it falls to 0 with the variance, a few neighbouring colours last.
# - Fano's inequality makes it an accuracy, and makes an accuracy on painted digits a proof of so many nats of colour.
# - The limit holds on digits painted as in training, and on unbiased ones only through the tenth of them that is painted so.
# - A colour-blind network whose features are independent of the colour is at chance on both. The useful networks are above the limit.
#
# Next: [How sure are the wrong answers?](../book/confidence.md) asks six trained networks how much they hesitate.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
