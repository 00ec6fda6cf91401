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
# # Reading the bias off a confusion matrix

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** A network that goes by the colour gives vertical stripes in its confusion matrices, and their strength is
# > an information in nats.
# >
# > **Read before.** [00 Quickstart](00_quickstart.ipynb), [01 Biased data](01_biased_data.ipynb).
# >
# > **Reading time.** 10 minutes.
#
# One accuracy does not show what a network looks at. Paint all test digits in the same colour, once for each of ten colours: then the
# confusion matrices show it. This is the paper's Figure 5. The page draws it for a plain network and for a debiased one, measures the
# effect in nats, and then repaints single digits and counts the answers that change.
#
# **After this page you can**
#
# - recognise a biased network by the vertical stripes in its confusion matrices, and say why they are vertical;
# - measure Eq. 2, $I\big(b(X);\,g(f(X))\big)$: how much the answers of a network tell of the colour;
# - predict from the palette alone which digits a biased network mistakes for which;
# - run the counterfactual test: same shape, other colour, does the prediction change?
#
# **What you need**
#
# | | |
# |---|---|
# | background | a confusion matrix; mutual information of a table ([01_biased_data](01_biased_data.ipynb)) |
# | earlier runs | [00_quickstart](00_quickstart.ipynb) trains the two networks that are used here; if it has not run, this page trains them |
# | theory | [Eq. 2 in the theory chapter](../book/theory.md) |
#
# **Run time** on two CPU cores: smoke under a minute; demo about half a minute once the two networks exist, and a few minutes more where
# they must be trained first; full needs a GPU for the training and minutes for the rest.

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
from math import log

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from lnl_core import accuracy, figures, load_model, preset, resolve_profile, run, run_folder
from lnl_core.datasets import COLOR_NAMES, MEAN_COLORS, colored_mnist
from lnl_core.evaluation import confusion, predict, prediction_information
from lnl_core.experiments.splits import load_data
from lnl_core.information import mutual_information
from lnl_core.runs.provenance import describe_environment
from lnl_core.runs.records import published_models

figures.use_style()
profile = resolve_profile(PROFILE)
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}")

# %% [markdown]
# ## Two trained networks
#
# `run` trains only what is not there yet; a finished run in the same `OUT_DIR` is read back at once.

# %% tags=["nbval-ignore-output"]
networks = {}
for method in ("baseline", "lnl"):
    config = preset(profile, method, color_var=COLOR_VAR, seed=SEED)
    folder = run_folder(OUT_DIR, config)
    run(config, folder, data_dir=DATA_DIR or None)
    networks[method] = load_model(folder)

test = load_data(config, "test", DATA_DIR or None)
for method, network in networks.items():
    print(f"{method:<9} accuracy on {len(test):,} test digits with random colours: {accuracy(network, test):.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What does a network say when everything is crimson?
#
# Take the test digits and paint all of them around *one* mean colour, with the same variance as in training. In training that colour
# meant one digit. Now it means nothing, because all shapes have it. Do this for each of the ten colours.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten panels, one a mean colour; each shows the same three digits painted in that colour."}}
few = min(len(test), 500) if profile == "demo" else len(test)  # digits that are painted in all ten colours
painted = [load_data(config, "test", DATA_DIR or None, mean_color=color).subset(slice(few)) for color in range(10)]

panels, axes = plt.subplots(2, 5, figsize=(8.6, 2.2), layout="constrained")
for color, panel in enumerate(axes.flat):
    digits = [painted[color].images[i].permute(1, 2, 0).numpy() for i in range(3)]
    panel.imshow(np.concatenate(digits, axis=1), interpolation="nearest")
    panel.set_title(f"{color}: {COLOR_NAMES[color]}", fontsize=9)
    panel.set(xticks=[], yticks=[])
    panel.grid(False)
panels.suptitle("The same three test digits, painted around each mean colour")
plt.show()

# %% [markdown]
# *The picture: ten panels in ten colours, in each the same three digits.* The painting is fresh for every panel, so shades differ a
# little from digit to digit, as they do in training.
#
# Now the confusion matrices. Rows are true digits, columns are answers, and each row shows shares of its true digit.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Twenty small confusion matrices, one for each mean colour and network: the baseline's ten, above, show bright vertical stripes, the ten of lnl below show a bright diagonal."}} slideshow={"slide_type": "subslide"}
matrices = {method: [confusion(network, data) for data in painted] for method, network in networks.items()}
figures.confusion_by_color(matrices)

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: the paper's Figure 5, baseline above, lnl below; the frame of each matrix has the colour of its digits.* A network that
# reads shapes has a diagonal, whatever the paint. A **vertical stripe** is a column that is bright in many rows: one answer, given to
# digits of many shapes, because of their colour.
#
# How strong are the stripes? For each colour, take the answer that is given most often.

# %% tags=["nbval-ignore-output"]
# said[method][color, answer]: share of the digits painted in `color` that get `answer`
said = {method: np.array([m.sum(axis=0) / m.sum() for m in by_color]) for method, by_color in matrices.items()}
print("painted              most frequent answer and its share      accuracy")
print("                         baseline          lnl            baseline   lnl")
for color in range(10):
    favourite = "".join(f"{said[m][color].argmax():>9} {said[m][color].max():>6.0%}  " for m in networks)
    right = "".join(f"{m.trace() / m.sum():>9.3f}" for m in (matrices[name][color] for name in networks))
    print(f"{color}: {COLOR_NAMES[color]:<14}{favourite}   {right}")
own = {m: sum(said[m][color].argmax() == color for color in range(10)) for m in networks}
for method in networks:
    print(f"{method}: for {own[method]} of the ten colours the most frequent answer is the digit that wore the colour in training")

# %% [markdown] slideshow={"slide_type": "slide"}
# Each digit is about a tenth of the test set, so a network that ignores colour gives its favourite answer about a tenth of the time,
# and which answer that is hardly matters. A favourite with a much larger share is a stripe. Look at the column of lnl as critically
# as at that of the baseline: is a stripe left, and for which colour?
#
# ## From stripes to nats
#
# Eq. 2 of the paper says what a biased *network* is, as Eq. 1 said what biased data are:
#
# $$I\big(b(X);\,g(f(X))\big)\gg 0 .$$
#
# The ten matrices hold all that is needed. Let $C$ be the painted colour, uniform over ten, and $\hat Y=g(f(X))$ the answer. The sums
# over the rows of the matrices are the joint table $p(c,\hat y)$.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two heat maps of painted colour against predicted digit: in the baseline's some answers dominate the row of their colour, in that of lnl nearly all cells are equally bright."}} slideshow={"slide_type": "-"}
panels, axes = plt.subplots(1, 2, figsize=(8.6, 4.0), layout="constrained", sharey=True)
top = max(table.max() for table in said.values())
for panel, (method, table) in zip(axes, said.items(), strict=True):
    image = panel.imshow(table, vmin=0, vmax=top, cmap="cividis")
    panel.set(title=method, xlabel="predicted digit", xticks=range(10))
    panel.grid(False)
axes[0].set_ylabel("painted colour")
axes[0].set_yticks(range(10), [f"{name} ({color})" for color, name in enumerate(COLOR_NAMES)])
for tick, color in zip(axes[0].get_yticklabels(), MEAN_COLORS, strict=True):
    tick.set_bbox({"facecolor": "none", "edgecolor": color, "linewidth": 2, "pad": 1.5})
panels.colorbar(image, ax=axes.tolist(), label="share of all digits in that colour", shrink=0.85)
panels.suptitle("What is answered to which colour, whatever the digit")
plt.show()

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "subslide"}
information = {method: mutual_information(table / 10) for method, table in said.items()}
for method, network in networks.items():
    sample = prediction_information(network, test)
    print(
        f"{method:<9} I(colour; answer) = {information[method]:.3f} nats of at most {log(10):.3f} "
        f"(estimated from the {len(test):,} randomly coloured test digits: {sample:.3f})"
    )
if information["lnl"] > 0:
    print(
        f"the answers of the baseline carry {information['baseline'] / information['lnl']:.1f} times as much colour as those of lnl"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: the same stripes in one table, row by row.* If the colour had no effect, all rows would be equal and $I$ would be 0. The first
# number needs no correction for chance dependence between digit and colour, for every digit was shown in every colour; the second
# is the plug-in of [01_biased_data](01_biased_data.ipynb), which is what the run records keep.
#
# ## What exactly does the number measure?
#
# The colour can act in two ways. Either it leads *all* shapes to one answer, or it changes only the answers to similar
# shapes. $I(C;\hat Y)$ sees the first kind. To see the second, hold the digit fixed: because colour and digit are independent here,
#
# $$I(C;\hat Y\mid Y)=I(C;\hat Y,Y)-I(C;Y)=I(C;\hat Y,Y)\;\ge\; I(C;\hat Y).$$

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
for method, by_color in matrices.items():
    joint = np.array(by_color, dtype=float)  # (colour, digit, answer)
    joint /= joint.sum()
    given_digit = mutual_information(joint.reshape(10, 100))
    print(f"{method:<9} I(colour; answer) = {information[method]:.3f}, I(colour; answer | digit) = {given_digit:.3f} nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# The second number is never smaller. Where it is much larger than the first, colour still changes answers, but towards different digits
# for different shapes, so that the changes cancel in the total. (It is also an estimate from few images a cell, and such estimates err
# upwards; exercise 2 measures by how much.)
#
# ## Which digits are mistaken for which?
#
# Two colours that look alike should have a similar effect. So the palette alone makes a prediction: the closer
# two mean colours, the more similar their columns of answers. Teal (1) and bondi blue (3) are the paper's example.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Scatter plot of the 45 pairs of colours: how differently the baseline answers to the two colours against the distance of their means; the pair teal and bondi blue lies at the lower left."}} slideshow={"slide_type": "-"}
pairs = [(i, j) for i in range(10) for j in range(i + 1, 10)]
apart = np.array([np.linalg.norm(MEAN_COLORS[i] - MEAN_COLORS[j]) for i, j in pairs])
differ = {m: np.array([np.abs(said[m][i] - said[m][j]).sum() / 2 for i, j in pairs]) for m in networks}

panels, panel = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
for method, values in differ.items():
    color, marker = figures.METHOD_STYLE[method]
    panel.scatter(apart, values, s=22, color=color, marker=marker, label=method)
for pair in np.argsort(apart)[:4]:
    i, j = pairs[pair]
    panel.annotate(f"{i}, {j}", (apart[pair], differ["baseline"][pair]), textcoords="offset points", xytext=(5, 4), fontsize=9)
panel.set(
    title="Colours that lie close are answered alike",
    xlabel="distance of the two mean colours in RGB, channels in [0, 1]",
    ylabel="total variation between the answers",
    ylim=(0, None),
)
panel.legend()
plt.show()

# %% tags=["nbval-ignore-output"]
i, j = pairs[int(apart.argmin())]
rank = int((differ["baseline"] < differ["baseline"][apart.argmin()]).sum()) + 1
print(f"closest mean colours: {COLOR_NAMES[i]} ({i}) and {COLOR_NAMES[j]} ({j}); the baseline's answers to them differ by")
print(f"{differ['baseline'][apart.argmin()]:.2f} in total variation, number {rank} from below of {len(pairs)} pairs")
print(f"correlation of distance and difference over all pairs, baseline: {np.corrcoef(apart, differ['baseline'])[0, 1]:.2f}")
for color, other in ((i, j), (j, i)):
    table = said["baseline"][color]
    print(f"painted {COLOR_NAMES[color]}: answer {color} {table[color]:.0%}, answer {other} {table[other]:.0%}, chance 10%")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: one dot a pair of colours and network; the labelled dots are the four closest pairs.* The total variation is the least share of answers that
# must change when one colour is swapped for the other; as many more may change and cancel out. For the baseline it grows with the distance of the paints;
# that is the paper's remark about ones and threes, for all pairs at once. For lnl most dots lie much lower.
#
# ## Does repainting a digit change the answer?
#
# So far we compared groups of digits. The strictest test repaints *one* digit and keeps all else fixed. With variance zero every
# image gets its mean colour exactly, so the ten versions of a digit differ in colour (hue, saturation and brightness) and in nothing else.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten digits, one a row, each in ten colours; under every image the baseline's answer and the answer of lnl, wrong ones marked with a cross."}} slideshow={"slide_type": "-"}
repainted = [
    colored_mnist("test", 0.0, seed=SEED, data_dir=DATA_DIR or None, source=config.source, mean_color=color).subset(
        slice(few)
    )
    for color in range(10)
]
answers = {method: np.array([predict(network, data) for data in repainted]) for method, network in networks.items()}  # (colour, N)
labels = test.labels[:few].numpy()

shown = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
panels, axes = plt.subplots(10, 10, figsize=(10, 12.4), layout="constrained")
for row, index in enumerate(shown):
    for color in range(10):
        panel = axes[row, color]
        panel.imshow(repainted[color].images[index].permute(1, 2, 0), interpolation="nearest")
        panel.set(xticks=[], yticks=[])
        panel.grid(False)
        text = [f"{answers[m][color, index]}{'' if answers[m][color, index] == labels[index] else '×'}" for m in networks]
        panel.set_xlabel(" | ".join(text), fontsize=10)
    axes[row, 0].set_ylabel(f"a {labels[index]}", rotation=0, labelpad=12)
for color in range(10):
    axes[0, color].set_title(COLOR_NAMES[color], fontsize=8)
panels.suptitle("One digit a row, in ten colours. Below: baseline | lnl, × marks a wrong answer")
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: read along a row the left numbers, then the right ones.* The shape does not change along a row. So every change of the
# answer is caused by the colour. This is an intervention and not a correlation.


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "subslide"}
def flips(table):
    """Share of digits whose answer changes over the rows (colours) of a table of answers, and share that is right in every row."""
    return (table != table[0]).any(axis=0).mean(), (table == labels).all(axis=0).mean()


for method, table in answers.items():
    hardest = (table == labels).mean(axis=1).argmin()
    changed, always = flips(table)
    print(
        f"{method:<9} {changed:.0%} of the digits change their answer with the colour, {always:.0%} are right in all ten colours;"
    )
    changed, always = flips(np.delete(table, hardest, axis=0))
    print(f"{'':<9} without {COLOR_NAMES[hardest]}, its hardest colour: {changed:.0%} and {always:.0%}")

# %% [markdown] slideshow={"slide_type": "-"}
# To be right in all ten colours is harder than to be right in one, and it is the right demand if colour must not matter at all. A
# mean accuracy hides how many digits are read well in most colours and badly in one.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "For each network a bar chart of how many digits get one, two, three or more different answers over the ten colours."}}
panels, panel = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
for number, (method, table) in enumerate(answers.items()):
    different = np.array([len(np.unique(column)) for column in table.T])
    shares = np.bincount(different, minlength=11)[1:] / len(different)
    places = np.arange(1, 11) + (number - 0.5) * 0.38
    color = figures.METHOD_STYLE[method][0]
    panel.bar(places, shares, width=0.38, color=color, hatch=("", "//")[number], edgecolor="white", label=method)
panel.set(
    title="How many different answers does a digit get in ten colours?",
    xlabel="different answers",
    ylabel="share of the digits",
    xticks=range(1, 11),
)
panel.set_axisbelow(True)
panel.legend()
plt.show()

# %% [markdown]
# *The picture: two bars for each number of answers.* A network that ignores the colour has all its weight at 1.
#
# One caution. A confusion matrix without stripes says that $g$ does not *use* the colour. It does not say that $f$ has *forgotten* it:
# $I(C;\hat Y)\le I\big(C;f(X)\big)$, and the left side can be zero while the right side is not. Fresh probes answer that question, in
# [05_embeddings](05_embeddings.ipynb).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## At full size
#
# The networks above learnt from a few thousand digits. The ones below learnt from all 60,000; they are small enough to be kept with the
# project (`results/models`), and their matrices, over the 10,000 test digits in each colour, were counted when they were published.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Rows of ten small confusion matrices of networks trained on the full data, one row a method, one column a mean colour: vertical stripes for the baseline, a diagonal for the debiased networks."}} slideshow={"slide_type": "-"}
full_size = [model for model in published_models() if model["color_var"] == COLOR_VAR]
if full_size:
    panels = figures.confusion_by_color(
        {model["method"]: model["confusion_by_color"] for model in full_size},
        title=f"Figure 5 at full size: 10,000 test digits in each mean colour, trained at variance {COLOR_VAR}",
    )
    display(panels)
else:
    print(f"no model trained on the full data at variance {COLOR_VAR} is kept with the project")

# %% tags=["nbval-ignore-output"]
for model in full_size:
    counts = np.array(model["confusion_by_color"], dtype=float)  # (colour, digit, answer)
    answered = counts.sum(axis=1)  # (colour, answer)
    nats = mutual_information(answered / answered.sum())
    right = counts.trace(axis1=1, axis2=2) / counts.sum(axis=(1, 2))
    print(
        f"{model['method']:<14} ({model['profile']}) test accuracy {model['test_accuracy']:.4f}, worst colour {COLOR_NAMES[right.argmin()]} "
        f"{right.min():.3f}, I(colour; answer) {nats:.3f} nats"
    )

# %% [markdown]
# *The picture: one row a network, trained on the full data with one seed; its run is named in `results/models`.* The stripes of the
# baseline do not go away with more data, because more data of the same kind hold the same bias.
#
# ## Exercises
#
# ### Exercise 1: a network with only ten answers to give (pencil; medium)
#
# Suppose $g\circ f$ looks at nothing but the mean colour and names the digit that wore it in training. Draw its ten confusion matrices.
# What are its accuracy on the unbiased test set, $I(C;\hat Y)$ and $I(C;\hat Y\mid Y)$? Now let it confuse teal with bondi blue, always
# answering 1 to both: what becomes of $I(C;\hat Y)$?
#
# <details><summary>Solution</summary>
#
# Matrix number $c$ is one full column, column $c$, and zero elsewhere: a single stripe. Colour is independent of the digit, so the
# accuracy is $1/10$. The answer is a one-to-one function of the colour, so $I(C;\hat Y)=H(C)=\log 10\approx2.303$ nats. Given the digit
# nothing changes, $I(C;\hat Y\mid Y)=\log 10$ as well: here both strengths of stripe are the same.
#
# If two colours share an answer, $\hat Y$ is still a function of $C$, so $I(C;\hat Y)=H(\hat Y)$ with one answer of probability $0.2$
# and eight of $0.1$: $-0.2\log 0.2-8\cdot0.1\log0.1\approx2.164$ nats. The lost $0.2\log 2\approx0.139$ nats is what it takes to tell
# teal from bondi blue.
#
# </details>
#
# ### Exercise 2: how much of it is chance? (code; medium)
#
# Estimates of information from counts are too large. Break the tie between colour and answer by shuffling, for every digit, the
# answers over the colours, and compute $I(C;\hat Y\mid Y)$ again. How much do the answers of lnl really tell of the colour?
#
# <details><summary>Solution</summary>
#
# ```python
# rng = np.random.default_rng(SEED)
# for method, network in networks.items():
#     told = np.array([predict(network, data) for data in painted])  # (colour, N)
#     for name, table in {"as it is": told, "shuffled": rng.permuted(told, axis=0)}.items():
#         joint = np.zeros((10, 10, 10))
#         for color in range(10):
#             np.add.at(joint[color], (labels, table[color]), 1)
#         print(f"{method:<9} {name}: {mutual_information(joint.reshape(10, 100) / joint.sum()):.3f} nats")
# ```
#
# `rng.permuted(..., axis=0)` hands the ten answers of each image to the ten colours in random order: same image, same answers, no tie to
# the colour. What is left is the estimator's excess. Subtract it before you compare networks.
#
# </details>
#
# ### Exercise 3: white digits (predict, then run; easy)
#
# No training digit was white. Paint the test digits white and predict, before you run it: does the baseline do better or worse
# than on the ten colours, and which answer will it favour? The palette has a pale pink, a pale lemon and a cyan.
#
# <details><summary>Solution</summary>
#
# ```python
# import torch
# from lnl_core.datasets import BiasedImages
#
# pink = repainted[7]  # every pixel is grey value times (250, 197, 187) / 255; undo the red
# grey = (pink.images[:, :1].float() * 255 / 250).round().clamp(max=255).to(torch.uint8)
# white = BiasedImages(grey.expand(-1, 3, -1, -1).contiguous(), pink.labels, pink.bias, pink.group)
# for method, network in networks.items():
#     share = np.bincount(predict(network, white), minlength=10) / len(white)
#     in_colours = (answers[method] == labels).mean()
#     print(f"{method:<9} accuracy {accuracy(network, white):.3f} (in the ten colours {in_colours:.3f}), favourite {share.argmax()}, {share.max():.0%}")
# ```
#
# The nearest mean colour to white is your pink, the colour of sevens, so 7 is the natural guess for the baseline's favourite. Whether it
# leads, or the 8 of lime beside it, differs between runs, and in ours neither had a third of the answers, while the accuracy was *better*
# than in the colours of training. White was no class's colour, so it suggests no class strongly, and the shape decides more often. The palette predicts
# mix-ups between colours that were seen; for a colour that was not, distance is a poor guide.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Digits of all shapes in one colour: a biased network answers in vertical stripes, a debiased one along the diagonal (Figure 5).
# - $I\big(b(X);g(f(X))\big)$ of Eq. 2 turns the stripes into nats; given the digit, the number can only grow.
# - Colours that lie close, like teal and bondi blue, are answered alike: the palette predicts the mistakes.
# - Repainting a single digit is an intervention. Count the digits whose answer changes, and those that are right in every colour.
# - Not used is not forgotten: a network that ignores the colour may still carry it.
#
# Next: [07_results](07_results.ipynb) sets our runs beside the published numbers.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
