# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 1: plant a bias, and measure it
#
# You build Colored MNIST by hand: draw the colours, deal them out, label them. Then you measure how much the colour tells about the digit, and how far
# one gets by colour alone.
#
# **Read first**: `notebooks/01_biased_data`, and Eqs. 1 and 2 in
# From mutual information to a game (`book/theory`).
#
# **100 points**: six tasks. Write NumPy; do not call the functions of `lnl_core.datasets` or `lnl_core.information` in your answers, they are what your
# answers are compared with. Below each task stands a cell with some of its tests. There are others that you do not see. Cells that you cannot edit are
# restored before grading.
#
# **Time**: about two hours; the notebook runs in a few seconds.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import numpy as np

from lnl_core.datasets import MEAN_COLORS, color_table
from lnl_core.datasets.digits import load_mini

COLOR_VAR = 0.02 + 0.005 * (CLASS_SEED % 5)  # the variance of each colour channel around its mean, colours in [0, 1]
grey, labels = load_mini()  # (5000, 28, 28) uint8 and (5000,) digits
chosen = np.random.default_rng(CLASS_SEED).permutation(len(labels))[:2000]
grey, labels = grey[chosen], labels[chosen]
print(f"{len(labels)} digits, variance {COLOR_VAR}; each digit has a mean colour, MEAN_COLORS of shape {MEAN_COLORS.shape}")

# %% [markdown] nbgrader={"grade_id": "prompt-colors", "locked": true}
# ## Task 1: draw colours (20 points)
#
# Write `draw_colors(group, color_var, seed)`. Image `i` gets a colour around `MEAN_COLORS[group[i]]`: each channel is normal around its mean with
# **variance** `color_var`, **drawn again** until it lies inside $(0, 1)$. Only the channels that fell outside are drawn again. The same seed gives the
# same colours.


# %% nbgrader={"grade_id": "colors", "solution": true}
def draw_colors(group, color_var, seed):
    """Colours (N, 3), floats inside (0, 1), for groups (N,) of whole numbers 0 to 9."""
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    means = MEAN_COLORS[group]
    colors = rng.normal(means, np.sqrt(color_var))
    outside = (colors <= 0) | (colors >= 1)
    while outside.any():
        colors[outside] = rng.normal(means[outside], np.sqrt(color_var))
        outside = (colors <= 0) | (colors >= 1)
    return colors
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-colors", "points": 20}
some_colors = draw_colors(np.array([3, 3, 7]), COLOR_VAR, 0)
assert np.shape(some_colors) == (3, 3), "One row an image, one column a channel."
assert np.min(some_colors) >= 0 and np.max(some_colors) <= 1, "Colours lie between 0 and 1."
assert np.array_equal(some_colors, draw_colors(np.array([3, 3, 7]), COLOR_VAR, 0)), "The same seed, the same colours."


### BEGIN HIDDEN TESTS
def _check_colors():
    import numpy
    from lnl_core.datasets import MEAN_COLORS as means
    from scipy.stats import truncnorm

    groups = numpy.repeat(numpy.arange(10), 3000)
    drawn = numpy.asarray(draw_colors(groups, COLOR_VAR, CLASS_SEED), dtype=float)
    lumps = ((drawn < 1e-6) | (drawn > 1 - 1e-6)).mean()
    clamped = "[clamped-not-redrawn] Many channels are exactly 0 or 1, or lie on the edge: draw again what falls outside, do not clip it."
    assert lumps < 0.001, clamped
    spread, deviation = drawn.reshape(10, 3000, 3).std(axis=1), numpy.sqrt(COLOR_VAR)

    def of(sigma):
        return truncnorm(-means / sigma, (1 - means) / sigma, loc=means, scale=sigma)

    squared = "[variance-for-deviation] The colours are far too close to their means: the scale of a normal distribution is the root of the variance."
    assert not numpy.allclose(spread, of(COLOR_VAR).std(), rtol=0.15), squared
    assert numpy.allclose(spread, of(deviation).std(), rtol=0.08), "The colours do not have the spread of a normal distribution cut to (0, 1)."
    middle = drawn.reshape(10, 3000, 3).mean(axis=1)
    assert numpy.allclose(middle, of(deviation).mean(), atol=0.02), "The colours are not drawn around the mean colour of their group."
    shared = numpy.mean([numpy.corrcoef(one.T)[numpy.triu_indices(3, 1)] for one in drawn.reshape(10, 3000, 3)], axis=0)
    assert numpy.abs(shared).max() < 0.1, "The channels of an image move together: each of the three is drawn for itself."
    other = draw_colors(groups[:30], COLOR_VAR, CLASS_SEED + 1)
    assert not numpy.allclose(drawn[:30], other), "Another seed has to give other colours."


_check_colors()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-groups", "locked": true}
# ## Task 2: deal them out (20 points)
#
# Write `deal_groups(labels, split, seed)`: the index of the mean colour of each image. In the split `"train"` it is the digit itself. In the split `"test"` it is
# any of the ten, each as likely as any other, **whatever the digit is**. That is the whole of Eq. 1.


# %% nbgrader={"grade_id": "groups", "solution": true}
def deal_groups(labels, split, seed):
    """Groups (N,) int64 for digits (N,); split is "train" or "test"."""
    ### BEGIN SOLUTION
    if split == "train":
        return labels.copy()
    return np.random.default_rng(seed).integers(0, 10, size=len(labels))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-groups", "points": 20}
assert np.array_equal(deal_groups(labels, "train", 0), labels), "A training digit wears the colour of its class."
assert deal_groups(labels, "test", 0).shape == labels.shape, "One group an image."


### BEGIN HIDDEN TESTS
def _check_groups():
    import numpy
    from lnl_core.information import plug_in_mutual_information

    draws = numpy.random.default_rng([CLASS_SEED, 2])
    digits = draws.choice(10, size=6000, p=numpy.arange(5, 15) / 95)
    dealt = numpy.asarray(deal_groups(digits, "test", CLASS_SEED)).astype(int)
    assert set(dealt.tolist()) == set(range(10)), "The test groups are not the whole numbers from 0 to 9."
    told = plug_in_mutual_information(digits, dealt)
    depends = "[test-colour-depends-on-digit] Your test colours still depend on the digit: deal any of the ten to each image, its own colour too."
    assert told < 0.005, depends
    counts = numpy.bincount(dealt, minlength=10)
    even = "The test groups are not equally frequent: each of the ten is as likely as any other, however frequent the digits are."
    assert counts.min() > 480 and counts.max() < 720, even
    assert not numpy.array_equal(dealt, deal_groups(digits, "test", CLASS_SEED + 1)), "Another seed has to deal other groups."
    assert numpy.array_equal(dealt, deal_groups(digits, "test", CLASS_SEED)), "The same seed has to deal the same groups."


_check_groups()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-levels", "locked": true}
# ## Task 3: label the bias (15 points)
#
# Write `bias_labels(images)`: what $h$ is asked to predict. Take every second pixel in each direction, beginning with the **second**, and cut each channel into
# eight levels of 32. Where a channel is 0, which is how the background looks, there is **no label**: write 255.


# %% nbgrader={"grade_id": "levels", "solution": true}
def bias_labels(images):
    """Images (N, 3, 28, 28) uint8 to labels (N, 3, 14, 14) of whole numbers 0 to 7, and 255 for "no label"."""
    ### BEGIN SOLUTION
    small = images[:, :, 1::2, 1::2]
    return np.where(small == 0, 255, small // 32)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-levels", "points": 15}
grid = np.full((1, 3, 28, 28), 200, dtype=np.uint8)
assert bias_labels(grid).shape == (1, 3, 14, 14), "Every second pixel in each direction."
assert (bias_labels(grid) == 6).all(), "200 is in the level from 192 to 223, number 6."


### BEGIN HIDDEN TESTS
def _check_levels():
    import numpy

    draws = numpy.random.default_rng([CLASS_SEED, 3])
    images = draws.integers(0, 256, (4, 3, 28, 28)).astype(numpy.uint8)
    images[:, :, :9] = 0
    given = numpy.asarray(bias_labels(images)).astype(int)
    every = images[..., 1::2, 1::2].astype(int)
    right = every // 32
    background = "[background-labelled] Background has a label in yours: where a channel is 0 write 255, or h learns where the digit is."
    assert not numpy.array_equal(given, right), background
    right[every == 0] = 255
    first = images[..., ::2, ::2].astype(int)
    assert not numpy.array_equal(given, numpy.where(first == 0, 255, first // 32)), "Begin with the second pixel of each direction, not with the first."
    assert numpy.array_equal(given, right), "The labels differ from the rule: every second pixel, levels of 32, 255 where a channel is 0."


_check_levels()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-measure", "locked": true}
# ## Task 4: measure it (15 points)
#
# Write `measured(labels, group)`: the mutual information of the two **as counted** in the sample, in **nats**, a float. No correction. Then assign
#
# - `train_information`, `test_information`: `measured` for `labels` and the groups that `deal_groups(labels, ..., CLASS_SEED)` deals for either split;
# - `by_chance`: what `measured` gives on average for two independent variables of ten values each and as many images, to first order
#   $(10-1)(10-1)/(2N)$.


# %% nbgrader={"grade_id": "measure", "solution": true}
def measured(labels, group):
    """Mutual information in nats of two arrays (N,) of whole numbers 0 to 9, from their counts; a float."""
    ### BEGIN SOLUTION
    counts = np.zeros((10, 10))
    np.add.at(counts, (labels, group), 1)
    joint = counts / counts.sum()
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / product[seen])).sum())
    ### END SOLUTION


### BEGIN SOLUTION
train_information = measured(labels, deal_groups(labels, "train", CLASS_SEED))
test_information = measured(labels, deal_groups(labels, "test", CLASS_SEED))
by_chance = 81 / (2 * len(labels))
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-measure", "points": 15}
assert abs(measured(np.array([0, 1, 0, 1]), np.array([5, 5, 6, 6]))) < 1e-9, "Here the group tells nothing about the digit."
assert isinstance(by_chance, float), "by_chance is a float."


### BEGIN HIDDEN TESTS
def _check_measure():
    import numpy
    from lnl_core.information import plug_in_mutual_information

    draws = numpy.random.default_rng([CLASS_SEED, 4])
    digits = draws.integers(0, 10, 900)
    shown = numpy.where(draws.random(900) < 0.6, digits, draws.integers(0, 10, 900))
    right = plug_in_mutual_information(digits, shown, corrected=False)
    given = float(measured(digits, shown))
    bits = "[nats-and-bits] Your information is in bits: take natural logarithms, then ten equally frequent digits have log 10 = 2.303 nats."
    assert not numpy.isclose(given, right / numpy.log(2)), bits
    assert numpy.isclose(given, right), "measured differs from the information of the counted table for some sample."
    own = plug_in_mutual_information(labels, labels, corrected=False)
    assert numpy.isclose(train_information, own), "train_information: in training the group is the digit, so it tells all of H(Y)."
    exact = "[sample-taken-for-truth] test_information is what is counted, and counts of independent variables give more than 0: do not write 0."
    assert test_information > 1e-6, exact
    dealt = numpy.asarray(deal_groups(labels, "test", CLASS_SEED)).astype(int)
    counted = "test_information is not what your measured counts for labels and the groups that your deal_groups deals for the test."
    assert numpy.isclose(test_information, float(measured(labels, dealt))), counted
    assert test_information < 3 * 81 / (2 * len(labels)), "test_information is far more than chance gives: how were the test groups dealt?"
    assert numpy.isclose(by_chance, 81 / (2 * len(labels))), "by_chance is (10 - 1)(10 - 1) / (2 N) with N the number of images."


_check_measure()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-best", "locked": true}
# ## Task 5: how far does colour alone get? (15 points)
#
# Write `best_by_color(joint)`: the accuracy of the best guess of the digit from the colour alone, for a table `joint[y, b]` of probabilities of digit and colour
# that sums to one, a float.


# %% nbgrader={"grade_id": "best", "solution": true}
def best_by_color(joint):
    """Accuracy in [0, 1] of guessing, for each colour (column), its most probable digit (row)."""
    ### BEGIN SOLUTION
    return float(joint.max(axis=0).sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-best", "points": 15}
assert abs(best_by_color(np.eye(10) / 10) - 1) < 1e-9, "Where each digit has its own colour, colour alone is always right."
print(f"Colour alone names {best_by_color(color_table(COLOR_VAR)):.3f} of the training digits, by eight levels of each channel.")


### BEGIN HIDDEN TESTS
def _check_best():
    import numpy
    from lnl_core.datasets import color_table

    draws = numpy.random.default_rng([CLASS_SEED, 5])
    tables = [draws.dirichlet(numpy.full(30, 0.7)).reshape(5, 6), color_table(COLOR_VAR)]
    given = [float(best_by_color(table)) for table in tables]
    right = [table.max(axis=0).sum() for table in tables]
    posterior = [numpy.nanmean((table / numpy.maximum(table.sum(axis=0), 1e-300)).max(axis=0)) for table in tables]
    even = "[features-not-weighted] You average over colours as if all were equally frequent: weight each by how often it occurs."
    assert not numpy.isclose(given[0], posterior[0]), even
    rows = "[wrong-dimension] You choose the most probable colour of each digit: the colour is given, and the digit is to be guessed."
    assert not numpy.allclose(given, [table.max(axis=1).sum() for table in tables]), rows
    assert numpy.allclose(given, right), "best_by_color is not the accuracy of the best guess for some table."


_check_best()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-reading", "locked": true}
# ## Task 6: read your numbers (15 points, read by a person)
#
# In at most 150 words: (a) `test_information` is not zero although the colours are dealt blindly. Is the test set biased? (b) A network reaches 99 % on the training
# digits. What does that say about the digits' shapes? Use your numbers from tasks 4 and 5.
#
# *Points: 6 for (a) with the size of the sampling error, 6 for (b) with the best accuracy by colour, 3 for saying on which data one has to measure instead.*

# %% [markdown] nbgrader={"grade": true, "grade_id": "reading", "points": 15, "solution": true}
# (a) No. What is counted in 2,000 images of independent variables is about 81 / 4000 = 0.02 nats on average, and the measured value is of that size. The exact
# information of the rule is 0. (b) Colour alone names three quarters of the training digits (0.76 with class seed 2026, below task 5), so 99 % needs shapes, or learning by heart, for about a quarter of
# them. It does not say that shape is used where the colour suffices. One has to measure on images whose colours were dealt blindly: there a network that reads colour falls to 10 %.
