# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 5: is it gone?
#
# A training that unlearns a bias ends with an $h$ that cannot read it. That is no proof: $f$ was trained against that very $h$. Here you build what a sceptic asks for:
# a fresh probe on examples that it has not seen, its control, the information that it reads, and the accuracy of the group that suffers.
#
# **Read first**: Is it gone? (`book/is_it_gone`) and `notebooks/13_is_it_gone`.
#
# **100 points**: six tasks. In tasks 1 to 4 do not call `lnl_core.evaluation` or `lnl_core.information`; any classifier of NumPy, torch or scikit-learn will do as a probe. Below each
# task stands a cell with some of its tests. There are others that you do not see. Cells that you cannot edit are restored before grading.
#
# **Time**: about two hours; the notebook runs in a few seconds.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import numpy as np


def draw_features(seed, count=900, width=12):
    """A bias (N,) of 0 and 1, and features (N, width) of three networks, "A", "B" and "C"."""
    rng = np.random.default_rng(seed)
    first, second = rng.choice([-1.0, 1.0], count), rng.choice([-1.0, 1.0], count)
    bias = (first * second > 0).astype(int)
    kinds = [2.0 * bias - 1, np.stack([first, second]), np.zeros(count)]
    rng.shuffle(kinds)
    features = {}
    for name, kind in zip("ABC", kinds, strict=True):
        signal = np.atleast_2d(kind).T
        mix = rng.normal(size=(signal.shape[1], width))
        features[name] = signal @ mix + 0.5 * rng.normal(size=(count, width))
    return bias, features


bias, features = draw_features(CLASS_SEED)
print({name: z.shape for name, z in features.items()}, "bias of an example: 0 or 1")

# %% [markdown] nbgrader={"grade_id": "prompt-probe", "locked": true}
# ## Task 1: a fresh probe (20 points)
#
# Write `probe_accuracy(z, bias, seed)`: split the examples at random into two halves, fit a probe on one, and return its accuracy on **the other**, a float. Least squares onto one-hot
# classes does (`np.linalg.lstsq`), with a constant feature. The bias takes the values 0 to K-1.


# %% nbgrader={"grade_id": "probe", "solution": true}
def probe_accuracy(z, bias, seed):
    """Accuracy of a probe of features z (N, D) for bias (N,) on the half that it was not fitted on; a float."""
    ### BEGIN SOLUTION
    order = np.random.default_rng(seed).permutation(len(z))
    fit, held = order[: len(z) // 2], order[len(z) // 2 :]
    inputs = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(inputs[fit], np.eye(bias.max() + 1)[bias[fit]], rcond=None)
    return float(((inputs[held] @ weights).argmax(axis=1) == bias[held]).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-probe", "points": 20}
easy = np.repeat(np.eye(3), 40, axis=0)
assert probe_accuracy(easy, np.repeat(np.arange(3), 40), 0) > 0.9, "Where the features name the bias the probe has to find it."


### BEGIN HIDDEN TESTS
def _check_probe():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 1])
    noise, drawn = rng.normal(size=(160, 75)), rng.integers(0, 4, 160)
    found = [float(probe_accuracy(noise, drawn, seed)) for seed in range(6)]
    read = numpy.mean(found)
    seen = "[probe-on-training-data] Your probe reads a bias from pure noise: it is measured on examples that it was fitted on. Hold half of them out."
    assert read < 0.45, seen
    assert 0.12 < read < 0.4, "From pure noise the accuracy has to be near chance, 1/4 for four classes."
    assert len(set(found)) > 1, "Every seed gives the same halves: draw them with the seed that is given."
    told = rng.integers(0, 3, 600)
    clear = numpy.eye(3)[told] + 0.15 * rng.normal(size=(600, 3))
    found = float(probe_accuracy(clear, told, 0))
    assert found > 0.95, "A probe that is fitted well finds this bias in nearly every held-out example."


_check_probe()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-control", "locked": true}
# ## Task 2: its control (15 points)
#
# Write `control_accuracy(z, bias, seed)`: the accuracy of the same probe, fitted and measured the same way, where the bias labels have been **shuffled** among all examples. What
# it reads beyond chance it has learnt by heart.


# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    """Accuracy of the same probe on shuffled labels; a float."""
    ### BEGIN SOLUTION
    return probe_accuracy(z, np.random.default_rng(seed + 1).permutation(bias), seed)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-control", "points": 15}
kinds = np.repeat(np.arange(3), 40)
assert 0 <= control_accuracy(easy, kinds, 0) <= 1, "An accuracy."
assert np.array_equal(kinds, np.repeat(np.arange(3), 40)), "control_accuracy shuffles the array that it is given: shuffle a copy."


### BEGIN HIDDEN TESTS
def _check_control():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 2])
    told = rng.choice(3, size=1200, p=[0.8, 0.1, 0.1])  # one class is frequent, so that it shows what a probe was fitted on
    clear = numpy.eye(3)[told] + 0.15 * rng.normal(size=(1200, 3))
    noise, drawn = rng.normal(size=(160, 75)), rng.integers(0, 4, 160)

    def beside(z, labels, count=4):
        """The control's mean, and that of the same probe on labels that are shuffled here."""
        control = [float(control_accuracy(z, labels, seed)) for seed in range(count)]
        probe = [float(probe_accuracy(z, rng.permutation(labels), seed)) for seed in range(count)]
        return numpy.mean(control), numpy.mean(probe)

    read, right = beside(clear, told)
    kept = "[control-keeps-labels] Your control reads the bias as well as the probe: its labels are not shuffled, or features and labels alike."
    assert read < 0.93, kept
    assert read > 0.25, "Your control is far below chance: it is the accuracy of a probe on shuffled labels, and no difference of accuracies."
    fitted = "On shuffled labels your control differs from your probe: shuffle the labels of all examples, before anything is fitted."
    assert abs(read - right) < 0.07, fitted
    read, right = beside(noise, drawn)
    seen = "[probe-on-training-data] Your control is measured on examples that its probe was fitted on: hold half of them out, as the probe does."
    assert read - right < 0.2, seen
    assert right - read < 0.2, "Your control is far below your probe on shuffled labels: fit and measure it as the probe."


_check_control()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-information", "locked": true}
# ## Task 3: what it reads, in nats (20 points)
#
# Write `read_information(log_probabilities, bias)`: a lower bound, up to sampling error, of $I(B;Z)$ from a probe's answers on held-out examples, $H(B)$ minus its cross-entropy, a float in
# **nats**. `log_probabilities[i, k]` is the natural logarithm of the probability that the probe gives to class `k` for example `i`. $H(B)$ is the entropy of the **shares** of the classes among
# these examples.


# %% nbgrader={"grade_id": "information", "solution": true}
def read_information(log_probabilities, bias):
    """H(B) minus the cross-entropy of a probe's answers (N, K) for bias (N,), in nats; a float."""
    ### BEGIN SOLUTION
    shares = np.bincount(bias) / len(bias)
    shares = shares[shares > 0]
    cross_entropy = -log_probabilities[np.arange(len(bias)), bias].mean()
    return float(-(shares * np.log(shares)).sum() - cross_entropy)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-information", "points": 20}
even = np.log(np.full((4, 2), 0.5))
assert abs(read_information(even, np.array([0, 1, 0, 1]))) < 1.0, "A probe that knows nothing reads little."


### BEGIN HIDDEN TESTS
def _check_information():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 3])
    told = rng.choice(4, size=500, p=[0.6, 0.25, 0.1, 0.05])
    logits = 1.5 * numpy.eye(4)[told] + rng.normal(size=(500, 4))
    logs = logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))
    shares = numpy.bincount(told, minlength=4) / 500
    prior, cross = -(shares * numpy.log(shares)).sum(), -logs[numpy.arange(500), told].mean()
    given, log2 = float(read_information(logs, told)), numpy.log(2)
    bits = "[nats-and-bits] One of your two terms is in bits, or both: the probe's logarithms are natural, so H(B) has to be too."
    assert not numpy.isclose(given, [(prior - cross) / log2, prior / log2 - cross, prior - cross / log2]).any(), bits
    uniform = "[uniform-prior-for-shares] You take log K for H(B): these classes are not equally frequent, and guessing their shares is no reading."
    assert not numpy.isclose(given, numpy.log(4) - cross), uniform
    assert numpy.isclose(given, prior - cross), "read_information is not H(B) minus the mean cross-entropy."


_check_information()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-cell", "locked": true}
# ## Task 4: who suffers? (20 points)
#
# Write `worst_cell(predicted, labels, group)`: the **worst-group accuracy** of the literature, the least accuracy over the cells of **label and bias together**, a float. A cell without images
# does not count.


# %% nbgrader={"grade_id": "cell", "solution": true}
def worst_cell(predicted, labels, group):
    """The least accuracy over all pairs of a label and a kind of bias that have images; arrays (N,), a float."""
    ### BEGIN SOLUTION
    right = predicted == labels
    cells = [right[(labels == label) & (group == kind)] for label in np.unique(labels) for kind in np.unique(group)]
    return float(min(cell.mean() for cell in cells if len(cell)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-cell", "points": 20}
assert worst_cell(np.array([0, 1]), np.array([0, 1]), np.array([0, 1])) in (0.0, 1.0), "Two images, each in a cell of its own."


### BEGIN HIDDEN TESTS
def _check_cell():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 4])
    digit = rng.integers(0, 4, 2000)
    shown = numpy.where(rng.random(2000) < 0.7, digit, rng.integers(0, 4, 2000))
    keep = ~((digit == 1) & (shown == 3))
    digit, shown = digit[keep], shown[keep]
    said = numpy.where(rng.random(len(digit)) < 0.6, shown, digit)
    said = numpy.where((digit == 2) & (shown == 0) & (rng.random(len(digit)) < 0.7), 1, said)
    said[numpy.flatnonzero((digit == 2) & (shown == 0))[0]] = 2  # so that no right answer is 0
    hit = said == digit
    by_bias = min(hit[shown == kind].mean() for kind in range(4))
    by_label = min(hit[digit == kind].mean() for kind in range(4))
    cells = [hit[(digit == one) & (shown == other)].mean() for one in range(4) for other in range(4) if (one, other) != (1, 3)]
    given = float(worst_cell(said, digit, shown))
    alone = "[worst-group-by-bias-alone] You group by the bias alone: half of such a group are images that the bias helps. Group by label and bias together."
    assert not numpy.isclose(given, by_bias), alone
    assert not numpy.isclose(given, by_label), "You group by the label alone: group by label and bias together."
    empty = "[empty-cell-counted] A cell without images counts as accuracy 0, or NaN, in yours: leave it out."
    assert not (given == 0 or numpy.isnan(given)), empty
    assert numpy.isclose(given, min(cells)), "worst_cell is not the least accuracy over label and bias together."


_check_cell()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-verdict", "locked": true}
# ## Task 5: three networks (10 points)
#
# `features` holds what three networks made of the same examples, `bias` the bias. One **shows** the bias to any probe, in one it is **hidden** from linear probes and readable by others, in one it is
# **gone**. Which is which? Assign `verdict`, a dict from `"A"`, `"B"`, `"C"` to `"shown"`, `"hidden"` or `"gone"`. A probe that is more than linear is yours to choose: give your own probe the products of features as well,
# or call `lnl_core.evaluation.probe_leakage(z, bias, kind="mlp")`, which takes some seconds for each network.

# %% nbgrader={"grade_id": "verdict", "solution": true}
### BEGIN SOLUTION
verdict = {}
for name, z in features.items():
    products = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    linear, quadratic = probe_accuracy(z, bias, 0), probe_accuracy(np.concatenate([z, products], axis=1), bias, 0)
    verdict[name] = "shown" if linear > 0.75 else "hidden" if quadratic > 0.75 else "gone"
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-verdict", "points": 10}
assert set(verdict) == {"A", "B", "C"}, "One verdict for each network."
assert set(verdict.values()) <= {"shown", "hidden", "gone"}, "Each verdict is one of three words."


### BEGIN HIDDEN TESTS
def _check_verdict():
    import numpy

    told, seen = draw_features(CLASS_SEED)
    right = {}
    for name, z in seen.items():
        moved = z - z.mean(axis=0)
        linear = numpy.abs([numpy.corrcoef(column, told)[0, 1] for column in moved.T]).max()
        pairs = numpy.abs([numpy.corrcoef(moved[:, i] * moved[:, j], told)[0, 1] for i in range(12) for j in range(i)]).max()
        right[name] = "shown" if linear > 0.3 else "hidden" if pairs > 0.3 else "gone"
    weak = "[gone-by-a-weak-probe] You call a bias gone that a stronger probe reads: a linear probe that fails proves only that it is not there for linear probes."
    assert not any(verdict[name] == "gone" and right[name] == "hidden" for name in right), weak
    assert verdict == right, "A verdict is wrong: ask a linear probe and a stronger one of each network, and compare with chance, 1/2."


_check_verdict()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-proof", "locked": true}
# ## Task 6: what would prove it? (15 points, read by a person)
#
# In at most 150 words: a paper reports that after its training the adversary $h$ is at chance, and concludes that the bias is gone. What is missing? Name three things that you would ask for, each with what it would show
# and what it would not.
#
# *Points: 5 for each, 3 of them for what it does not show.*

# %% [markdown] nbgrader={"grade": true, "grade_id": "proof", "points": 15, "solution": true}
# A fresh probe of several kinds on held-out, unbiased examples: shows that these readers find nothing, not that a stronger one would not. A control on shuffled labels and an interval over seeds: shows that what is read is neither
# learnt by heart nor luck, not how much is there. Accuracy on the cells of label and bias: shows whether predictions still lean on the bias, not what the features hold. A probe gives a lower bound of the information only.
