# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 3: adversaries, and who moves on which loss
#
# One game, three players: $f$ makes features, $g$ reads the label from them, $h$ reads the bias. Nearly every bug in an adversarial training is a loss that reaches
# a player it was not meant for. Here you build the reversal, the confusion loss, and one step of Eq. 9, and you say who moves.
#
# **Read first**: From mutual information to a game (`book/theory`) to the end,
# the confusion loss (`book/confusion_loss`), and `notebooks/02_derivation` from "From tables to tensors".
#
# **100 points**: five tasks. All losses are in nats. Do not call `lnl_core.losses` or `lnl_core.methods`, they are what your answers are compared with. Below each task
# stands a cell with some of its tests. There are others that you do not see. Cells that you cannot edit are restored before grading.
#
# **Time**: about three hours; the notebook runs in a few seconds.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import torch
import torch.nn.functional as F

torch.manual_seed(CLASS_SEED)


def draw_game(number, batch=24, pixels=7, features=5, classes=3, biases=4):
    """Weights of linear f, g, h, a batch x, and its labels y and biases b; all double precision."""
    generator = torch.Generator().manual_seed(1000 * CLASS_SEED + number)
    shapes = {"w_f": (pixels, features), "w_g": (features, classes), "w_h": (features, biases), "x": (batch, pixels)}
    game = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    game["y"] = torch.randint(0, classes, (batch,), generator=generator)
    game["b"] = (game["y"] + torch.randint(0, 2, (batch,), generator=generator)) % biases
    return game


game = draw_game(0)
print({name: tuple(value.shape) for name, value in game.items()})

# %% [markdown] nbgrader={"grade_id": "prompt-reverse", "locked": true}
# ## Task 1: gradient reversal (15 points)
#
# Write `reverse(x, scale)`: its **value** is `x`, and its **gradient** is that of `-scale * x`. (Two lines with `detach` do it, or a `torch.autograd.Function`.)
# The locked cell after yours shows both to the tests.


# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    """The identity, whose gradient is multiplied by -scale on the way back."""
    ### BEGIN SOLUTION
    mirrored = -scale * x
    return mirrored + (x - mirrored).detach()
    ### END SOLUTION


value_and_gradient = None  # the next cell makes it

# %% nbgrader={"grade_id": "value-and-gradient", "locked": true}
def value_and_gradient(x, scale):
    """reverse(x, scale), and the gradient of the sum of its cubes with respect to x."""
    x = x.clone().requires_grad_()
    value = reverse(x, scale)
    (value**3).sum().backward()
    return value.detach(), x.grad


# %% nbgrader={"grade": true, "grade_id": "test-reverse", "points": 15}
value, slope = value_and_gradient(torch.tensor([0.0, 0.0]), 0.5)
assert value.shape == slope.shape == (2,), "The shape stays as it is."


### BEGIN HIDDEN TESTS
def _check_reverse():
    import torch

    for scale in (1.0, 0.1, 3.0):
        x = torch.randn(6, 2, generator=torch.Generator().manual_seed(CLASS_SEED), dtype=torch.float64)
        value, slope = value_and_gradient(x, scale)
        forwards = "[reversal-in-the-forward-pass] Your reversal changes the value: forwards it is the identity, only the gradient turns."
        assert not torch.allclose(value, -scale * x), forwards
        assert torch.allclose(value, x), "Forwards, reverse(x, scale) has to be x."
        plain = 3 * x**2
        away = "[no-reversal] The gradient passes with its own sign, so f would help h: multiply it by -scale on the way back."
        assert not any(torch.allclose(slope, factor * plain) for factor in (1.0, scale)), away
        assert torch.allclose(slope, -scale * plain), "Backwards, the gradient has to be -scale times the plain one, for every scale."


_check_reverse()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-confusion", "locked": true}
# ## Task 2: the confusion loss (20 points)
#
# Write `confusion_loss(bias_logits)` of Alvi et al.: the cross-entropy of what $h$ predicts **against the uniform distribution** over the $K$ classes,
# $-\frac1K\sum_b \log Q(b|f(x))$, a scalar tensor, the mean over batch and places. Logits have shape `(B, K)` or `(B, K, ...)`. It and its gradient have to stay finite for any
# finite logits. The locked cell after yours shows the gradient to the tests.


# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    """Cross-entropy against the uniform distribution for logits (B, K, ...), in nats; a scalar tensor."""
    ### BEGIN SOLUTION
    return -torch.log_softmax(bias_logits, dim=1).mean()
    ### END SOLUTION


term_gradient = None  # the next cell makes it

# %% nbgrader={"grade_id": "term-gradient", "locked": true}
def term_gradient(bias_logits):
    """The gradient of your confusion_loss with respect to the logits, or None if it has none."""
    leaf = bias_logits.clone().requires_grad_()
    value = confusion_loss(leaf)
    if not getattr(value, "requires_grad", False):
        return None
    return torch.autograd.grad(value, leaf, allow_unused=True)[0]


# %% nbgrader={"grade": true, "grade_id": "test-confusion", "points": 20}
assert confusion_loss(torch.zeros(3, 8, 2, 2)).ndim == 0, "One number for the whole batch."
assert bool(torch.isfinite(confusion_loss(torch.randn(5, 4)))), "A finite number for an ordinary batch."


### BEGIN HIDDEN TESTS
def _check_confusion():
    import torch
    from lnl_core import losses

    generator = torch.Generator().manual_seed(CLASS_SEED)
    batches = [2 * torch.randn(shape, generator=generator) for shape in ((6, 8, 3, 5), (40, 4))]

    def near(these, those):
        return all(abs(float(one) - float(other)) < 1e-4 for one, other in zip(these, those, strict=True))

    given = [float(confusion_loss(one)) for one in batches]
    right = [float(losses.confusion_loss(one)) for one in batches]
    if not near(given, right):
        again = [float(confusion_loss(one)) for one in batches]
        turned = [float(confusion_loss(one.flip(1))) for one in batches]
        entropies = [float(losses.negative_conditional_entropy(one)) for one in batches]
        other = "[entropy-for-confusion] This is an entropy term of Eq. 6. The confusion loss has the uniform distribution in front of the logarithm."
        assert not near(given, entropies) and not near(given, [-one for one in entropies]), other
        last = [float(-torch.log_softmax(one, dim=-1).mean()) for one in batches]
        first = [float(-torch.log_softmax(one, dim=0).mean()) for one in batches]
        added = [float(-torch.log_softmax(one, dim=1).sum(1).mean()) for one in batches]
        dims = "[wrong-dimension] The classes are in dimension 1: softmax runs over it, and every class counts 1/K."
        assert not near(given, last) and not near(given, first) and not near(given, added), dims
        noise = "[random-confusion-target] Your target is drawn at random: f shall make h unsure, so the target is uniform, 1/K for every class."
        assert near(given, again) and near(given, turned), noise
        raise AssertionError("confusion_loss is not the cross-entropy against the uniform distribution for some batch.")
    careless = "[log-of-softmax] A probability underflows to 0 and its logarithm is infinite: compute with log_softmax."
    logits = torch.tensor([[300.0, 0.0], [-200.0, 200.0]])
    sure = confusion_loss(logits)
    assert bool(torch.isfinite(torch.as_tensor(sure))) and abs(float(sure) - 175.0) < 0.01, careless

    def right_slope(one):
        leaf = one.clone().requires_grad_()
        return torch.autograd.grad(losses.confusion_loss(leaf), leaf)[0]

    cut = "[features-detached] Your loss is a number without a gradient, so f cannot descend it: stay with tensors, and detach nothing."
    slopes = [term_gradient(one) for one in (*batches, logits)]
    assert all(one is not None for one in slopes), cut
    assert bool(torch.isfinite(slopes[-1]).all()), "[log-of-softmax] The gradient is not finite where h is very sure: use log_softmax."
    exact = all(torch.allclose(one, right_slope(other), atol=1e-5) for one, other in zip(slopes, (*batches, logits), strict=True))
    assert exact, "The value is right and its gradient is not: detach nothing in the loss."


_check_confusion()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-step", "locked": true}
# ## Task 3: one step of Eq. 9 (30 points)
#
# In `game` the three networks are matrices: features `z = x @ w_f`, label logits `z @ w_g`, bias logits `z @ w_h`. Let $\mathcal L_c$ and $\mathcal L_B$ be the cross-entropies
# (means over the batch) of `y` and `b`, and $\mathcal N$ the mean of $\sum_b Q\log Q$ of the bias logits. Write `gradients(w_f, w_g, w_h, x, y, b, mi_weight, adv_weight)`, which
# returns a dict with the gradients `"f"`, `"g"`, `"h"` that an optimiser that **descends** is given, so that
#
# - $f$ descends $\mathcal L_c+\lambda\,\mathcal N$ and ascends $\mu\,\mathcal L_B$;
# - $g$ descends $\mathcal L_c$;
# - $h$ descends $\mathcal L_B$, with weight 1, and nothing else.
#
# $\lambda$ is `mi_weight`, $\mu$ is `adv_weight`.


# %% nbgrader={"grade_id": "step", "solution": true}
def gradients(w_f, w_g, w_h, x, y, b, mi_weight, adv_weight):
    """The gradients {"f": ..., "g": ..., "h": ...} of one step of Eq. 9, each of the shape of its matrix."""
    ### BEGIN SOLUTION
    f, g, h = (weights.clone().requires_grad_() for weights in (w_f, w_g, w_h))
    z = x @ f
    label, bias = F.cross_entropy(z @ g, y), F.cross_entropy(z @ h, b)
    log_q = torch.log_softmax(z @ h, dim=1)
    entropy_term = (log_q.exp() * log_q).sum(dim=1).mean()
    (of_f,) = torch.autograd.grad(label + mi_weight * entropy_term - adv_weight * bias, f, retain_graph=True)
    (of_g,) = torch.autograd.grad(label, g, retain_graph=True)
    (of_h,) = torch.autograd.grad(bias, h)
    return {"f": of_f, "g": of_g, "h": of_h}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-step", "points": 30}
step = gradients(**game, mi_weight=0.1, adv_weight=0.5)
assert set(step) == {"f", "g", "h"}, "One gradient for each of f, g and h."
assert all(step[name].shape == game[f"w_{name}"].shape for name in "fgh"), "Each gradient has the shape of its matrix."


### BEGIN HIDDEN TESTS
def _check_step():
    import torch
    import torch.nn.functional as functional

    own = torch.Generator().manual_seed(CLASS_SEED)
    w_f, w_g, w_h, x = (torch.randn(size, generator=own, dtype=torch.float64) for size in ((6, 4), (4, 3), (4, 5), (40, 6)))
    y, b = torch.randint(0, 3, (40,), generator=own), torch.randint(0, 5, (40,), generator=own)
    lam, mu = 0.3, 0.7
    leaves = [weights.clone().requires_grad_() for weights in (w_f, w_g, w_h)]
    features = x @ leaves[0]
    log_q = torch.log_softmax(features @ leaves[2], dim=1)
    terms = {
        "L_c": functional.cross_entropy(features @ leaves[1], y),
        "N": (log_q.exp() * log_q).sum(dim=1).mean(),
        "L_B": functional.cross_entropy(features @ leaves[2], b),
    }
    given = {name: torch.as_tensor(value).double() for name, value in gradients(w_f, w_g, w_h, x, y, b, lam, mu).items()}

    def weights_of(player):
        """With which weight each loss is in the gradient of a player, and whether that is all."""
        leaf = leaves["fgh".index(player)]
        basis = {name: torch.autograd.grad(term, leaf, retain_graph=True, allow_unused=True)[0] for name, term in terms.items()}
        basis = {name: value for name, value in basis.items() if value is not None}
        matrix = torch.stack([value.ravel() for value in basis.values()], dim=1)
        solved = torch.linalg.lstsq(matrix, given[player].ravel()[:, None]).solution
        exact = torch.allclose(matrix @ solved, given[player].ravel()[:, None], atol=1e-6)
        return dict(zip(basis, solved.ravel().tolist(), strict=True)), exact

    of_f, all_f = weights_of("f")
    of_g, all_g = weights_of("g")
    of_h, all_h = weights_of("h")
    side = "[reversal-wrong-side] h ascends its own loss: the reversal belongs between f and h, so that it turns what f gets and not what h gets."
    assert not (all_h and of_h["L_B"] < -1e-6), side
    moved = "[h-moved-by-entropy-term] The entropy term reaches h, which then learns to be unsure instead of to read the bias: hold h still in it."
    assert not (all_h and abs(of_h["N"]) > 1e-6), moved
    helps = "[no-reversal] f descends the bias loss: it helps h to read the bias. f has to ascend it."
    assert not (all_f and of_f["L_B"] > 1e-6), helps
    cut = "[features-detached] The bias loss does not reach f: h watches, and nothing is unlearnt. Do not detach the features in this term."
    assert not (all_f and abs(of_f["L_B"]) < 1e-6), cut
    sign = "[entropy-sign] f ascends the sum of Q log Q, which makes h sure: f descends it."
    assert not (all_f and of_f["N"] < -1e-6), sign
    assert all_f and all_g and all_h, "A gradient is not made of the three losses alone: check the means over the batch."
    assert abs(of_f["L_c"] - 1) < 1e-6 and abs(of_g["L_c"] - 1) < 1e-6, "f and g descend L_c with weight 1."
    assert abs(of_f["N"] - lam) < 1e-6 and abs(of_f["L_B"] + mu) < 1e-6, "The weights lambda and mu are not where Eq. 9 has them."
    assert abs(of_h["L_B"] - 1) < 1e-6, "h descends the bias loss with weight 1, whatever mu is."


_check_step()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-moves", "locked": true}
# ## Task 4: who moves? (20 points)
#
# Assign `moves`, a dict of four methods: `"baseline"`, `"grl"` (gradient reversal alone), `"blind_eye"` (Alvi et al.) and `"lnl"` (Eq. 9). For each method give a dict with the players `"f"`,
# `"g"`, `"h"`, and for each player a dict of the losses that move it: `1` if it descends, `-1` if it ascends; a loss that does not move it is left out. The losses are
# `"L_c"`, `"N"` (the entropy term), `"L_conf"` and `"L_B"`. The baseline is given.

# %% nbgrader={"grade_id": "moves", "solution": true}
moves = {"baseline": {"f": {"L_c": 1}, "g": {"L_c": 1}, "h": {}}}
### BEGIN SOLUTION
for method, own_terms in {"grl": {"L_B": -1}, "blind_eye": {"L_conf": 1}, "lnl": {"N": 1, "L_B": -1}}.items():
    moves[method] = {"f": {"L_c": 1, **own_terms}, "g": {"L_c": 1}, "h": {"L_B": 1}}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-moves", "points": 20}
assert set(moves) == {"baseline", "grl", "blind_eye", "lnl"}, "Four methods."
assert all(set(players) == {"f", "g", "h"} for players in moves.values()), "Three players in each."


### BEGIN HIDDEN TESTS
def _check_moves():
    right = {"baseline": {}, "grl": {"L_B": -1}, "blind_eye": {"L_conf": 1}, "lnl": {"N": 1, "L_B": -1}}
    for method, expected in right.items():
        if method != "baseline":
            h, f = moves[method]["h"], moves[method]["f"]
            moved = "[h-moved-by-entropy-term] In your table h moves on the term that makes it unsure: it would learn to be unsure, and read nothing."
            assert not ({"N", "L_conf"} & set(h)), moved
            assert h.get("L_B") != -1, "[reversal-wrong-side] In your table h ascends its own loss: h learns to read the bias, f works against it."
            helps = "[no-reversal] In your table f descends the bias loss: it would help h."
            assert f.get("L_B") != 1, helps
        swapped = "[entropy-for-confusion] Blind eye has the confusion loss, LNL the entropy term: in your table they are exchanged."
        assert not (method == "blind_eye" and "N" in moves[method]["f"]) and not (method == "lnl" and "L_conf" in moves[method]["f"]), swapped
        whole = {"f": {"L_c": 1, **expected}, "g": {"L_c": 1}, "h": {"L_B": 1} if expected else {}}
        assert moves[method] == whole, f"The row of {method} is not complete, or has a loss too many."


_check_moves()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-sure", "locked": true}
# ## Task 5: a sure opponent (15 points, read by a person)
#
# Two colours, $h$ says "red" with probability $q=\sigma(\ell)$, and red is right. How hard does each of the three terms (entropy term, confusion loss, reversed bias loss) pull the logit
# $\ell$ back when $\ell$ is 0, and when it is 10? Derive the three derivatives, and say in at most 100 words what they mean for a training that begins with a very
# biased $f$.
#
# *Points: 3 for each derivative, 6 for the consequence.*

# %% [markdown] nbgrader={"grade": true, "grade_id": "sure", "points": 15, "solution": true}
# Entropy term: the derivative of q log q + (1 - q) log(1 - q) is q (1 - q) times the logit itself; 0 at 0, and 0.00045 at 10. Confusion loss: the derivative of
# -(log q + log(1 - q)) / 2 is q - 1/2; 0 at 0, and 0.5 at 10. Reversed bias loss: the derivative of log q is 1 - q; 0.5 at 0, and 0.000045 at 10. Against a sure and right h only the
# confusion loss keeps pulling, so f hardly leaves a very biased start by the other two; an undecided h is pushed past the middle by the reversed loss alone.
