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
# # From mutual information to a loss

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** Each step between the paper's nine equations holds on a table of nine images as the theory says it, and
# > only the reversed bias loss has the exact gradient of the information.
# >
# > **Read before.** [From mutual information to a game](../book/theory.md).
# >
# > **Reading time.** 20 minutes.
#
# The [theory chapter](../book/theory.md) derives the method in nine equations. This page puts each of them on a table small enough to
# sum by hand, and checks every step: which ones are equalities, which are bounds, and where the problem is replaced by another.
# Then the same quantities are written as tensor code and compared with the library, down to the gradients of one training step.
#
# **After this page you can**
#
# - compute every quantity of Eqs. 1 to 9 for a world of nine images, and choose between features by Eq. 3;
# - show by example that the entropy term of Eq. 6 is no bound, and that the bias loss of Eq. 7 is one;
# - explain why two terms with equal values at the best $h$ push $f$ in different directions;
# - write one training step of the method in five lines, and say who moves on which term.
#
# **What you need**
#
# | | |
# |---|---|
# | background | entropy, cross-entropy, Kullback–Leibler divergence; a little PyTorch; [notation](../book/notation.md) |
# | theory | [From mutual information to a game](../book/theory.md); for the last section, afterwards, [the confusion loss](../book/confusion_loss.md) |
#
# **Run time** on two CPU cores: under half a minute in every profile. The outputs are facts: they are stored with the notebook, and
# `pytest --nbval` compares them.

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
import copy
from dataclasses import replace
from math import log
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from lnl_core import build_network, colored_mnist, figures, losses, methods, preset, resolve_profile
from lnl_core.datasets import IGNORE
from lnl_core.information import conditional_entropy, cross_entropy, entropy, kl_divergence, mutual_information
from lnl_core.losses import reverse_gradient
from lnl_core.runs.provenance import describe_environment

# %matplotlib inline
figures.use_style()
profile = resolve_profile(PROFILE)
trials = {"smoke": 20, "demo": 200, "short": 500, "full": 2000}[profile]  # random worlds on which an inequality is tried
print(f"profile {profile}, {trials} random worlds per inequality")


# %%
def nats(value):
    """Four decimals, and never a minus zero."""
    return f"{round(float(value), 4) + 0.0:.4f}"


# %% [markdown] slideshow={"slide_type": "slide"}
# ## A world of nine images
#
# An image $x=(s,b)$ has one of three shapes and one of three colours. The label is the shape that was *meant*; the drawn
# shape is right in 80 % of the cases. The colour of a training image follows the label in 90 % of the cases; in the test it is random. So
# colour is the better clue in training and no clue at all later.


# %% slideshow={"slide_type": "-"}
def world(color_follows, shape_follows=0.8, n=3):
    """Joint table p(y, x), shape (3, 9); image number 3 s + b has shape s and colour b."""
    clue = lambda p: np.where(np.eye(n), p, (1 - p) / (n - 1))  # noqa: E731
    return np.einsum("ys,yb->ysb", clue(shape_follows), clue(color_follows)).reshape(n, n * n) / n


def bias_and_image(p_yx):
    """Joint table p(b, x), shape (3, 9). The bias is a function of the image: b(x) = x mod 3."""
    return np.tile(np.eye(3), (1, 3)) * p_yx.sum(axis=0)


train, test = world(0.9), world(1 / 3)
p_bx = bias_and_image(train)
print("p(y, x) in training, in percent; columns are images (s, b) = 00, 01, 02, 10, ...")
print(np.round(100 * train, 1))

# %% [markdown]
# **Eq. 1.** Training data are biased if $I(b(X^{\text{train}});Y)\gg I(b(X^{\text{test}});Y)\approx 0$. Sum $x$ over shapes to get the
# table of label and colour:

# %%
for name, p_yx in {"train": train, "test": test}.items():
    p_yb = p_yx.reshape(3, 3, 3).sum(axis=1)
    print(f"{name:5} I(b;Y) = {nats(mutual_information(p_yb))} of H(Y) = {nats(entropy(p_yb.sum(axis=1)))} nats")

# %% [markdown]
# Colour tells about two thirds of the label in training and nothing in the test.
#
# A feature extractor $f$ on nine images is a $9\times M$ table $W$ with $W_{xj}=p(f=j\mid x)$; for a network the rows are one-hot, but
# allowing chance will make $f$ differentiable below. Four extractors to compare:

# %%
extractors = {
    "everything": np.eye(9),
    "colour": np.tile(np.eye(3), (3, 1)),
    "shape": np.repeat(np.eye(3), 3, axis=0),
    "nothing": np.ones((9, 1)),
}

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eq. 2: a network that uses the bias
#
# Give each $f$ the best label head for the training data, $g(j)=\arg\max_y p(y\mid f=j)$. How well does $g\circ f$ do, and how much does
# its *answer* tell about the colour, in training and in the test?


# %% slideshow={"slide_type": "-"}
def best_label_head(w):
    """g as a table p(answer | feature), shape (M, 3): one-hot at the most probable training label."""
    return np.eye(3)[(train @ w).argmax(axis=0)]


print("features     train acc  test acc  I(b;g(f)) train   test")
for name, w in extractors.items():
    answer = w @ best_label_head(w)  # (9, 3) p(answer | x)
    accuracy = [np.einsum("yx,xy->", p, answer) for p in (train, test)]
    told = [mutual_information(bias_and_image(p) @ answer) for p in (train, test)]
    print(f"{name:12} {accuracy[0]:.3f}      {accuracy[1]:.3f}     {nats(told[0])}            {nats(told[1])}")

# %% [markdown] slideshow={"slide_type": "-"}
# "Everything" answers by colour although it sees the shape: colour is the better clue, and it fails in the test. Look at the last
# two columns of "shape". Its answers tell something about the colour in training, since shape and colour both follow the label, and
# nothing in the test. So Eq. 2 is evidence that a network uses the bias only if it is measured where bias and label are independent.
#
# ## Why the penalty sits on $f(X)$ and not on $g(f(X))$
#
# Because $I(b;g(f))\le I(b;f)$ for every $g$ (data processing): what the features do not hold, no head can use. Test it on random tables.


# %%
def random_tables(rng):
    """A random joint p(b, f) and a random, possibly stochastic, g as p(answer | f)."""
    return rng.dirichlet(np.ones(12)).reshape(3, 4), rng.dirichlet(np.full(3, 0.3), size=4)


worlds = (random_tables(np.random.default_rng([SEED, trial])) for trial in range(trials))
slack = [mutual_information(p_bf) - mutual_information(p_bf @ g) for p_bf, g in worlds]
print("I(b; g(f)) <= I(b; f) in every world:", min(slack) > -1e-12)
p_bf, _ = random_tables(np.random.default_rng(SEED))
renamed = p_bf @ np.eye(4)[[2, 0, 3, 1]]  # a g that only renames the features
print("equal when g only renames features: ", np.isclose(mutual_information(renamed), mutual_information(p_bf)))

# %% [markdown] slideshow={"slide_type": "slide"}
# In general it is a strict inequality: a head may ignore what the feature holds. Demanding $I(b;f)=0$ asks for more than is needed. In
# return it holds for every head.
#
# ## Eq. 3: the objective
#
# $$\min_{f,g}\;\mathbb E\big[\mathcal L_c(y,g(f(x)))\big]+\lambda\,I(b(X);f(X))$$
#
# With the best $g$, which answers with the posterior, the label loss is $H(Y\mid F)$. Now both terms are table sums. Which of the four
# extractors wins?

# %% slideshow={"slide_type": "-"}
values = {name: (conditional_entropy(train @ w), mutual_information(p_bx @ w)) for name, w in extractors.items()}
print("features     H(Y|F)   I(b;F)")
for name, (label, leak) in values.items():
    print(f"{name:12} {nats(label)}   {nats(leak)}")
for weight in (0, 0.2, 0.5, 1, 2, 3):
    best = min(values, key=lambda name: values[name][0] + weight * values[name][1])
    print(f"lambda = {weight:<4} -> {best}")

# %% [markdown]
# Without a penalty the features keep everything, with a moderate one the shape, and with a large one nothing at all. "Nothing" is the
# perfect answer to "hold no information about the colour": even the shape tells some of it, because in training shape and colour agree.
# Forgetting costs label information, and the theory chapter bounds the cost: $I(F;Y)\le I(F;b)+H(Y\mid b)$.

# %%
p_yb = train.reshape(3, 3, 3).sum(axis=1)
for name, w in extractors.items():
    left, right = mutual_information(train @ w), values[name][1] + conditional_entropy(p_yb)
    print(f"{name:12} I(F;Y) = {nats(left)} <= {nats(right)}: {left <= right}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eq. 4: information is entropy removed
#
# $$I(b;F)=H(b)-H(b\mid F)$$
#
# and $H(b)$ is a property of the data. For all four extractors, and for a random one:

# %% slideshow={"slide_type": "-"}
some = {**extractors, "random": np.random.default_rng(SEED).dirichlet(np.ones(4), size=9)}
print("features     I(b;F)   H(b)     H(b|F)   H(b) - H(b|F) equals I(b;F)")
for name, w in some.items():
    p_bf = p_bx @ w  # (3, M) joint of colour and feature
    whole, rest = entropy(p_bf.sum(axis=1)), conditional_entropy(p_bf)
    print(
        f"{name:12} {nats(mutual_information(p_bf))}   {nats(whole)}   {nats(rest)}   {np.isclose(whole - rest, mutual_information(p_bf))}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# The second column never changes, so it may be dropped: minimising $I(b;F)$ over $f$ is minimising $-H(b\mid F)$. So far,
# equalities only.
#
# ## Eq. 5: an auxiliary distribution
#
# $-H(b\mid F)$ needs the posterior $P(b\mid F)$, which a network with millions of images cannot tabulate. Put a distribution $Q(b\mid f)$
# in its place that can be evaluated, the output of $h$:
#
# $$\mathcal N(Q)=\mathbb E_x\Big[\sum_b Q(b\mid f(x))\log Q(b\mid f(x))\Big]\qquad\text{s.t. } Q=P .$$
#
# With the constraint it is $-H(b\mid F)$ exactly. Without it? Take $f$ = shape, and four heads: the true posterior; one too
# sure; one too unsure; and one that is just as sure as the true one but names the wrong colours.


# %% slideshow={"slide_type": "-"}
def posterior(p_bf):
    """P(b | f), shape (3, M): every column sums to one."""
    return p_bf / p_bf.sum(axis=0)


def negative_entropy(p_f, q):
    """N(Q) for feature probabilities p_f (M,) and a head q (3, M)."""
    return sum(weight * -entropy(column) for weight, column in zip(p_f, q.T, strict=True))


def bias_loss(p_bf, q):
    """L_B(Q) = E[-log Q(b | f)]."""
    return -(p_bf * np.log(q)).sum()


def divergence(p_bf, q):
    """E_f[ KL(P(.|f) || Q(.|f)) ]."""
    return sum(w * kl_divergence(p, column) for w, p, column in zip(p_bf.sum(axis=0), posterior(p_bf).T, q.T, strict=True))


shape = p_bx @ extractors["shape"]
true = posterior(shape)
heads = {
    "true posterior": true,
    "overconfident": true**3 / (true**3).sum(axis=0),
    "timid": true**0.3 / (true**0.3).sum(axis=0),
    "wrong colours": np.roll(true, 1, axis=0),
}
wanted = -conditional_entropy(shape)
print(f"wanted: -H(b|F) = {nats(wanted)}")
for name, q in heads.items():
    used = negative_entropy(shape.sum(axis=0), q)
    relation = "equal" if np.isclose(used, wanted) else "too large" if used > wanted else "too small"
    print(f"{name:15} N(Q) = {nats(used)}   {relation}")

# %% [markdown] slideshow={"slide_type": "slide"}
# $\mathcal N$ is **neither an upper nor a lower bound**. With an overconfident head the features seem to hold more of the
# colour than they do, with a head that is too unsure less. The head that names wrong colours has the same value as the true posterior, because $\mathcal N$
# never uses the true colour. So $\mathcal N$ means something only under the constraint.
#
# ## Eq. 6: the constraint becomes a penalty
#
# $$\mathcal L_{MI}=\mathcal N(Q)+\mu\,\mathbb E_F\big[D_{KL}(P\,\|\,Q)\big]$$
#
# The divergence tells the four heads apart. It does not turn the sum into a bound: near $Q=P$ the error of $\mathcal N$ is of first
# order and the divergence of second, so however large $\mu$ is, a head that is a little too unsure has a value below $-H(b\mid F)$.

# %% slideshow={"slide_type": "-"}
for name, q in heads.items():
    print(f"{name:15} D(P||Q) = {nats(divergence(shape, q))}")
mu = 100
for step in (0.1, 0.01, 0.001):
    q = (1 - step) * true + step / 3  # a little flatter than the truth
    excess = negative_entropy(shape.sum(axis=0), q) + mu * divergence(shape, q) - wanted
    print(f"mu = {mu}, {step} of the way to uniform: L_MI + H(b|F) is {'positive' if excess > 0 else 'negative'}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eq. 7: from divergence to cross-entropy
#
# The divergence still contains $P$. What can be computed from labelled samples is the bias loss
#
# $$\mathcal L_B=\mathbb E_x\big[-\log Q(b(x)\mid f(x))\big]=H(b\mid F)+\mathbb E_F\big[D_{KL}(P\,\|\,Q)\big].$$

# %% slideshow={"slide_type": "-"}
print("head             L_B      H(b|F) + D(P||Q)   H(b) - L_B  <=  I(b;F)")
for name, q in heads.items():
    total = conditional_entropy(shape) + divergence(shape, q)
    bound = entropy(shape.sum(axis=1)) - bias_loss(shape, q)
    print(
        f"{name:15}  {nats(bias_loss(shape, q))}   {nats(total)}             {bound:+.4f}       {nats(mutual_information(shape))}"
    )

# %% [markdown]
# The two columns agree, and the true posterior has the smallest loss. So for $h$ **nothing changed**: $H(b\mid F)$ does not
# contain $h$, and minimising $\mathcal L_B$ is minimising the divergence. The last columns are the bound that comes with it: a head
# proves at least $H(b)-\mathcal L_B$ nats of leakage. A poor head proves nothing.
#
# For $f$ the problem **did** change, since $H(b\mid F)$ does contain $f$. Check both claims with automatic differentiation, for a
# stochastic $f$ and an arbitrary $h$.

# %%
torch.set_default_dtype(torch.float64)
P_BX, P_YX = torch.tensor(p_bx), torch.tensor(train)


def tables(f_logits):
    """The joints p(b, f) and p(y, f), differentiable in the logits of f, shape (9, M)."""
    w = torch.softmax(f_logits, dim=1)
    return P_BX @ w, P_YX @ w


def terms(p_bf, q):
    """L_B, H(b|F) and their difference, the mean divergence."""
    loss, rest = -(p_bf * q.log()).sum(), -(p_bf * (p_bf / p_bf.sum(0)).log()).sum()
    return loss, rest, loss - rest


generator = torch.Generator().manual_seed(SEED)
f_logits = torch.randn(9, 4, generator=generator).requires_grad_()
h_logits = torch.randn(3, 4, generator=generator).requires_grad_()
loss, rest, gap = terms(tables(f_logits)[0], torch.softmax(h_logits, dim=0))
for name, player in {"h": h_logits, "f": f_logits}.items():
    gradients = [torch.autograd.grad(value, player, retain_graph=True)[0] for value in (loss, gap)]
    print(f"gradient of L_B equals gradient of the divergence for {name}: {torch.allclose(*gradients)}")

# %% [markdown]
# ## The best head reaches $H(b\mid F)$
#
# $\mathcal L_B$ is convex in the logits of $h$. Train $h$ by gradient steps on a fixed $f$ and see where it ends:

# %%
p_bf = tables(f_logits)[0].detach()
logits = torch.zeros(3, 4, requires_grad=True)
optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    value = -(p_bf * torch.log_softmax(logits, dim=0)).sum()
    value.backward()
    return value


print(f"L_B of an ignorant h: {nats(closure().item())}")
optimizer.step(closure)
print(f"L_B of the trained h: {nats(closure().item())}")
print(f"H(b|F):               {nats(conditional_entropy(p_bf.numpy()))}")
print("its prediction is the posterior:", torch.allclose(torch.softmax(logits, 0).detach(), p_bf / p_bf.sum(0), atol=1e-6))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eq. 8: the game
#
# $$\min_f\max_h\;\mathcal N-\mu\,\mathcal L_B$$
#
# $h$ is to make $\mathcal L_B$ small and $f$ to make it large. Put the best $h$, the posterior, into both terms: the value must be
# $-(1+\mu)H(b\mid F)$, which is $I(b;F)$ again, scaled and shifted by the constant $H(b)$.

# %% slideshow={"slide_type": "-"}
mu = 0.7
for name, w in {"shape": extractors["shape"], "random": some["random"]}.items():
    p_bf = p_bx @ w
    q = posterior(p_bf)
    value = negative_entropy(p_bf.sum(axis=0), q) - mu * bias_loss(p_bf, q)
    original = (1 + mu) * (mutual_information(p_bf) - entropy(p_bf.sum(axis=1)))
    print(f"{name:7} N - mu L_B at Q = P: {nats(value)}   (1 + mu)(I - H(b)): {nats(original)}")

# %% [markdown]
# Taken literally, the maximum over $h$ includes $\mathcal N$, and would reward $h$ for being *sure*. The paper's text says that
# $h$ is held fixed in that term. What if it were not? One feature value, two colours with $P=(0.7,0.3)$: where does
# $\mathcal N-\mu\mathcal L_B$ have its maximum over $q$?

# %%
p, q = 0.7, np.linspace(0.0005, 0.9995, 1999)
certainty = q * np.log(q) + (1 - q) * np.log(1 - q)
for mu in (0.5, 1.0, 2.0, 10.0, 100.0):
    reward = certainty + mu * (p * np.log(q) + (1 - p) * np.log(1 - q))
    print(f"mu = {mu:<5}: the best h for the literal Eq. 8 predicts {q[reward.argmax()]:.3f} where the truth is {p}")

# %% [markdown] slideshow={"slide_type": "slide"}
# An $h$ that also maximised the entropy term would be too sure, and far too sure for small $\mu$. Its loss would then no longer tell
# $H(b\mid F)$. So the rule is: **the entropy term must not move $h$.**
#
# ## Equal values, different gradients
#
# At $Q=P$ both terms have the value $-H(b\mid F)$. While $h$ is held still, do they push $f$ in the same direction?


# %% slideshow={"slide_type": "-"}
def gradient(value, variable):
    return torch.autograd.grad(value, variable, retain_graph=True)[0]


p_bf = tables(f_logits)[0]
q = (p_bf / p_bf.sum(0)).detach()  # h at its best, and held still
exact = gradient((p_bf * (p_bf / p_bf.sum(0)).log()).sum(), f_logits)  # of -H(b|F)
reversed_loss = gradient((p_bf * q.log()).sum(), f_logits)  # of -L_B
entropy_term = gradient((p_bf.sum(0) * (q * q.log()).sum(0)).sum(), f_logits)  # of N
cosine = torch.nn.functional.cosine_similarity
print("reversed bias loss has the gradient of -H(b|F):", torch.allclose(reversed_loss, exact))
print("entropy term has the gradient of -H(b|F):      ", torch.allclose(entropy_term, exact))
print(f"cosine between entropy term and -H(b|F): {nats(cosine(entropy_term.ravel(), exact.ravel(), dim=0))}")

# %% [markdown]
# They do not. For $\mathcal L_B$ the best $h$ is an optimum, so its own change does not matter to first order (the envelope
# theorem), and the reversed gradient is exact. For $\mathcal N$ the posterior is no optimum. Held still, it only tells $f$ which
# features the present $h$ is unsure about, and pushes *every* image there, whatever its own colour. For the table this can be seen
# directly: per unit of probability moved to feature $j$, image $x$ contributes $\log Q(b(x)\mid j)$ in the one case and
# $\sum_b Q(b\mid j)\log Q(b\mid j)$ in the other.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What $f$ learns in the game
#
# Start with features that hold mostly colour, as biased training does. Let $g$ and $h$ answer with their best tables after every step,
# and let $f$ follow the label loss, plus the entropy term, the reversed bias loss, or both.


# %%
def play(mi_weight, adv_weight, steps=2000, rate=5.0):
    """Gradient steps of f against best replies of g and h; returns the logits of f and I(b;F) over time."""
    start = 4 * torch.tensor(np.tile(np.eye(3, 4), (3, 1))) + torch.tensor(np.repeat(np.eye(3, 4), 3, axis=0))
    logits = start + 0.1 * torch.randn(9, 4, generator=torch.Generator().manual_seed(SEED))
    leaks = []
    for _ in range(steps):
        logits.requires_grad_()
        p_bf, p_yf = tables(logits)
        q, g = ((p / p.sum(0)).detach() for p in (p_bf, p_yf))  # best replies, held still
        objective = -(p_yf * g.log()).sum()  # L_c
        objective = objective + mi_weight * (p_bf.sum(0) * (q * q.log()).sum(0)).sum()  # + lambda N
        objective = objective + adv_weight * (p_bf * q.log()).sum()  # - mu L_B
        leaks.append(mutual_information(p_bf.detach().numpy()))
        logits = (logits - rate * gradient(objective, logits)).detach()
    return logits, leaks


results = {(lam, mu): play(lam, mu) for lam, mu in ((0, 0), (1, 0), (0, 1), (1, 1))}

# %% slideshow={"slide_type": "-"}
print("lambda  mu   I(b;F)   I(F;Y)   test accuracy")
for (lam, mu), (logits, _) in results.items():
    w = torch.softmax(logits, dim=1).numpy()
    accuracy = np.einsum("yx,xy->", test, w @ best_label_head(w))
    print(f"{lam}       {mu}    {mutual_information(p_bx @ w):.3f}    {mutual_information(train @ w):.3f}    {accuracy:.3f}")

# %% [markdown]
# With the label loss alone the colour stays, and the entropy term alone changes nothing: from a biased start it pushes all images
# towards whichever feature $h$ is least sure of, and that does not undo the colours. The same weight on the reversed bias loss
# leads to the shape, as the exact gradient suggests. The last row repeats what Eq. 3 showed: the weights add up, and too much weight
# costs label information.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Information of the features about the colour over the steps of f. Without penalty and with the entropy term alone it stays high; with the reversed loss it falls to the level of the shape feature, with both terms below it."}} slideshow={"slide_type": "subslide"}
panels, panel = plt.subplots(figsize=(6.6, 3.9), layout="constrained")
for number, ((lam, mu), (_, leaks)) in enumerate(results.items()):
    style = ("-", "--", "-.", ":")[number]
    panel.plot(leaks, color=figures.PALETTE[number], linestyle=style, linewidth=2, label=f"λ = {lam}, μ = {mu}")
panel.axhline(values["shape"][1], color="0.4", linewidth=1, label="f = shape")
panel.set(title="What the features hold about the colour while f plays", xlabel="step of f", ylabel="I(b; F) in nats")
panel.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: information about the colour over the steps of $f$. Without penalty and with the entropy term alone it stays high;
# with the reversed loss it falls to the level of the shape feature, and with both terms below it.*
#
# ## From tables to tensors
#
# From here on $f$, $g$, $h$ are networks. Their outputs are logits with the classes in dimension 1, and the means run over batch and
# places. First the label loss of Eq. 3 and the entropy term of Eq. 6, in plain tensor code; then the library's.

# %%
label_logits = torch.randn(5, 10, generator=generator)
labels = torch.tensor([3, 1, 4, 1, 5])
q = torch.softmax(label_logits, dim=1)
inline = -torch.log(q[torch.arange(5), labels]).mean()
print("label loss equals the library's:   ", torch.allclose(inline, losses.label_loss(label_logits, labels)))

bias_logits = torch.randn(2, 8, 3, 4, 4, generator=generator)  # (B, K, channels, height, width)
q = torch.softmax(bias_logits, dim=1)
inline = (q * torch.log(q)).sum(dim=1).mean()
print("entropy term equals the library's: ", torch.allclose(inline, losses.negative_conditional_entropy(bias_logits)))

# %% [markdown]
# This plain code is not enough: `q * log(q)` fails when a head is so sure that a probability underflows, as happens in training.

# %%
sure = torch.tensor([[1000.0, 0.0]], requires_grad=True)
q = torch.softmax(sure, dim=1)
naive = (q * torch.log(q)).sum(dim=1).mean()
safe = losses.negative_conditional_entropy(sure)
print("naive:", naive.item(), "  from log-probabilities:", safe.item() + 0.0)
print("finite gradient from log-probabilities:", torch.isfinite(torch.autograd.grad(safe, sure)[0]).all().item())

# %% [markdown]
# Two closed forms to keep in mind: a uniform head gives $-\log K$, a one-hot head gives 0.
#
# The bias loss of Eq. 7 leaves out places without a label (255). "sum" adds the means of the three colour channels, as the authors' code
# does; "mean" averages over all labelled places.

# %%
bias = torch.randint(0, 8, (2, 3, 4, 4), generator=generator)
bias[:, :, 0] = IGNORE  # the first row of places is background ...
bias[:, 1, 1] = IGNORE  # ... and green has none in the second
kept = bias != IGNORE
log_q = torch.log_softmax(bias_logits, dim=1)
at_label = -log_q.gather(1, torch.where(kept, bias, 0)[:, None])[:, 0]  # (B, 3, 4, 4), to be masked
per_channel = [at_label[:, c][kept[:, c]].mean() for c in range(3)]
print("bias loss, mean:", torch.allclose(at_label[kept].mean(), losses.bias_loss(bias_logits, bias)))
print("bias loss, sum: ", torch.allclose(sum(per_channel), losses.bias_loss(bias_logits, bias, "sum")))
moved = bias_logits + 100 * ~kept[:, None] * torch.randn(bias_logits.shape, generator=generator)
print(
    "logits at places without a label do not matter:",
    torch.equal(losses.bias_loss(moved, bias), losses.bias_loss(bias_logits, bias)),
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Gradient reversal
#
# Eq. 8 wants the same loss with opposite signs for $f$ and $h$. A layer $R_\mu$ between them that is the identity forwards and
# multiplies the gradient by $-\mu$ backwards does it in one pass. It can be written without any special machinery:

# %% slideshow={"slide_type": "-"}
mu, z = 0.1, torch.randn(4, generator=generator, requires_grad=True)
inline = -mu * z + ((1 + mu) * z).detach()  # the value of z, the gradient of -mu z
library = reverse_gradient(z, mu)
loss_of = lambda u: (u**3).sum()  # noqa: E731
print("forward, both are the identity:", torch.allclose(inline, z), torch.equal(library, z))
plain = gradient(loss_of(z), z)
print(
    "backward, both give -mu times the gradient:",
    all(torch.allclose(gradient(loss_of(u), z), -mu * plain) for u in (inline, library)),
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eq. 9: one step of the method, on digits
#
# $$\min_{f,g}\max_h\;\mathbb E\big[\mathcal L_c+\lambda\,\mathcal N\big]-\mu\,\mathcal L_B$$
#
# Who is connected to whom is the paper's Figure 2:

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Boxes and arrows: an image goes into f, whose features feed the label head g and the bias head h; dashed arrows show the gradients that come back to f from both."}} slideshow={"slide_type": "-"}
picture = figures.draw_networks()
folder = Path(OUT_DIR).expanduser() / "02_derivation"
folder.mkdir(parents=True, exist_ok=True)
picture.savefig(folder / "figure_2.png", dpi=150)
picture

# %% [markdown]
# *The picture: an image goes into $f$, whose features feed the label head $g$ and the bias head $h$; dashed arrows show the
# gradients that come back to $f$.*
#
# A real batch and the authors' network, in double precision so that "equal" can mean equal:

# %%
data = colored_mnist("train", COLOR_VAR, seed=SEED, data_dir=DATA_DIR or None, source="auto" if DATA_DIR else "mini")
batch = data.batch(slice(0, 32))
batch = replace(batch, images=batch.images.double())
config = preset("full", "lnl", color_var=COLOR_VAR, seed=SEED)  # lambda and mu of the authors' code
network = build_network(config).double()
print(f"batch {tuple(batch.images.shape)}, lambda {config.mi_weight}, mu {config.adv_weight}")


# %%
def all_gradients(compute):
    """Run `compute(network)`, which fills gradients, on a copy; return {"f": vector, "g": vector, "h": vector}."""
    clone = copy.deepcopy(network).train()
    compute(clone)
    flat = lambda part: torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).ravel() for p in part.parameters()])  # noqa: E731
    return {"f": flat(clone.extractor), "g": flat(clone.label_head), "h": flat(clone.bias_head)}


# %% [markdown]
# The step of Eq. 9, as the equations read. A frozen copy of $h$ carries the entropy term, so that it cannot move $h$; the reversal layer
# carries the bias loss.


# %%
def by_hand(net):
    frozen = copy.deepcopy(net.bias_head).requires_grad_(False)
    features = net.extractor(batch.images)
    total = losses.label_loss(net.label_head(features), batch.labels)
    total = total + config.mi_weight * losses.negative_conditional_entropy(frozen(features))
    total = total + losses.bias_loss(net.bias_head(reverse_gradient(features, config.adv_weight)), batch.bias, "sum")
    total.backward()


mine, library = all_gradients(by_hand), all_gradients(lambda net: methods.lnl(net, batch, config))
for part in "fgh":
    print(
        f"gradient of {part}: {len(mine[part]):,} numbers, equal to methods.lnl: {torch.allclose(mine[part], library[part], rtol=1e-9, atol=1e-12)}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# Descending `total` with all three networks *is* the min-max game. The library reaches the same gradients with one pass through $h$
# instead of two.
#
# ## Who moves on which term?
#
# The table in the documentation can be checked by measurement. Take each loss's own gradient, without any reversal or freezing, and
# ask by least squares which combination of them each method hands to $f$, $g$ and $h$.


# %% slideshow={"slide_type": "-"}
def gradient_of(term):
    """The plain gradients of one loss, for all networks that it reaches."""

    def compute(net):
        features = net.extractor(batch.images)
        bias_logits = net.bias_head(features)
        {
            "L_c": lambda: losses.label_loss(net.label_head(features), batch.labels),
            "N": lambda: losses.negative_conditional_entropy(bias_logits),
            "L_B": lambda: losses.bias_loss(bias_logits, batch.bias, "sum"),
            "L_conf": lambda: losses.confusion_loss(bias_logits),
        }[term]().backward()

    return all_gradients(compute)


basis = {term: gradient_of(term) for term in ("L_c", "N", "L_B", "L_conf")}
print("method         net " + "".join(f"{term:>9}" for term in basis))
for method in ("baseline", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl"):
    setting = preset("full", method, color_var=COLOR_VAR, seed=SEED)
    step = all_gradients(lambda net: methods.find(method).step(net, batch, setting))  # noqa: B023
    for part in "fgh":
        reach = [term for term in basis if basis[term][part].abs().max() > 0]
        matrix = torch.stack([basis[term][part] for term in reach], dim=1)
        weights = dict(zip(reach, torch.linalg.lstsq(matrix, step[part][:, None]).solution.ravel().tolist(), strict=True))
        cells = "".join(f"{round(weights[t], 4) + 0.0:>9g}" if t in weights else f"{'.':>9}" for t in basis)
        print(f"{method if part == 'f' else '':14} {part}   {cells}")

# %% [markdown] slideshow={"slide_type": "-"}
# A positive number means that the network descends the loss, a negative one that it ascends, and 0 that it does not move although the
# loss contains it. A dot marks losses that do not contain the network. In every method but the baseline $h$ descends
# $\mathcal L_B$ with weight 1 and nothing else; $g$ knows only the label; all the difference is in the row of $f$. "lnl" has
# $\lambda$ on the entropy term and $-\mu$ on the bias loss: Eq. 9.
#
# ## The confusion loss
#
# Alvi et al.'s term, used by "blind_eye" in place of $\mathcal N$, is the cross-entropy of $h$ against the uniform distribution
# $u$. Both are divergences from uniform, in opposite order:
#
# $$\mathcal L_{\text{conf}}=\log K+D_{KL}(u\,\|\,Q),\qquad \mathcal N=-\log K+D_{KL}(Q\,\|\,u).$$

# %%
uniform = np.full(4, 0.25)
for name, q in {
    "uniform": uniform,
    "leaning": np.array([0.4, 0.3, 0.2, 0.1]),
    "sure": np.array([0.997, 0.001, 0.001, 0.001]),
}.items():
    as_logits = torch.tensor(np.log(q))[None]
    confusion, negative = losses.confusion_loss(as_logits).item(), losses.negative_conditional_entropy(as_logits).item()
    print(
        f"{name:8} L_conf = {nats(confusion)} = {nats(log(4) + kl_divergence(uniform, q))}   "
        f"N = {nats(negative)} = {nats(-log(4) + kl_divergence(q, uniform))}"
    )
    assert np.isclose(confusion, cross_entropy(uniform, q))

# %% [markdown]
# Near uniform the two divergences agree to second order. Far from it they behave differently, and it shows in the force on a logit.
# Two colours, $h$ says "red" with probability $q=\sigma(\ell)$, and red is right. How hard does each term pull the logit $\ell$ back?

# %%
print("logit     q      entropy term   confusion loss   reversed bias loss")
for value in (0.0, 1.0, 2.0, 5.0, 10.0):
    pair = torch.tensor([[value, 0.0]], requires_grad=True)
    pulls = [
        gradient(losses.negative_conditional_entropy(pair), pair),
        gradient(losses.confusion_loss(pair), pair),
        -gradient(losses.bias_loss(pair, torch.tensor([0])), pair),
    ]
    print(f"{value:5}   {torch.sigmoid(pair[0, 0]).item():.4f}  " + "".join(f"{nats(pull[0, 0]):>14}" for pull in pulls))

# %% [markdown]
# When $h$ is sure and right, which is where a biased start leads, the gradients of the entropy term and of the reversed bias loss
# both vanish, while that of the confusion loss does not. When $h$ is undecided, only the reversed loss still has a gradient, and
# it goes on to mislead $h$. This makes the game turn in circles, as [03_minmax_game](03_minmax_game.ipynb) shows.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: the best features (pencil; medium)
#
# With the constraint $Q=P$ in force, what is the smallest value that Eq. 5 can take over all $f$, and for which $f$ is it
# reached? Which of the four extractors reaches it here, and what does it cost?
#
# <details><summary>Solution</summary>
#
# Under the constraint the objective is $-H(b\mid F)=I(b;F)-H(b)\ge -H(b)$, with equality exactly if $b$ and $F$ are
# independent. Here only "nothing" reaches it, with $-H(b)=-\log 3$. It costs the whole label: $H(Y\mid F)=H(Y)=\log 3$. "Shape" does
# not reach it because shape and colour are dependent in *training*, through the label.
#
# </details>
#
# ### Exercise 2: a head that makes the entropy term useless (code; medium)
#
# For $f$ = shape, find a head with $\mathcal N$ at its smallest possible value, $-\log 3$, although $f$ leaks about a third of
# a nat. What does the bias loss say about that head?
#
# <details><summary>Solution</summary>
#
# The uniform head:
#
# ```python
# q = np.full((3, 3), 1 / 3)
# print(nats(negative_entropy(shape.sum(axis=0), q)), nats(-log(3)))
# print("L_B:", nats(bias_loss(shape, q)), " H(b|F):", nats(conditional_entropy(shape)))
# ```
#
# Its bias loss is $\log 3$, larger than $H(b\mid F)$ by exactly $D_{KL}(P\,\|\,Q)$, which here is $I(b;F)$ because the colours are
# equally frequent. This is the head that you get if the entropy term is allowed to move $h$ downhill.
#
# </details>
#
# ### Exercise 3: a start with colour only (predict, then run; hard)
#
# In "What $f$ learns in the game" start from features that hold **only** colour: multiply `start` by 10 so that $W$ is nearly
# one-hot. Will the reversed loss with $\mu=1$ still find the shape? Think of what the table above says about a sure and right $h$,
# then run it.
#
# <details><summary>Solution</summary>
#
# Copy `play`, with the start multiplied and the reversed loss alone:
#
# ```python
# def play_from(sharpness, steps=2000, rate=5.0):
#     start = 4 * torch.tensor(np.tile(np.eye(3, 4), (3, 1))) + torch.tensor(np.repeat(np.eye(3, 4), 3, axis=0))
#     logits = sharpness * start + 0.1 * torch.randn(9, 4, generator=torch.Generator().manual_seed(SEED))
#     leaks = []
#     for _ in range(steps):
#         logits.requires_grad_()
#         p_bf, p_yf = tables(logits)
#         q, g = ((p / p.sum(0)).detach() for p in (p_bf, p_yf))
#         objective = -(p_yf * g.log()).sum() + (p_bf * q.log()).sum()
#         leaks.append(mutual_information(p_bf.detach().numpy()))
#         logits = (logits - rate * gradient(objective, logits)).detach()
#     return leaks
#
#
# for sharpness in (1, 3, 10):
#     leaks = play_from(sharpness)
#     print(sharpness, round(leaks[0], 3), "->", round(leaks[-1], 3))
# ```
#
# The sharper the start, the longer it takes to leave, and in the end $f$ does not move at all: the gradient of a softmax with a
# probability near 1 is nearly zero, and so is that of an $h$ that is always right. In this toy, what was learnt too well is not
# unlearnt. This is an argument for a short warm start, and not a measurement of one.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Eqs. 3 and 4 are equalities. Eq. 5 is one under its constraint; Eq. 6 relaxes the constraint and is no bound.
# - The bias loss of Eq. 7 trains $h$ exactly as the divergence would, and bounds the leakage from below. For $f$ it is another
#   problem, and its sign must be turned: Eq. 8.
# - At the best $h$ the entropy term and the reversed bias loss have the same value and different gradients. Only the second is exact.
# - One step is five lines: label loss, entropy through a frozen $h$, bias loss through a reversal layer.
#
# Next: [03_minmax_game](03_minmax_game.ipynb) plays the game with so few parameters that every trajectory fits into a picture.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
