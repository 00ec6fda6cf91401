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
# # How biased is biased data?

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** In the training data of Colored MNIST the colour tells more than half of the digit at every variance of
# > the paper, and in the test data it tells nothing.
# >
# > **Read before.** [00 Quickstart](00_quickstart.ipynb).
# >
# > **Reading time.** 15 minutes.
#
# A digit is a shape. In Colored MNIST every training digit also has a colour that tells which digit it is, and at test time the colours
# are random. This page examines these data: how the colours are drawn, what the bias head $h$ is asked to predict,
# and how much the colour tells about the digit, in nats.
#
# **After this page you can**
#
# - paint a biased data set by the paper's protocol and say what the variance $\sigma^2$ does to it;
# - read a bias label map: fourteen by fourteen places, eight levels a channel, and places without a label;
# - compute $I(b(X);Y)$ of Eq. 1 exactly, and say why the same number estimated from a sample comes out too large;
# - name the best accuracy that colour alone can reach, and the digits it must mix up.
#
# **What you need**
#
# | | |
# |---|---|
# | background | the joint probability table of two variables; entropy and mutual information are defined here; [notation](../book/notation.md) |
# | theory | [Eq. 1 in the theory chapter](../book/theory.md) |
#
# **Run time** on two CPU cores: smoke, demo and full all take well under a minute; full loads all of MNIST if it is there.

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
from math import log, sqrt
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import truncnorm

from lnl_core import colored_mnist, figures, preset, resolve_profile
from lnl_core.datasets import COLOR_NAMES, IGNORE, MEAN_COLORS, color_table
from lnl_core.datasets.colored_mnist import sample_colors
from lnl_core.information import mutual_information, plug_in_mutual_information
from lnl_core.runs.provenance import describe_environment

# %matplotlib inline
figures.use_style()
profile = resolve_profile(PROFILE)
config = preset(profile, color_var=COLOR_VAR, seed=SEED)
rng = np.random.default_rng(SEED)
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Can one sort the digits by colour alone?
#
# Each class has a mean colour: zeros are crimson, ones are teal, and so on. A training digit is painted with a colour drawn
# around the mean of *its* class, a test digit with one drawn around the mean of a class picked at random. Nothing else differs.

# %% tags=["nbval-ignore-output"]
options = {"seed": SEED, "data_dir": DATA_DIR or None, "source": config.source}
train = colored_mnist("train", COLOR_VAR, **options).subset(slice(config.train_size))
test = colored_mnist("test", COLOR_VAR, **options).subset(slice(config.test_size))
print("train:", train)
print("test: ", test)

# %% [markdown]
# The paper's Figure 3a, first half. Even if one cannot see the shapes, the rows differ.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows of ten training digits; within a row all digits have shades of one colour."}} slideshow={"slide_type": "-"}
picture = figures.samples(train, title=f"Training digits, σ² = {COLOR_VAR}: the row decides the colour")
folder = Path(OUT_DIR).expanduser() / "01_biased_data"
folder.mkdir(parents=True, exist_ok=True)
picture.savefig(folder / "figure_3a_train.png", dpi=150)
picture

# %% [markdown]
# *The picture: ten rows of ten digits, each row in shades of one colour.* A network that looked only at colour would sort these
# rows well, and colour is easier to learn than shape.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows of ten test digits; every row mixes all ten colours."}} slideshow={"slide_type": "subslide"}
picture = figures.samples(test, title=f"Test digits, σ² = {COLOR_VAR}: the colour is picked blindly")
picture.savefig(folder / "figure_3a_test.png", dpi=150)
picture

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: the same ten rows, every row a mixture of all colours.* A network that learnt the colours is now wrong. The palette
# and the spread around each mean are the same; only the link between colour and class is gone.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How is a colour drawn?
#
# Channel by channel, from a normal distribution with variance $\sigma^2$ around the mean colour, drawn again until the value lies
# inside $(0,1)$. That makes each channel a *truncated* normal with density
#
# $$p(c \mid m) = \frac{\varphi\big((c-m)/\sigma\big)}{\sigma\,\big[\Phi\big((1-m)/\sigma\big)-\Phi\big(-m/\sigma\big)\big]},\qquad 0<c<1 .$$
#
# Do the drawn colours follow it? Histograms are draws, lines the formula.


# %%
def truncated(mean, color_var):
    """The distribution of one channel with mean colour `mean`."""
    sigma = sqrt(color_var)
    return truncnorm(-mean / sigma, (1 - mean) / sigma, loc=mean, scale=sigma)


draws = 500 if profile == "smoke" else 4000
group = np.repeat(np.arange(10), draws)
drawn = sample_colors(group, COLOR_VAR, rng)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Thirty small histograms, three channels for each of ten mean colours; each follows the black curve of its truncated normal, cut off at 0 or 1 where the mean is near the edge."}} slideshow={"slide_type": "-"}
grid = np.linspace(0.001, 0.999, 200)
panels, axes = plt.subplots(3, 10, figsize=(9.5, 3.6), sharex=True, sharey="row", layout="constrained")
for digit in range(10):
    for channel, name in enumerate(("red", "green", "blue")):
        panel, mean = axes[channel, digit], MEAN_COLORS[digit, channel]
        panel.hist(drawn[group == digit, channel], bins=25, range=(0, 1), density=True, color=MEAN_COLORS[digit], alpha=0.8)
        panel.plot(grid, truncated(mean, COLOR_VAR).pdf(grid), color="black", linewidth=1.2)
        panel.axvline(mean, color="0.4", linestyle=":", linewidth=1)
        panel.set_yticks([])
        panel.set_xticks([0, 1])
        if digit == 0:
            panel.set_ylabel(f"density\n{name}")
    axes[0, digit].set_title(f"{digit}: {COLOR_NAMES[digit]}".replace(" ", "\n", 1), fontsize=9)
    axes[2, digit].set_xlabel("value", fontsize=9)
panels.suptitle(f"Drawn colours (bars), truncated normal (line) and mean colour (dotted), σ² = {COLOR_VAR}")
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: thirty small histograms, each close to its black curve.* Bars and curves agree. Where a mean lies near 0 or 1 the
# distribution is cut in half, and the mean of what is left lies further inside: the "mean colour" is the peak, not the mean.

# %% tags=["nbval-ignore-output"]
true_mean = truncated(MEAN_COLORS, COLOR_VAR).mean()
true_var = truncated(MEAN_COLORS, COLOR_VAR).var()
furthest = np.unravel_index(np.abs(true_mean - MEAN_COLORS).argmax(), MEAN_COLORS.shape)
print(
    f"largest shift: {COLOR_NAMES[furthest[0]]}, {('red', 'green', 'blue')[furthest[1]]} channel: "
    f"peak {MEAN_COLORS[furthest]:.2f}, mean {true_mean[furthest]:.2f} (drawn: {drawn[group == furthest[0], furthest[1]].mean():.2f})"
)
print(f"variances inside (0,1) run from {true_var.min():.4f} to {true_var.max():.4f}; sigma squared is {COLOR_VAR}")

# %% [markdown]
# So $\sigma^2$ is the variance *before* cutting. An implementation that clamps to $[0,1]$ instead of drawing again puts extra
# probability on 0 and 1, which is another data set. Public data sets of the same kind do clamp: those
# that come with the debiasing methods LfF and REPAIR. [Deviations](../book/deviations.md) says what is done here.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is h asked to predict?
#
# The bias label $b(x)$ is made from the image itself: take every second pixel in each direction ($14\times14$ places), and cut each
# channel into eight levels of 32. A channel that is 0 at a place has no label there. This
# is written 255, and every bias loss skips it. The background is 0 in all three channels.
#
# The authors' code labels each place of the foreground with its own level (`bias_labels="pixel"`, `bias_places="foreground"`). Our
# library can also label every place, background too, with the level of the colour that the image was painted with
# (`bias_labels="image"`, `bias_places="everywhere"`).

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "A painted four and its level maps for red, green and blue, twice. Above, the authors' labels: levels on the stroke that fade towards its rim, no label around it. Below: one constant level a channel at every place."}} slideshow={"slide_type": "-"}
kinds = {
    kind: colored_mnist("train", COLOR_VAR, bias_labels=kind, bias_places=places, **options).subset(slice(config.train_size))
    for kind, places in (("pixel", "foreground"), ("image", "everywhere"))
}
chosen = int(np.flatnonzero(train.labels.numpy() == 4)[0])
palette = plt.get_cmap("cividis", 8).with_extremes(bad="0.85")
panels, axes = plt.subplots(2, 4, figsize=(8.6, 4.6), layout="constrained")
for row, (kind, data) in enumerate(kinds.items()):
    axes[row, 0].imshow(data.images[chosen].permute(1, 2, 0), interpolation="nearest")
    axes[row, 0].set(title="image x, 28×28", ylabel=f'bias_labels="{kind}"')
    for channel, name in enumerate(("red", "green", "blue")):
        levels = data.bias[chosen, channel].numpy()
        image = axes[row, channel + 1].imshow(np.ma.masked_equal(levels, IGNORE), cmap=palette, vmin=-0.5, vmax=7.5)
        axes[row, channel + 1].set_title(f"b(x), {name}, 14×14")
for panel in axes.flat:
    panel.set(xticks=[], yticks=[], xlabel="column")
    panel.grid(False)
panels.colorbar(image, ax=axes.ravel().tolist(), ticks=range(8), label="level (grey: no label)", shrink=0.8)
panels.suptitle("One digit and the labels that h must predict at each place")
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: a painted four, and its three level maps, twice: above, labels on the stroke that fade towards its rim, grey around it;
# below, one constant level a channel.* An image is grey value times colour. On the rim the grey value is small, so the authors'
# label is low there whatever the colour is. So this label also depends on the shape.

# %% tags=["nbval-ignore-output"]
labelled = kinds["pixel"].bias.numpy() != IGNORE
color_level = kinds["image"].bias.numpy()
same = (kinds["pixel"].bias.numpy() == color_level)[labelled].mean()
print(f"places with a label: {labelled.mean():.0%} in the authors' way, {(color_level != IGNORE).mean():.0%} in the other")
print(f"labelled places whose level is that of the colour: {same:.0%}; at the others the stroke is not fully bright")
print(f'this profile trains with bias_labels="{config.bias_labels}", bias_places="{config.bias_places}"')

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How much does the colour tell about the digit?
#
# Eq. 1 defines biased data by an amount of information:
#
# $$I\big(b(X^{\text{train}});Y\big) \;\gg\; I\big(b(X^{\text{test}});Y\big) \approx 0 .$$
#
# Since the drawing rule is known, the joint table $p(y,b)$ of digit and colour can be written down instead of estimated. Let $b$
# be the colour cut to eight levels a channel, $8^3=512$ colours. The **mutual information** is then a finite sum:
#
# $$I(b;Y)=\sum_{y,b}p(y,b)\,\log\frac{p(y,b)}{p(y)\,p(b)}=H(Y)-H(Y\mid b).$$
#
# $H(Y)=-\sum_y p(y)\log p(y)$ is the **entropy** of the digit: how uncertain it is before the colour is seen. $H(Y\mid b)$ is the
# entropy that is left, on average, once the colour is known. So $I$ is the uncertainty that the colour removes. It is 0 exactly if
# digit and colour are independent. Logarithms are natural, and the unit is the *nat*. The largest possible value is
# $H(Y)=\log 10$: then the colour tells all there is to know about the digit.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
joint = color_table(COLOR_VAR)  # (10, 512), sums to one
exact = mutual_information(joint)
print(f"I(b;Y) of training data at variance {COLOR_VAR}: {exact:.3f} nats of {log(10):.3f}, {exact / log(10):.0%} of the label")
cube = joint.reshape(10, 8, 8, 8)
for name, others in {"red": (2, 3), "green": (1, 3), "blue": (1, 2)}.items():
    print(f"  from the {name} channel alone: {mutual_information(cube.sum(axis=others)):.3f} nats")

# %% [markdown]
# No single channel is enough; together they tell far more than any of them. $h$ has one branch a channel: it is asked for the red, the
# green and the blue level, each by itself, and never for their combination. So hiding each of the three levels is less than hiding
# the colour: a feature can be independent of every single level and still tell something about the three together. [The theory
# chapter](../book/theory.md#from-one-bias-to-a-map-of-biases) has an example with two coins.
#
# Now change the variance. More variance means more overlap between the colours of different digits. Coarser levels are a
# function of the colour, and a function of the colour cannot tell more about the digit than the colour itself (*data processing*,
# proved in [the theory chapter](../book/theory.md)).

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Information of colour about the digit against the variance, one curve for each number of levels; high at zero, beginning to fall steeply in the paper's shaded range, near zero at large variance."}} slideshow={"slide_type": "subslide"}
points = 7 if profile == "smoke" else 21
variances = np.concatenate([[0.0], np.geomspace(0.002, 3, points - 1)])
level_counts = (2, 8) if profile == "smoke" else (2, 4, 8, 32)
curves = {f"{n} levels": [mutual_information(color_table(v, levels=n)) for v in variances] for n in level_counts}
panels, panel = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
for number, (name, values) in enumerate(curves.items()):
    panel.plot(variances, values, color=figures.PALETTE[number], marker=figures.MARKERS[number], markersize=4, label=name)
panel.axhline(log(10), color="0.35", linestyle="--", linewidth=1, label="log 10: the mean colour's name")
panel.axvspan(0.02, 0.05, color="0.9", label="the paper's range")
panel.set_xscale("symlog", linthresh=0.002)
panel.set(title="Eq. 1, left side: what the training colour tells about the digit", xlabel="variance σ²", ylabel="I(b; Y) in nats")
panel.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: curves, one for each number of levels, that start high at $\sigma^2=0$ and sink towards zero at large variance; the
# paper's range is a narrow grey band where they begin to fall steeply.* All of the paper's settings are heavily biased. The dashed
# line is the same question asked of the **group**, the index of the mean colour: in training the group *is* the class, so it tells
# everything at every $\sigma^2$. The rule that assigns mean colours to digits stays the same at every variance; only single colours
# become ambiguous.
#
# The coarsest curve first *rises*: with two levels, means that fall into the same cell can be told apart only when noise moves them
# across its border unequally often. Engineers call this dithering.

# %% tags=["nbval-ignore-output"]
print(" sigma^2   I(b;Y)   share of log 10")
for v in (0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05):
    value = mutual_information(color_table(v))
    print(f"  {v:<7} {value:7.3f}   {value / log(10):.0%}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What would a sample say?
#
# For real data there is no table, only pairs $(b_i,y_i)$. Counting them and putting the frequencies into the formula (the *plug-in*
# estimate) has a fault: $I$ is never negative, and random irregularities in the counts look like dependence. For independent
# variables with $k$ and $m$ values the plug-in comes out too large by about $(k-1)(m-1)/2N$ nats. The Miller–Madow correction
# takes that first-order term away, using the number of cells that were seen.
#
# The groups are the easy case: ten times ten cells.

# %% tags=["nbval-ignore-output"]
for name, data in {"train": train, "test": test}.items():
    y, g = data.labels.numpy(), data.group.numpy()
    raw, corrected = (plug_in_mutual_information(y, g, corrected=c) for c in (False, True))
    print(
        f"{name}: I(group;Y), plain {raw:.3f}, corrected {corrected:.3f} nats; expected chance excess {81 / (2 * len(data)):.3f} if independent"
    )

# %% [markdown]
# Training: everything. Test: chance. The quantised colour is the hard case: ten times 512 cells, and far too few images for so many.
# Draw colours for more and more digits and watch both estimates approach the truth.


# %%
def quantised(color, levels=8):
    """(N, 3) colours in (0, 1) to one whole number below levels**3 each, as color_table counts them."""
    red, green, blue = np.minimum((color * levels).astype(int), levels - 1).T
    return (red * levels + green) * levels + blue


def estimates(size, biased):
    """Plain and corrected plug-in of I(b;Y) from `size` digits with training (biased) or test colours."""
    y = rng.integers(0, 10, size)
    b = quantised(sample_colors(y if biased else rng.integers(0, 10, size), COLOR_VAR, rng))
    return [plug_in_mutual_information(y, b, corrected=c) for c in (False, True)]


# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels, training and test colours: estimates of the information against the number of digits. Both estimates start far too high and sink to the dashed exact value, the corrected one first."}} slideshow={"slide_type": "subslide"}
sizes = [100, 1000] if profile == "smoke" else [100, 300, 1000, 3000, 10_000, 60_000]
panels, axes = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
for panel, biased, truth in ((axes[0], True, exact), (axes[1], False, 0.0)):
    means = np.array([np.mean([estimates(size, biased) for _ in range(5)], axis=0) for size in sizes])
    for column, name in enumerate(("plain plug-in", "corrected")):
        panel.plot(sizes, means[:, column], color=figures.PALETTE[column], marker=figures.MARKERS[column], label=name)
    panel.axhline(truth, color="black", linestyle="--", linewidth=1, label="exact")
    panel.set_xscale("log")
    panel.set(title=("training" if biased else "test") + " colours", xlabel="number of digits N", ylabel="I(b; Y) in nats")
axes[0].legend()
panels.suptitle("Estimates of the same number from samples (mean of five draws)")
plt.show()
print(f"a test set of {sizes[0]} digits, plainly counted, seems to tell {means[0, 0]:.2f} nats; the truth is 0")

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: in the right panel both estimates start far above zero although colour and digit are independent, and sink to the dashed
# zero line only as $N$ grows; the corrected one arrives first.* A small unbiased sample looks biased. With more cells
# than data even the correction is not enough, since it counts only cells that were seen. This is why this book uses exact tables
# where it can and says "corrected plug-in" or "lower bound" where it cannot.

# %% [markdown]
# Eq. 1 in one line, for the quantised colour. In the test data every class has the same mixture of colours: all rows of the table
# equal their mean.

# %% tags=["nbval-ignore-output"]
test_joint = np.tile(joint.mean(axis=0), (10, 1))
print(f"I(b(X train);Y) = {exact:.3f}  >>  I(b(X test);Y) = {mutual_information(test_joint):.3f} nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How accurate is colour alone?
#
# A classifier that sees nothing but $b$ does best by naming the most probable digit, and is then right with probability
# $\sum_b \max_y p(y,b)$. No network that sees the colour in these levels and nothing else can beat this on training data
# (finer levels allow a little more); on test data it is at chance.


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
def bayes_accuracy(table):
    """Accuracy of the best guess of y from b: the sum over b of max_y p(y, b)."""
    return table.max(axis=0).sum()


best_guess = joint.argmax(axis=0)  # (512,) the digit that each quantised colour suggests
for name, data in {"train": train, "test": test}.items():
    share = (best_guess[quantised(data.color.numpy())] == data.labels.numpy()).mean()
    print(f"{name}: colour alone names {share:.1%} of the digits")
print(f"in theory: {bayes_accuracy(joint):.1%} on training data and {bayes_accuracy(test_joint):.1%} on test data")

# %% [markdown]
# So much can be gained from the colour alone. The remaining digits can be named only by their shapes, and a baseline network does
# learn some shape from them. This is why the published baseline rises as $\sigma^2$ grows, while the share that colour explains
# shrinks.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Best accuracy from colour alone against the variance, falling with the variance but for a small rise of the two coarsest at its left end, still above the dashed chance line at the right end."}} slideshow={"slide_type": "subslide"}
near = np.linspace(0, 0.2, points)
figures.lines(
    near,
    {f"{n} levels a channel": [bayes_accuracy(color_table(v, levels=n)) for v in near] for n in level_counts},
    title="The best accuracy from colour alone, on training data",
    xlabel="variance σ²",
    ylabel="accuracy",
    levels={"chance": 0.1},
)

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: accuracies that fall with the variance, still well above the dashed chance line at the right end.* The fine curves start
# at one: ten distinct colours name ten digits without error. Coarse levels join some of them, and there a little variance helps at first.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which digits does colour mix up?
#
# The paper observes that ones and threes share their mistakes, and that teal and bondi blue are close. How close, among all pairs?

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
distance = np.linalg.norm(MEAN_COLORS[:, None] - MEAN_COLORS[None], axis=-1)
pairs = sorted((distance[i, j], i, j) for i in range(10) for j in range(i))
for d, i, j in pairs[:4]:
    print(f"{COLOR_NAMES[j]} ({j}) and {COLOR_NAMES[i]} ({i}): {d:.3f} apart, {d / sqrt(COLOR_VAR):.1f} sigma")
print(f"the median pair is {np.median([d for d, *_ in pairs]) / sqrt(COLOR_VAR):.1f} sigma apart")

# %% [markdown]
# Distances between means ignore that the distributions are cut at the faces of the colour cube. The best guess from the table takes
# this into account. Its confusion matrix is what a network that sees only colours would show on **training** digits.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Confusion matrix of the best guess from colour: a bright diagonal, with fainter spots in pairs on both sides where two palettes overlap."}} slideshow={"slide_type": "subslide"}
guess_of = np.eye(10)[best_guess]  # (512, 10)
confusion = joint @ guess_of  # (10, 10): true digit, guessed digit
figures.confusion_matrices({"best guess from colour": confusion}, title=f"Training digits by colour alone, σ² = {COLOR_VAR}")

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: a bright diagonal, with fainter spots off it, in pairs on both sides, where two palettes overlap.* The pairs named
# next are those that a network blind to shape cannot keep apart. The shared vertical stripes of the paper's Figure 5
# ([06_confusion](06_confusion.ipynb)) come from here.

# %% tags=["nbval-ignore-output"]
mixed = confusion + confusion.T
np.fill_diagonal(mixed, 0)
order = sorted(((mixed[i, j], i, j) for i in range(10) for j in range(i)), reverse=True)
print(f"{1 - bayes_accuracy(joint):.1%} of the training digits are guessed wrongly from colour; the share that each pair takes:")
for share, i, j in order[:4]:
    print(f"  {j} ({COLOR_NAMES[j]}) and {i} ({COLOR_NAMES[i]}): {share / mixed.sum() * 2:.0%}")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: what the group tells (pencil; medium)
#
# Let $G$ be the index of the mean colour. Show that in training data $I(G;Y)=\log 10$ for every $\sigma^2$, that in test data it is 0,
# and that for the colour $b$ itself $I(b;Y)\le I(G;Y)$. What happens to $I(b;Y)$ as $\sigma^2\to\infty$?
#
# <details><summary>Solution</summary>
#
# In training $G=Y$, so $I(G;Y)=H(Y)-H(Y\mid G)=\log 10-0$. In the test $G$ is drawn without looking at $Y$, so the joint is a
# product and $I=0$. The colour is drawn from $G$ alone, $Y \to G \to b$ is a Markov chain, and data processing gives
# $I(b;Y)\le I(G;Y)$. As $\sigma^2\to\infty$ the density becomes flat: on $(0,1)$ the truncated normal tends to the uniform
# distribution whatever its mean is, so all classes get the same colours and $I(b;Y)\to 0$. The group still tells everything, but it
# can no longer be seen in the image.
#
# </details>
#
# ### Exercise 2: half the information (code; easy)
#
# At which $\sigma^2$ does the colour, at eight levels a channel, tell exactly half of the label, $\tfrac12\log 10$ nats?
#
# <details><summary>Solution</summary>
#
# At eight levels $I$ falls with $\sigma^2$, so bisection finds the place:
#
# ```python
# low, high = 0.001, 1.0
# while high - low > 1e-6:
#     middle = (low + high) / 2
#     if mutual_information(color_table(middle)) > log(10) / 2:
#         low = middle
#     else:
#         high = middle
# print(f"sigma^2 = {middle:.4f}, and the best guess is still right in {bayes_accuracy(color_table(middle)):.0%}")
# ```
#
# It lies above the paper's range: even its mildest setting tells more than half of the label.
#
# </details>
#
# ### Exercise 3: two levels (predict, then run; easy)
#
# Cut each channel into only two levels, dark and bright, and set $\sigma^2=0$. Into how many different colours do the ten means fall?
# Write down $I(b;Y)$ and the best accuracy before you run `color_table(0, levels=2)`.
#
# <details><summary>Solution</summary>
#
# ```python
# table = color_table(0, levels=2)
# for cell in np.flatnonzero(table.sum(axis=0)):
#     print(f"{cell:03b}: digits {np.flatnonzero(table[:, cell])}")
# print(f"{mutual_information(table):.3f} nats, accuracy {bayes_accuracy(table):.1f}")
# ```
#
# Five colours, shared by 2, 3, 3, 1 and 1 digits (teal's 128 lies just above one half). So
# $I=H(b)=-(0.2\log0.2+2\cdot0.3\log0.3+2\cdot0.1\log0.1)\approx1.50$ nats, and one digit a colour can be right: accuracy 0.5.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Training colours follow a truncated normal around the mean of the digit's class; test colours around a mean picked at random.
# - The bias label is a map: 14×14 places, eight levels a channel, 255 where there is nothing to predict.
# - Over the paper's whole range of $\sigma^2$ colour tells more than half of the label, and a guess from colour alone is right more often
#   than not; on test data it tells exactly nothing (Eq. 1).
# - Information estimated by counting is biased upwards. Know the table, correct the estimate, or say so.
#
# Next: [From mutual information to a game](../book/theory.md) turns "do not learn the colour" into a loss, step by step.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
