# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 2: mutual information, from tables to batches
#
# The method of Kim et al. takes a bias out of features by making the information between the two small. In this assignment you write that
# information down four times: as an entropy, as Eq. 4 for a table, as the term of Eq. 6 for the outputs of a network, and as the whole of Eq. 6.
#
# **Read first**: From mutual information to a game (`book/theory`), Eqs. 3 to 6, and
# `notebooks/02_derivation` up to "From tables to tensors".
#
# **100 points**: six tasks. All logarithms are natural, so every value is in **nats**. Write NumPy and torch; do not call `lnl_core.information` or
# `lnl_core.losses`, they are what your answers are compared with. Below each task stands a cell with some of its tests. There are others that you do
# not see. Cells that you cannot edit are restored before grading.
#
# **Time**: about two hours; the notebook runs in a few seconds.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import warnings

import numpy as np
import torch

rng = np.random.default_rng(CLASS_SEED)
joint = rng.dirichlet(np.full(12, 0.8)).reshape(4, 3)  # p(b, f): four colours in the rows, three feature values in the columns
print(joint.round(3))

# %% [markdown] nbgrader={"grade_id": "prompt-entropy", "locked": true}
# ## Task 1: entropy (10 points)
#
# Write `entropy(p)`: the entropy $H(P) = -\sum_i p_i \log p_i$ of a table of probabilities of any shape, a float, in nats. An entry 0 counts as
# $0 \log 0 = 0$ and must not give NaN or a warning.


# %% nbgrader={"grade_id": "entropy", "solution": true}
def entropy(p):
    """Entropy in nats of an array of probabilities of any shape; a float."""
    ### BEGIN SOLUTION
    seen = p[p > 0]
    return float(-(seen * np.log(seen)).sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-entropy", "points": 10}
with warnings.catch_warnings():
    warnings.simplefilter("error", RuntimeWarning)  # a warning of NumPy's is an error here
    assert abs(entropy(np.array([1.0, 0.0]))) < 1e-9, "What is sure has no entropy, and 0 log 0 counts as 0."
assert abs(entropy(np.full((2, 2), 0.25)) - entropy(np.full(4, 0.25))) < 1e-9, "The shape of the table must not matter."


### BEGIN HIDDEN TESTS
def _check_entropy():
    import numpy
    from lnl_core import information as exact

    draws = numpy.random.default_rng([CLASS_SEED, 1])
    tables = [draws.dirichlet(numpy.full(size, 0.8)) for size in (3, 5, 8)]
    given = [float(entropy(table)) for table in tables]
    right = numpy.array([exact.entropy(table) for table in tables])
    bits = "[nats-and-bits] Your entropy is in bits: take the natural logarithm, 1 bit = 0.693 nats."
    assert not numpy.allclose(given, right / numpy.log(2)), bits
    assert not numpy.allclose(given, -right), "[entropy-sign] Your entropy is negative: the minus sign before the sum is missing."
    assert numpy.allclose(given, right), "entropy(p) is not minus the sum of p log p for some table of probabilities."


_check_entropy()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-information", "locked": true}
# ## Task 2: Eq. 4 on a table (20 points)
#
# Write `information(joint)`: the mutual information $I(B;F) = H(B) - H(B\mid F)$ of a joint table `joint[b, f]`, a float, in nats, where
# $H(B\mid F)=\sum_f p(f)\,H(B\mid F=f)$. Columns that never occur may be all zero.


# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    """Mutual information in nats of a joint table (colours, feature values) that sums to one; a float."""
    ### BEGIN SOLUTION
    # H(B | F) = H(B, F) - H(F)
    return entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-information", "points": 20}
assert np.ndim(information(joint)) == 0, "One number for the whole table."
assert abs(information(joint[::-1]) - information(joint)) < 1e-9, "The order of the colours must not matter."


### BEGIN HIDDEN TESTS
def _check_information():
    import numpy
    from lnl_core import information as exact

    draws = numpy.random.default_rng([CLASS_SEED, 2])
    tables = [draws.dirichlet(numpy.full(size[0] * size[1], 0.6)).reshape(size) for size in ((4, 3), (2, 5), (6, 6))]
    tables.append(numpy.concatenate([tables[0], numpy.zeros((4, 1))], axis=1))

    def unweighted(table):
        columns = [column / column.sum() for column in table.T if column.sum() > 0]
        return exact.entropy(table.sum(axis=1)) - numpy.mean([exact.entropy(column) for column in columns])

    given = [float(information(table)) for table in tables]
    right = numpy.array([exact.mutual_information(table) for table in tables])
    other = numpy.array([exact.conditional_entropy(table) for table in tables])
    bits = "[nats-and-bits] Your information is in bits: all values here are in nats, 1 bit = 0.693 nats."
    assert not numpy.allclose(given, right / numpy.log(2)), bits
    even = "[features-not-weighted] You average H(B | F = f) over the values of f as if all were equally frequent: weight each by p(f)."
    assert not numpy.allclose(given[:3], [unweighted(table) for table in tables[:3]]), even
    rest = "[conditional-entropy-for-information] Your value is H(B | F), what is left unknown: information is H(B) minus that."
    assert not numpy.allclose(given, other), rest
    assert numpy.allclose(given, right), "information(joint) differs from Eq. 4 for some table: check both marginals and columns of zeros."


_check_information()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-numbers", "locked": true}
# ## Task 3: what a head can still tell (15 points)
#
# Use your functions on the table `joint` printed above. Assign three floats:
#
# - `leak`: $I(B;F)$, what the features tell about the colour;
# - `leak_of_head`: the same after a head $g$ that cannot tell the first two feature values apart, and keeps the third;
# - `floor`: the smallest value that $-H(B\mid F)$ can take over all tables with four colours, whatever the features are.

# %% nbgrader={"grade_id": "numbers", "solution": true}
### BEGIN SOLUTION
leak = information(joint)
leak_of_head = information(np.stack([joint[:, 0] + joint[:, 1], joint[:, 2]], axis=1))
floor = -float(np.log(4))
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-numbers", "points": 15}
assert all(isinstance(value, float) for value in (leak, leak_of_head, floor)), "The three answers are floats."


### BEGIN HIDDEN TESTS
def _check_numbers():
    import numpy
    from lnl_core import information as exact

    own = numpy.random.default_rng(CLASS_SEED).dirichlet(numpy.full(12, 0.8)).reshape(4, 3)
    merged = numpy.stack([own[:, :2].sum(axis=1), own[:, 2]], axis=1)
    right = numpy.array([exact.mutual_information(own), exact.mutual_information(merged), -numpy.log(4)])
    given = [leak, leak_of_head, floor]
    bits = "[nats-and-bits] Your three numbers are in bits: multiply by log 2, or take natural logarithms from the start."
    assert not numpy.allclose(given, right / numpy.log(2)), bits
    assert not numpy.isclose(floor, -right[2]), "[entropy-sign] The floor is the smallest value of minus an entropy, so it is negative."
    kept = "[dropped-for-merged] Your head drops a feature value instead of merging two: add the first two columns of the table."
    dropped = [exact.mutual_information(part / part.sum()) for part in (own[:, 1:], own[:, [0, 2]], own[:, :2])]
    assert not numpy.isclose(leak_of_head, dropped).any(), kept
    assert numpy.isclose(leak, right[0]), "leak is not the information of the table joint."
    assert numpy.isclose(leak_of_head, right[1]), "leak_of_head is not the information of the table with its first two columns added."
    assert numpy.isclose(floor, right[2]), "floor is not the least value: which B and F make H(B | F) as large as it can be?"


_check_numbers()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-batch", "locked": true}
# ## Task 4: the entropy term of Eq. 6 on a batch (20 points)
#
# A network $h$ returns logits with the classes of the bias in **dimension 1**: shape `(B, K)`, or `(B, K, ...)` with further places. Write
# `negative_entropy(bias_logits)`: $\;\mathbb E_x\big[\sum_b Q(b|f(x)) \log Q(b|f(x))\big]$, a scalar tensor, the mean over batch and places. The feature
# network $f$ will **descend** it, so it needs a gradient. Both have to stay finite for any finite logits, also those of a head that is very sure.
# The locked cell after yours shows the gradient to the tests.


# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    """First term of Eq. 6 for logits (B, K, ...): a scalar tensor in nats, the mean over batch and places."""
    ### BEGIN SOLUTION
    log_q = torch.log_softmax(bias_logits, dim=1)
    return (log_q.exp() * log_q).sum(dim=1).mean()
    ### END SOLUTION


term_gradient = None  # the next cell makes it

# %% nbgrader={"grade_id": "term-gradient", "locked": true}
def term_gradient(bias_logits):
    """The gradient of your negative_entropy with respect to the logits, or None if it has none."""
    leaf = bias_logits.clone().requires_grad_()
    value = negative_entropy(leaf)
    if not getattr(value, "requires_grad", False):
        return None
    return torch.autograd.grad(value, leaf, allow_unused=True)[0]


# %% nbgrader={"grade": true, "grade_id": "test-batch", "points": 20}
logits = torch.linspace(-2, 2, 2 * 8 * 5 * 5).reshape(2, 8, 5, 5)
assert negative_entropy(logits).ndim == 0, "One number for the whole batch."
assert abs(float(negative_entropy(logits + 3.0) - negative_entropy(logits))) < 1e-5, "The same number added to all logits changes nothing."


### BEGIN HIDDEN TESTS
def _check_batch():
    import torch
    from lnl_core import losses

    generator = torch.Generator().manual_seed(CLASS_SEED)
    batches = [2 * torch.randn(shape, generator=generator) for shape in ((6, 8, 3, 5), (7, 4), (5, 3, 9))]

    def near(these, those):
        return all(abs(float(one) - float(other)) < 1e-4 for one, other in zip(these, those, strict=True))

    def over(dim, reduce):
        values = []
        for one in batches:
            log_q = torch.log_softmax(one, dim=dim)
            values.append(reduce(log_q.exp() * log_q))
        return values

    given = [negative_entropy(one) for one in batches]
    right = [losses.negative_conditional_entropy(one) for one in batches]
    bits = "[nats-and-bits] Your term is in bits: take the natural logarithm, as everywhere in the course."
    assert not near(given, [value / 0.6931472 for value in right]), bits
    sign = "[entropy-sign] Your term is the entropy itself. f descends its negative: with your sign f would make h sure of the colour."
    assert not near(given, [-value for value in right]), sign
    wrong = [over(1, lambda term: term.mean()), over(-1, lambda term: term.sum(-1).mean()), over(0, lambda term: term.sum(0).mean())]
    wrong += [over(-1, lambda term: term.sum(1).mean()), over(1, lambda term: term.sum(-1).mean()), over(1, lambda term: term.sum(0).mean())]
    message = "[wrong-dimension] The classes are in dimension 1: softmax and sum run over it, and the mean over everything else."
    assert not any(near(given, one) for one in wrong), message
    added = "[wrong-dimension] You add up batch or places: sum over the classes only, and take the mean over everything else."
    assert not near(given, over(1, lambda term: term.sum())), added
    assert near(given, right), "negative_entropy differs from the first term of Eq. 6 on some batch of logits."
    sure = torch.tensor([[1000.0, 0.0], [-400.0, 400.0]])
    careless = "[log-of-softmax] A probability underflows to 0 and its logarithm is infinite: compute with log_softmax."
    assert bool(torch.isfinite(torch.as_tensor(negative_entropy(sure)))), careless
    assert abs(float(negative_entropy(sure))) < 1e-4, "[log-of-softmax] A very sure head has entropy 0: compute with log_softmax."

    def right_slope(one):
        leaf = one.clone().requires_grad_()
        return torch.autograd.grad(losses.negative_conditional_entropy(leaf), leaf)[0]

    cut = "[features-detached] Your term is a number without a gradient, so f cannot descend it: stay with tensors, and detach nothing."
    slopes = [term_gradient(one) for one in (*batches, sure)]
    assert all(one is not None for one in slopes), cut
    assert bool(torch.isfinite(slopes[-1]).all()), "[log-of-softmax] The gradient is not finite where a head is very sure: use log_softmax."
    exact = all(torch.allclose(one, right_slope(other), atol=1e-5) for one, other in zip(slopes, (*batches, sure), strict=True))
    assert exact, "The value is right and its gradient is not: detach nothing in the term."


_check_batch()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-loss", "locked": true}
# ## Task 5: all of Eq. 6 on a table (20 points)
#
# Let `joint[b, f]` be as before, and `q[b, f]` $=Q(b\mid f)$ what a head says: each column sums to one. Write `mi_loss(joint, q, mu)`,
#
# $$\mathcal L_{MI} = \mathbb E_{F}\Big[\sum_b Q(b|F)\log Q(b|F) + \mu\,D_{KL}\big(P(b|F)\,\|\,Q(b|F)\big)\Big],$$
#
# a float, in nats. The outer mean is that of the data: a feature value counts as often as it occurs. Here `q` has no zeros; `joint` may have some,
# and whole columns of them, as in task 2.


# %% nbgrader={"grade_id": "loss", "solution": true}
def mi_loss(joint, q, mu):
    """Eq. 6 in nats for a joint table (K, F) and a head's answers (K, F), whose columns sum to one; a float."""
    ### BEGIN SOLUTION
    weight = joint.sum(axis=0)
    posterior = joint / np.where(weight > 0, weight, 1)
    ratio = np.log(np.where(posterior > 0, posterior, 1) / np.where(posterior > 0, q, 1))
    return float((weight * ((q * np.log(q)).sum(axis=0) + mu * (posterior * ratio).sum(axis=0))).sum())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-loss", "points": 20}
true_posterior = joint / joint.sum(axis=0)
assert abs(mi_loss(joint, true_posterior, 1.0) - mi_loss(joint, true_posterior, 7.0)) < 1e-9, "Where Q is P the second term is zero."


### BEGIN HIDDEN TESTS
def _check_loss():
    import numpy

    draws = numpy.random.default_rng([CLASS_SEED, 5])

    def terms(table, answer, weighted=True, turned=False):
        share = table.sum(axis=0) if weighted else numpy.full(table.shape[1], 1 / table.shape[1])
        p = table / table.sum(axis=0)
        first, second = (answer, p) if turned else (p, answer)
        entropy_term = (share * (answer * numpy.log(answer)).sum(axis=0)).sum()
        return entropy_term, (share * (first * numpy.log(first / second)).sum(axis=0)).sum()

    cases = []
    for size, mu in (((4, 3), 0.5), ((3, 6), 2.0), ((5, 2), 1.0)):
        table = draws.dirichlet(numpy.full(size[0] * size[1], 1.0)).reshape(size)
        cases.append((table, draws.dirichlet(numpy.full(size[0], 1.5), size=size[1]).T, mu))

    def values(sign=1.0, unit=1.0, **options):
        pairs = [(terms(table, answer, **options), mu) for table, answer, mu in cases]
        return [(sign * one + mu * two) / unit for (one, two), mu in pairs]

    given = [float(mi_loss(*case)) for case in cases]
    assert not numpy.allclose(given, values(unit=numpy.log(2))), "[nats-and-bits] Your loss is in bits: use the natural logarithm in both terms."
    sign = "[entropy-sign] Your first term is +H(Q). Eq. 6 has the sum of Q log Q, which is -H(Q): f is to raise the entropy."
    assert not numpy.allclose(given, values(sign=-1.0)), sign
    turned = "[kl-reversed] Your divergence is D(Q||P). In Eq. 6 P comes first, so that it is the cross-entropy that trains h."
    assert not numpy.allclose(given, values(turned=True)), turned
    even = "[features-not-weighted] You take every feature value as equally frequent: the mean over F weights each with p(f)."
    assert not numpy.allclose(given, values(weighted=False)), even
    assert numpy.allclose(given, values()), "mi_loss differs from Eq. 6 for some table, head and mu."
    table = numpy.array([[0.5, 0.0], [0.0, 0.5]])
    zero = float(mi_loss(table, numpy.full((2, 2), 0.5), 1.0))
    assert abs(zero) < 1e-9, "mi_loss is not finite or not right where the table has zeros: 0 log 0 counts as 0."
    table, answer, mu = cases[0]
    wider = (numpy.concatenate([part, other], axis=1) for part, other in ((table, numpy.zeros((4, 1))), (answer, numpy.full((4, 1), 0.25))))
    empty = "mi_loss is not finite or not right where a feature value never occurs: it has the weight 0, whatever the head says of it."
    assert numpy.isclose(float(mi_loss(*wider, mu)), values()[0]), empty


_check_loss()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-bound", "locked": true}
# ## Task 6: is it a bound? (15 points, read by a person)
#
# In at most 150 words: is $\mathcal L_{MI}$ an upper bound of $-H(B\mid F)$, a lower bound, or neither? Give one head $Q$ for a table of your choice that shows
# it, and say what that means for a training in which the loss of Eq. 6 falls while $h$ is wrong.
#
# *Points: 5 for the right claim, 5 for a head that shows it with numbers, 5 for the consequence.*

# %% [markdown] nbgrader={"grade": true, "grade_id": "bound", "points": 15, "solution": true}
# Neither. The difference of the loss and -H(B|F) is the mean over F of H(P) - H(Q) + mu D(P||Q). Take one feature value and two colours with
# P = (0.9, 0.1): the uniform Q has H(Q) = 0.693 > H(P) = 0.325 and D = 0.368, so the difference is -0.368 + 0.368 mu, negative for mu < 1. Q = (0.99, 0.01)
# has H(Q) = 0.056 and D = 0.144, so the difference is positive. The loss can therefore fall because h answers uniformly and not because the features have
# lost the colour: what f has forgotten is to be read by a fresh, well trained probe.
