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
# # The min-max game by hand

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** Two players with reversed gradients circle each other; noise or weight decay brings them to rest, with noise
# > the sooner if $h$ is somewhat faster, and too strong an adversary lowers the accuracy on unbiased data.
# >
# > **Read before.** [02 Derivation](02_derivation.ipynb).
# >
# > **Reading time.** 20 minutes.
#
# "Not very stable", the authors write about the adversarial part of their training. This page shows why, in two small games. In
# the first $f$ and $h$ have one weight each, so the state is a point in the plane. In the second $f$ has one weight for shape and one
# for colour, and $h$ has one. Every expectation is computed as an integral and not from samples, so nothing here is due to chance.
#
# **After this page you can**
#
# - explain why two players with reversed gradients go in circles, and why simultaneous steps spiral outwards;
# - predict from a two-by-two matrix whether a setting converges, and check the prediction;
# - say what a faster $h$, noise, weight decay and the entropy term each do for stability;
# - recognise two cases that look like success and are not: an $h$ that is too slow, and an $f$ that overshoots.
#
# **What you need**
#
# | | |
# |---|---|
# | background | gradient descent; eigenvalues of a 2×2 matrix |
# | theory | [The adversarial step](../book/theory.md) |
#
# **Run time** on two CPU cores: about half a minute in every profile. The outputs are facts: they are stored with the notebook, and
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
from math import log, pi, sqrt
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import expit, ndtr
from torch.func import jacrev

from lnl_core import figures, losses, resolve_profile
from lnl_core.runs.provenance import describe_environment

# %matplotlib inline
figures.use_style()
torch.set_default_dtype(torch.float64)
profile = resolve_profile(PROFILE)
pixels = {"smoke": 15, "demo": 61, "short": 91, "full": 151}[profile]  # of the map in the background of a figure
print(f"profile {profile}; this page needs no data" + (f" and leaves {DATA_DIR} alone" if DATA_DIR else ""))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A game of two numbers
#
# Begin with colour alone. The bias is $b=\pm1$, the feature is $z=a\,b$, and the head predicts $b$ with the logit $w z$. Then
# $b\cdot wz = wa$ for every image, and the bias loss is
#
# $$\mathcal L_B(a,w)=\log\big(1+e^{-aw}\big).$$
#
# Only the product counts. $h$ wants it large and descends along $w$; $f$ wants it small and ascends along $a$, scaled by
# $\mu$. Let us see that the reversal layer does just that, in one backward pass through the library's loss:

# %% slideshow={"slide_type": "-"}
a, w = torch.tensor(0.8, requires_grad=True), torch.tensor(0.5, requires_grad=True)
mu = 0.3
bias = torch.tensor([1, 0])  # one image of each colour: class 1 is b = +1, class 0 is b = -1
colour = torch.tensor([1.0, -1.0])
logit = w * losses.reverse_gradient(a * colour, mu)
losses.bias_loss(torch.stack([torch.zeros(2), logit], dim=1), bias).backward()
slope = torch.sigmoid(-a * w).item()
print(f"h receives {w.grad.item():+.4f}, by hand        dL_B/dw = {-slope * a.item():+.4f}")
print(f"f receives {a.grad.item():+.4f}, by hand -mu times dL_B/da = {mu * slope * w.item():+.4f}")

# %% [markdown]
# Both *descend* what they receive. With rates $\eta$ for $f$ and $r\eta$ for $h$, one simultaneous step is
#
# $$a\leftarrow a-\eta\mu\, s\,w,\qquad w\leftarrow w+\eta r\, s\,a,\qquad s=\sigma(-aw).$$


# %%
def game(mu=1.0, ratio=1.0, rate=0.3, steps=130, start=(0.6, 0.0), alternating=False, mi_weight=0.0):
    """Trajectory of (a, w), shape (steps + 1, 2)."""
    a, w = start
    path = [(a, w)]
    for _ in range(steps):
        s = 1 / (1 + np.exp(a * w))
        entropy_pull = mi_weight * a * w**2 * s * (1 - s)  # gradient of lambda N with respect to a
        new_a = a - rate * (mu * s * w + entropy_pull)
        seen = new_a if alternating else a  # what h looks at
        s = 1 / (1 + np.exp(seen * w))
        a, w = new_a, w + rate * ratio * s * seen
        path.append((a, w))
    return np.array(path)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## Circles
#
# Where does it go? Let $\eta\to0$. Then $\dot a=-\mu s w$ and $\dot w=r s a$, so
#
# $$\frac{d}{dt}\big(r\,a^2+\mu\,w^2\big)=2ra(-\mu s w)+2\mu w(r s a)=0 .$$
#
# The point circles around the origin forever, on an ellipse. $h$ finds the colour, $f$ changes the sign of its weight, $h$
# changes its own, $f$ changes again, without end. With finite steps it is worse. Expand one simultaneous step:
#
# $$r a_{+}^2+\mu w_{+}^2=\big(1+\eta^2\mu r\,s^2\big)\,\big(r a^2+\mu w^2\big).$$
#
# The radius grows with *every* step, whatever the rate. Check the formula step by step:

# %%
path = game()
radius2 = (path**2).sum(axis=1)
s = 1 / (1 + np.exp(path.prod(axis=1)))[:-1]
print("growth of the squared radius follows the formula:", np.allclose(radius2[1:] / radius2[:-1], 1 + 0.3**2 * s**2))
for rate in (0.3, 0.1, 0.03):
    path = game(rate=rate, steps=round(39 / rate))
    print(
        f"rate {rate:<4}: after the same time, {39 / rate:6.0f} steps, the radius has grown by {np.hypot(*path[-1]) / np.hypot(*path[0]):.3f}"
    )

# %% [markdown]
# Smaller steps spiral more slowly and never inwards. What if the players alternate: $f$ moves first, and $h$ uses the *new* $f$?

# %%
for name, alternating in {"simultaneous": False, "alternating": True}.items():
    radius = np.hypot(*game(steps=3000, rate=0.1, alternating=alternating).T)
    print(f"{name:12}: radius between {radius[-500:].min():.3f} and {radius[-500:].max():.3f} at the end of 3000 steps, from 0.600")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two paths in the plane of a and w. Simultaneous steps spiral outwards from the start; alternating steps follow a closed ring around the origin."}} slideshow={"slide_type": "subslide"}
panels, axes = plt.subplots(1, 2, figsize=(8.6, 4.2), layout="constrained")
for panel, name, alternating in ((axes[0], "simultaneous", False), (axes[1], "alternating", True)):
    path = game(alternating=alternating)
    panel.plot(*path.T, color=figures.PALETTE[0], linewidth=1, marker="o", markersize=2.5)
    panel.plot(*path[0], color="black", marker="s", label="start", linestyle="none")
    panel.plot(0, 0, color=figures.PALETTE[1], marker="*", markersize=13, label="nothing to predict", linestyle="none")
    panel.set(title=name, xlabel="a, colour weight of f", ylabel="w, weight of h", aspect="equal")
axes[1].legend(loc="center", bbox_to_anchor=(0.5, 0.35))
panels.suptitle("The game of colour alone, 130 steps")
folder = Path(OUT_DIR).expanduser() / "03_minmax_game"
folder.mkdir(parents=True, exist_ok=True)
panels.savefig(folder / "spirals.png", dpi=150)
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: left, a spiral that winds outwards from the start; right, a closed ring around the star at the origin.* Alternating
# steps keep the ring and do not spiral out. But on a ring the game does not come to rest either. The authors' two updates per batch do
# not alternate in this sense: the first moves $f$ and $g$, and the second moves $f$ and $h$ together, which is the step on the left.
#
# ## What $\mu$ and the ratio of rates change
#
# Near the origin $s\approx\frac12$ and the motion is a rotation with angular speed $\tfrac12\sqrt{\mu r}$ on an ellipse with axes in
# the ratio $a_{\max}:w_{\max}=\sqrt{\mu}:\sqrt{r}$. Predict, then measure (start small, so that $s\approx\frac12$ holds):

# %% slideshow={"slide_type": "-"}
print(" mu    r    steps per turn: predicted, measured     a_max/w_max: predicted, measured")
for mu, ratio in ((1, 1), (0.1, 1), (1, 10), (0.1, 10)):
    rate = 0.02
    path = game(mu=mu, ratio=ratio, rate=rate, steps=9000, start=(0.05, 0.0), alternating=True)
    crossings = np.flatnonzero((path[:-1, 1] < 0) & (path[1:, 1] >= 0))  # w passes zero upwards
    measured = np.diff(crossings).mean() if len(crossings) > 1 else float("nan")
    shape = np.abs(path).max(axis=0)
    print(
        f"{mu:4} {ratio:4} {4 * pi / (rate * sqrt(mu * ratio)):12.0f} {measured:10.0f} {sqrt(mu / ratio):28.3f} {shape[0] / shape[1]:10.3f}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# A smaller reversal scale or a faster $h$ makes the ring flat: the colour weight of $f$ oscillates less. Neither makes it stop.
#
# ## What brings it to rest
#
# In the game so far $\mathcal L_B$ is flat where it matters: it has no curvature along $w$ at the origin. Real features are noisy.
# Let $z=a\,b+\tau\xi$ with $\xi\sim\mathcal N(0,1)$. Now a large $|w|$ hurts $h$ when $a$ is small, because it amplifies
# noise. By symmetry $b=1$ is enough, with the logit $l=wz$. For small $l$, $\log(1+e^{-l})\approx\log2-\tfrac12l+\tfrac18l^2$. The
# means over the noise are $\mathbb E[l]=aw$ and $\mathbb E[l^2]=w^2(a^2+\tau^2)$, so
#
# $$\mathcal L_B\approx\log2-\tfrac12 aw+\tfrac18 w^2(a^2+\tau^2).$$
#
# To first order its slopes are $-\tfrac12w$ along $a$, which $f$ ascends with weight $\mu$, and $-\tfrac12a+\tfrac14\tau^2w$ along $w$,
# which $h$ descends at $r$ times the rate. Add a term $-k\,a$ for $f$, from weight decay or from the label loss. One step is then a
# matrix:
#
# $$\begin{pmatrix}a\\w\end{pmatrix}\leftarrow\begin{pmatrix}1-\eta k&-\eta\mu/2\\ \eta r/2&1-\eta r\tau^2/4\end{pmatrix}\begin{pmatrix}a\\w\end{pmatrix}.$$
#
# The origin attracts if the largest eigenvalue modulus $\rho$ of this matrix (its spectral radius) is below one. First, the noisy
# game without approximations: the expectation over $\xi$ is a one-dimensional integral, exact to many digits with twenty nodes. With
# the logit $l=wz$ and $q=\sigma(l)$ the slopes are short:
#
# $$\frac{d\mathcal L_B}{dl}=q-1,\qquad \frac{dN}{dl}=q(1-q)\,l,\qquad\text{and}\quad \frac{dl}{da}=w,\quad\frac{dl}{dw}=z .$$

# %%
nodes, weights = np.polynomial.hermite_e.hermegauss(20)
NODES, WEIGHTS = torch.tensor(nodes), torch.tensor(weights / weights.sum())


def noisy_losses(a, w, noise):
    """L_B and N of the noisy game; by symmetry b = +1 is enough."""
    logit = w * (a + noise * NODES)
    q = torch.sigmoid(logit)
    entropy_term = q * F.logsigmoid(logit) + (1 - q) * F.logsigmoid(-logit)
    return (WEIGHTS * F.softplus(-logit)).sum(), (WEIGHTS * entropy_term).sum()


def noisy_slopes(a, w, noise):
    """dL_B/da, dL_B/dw and dN/da of the noisy game."""
    z = a + noise * NODES
    q = torch.sigmoid(w * z)
    return tuple((WEIGHTS * slope).sum() for slope in (w * (q - 1), z * (q - 1), w * q * (1 - q) * w * z))


def step(state, *, mu=1.0, ratio=1.0, rate=0.3, noise=0.0, decay=0.0, mi_weight=0.0, alternating=False):
    """One step of both players, differentiable in the state (a, w)."""
    a, w = state
    bias_by_a, bias_by_w, entropy_by_a = noisy_slopes(a, w, noise)
    new_a = a - rate * (mi_weight * entropy_by_a - mu * bias_by_a + decay * a)
    if alternating:  # h looks at the new f
        bias_by_w = noisy_slopes(new_a, w, noise)[1]
    return torch.stack([new_a, w - rate * ratio * bias_by_w])


def linearised(**setting):
    """The matrix of one exact step at the origin, by automatic differentiation."""
    return jacrev(lambda state: step(state, **setting))(torch.zeros(2))


def spectral_radius(**setting):
    """Largest eigenvalue modulus of that matrix."""
    return torch.linalg.eigvals(linearised(**setting)).abs().max().item()


# %% [markdown]
# The slopes by hand are those of automatic differentiation, and the matrix by hand is the derivative of the exact step:

# %%
a, w = torch.tensor(0.7, requires_grad=True), torch.tensor(-0.4, requires_grad=True)
bias_loss, entropy_term = noisy_losses(a, w, 1.2)
by_autograd = (*torch.autograd.grad(bias_loss, (a, w), retain_graph=True), *torch.autograd.grad(entropy_term, a))
print([round(slope.item(), 4) for slope in by_autograd], np.allclose(by_autograd, noisy_slopes(a.item(), w.item(), 1.2)))

setting = {"mu": 0.5, "ratio": 2.0, "rate": 0.3, "noise": 1.2, "decay": 0.1}
matrix = linearised(**setting)
by_hand = [[1 - 0.3 * 0.1, -0.3 * 0.5 / 2], [0.3 * 2 / 2, 1 - 0.3 * 2 * 1.2**2 / 4]]
print(np.round(matrix.numpy(), 4).tolist(), torch.allclose(matrix, torch.tensor(by_hand)))

# %% [markdown]
# Now compare the prediction of the matrix with the game. "Measured" is the mean growth of the distance from the origin per step, over
# the steps that a run from a small random start takes.

# %%
start = 1e-3 * torch.tensor(np.random.default_rng(SEED).normal(size=2))


def measured_growth(steps=300, **setting):
    state, sizes = start, []
    for _ in range(steps):
        sizes.append(state.norm().item())
        state = step(state, **setting)
    return np.exp(np.polyfit(np.arange(steps), np.log(sizes), 1)[0])


cases = {
    "colour alone, simultaneous": {},
    "colour alone, alternating": {"alternating": True},
    "entropy term, lambda = 1": {"mi_weight": 1.0},
    "noise in the feature": {"noise": 1.0},
    "noise, h 3 times faster": {"noise": 1.0, "ratio": 3.0},
    "noise, h 40 times faster": {"noise": 1.0, "ratio": 40.0},
    "noise, h 10 times slower": {"noise": 1.0, "ratio": 0.1},
    "noise, mu = 0.1": {"noise": 1.0, "mu": 0.1},
    "no noise, decay on f": {"decay": 0.2},
}
print("case                          predicted  measured")
for name, setting in cases.items():
    rho = spectral_radius(**setting)
    grown = "leaves" if rho > 1.0005 else f"{measured_growth(**setting):.3f}"
    verdict = "moves out" if rho > 1.0005 else "stays on a ring" if rho > 0.9995 else "comes to rest"
    print(f"{name:28}  {rho:.3f}      {grown:8}  {verdict}")

# %% [markdown] slideshow={"slide_type": "slide"}
# While the motion turns, its two eigenvalues are a complex pair and $\rho^2$ is the determinant:
#
# $$\rho^2=(1-\eta k)\big(1-\tfrac14\eta r\tau^2\big)+\tfrac14\eta^2\mu r .$$
#
# - Curvature in $w$ (noise) or in $a$ (decay) turns the spiral inwards; finite simultaneous steps push outwards, by the last term.
# - With noise, a **faster $h$** damps more, since it is $h$'s curvature that does the damping. But there is a limit: forty times
#   faster, $h$ jumps over its own minimum from one side to the other, and the game diverges. Here more steps for $h$ do what larger
#   ones cannot. Whether they help on digits is another question ([](../book/reproduce.md)).
# - A slower $h$ damps less. A smaller $\mu$ turns more slowly and is pushed outwards less.
# - Alternating steps without curvature neither gain nor lose.
# - The entropy term does **nothing** to first order: at the origin it has no gradient, and no slope of the gradient either.
#
# ## What the entropy term does
#
# It acts away from the centre. Its pull on $a$ is $-\lambda\,a\,w^2 s(1-s)$: towards zero. Near the centre it grows with $w^2$; for a given $a$ it
# is strongest at $|aw|\approx2.4$, for a given $w$ at $1.5$, and where $h$ is certain it vanishes. Against the outward spiral of the simultaneous game ($\mu=r=1$) that makes a balance. A step gains $\eta^2R^2/4$
# in the squared radius and loses $2\eta\lambda\,a^2w^2/4$, which is $\eta\lambda R^4/16$ on average over a turn. The two cancel at
#
# $$R=2\sqrt{\eta/\lambda}.$$

# %% slideshow={"slide_type": "-"}
print("rate   lambda   radius predicted   mean radius of the last 2000 of 20000 steps")
for rate, mi_weight in ((0.1, 4.0), (0.1, 1.0), (0.05, 1.0), (0.05, 4.0)):
    path = game(rate=rate, mi_weight=mi_weight, steps=20_000, start=(0.2, 0.0))
    print(f"{rate:<5}  {mi_weight:<6}   {2 * sqrt(rate / mi_weight):.3f}              {np.hypot(*path[-2000:].T).mean():.3f}")

# %% [markdown]
# So the entropy term does not stop the game but limits it: a ring of fixed size in place of a spiral without end. Smaller steps make the
# ring small, which is what a falling learning rate is for. With alternating steps there is nothing to balance and the ring shrinks:

# %%
for mi_weight in (0.0, 1.0, 4.0):
    radius = np.hypot(*game(rate=0.1, mi_weight=mi_weight, steps=20_000, start=(0.6, 0.0), alternating=True).T)
    print(
        f"alternating, lambda = {mi_weight}: mean radius {radius[:200].mean():.3f} at the start, {radius[-2000:].mean():.3f} at the end"
    )

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Three paths from the same start: an outward spiral without help, a spiral caught on a ring with the entropy term, and a path that winds into the origin with noise and a faster h."}} slideshow={"slide_type": "subslide"}
panels, axes = plt.subplots(1, 3, figsize=(9.5, 3.6), layout="constrained")
with_entropy = game(rate=0.3, mi_weight=1.0, steps=400)
states = [torch.tensor([0.6, 0.0])]
for _ in range(130):
    states.append(step(states[-1], noise=1.0, ratio=3.0))
noisy = torch.stack(states).numpy()
for panel, name, path in (
    (axes[0], "no help: outwards", game(steps=130)),
    (axes[1], "entropy term, λ = 1: a ring", with_entropy),
    (axes[2], "noise and an h 3 times faster: inwards", noisy),
):
    panel.plot(*path.T, color=figures.PALETTE[0], linewidth=0.8, marker="o", markersize=2)
    panel.plot(*path[0], color="black", marker="s", linestyle="none", label="start")
    panel.plot(0, 0, color=figures.PALETTE[1], marker="*", markersize=13, linestyle="none", label="nothing to predict")
    panel.set(title=name, xlabel="a, colour weight of f", ylabel="w, weight of h", aspect="equal")
axes[2].legend(loc="lower right")
panels.suptitle("Simultaneous steps of rate 0.3 from the same start")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: three paths from the same square: a growing spiral, a spiral that ends on a ring, and a path that reaches the star at the
# origin after about one turn.*
#
# ## The whole game: shape and colour
#
# Now $f$ also has a task. An image has a shape $s=y+\xi_s$ with $\xi_s\sim\mathcal N(0,1)$ and a colour $c=b+\xi_c$ with
# $\xi_c\sim\mathcal N(0,\sigma^2)$. The label is $y=\pm1$; in training $b=y$ in 95 % of the cases, in the test $b$ is random. $f$ has two
# weights, $g$ reads the feature as a logit, and $h$ has one weight:
#
# $$z=u\,s+v\,c,\qquad g(z)=z,\qquad h(z)=w z.$$
#
# Colour is nearly noiseless and shape is not, so colour is the easier clue. Given $y$ and $b$ the feature is normal, so all losses are
# integrals of the same kind as before, and the test accuracy has a closed form.

# %%
AGREE, SHARE = np.array([1.0, -1.0]), np.array([0.95, 0.05])  # b y, and how often in training
SHAPE_VAR = 1.0
XI, XI_SHARE = NODES.numpy(), WEIGHTS.numpy()  # values of the noise, and how often


def spread(u, v):
    return np.sqrt(SHAPE_VAR * u**2 + COLOR_VAR * v**2 + 1e-12)


def feature(u, v):
    """z at the values of the noise for vectors of games, (T, 2, noise): the second axis is b y. By symmetry y = +1 is enough."""
    return (u[:, None] + v[:, None] * AGREE)[..., None] + spread(u, v)[:, None, None] * XI


def mean(values):
    """Of (T, 2, noise) over the noise and over both kinds of image, (T,)."""
    return values @ XI_SHARE @ SHARE


def bias_losses(u, v, w):
    """The live L_B of each game, (T,)."""
    return mean(np.logaddexp(0, -AGREE[:, None] * w[:, None, None] * feature(u, v)))


def slopes(u, v, w, mu, mi_weight):
    """What f descends by u and by v, L_c + lambda N - mu L_B, and what h descends by w, L_B: their slopes, (T,) each."""
    z, w_of_all = feature(u, v), w[:, None, None]
    logit, agree = w_of_all * z, AGREE[:, None]
    q, unsure = expit(logit), expit(-agree * logit)  # of the wrong colour
    by_z = -expit(-z) + w_of_all * (mi_weight[:, None, None] * q * (1 - q) * logit + mu[:, None, None] * agree * unsure)
    z_by_u = 1 + (SHAPE_VAR * u / spread(u, v))[:, None, None] * XI
    z_by_v = agree + (COLOR_VAR * v / spread(u, v))[:, None, None] * XI
    return mean(by_z * z_by_u), mean(by_z * z_by_v), mean(-agree * unsure * z)


def test_accuracy(u, v):
    """Share of right answers where the colour is drawn blindly."""
    return sum(ndtr((u + v * agree) / spread(u, v)) for agree in (1, -1)) / 2


def play(start, steps, *, mu=0.0, mi_weight=0.0, ratio=1.0, rate=0.2):
    """Simultaneous play of T games at once; settings broadcast. Returns (steps, 4, T): u, v, w and the live L_B."""
    mu, mi_weight, ratio = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype=float)) for x in (mu, mi_weight, ratio)))
    u, v, w = (np.full(len(mu), value) for value in start)
    history = []
    for _ in range(steps):
        history.append((u, v, w, bias_losses(u, v, w)))
        du, dv, dw = slopes(u, v, w, mu, mi_weight)
        u, v, w = u - rate * du, v - rate * dv, w - rate * ratio * dw
    return np.array(history)


def fresh_loss(u, v):
    """L_B of the best possible h for given features: bisection on its slope, which rises with w."""
    low, high, nothing = np.full_like(u, -50.0), np.full_like(u, 50.0), np.zeros_like(u)
    for _ in range(60):
        w = (low + high) / 2
        rising = slopes(u, v, w, nothing, nothing)[2] >= 0
        low, high = np.where(rising, low, w), np.where(rising, w, high)
    return bias_losses(u, v, w)


# %% [markdown]
# First the biased network: $f$ descends the label loss, and $h$ learns without effect on $f$.

# %%
biased = play((0.1, 0.1, 0.0), 3000)[-1, :, 0]
u, v, w, bias_now = biased.tolist()
shape_only = test_accuracy(1.0, 0.0)
print(f"shape weight u = {u:.2f}, colour weight v = {v:.2f}; bias loss of h {bias_now:.3f} (knowing nothing: {log(2):.3f})")
print(f"test accuracy {test_accuracy(u, v):.3f}; by shape alone it would be {shape_only:.3f}")

# %% [markdown]
# The network uses mostly colour. Now the adversarial part, $\mu=1$ and no entropy term, starting from the biased network as the
# authors advise, with an $h$ that learns at $1/100$, $1/10$ and once the rate of $f$.

# %% slideshow={"slide_type": "-"}
ratios = [0.01, 0.1, 1.0]
unlearning = play((u, v, w), 4000, mu=1.0, ratio=ratios)
print("h's rate / f's   step   u      v      test acc   live L_B   best possible L_B")
for number, ratio in enumerate(ratios):
    for when in (0, 200, 400, 1600, 3999):
        state = unlearning[when, :, number]
        fresh = fresh_loss(state[0:1], state[1:2]).item()
        accuracy = test_accuracy(state[0], state[1])
        print(f"{ratio:<15}  {when:4}  {state[0]:5.2f}  {state[1]:5.2f}    {accuracy:.3f}     {state[3]:8.3f}   {fresh:8.3f}")

# %% [markdown]
# All three end in the same place, with the colour weight near zero and the accuracy of shape alone. Their paths differ. The slow
# $h$ is **too slow for $f$**: its loss rises far above $\log 2$, as if everything were forgotten, while the best possible loss on the
# same features stays below. $f$ has changed the sign of the colour weight, which misleads the old $h$, and it changes back as soon
# as $h$ has followed. The fast $h$ keeps its loss at the best possible value, so $f$ cannot gain by misleading it. The best possible
# loss reaches $\log 2$ in none of the three games, not even where the colour weight is nearly zero: in training the shape tells
# about the bias as well. The loss of $h$ during the game is no evidence; the loss of a fresh head is.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Left, a map of test accuracy over shape and colour weight with three paths from the biased network to a point without colour; the slowest h gives a wide loop. Right, bias loss over steps: that of the slow live h rises far above log 2 while a fresh h stays below it; for the fast h both agree."}} slideshow={"slide_type": "subslide"}
panels, axes = plt.subplots(1, 2, figsize=(8.6, 4.0), layout="constrained")
us, vs = np.meshgrid(np.linspace(0.05, 9, pixels), np.linspace(-4, 4, pixels))
colors = axes[0].contourf(us, vs, test_accuracy(us, vs), levels=np.arange(0.45, 0.86, 0.05), cmap="cividis")
panels.colorbar(colors, ax=axes[0], label="accuracy on unbiased test data")
for number, ratio in enumerate(ratios):
    shade, line = ("white", figures.PALETTE[3], "black")[number], ("-", "--", ":")[number]
    axes[0].plot(
        unlearning[:, 0, number],
        unlearning[:, 1, number],
        color=shade,
        linestyle=line,
        linewidth=2,
        label=f"h at {ratio} of f's rate",
    )
axes[0].plot(u, v, marker="s", color="white", markeredgecolor="black", linestyle="none", label="biased network")
axes[0].grid(False)
axes[0].set(title="The way of f", xlabel="u, weight of shape", ylabel="v, weight of colour")
axes[0].legend(loc="upper right", fontsize=8, facecolor="0.75", frameon=True)
some = np.arange(0, 2000, 20)
for number in (0, 2):
    shade, (live, new), name = figures.PALETTE[number], (("-", "--"), ("-.", ":"))[number == 2], f"h at {ratios[number]} of f's rate"
    axes[1].plot(some, unlearning[some, 3, number], color=shade, linestyle=live, linewidth=2, label=f"live {name}")
    fresh = fresh_loss(unlearning[some, 0, number], unlearning[some, 1, number])
    axes[1].plot(some, fresh, color=shade, linestyle=new, linewidth=2, label=f"fresh h, features of {name}")
axes[1].axhline(log(2), color="0.4", linewidth=1, label="log 2, knowing nothing")
axes[1].set(title="What the loss of h says, and what is true", xlabel="step", ylabel="bias loss in nats")
axes[1].legend(loc="upper right", fontsize=8)
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: left, over a map of the test accuracy, three paths from the biased network to a point near $v=0$; the one with the
# slow head makes a wide loop through negative $v$. Right, the loss of the slow live head shoots up to more than twice $\log2$ while
# the dashed loss of a fresh head on the same features stays below it; for the fast head the two lines, dash-dotted and dotted,
# coincide.*
#
# ## How much is enough?
#
# Sweep $\mu$ from the biased network to the end of a long game, without and with the entropy term.

# %% slideshow={"slide_type": "-"}
strength = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
half = len(strength)
ends = play((u, v, w), 4000, mu=strength * 2, mi_weight=[0.0] * half + [0.3] * half)[-1]
leak = log(2) - fresh_loss(ends[0], ends[1])
accuracies = test_accuracy(ends[0], ends[1])
print("       lambda = 0                                lambda = 0.3")
print("mu     v      test acc   nats a fresh h reads    v      test acc   nats a fresh h reads")
for i, mu in enumerate(strength):
    row = [f"{round(ends[1, j], 2) + 0.0:5.2f}   {accuracies[j]:.3f}      {leak[j]:.3f}" for j in (i, half + i)]
    print(f"{mu:<4}  {row[0]}                  {row[1]}")

# %% [markdown]
# There is a right amount. With too little the colour stays. With more, what a fresh head reads falls towards zero as it should, and
# yet the accuracy *drops*: the colour weight has become negative. Shape and colour are dependent in training, so even a pure shape
# feature tells about the colour. To hide that too, $f$ subtracts colour from the shape. In training, where colour agrees with the
# label, this cancels a part of what the features know of the label; in the test it misleads. So "no information about the bias on biased data" asks for too much. The weights have to be chosen on
# unbiased validation data, as in this book.
#
# The entropy term by itself (first row, right) removes little of the colour. Together with the reversed loss it shifts the whole
# curve to smaller $\mu$: the two weights add up, as the theory says, though not one to one.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Left, test accuracy against mu: it rises to the dashed line of shape alone and sinks again, earlier with the entropy term. Right, what a fresh head reads from the features falls to zero."}} slideshow={"slide_type": "subslide"}
panels, axes = plt.subplots(1, 2, figsize=(8.6, 3.6), layout="constrained")
for name, part, number in (("λ = 0", slice(0, half), 0), ("λ = 0.3", slice(half, None), 1)):
    look = {"color": figures.PALETTE[number], "marker": figures.MARKERS[number], "label": name}
    axes[0].plot(strength, accuracies[part], **look)
    axes[1].plot(strength, leak[part], **look)
axes[0].axhline(shape_only, color="0.4", linewidth=1, linestyle="--", label="shape alone")
axes[0].set(title="Accuracy on unbiased test data", xlabel="reversal scale μ", ylabel="accuracy")
axes[1].set(title="What a fresh head reads from the features", xlabel="reversal scale μ", ylabel="log 2 − best bias loss, in nats")
axes[0].legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: left, two humps: the accuracy rises with $\mu$ up to the dashed line of shape alone and sinks again, earlier with the
# entropy term; right, what a fresh head reads sinks all the way to zero.* The maximum on the left is not at the end on the right.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: the invariant (pencil; medium)
#
# Show that for *every* loss of the form $\mathcal L_B=\ell(aw)$ with differentiable $\ell$, continuous play of
# $\dot a=\mu\,\partial_a\mathcal L_B$, $\dot w=-r\,\partial_w\mathcal L_B$ keeps $r a^2+\mu w^2$ constant. Which property of the
# noisy game breaks the argument?
#
# <details><summary>Solution</summary>
#
# $\partial_a\mathcal L_B=\ell'(aw)\,w$ and $\partial_w\mathcal L_B=\ell'(aw)\,a$. So
# $\tfrac{d}{dt}(ra^2+\mu w^2)=2ra\mu\ell' w-2\mu w r\ell' a=0$. With noise the loss is an average of $\ell(aw+\tau w\xi)$: it depends
# on $w$ by itself and not only through the product $aw$. That is the curvature $\tau^2/4$ which the invariant lacks.
#
# </details>
#
# ### Exercise 2: a step that looks ahead (code; medium)
#
# An *extra-gradient* step looks ahead: compute the simultaneous step, take the gradients *there*, and apply them to the old point. Write
# it for the game of colour alone and compare the radius after 130 steps of rate 0.3 with the start, 0.6.
#
# <details><summary>Solution</summary>
#
# ```python
# def extra_gradient(rate=0.3, steps=130, start=(0.6, 0.0)):
#     a, w = start
#     for _ in range(steps):
#         s = 1 / (1 + np.exp(a * w))
#         ahead_a, ahead_w = a - rate * s * w, w + rate * s * a
#         s = 1 / (1 + np.exp(ahead_a * ahead_w))
#         a, w = a - rate * s * ahead_w, w + rate * s * ahead_a
#     return np.hypot(a, w)
#
#
# print(f"{extra_gradient():.3f}")
# ```
#
# It spirals *inwards*, without noise, decay or entropy: looking ahead adds the damping that the bilinear game lacks, at the price of
# a second pass.
#
# </details>
#
# ### Exercise 3: momentum (predict, then run; hard)
#
# The authors train with momentum 0.9. Take the noisy game ($\tau=1$, $\mu=r=1$) at rate 0.03, which converges. With momentum $\beta$
# a step is $m\leftarrow\beta m+\text{gradient}$, $\theta\leftarrow\theta-\eta m$. Does it converge faster, more slowly, or not at all
# for $\beta=0.5$ and $0.9$?
#
# <details><summary>Solution</summary>
#
# With $M$ the matrix of one plain step and $A=(I-M)/\eta$, the state (point, momentum) moves by a four-by-four matrix:
#
# ```python
# rate = 0.03
# one = torch.eye(2)
# pull = (one - linearised(noise=1.0, rate=rate)) / rate
# for beta in (0.0, 0.5, 0.9, 0.95):
#     matrix = torch.cat([torch.cat([one - rate * pull, -rate * beta * one], 1), torch.cat([pull, beta * one], 1)])
#     print(beta, round(torch.linalg.eigvals(matrix).abs().max().item(), 4))
# ```
#
# A little momentum speeds it up, as if the rate were $\eta/(1-\beta)$. Much momentum turns the inward spiral outwards, because
# momentum goes straight on where the game turns. In a minimisation nothing turns, and momentum
# below one does not make it diverge at such a rate.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Reversed gradients make a rotation: continuous play circles, simultaneous steps spiral out, alternating steps stay on the ring.
# - Curvature brings it to rest: noise in the features or weight decay. With noise a faster $h$ (up to a point) strengthens this;
#   without either it pushes outwards. The entropy term limits the circle but has no effect at its centre.
# - If $h$ is too slow, its loss is high and looks like success. A fresh head on frozen features shows what is left.
# - On biased data complete forgetting overshoots: choose $\lambda$ and $\mu$ by accuracy on unbiased validation data.
#
# Next: [Confusion loss, entropy and reversal](../book/confusion_loss.md) compares the three losses that can make $h$ undecided.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
