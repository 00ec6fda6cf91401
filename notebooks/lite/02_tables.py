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
# # Information on tables, in NumPy
#
# This page is the part of *From mutual information to a loss* that needs no PyTorch. It runs in your browser, without an installation.
# Run the cells from top to bottom, then change a number and run them again.

# %%
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## Entropy and information of a table, in nats


# %%
def entropy(p):
    """H(P) of a table of probabilities of any shape, with 0 log 0 = 0."""
    p = np.asarray(p, dtype=float)
    return -(p[p > 0] * np.log(p[p > 0])).sum()


def mutual_information(joint):
    """I(A;B) of a joint table p(a, b)."""
    return entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)


def conditional_entropy(joint):
    """H(A|B) of a joint table p(a, b)."""
    return entropy(joint) - entropy(joint.sum(axis=0))


# %% [markdown]
# ## A world of nine images
#
# An image $x=(s,b)$ has one of three shapes and one of three colours. The label is the shape that was *meant*; the drawn shape is
# right in 80 % of the cases. The colour of a training image follows the label in 90 % of the cases; in the test it is random.

# %%
COLOUR_FOLLOWS = 0.9
SHAPE_FOLLOWS = 0.8


def clue(p):
    """p(clue | label), shape (3, 3): right with probability p."""
    return np.where(np.eye(3), p, (1 - p) / 2)


def world(colour_follows, shape_follows=SHAPE_FOLLOWS):
    """Joint table p(y, x), shape (3, 9); image number 3 s + b has shape s and colour b."""
    return np.einsum("ys,yb->ysb", clue(shape_follows), clue(colour_follows)).reshape(3, 9) / 3


def with_bias(p_yx):
    """Joint table p(b, x), shape (3, 9): the bias is a function of the image, b(x) = x mod 3."""
    return np.tile(np.eye(3), (1, 3)) * p_yx.sum(axis=0)


train, test = world(COLOUR_FOLLOWS), world(1 / 3)
for name, p_yx in {"train": train, "test": test}.items():
    p_yb = p_yx.reshape(3, 3, 3).sum(axis=1)
    print(f"{name:5}  I(b;Y) = {abs(mutual_information(p_yb)):.4f} of H(Y) = {entropy(p_yb.sum(axis=1)):.4f} nats")

# %% [markdown]
# ## Eq. 3: which features should a network keep?
#
# A feature extractor is a table $p(f=j\mid x)$. With the best $g$ the label loss is $H(Y\mid F)$, so both terms of
# $H(Y\mid F)+\lambda\,I(b;F)$ are sums over tables.

# %%
extractors = {
    "everything": np.eye(9),
    "colour": np.tile(np.eye(3), (3, 1)),
    "shape": np.repeat(np.eye(3), 3, axis=0),
    "nothing": np.ones((9, 1)),
}
values = {name: (conditional_entropy(train @ w), mutual_information(with_bias(train) @ w)) for name, w in extractors.items()}
print("features     H(Y|F)   I(b;F)")
for name, (label, leak) in values.items():
    print(f"{name:12} {abs(label):.4f}   {abs(leak):.4f}")


def winner(weight):
    """The extractor that Eq. 3 chooses for a weight lambda."""
    return min(values, key=lambda name: values[name][0] + weight * values[name][1])


for weight in (0, 0.2, 0.5, 1, 2, 3):
    print(f"lambda = {weight:<4} -> {winner(weight)}")

# %% [markdown]
# **Predict, then run.** Set `COLOUR_FOLLOWS` to 0.6 above. Is there still a λ for which the shape wins over everything?
#
# ## Eqs. 4 to 7: the entropy term is no bound, the bias loss is one
#
# Let $f$ be the shape, and let $h$ be the true posterior, raised to a power and normalised again: above one it is too sure, below
# one too unsure.

# %%
joint = with_bias(train) @ extractors["shape"]
true = joint / joint.sum(axis=0)


def terms(power):
    """The entropy term N(Q) and the bias loss L_B of the head that is the true posterior to a power."""
    q = true**power / (true**power).sum(axis=0)
    return (joint.sum(axis=0) * (q * np.log(q)).sum(axis=0)).sum(), -(joint * np.log(q)).sum()


powers = np.linspace(0.1, 3, 59)
entropy_term, bias_loss = np.array([terms(power) for power in powers]).T
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(powers, entropy_term, label="entropy term N(Q)")
axes.axhline(-conditional_entropy(joint), color="0.4", linestyle=":", label="what it should be, −H(b|F)")
axes.plot(powers, bias_loss, linestyle="--", label="bias loss")
axes.axhline(conditional_entropy(joint), color="black", linewidth=1, label="its least value, H(b|F)")
axes.set(xlabel="power of the posterior: how sure the head is", ylabel="nats", title="A head that is more or less sure")
axes.legend()
plt.show()

# %% [markdown]
# The bias loss is smallest where the head is the true posterior, at a power of one. The entropy term goes through its right value there, too
# small on one side and too large on the other. So $\log$-loss of a head bounds what the features tell, and the entropy term does not.
