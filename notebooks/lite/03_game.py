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

# %% [markdown]
# # The min-max game, in NumPy
#
# This page is the game of *The min-max game by hand* with gradients written out, so that it needs no PyTorch. It runs in your browser,
# without an installation. Run the cells from top to bottom, then change a number and run them again.

# %%
import matplotlib.pyplot as plt
import numpy as np


def sigmoid(t):
    return 1 / (1 + np.exp(-t))


# %% [markdown]
# ## A game of two numbers
#
# The bias is $b=\pm1$, the feature $z=a\,b+\tau\xi$ with noise $\xi\sim\mathcal N(0,1)$, and $h$ predicts $b$ with the logit $wz$.
# Then $\mathcal L_B=\mathbb E_\xi\log\big(1+e^{-w(a+\tau\xi)}\big)$. $h$ descends it along $w$; $f$ ascends it along $a$, scaled by $\mu$.
# The expectation is an integral, which twenty nodes give to many digits.

# %%
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def slopes(a, w, noise):
    """The derivatives of L_B with respect to a and to w."""
    z = a + noise * NODES
    pull = -sigmoid(-w * z) * WEIGHTS
    return w * pull.sum(), (z * pull).sum()


def game(mu=1.0, ratio=1.0, rate=0.3, noise=0.0, decay=0.0, steps=130, start=(0.6, 0.0), alternating=False):
    """Path of (a, w), shape (steps + 1, 2). ``ratio`` is h's rate by f's; alternating: h sees f's new weight."""
    path = [start]
    for _ in range(steps):
        a, w = path[-1]
        new_a = a + rate * (mu * slopes(a, w, noise)[0] - decay * a)
        path.append((new_a, w - rate * ratio * slopes(new_a if alternating else a, w, noise)[1]))
    return np.array(path)


# %% [markdown]
# ## Three games from one start

# %%
MU = 1.0
FASTER_H = 3.0
games = {
    "simultaneous steps": game(mu=MU),
    "alternating steps": game(mu=MU, alternating=True),
    f"noise, h {FASTER_H:g} times faster": game(mu=MU, noise=1.0, ratio=FASTER_H),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for panel, (name, path) in zip(axes, games.items(), strict=True):
    panel.plot(*path.T, linewidth=0.8, marker="o", markersize=2)
    panel.plot(*path[0], color="black", marker="s")
    panel.plot(0, 0, color="black", marker="*", markersize=12)
    panel.set(title=name, xlabel="a, colour weight of f", ylabel="w, weight of h", aspect="equal")
plt.show()
for name, path in games.items():
    print(f"{name:26} distance from the star: {np.hypot(*path[0]):.3f} at first, {np.hypot(*path[-1]):.3f} in the end")

# %% [markdown]
# Simultaneous steps spiral outwards, alternating steps stay on a ring, and noise brings the game to rest, since a large weight of $h$ now
# costs something.
#
# **Predict, then run.** Set `FASTER_H` to 40. Does an even faster $h$ help?
#
# ## The whole game: shape and colour
#
# An image has a shape $s=y+\xi_s$, $\xi_s\sim\mathcal N(0,1)$, and a colour $c=b+\xi_c$ with a small variance. In training $b=y$ in 95 % of
# the cases, in the test $b$ is random. The feature is $z=us+vc$; $g$ takes it as its logit, and $h$ takes $wz$.

# %%
COLOR_VAR = 0.03
AGREE, SHARE = np.array([[1.0], [-1.0]]), np.array([[0.95], [0.05]])  # b y, and how often in training


def gradients(u, v, w, mu):
    """Of f's loss L_c - mu L_B with respect to u and v, and of L_B with respect to w. By symmetry y = 1 is enough."""
    spread = np.sqrt(u**2 + COLOR_VAR * v**2 + 1e-12)
    z = u + v * AGREE + spread * NODES  # (2, nodes)
    z_u, z_v = 1 + NODES * u / spread, AGREE + NODES * COLOR_VAR * v / spread
    weight = SHARE * WEIGHTS
    of_label, of_bias = -sigmoid(-z) * weight, -sigmoid(-AGREE * w * z) * AGREE * weight
    f = of_label - mu * w * of_bias
    return (f * z_u).sum(), (f * z_v).sum(), (of_bias * z).sum()


def play(start, steps, mu=0.0, ratio=1.0, rate=0.2):
    """Simultaneous steps; the path of (u, v, w), shape (steps + 1, 3)."""
    path = [np.array(start, dtype=float)]
    for _ in range(steps):
        path.append(path[-1] - rate * np.array([1, 1, ratio]) * gradients(*path[-1], mu))
    return np.array(path)


def test_accuracy(u, v):
    """Share of right answers where the colour is random."""
    t = np.linspace(-8, 8, 4001)
    density = np.exp(-(t**2) / 2) / np.exp(-(t**2) / 2).sum()
    spread = np.sqrt(u**2 + COLOR_VAR * v**2 + 1e-12)
    return np.mean([density[t < (u + v * agree) / spread].sum() for agree in (1, -1)])


biased = play((0.1, 0.1, 0.0), 3000)[-1]
print(f"without an adversary: u = {biased[0]:.2f}, v = {biased[1]:.2f}, test accuracy {test_accuracy(*biased[:2]):.3f}")
for ratio in (0.1, 1.0):
    end = play(biased, 4000, mu=1.0, ratio=ratio)[-1]
    print(f"mu = 1, h at {ratio:<3} of f's rate: u = {end[0]:.2f}, v = {end[1]:.2f}, test accuracy {test_accuracy(*end[:2]):.3f}")

# %% [markdown]
# How strong should the adversary be?

# %%
strength = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0]
accuracies = [test_accuracy(*play(biased, 2000, mu=mu)[-1][:2]) for mu in strength]
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(strength, accuracies, marker="o")
axes.axhline(test_accuracy(1.0, 0.0), color="0.4", linestyle="--", label="shape alone")
axes.set(xlabel="reversal scale μ", ylabel="accuracy on unbiased test data", title="There is a right amount")
axes.legend()
plt.show()

# %% [markdown]
# With too little the colour stays. With too much the features hide what the shape tells about the colour, too: $v$ becomes negative,
# which does no harm in training and is wrong in the test.
