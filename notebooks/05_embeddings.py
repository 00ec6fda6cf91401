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
# # Looking at features, and what a picture cannot show

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** A t-SNE picture in which the colours are mixed does not show that the colour is gone: a linear probe can
# > read what the picture hides.
# >
# > **Read before.** [00 Quickstart](00_quickstart.ipynb).
# >
# > **Reading time.** 10 minutes.
#
# The paper asks that $f(x)$ hold no information about the colour. One can look at features of a few thousand dimensions by mapping
# them to the plane with t-SNE. This page does that for the plain and for the debiased network, and adds numbers to the pictures. Then
# it shows how a picture can mislead: a t-SNE in which the colours are mixed is no evidence that the colour is gone.
#
# **After this page you can**
#
# - draw a t-SNE of $f(x)$ and say which of its features mean something;
# - measure neighbourhood purity, the number that a t-SNE picture illustrates;
# - probe frozen features for the colour, with a control, and read the result as a bound in nats;
# - build features whose picture hides what a linear probe reads with ease.
#
# **What you need**
#
# | | |
# |---|---|
# | background | principal components; nearest neighbours; that t-SNE keeps neighbours together |
# | earlier runs | [00_quickstart](00_quickstart.ipynb) trains the two networks that are used here; if it has not run, this page trains them |
# | theory | [what I(b(X); f(X)) = 0 would mean](../book/theory.md) |
#
# **Run time** on two CPU cores: smoke under a minute; demo about a minute once the two networks exist, and a few minutes more where they
# must be trained first; full needs a GPU for the training and minutes for the rest.

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
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from lnl_core import accuracy, embeddings, figures, load_model, preset, probe_leakage, resolve_profile, run, run_folder
from lnl_core.datasets import MEAN_COLORS, color_table
from lnl_core.experiments.splits import load_data
from lnl_core.information import mutual_information
from lnl_core.runs.provenance import describe_environment

figures.use_style()
profile = resolve_profile(PROFILE)
probe_steps = 60 if profile == "smoke" else 600  # that a fresh probe may take at least
points = {"full": 2000, "demo": 600, "smoke": 200}.get(profile, 1000)  # digits in a picture
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two networks and the features of unbiased digits
#
# `run` trains only what is not there yet; a finished run in the same `OUT_DIR` is read back at once. The features come from **test**
# digits in random colours, because with training colours digit and colour go together and no picture could tell them apart.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
records, networks, features = {}, {}, {}
for method in ("baseline", "lnl"):
    config = preset(profile, method, color_var=COLOR_VAR, seed=SEED)
    folder = run_folder(OUT_DIR, config)
    records[method] = run(config, folder, data_dir=DATA_DIR or None)
    networks[method] = load_model(folder)

test = load_data(config, "test", DATA_DIR or None)
for method, network in networks.items():
    features[method] = embeddings(network, test, limit=points).numpy()
    print(
        f"{method:<9} accuracy {accuracy(network, test):.3f}, features f(x) of {len(features[method]):,} digits, {features[method].shape[1]:,} each"
    )
points = len(features["lnl"])
digits, paints = test.labels[:points].numpy(), test.group[:points].numpy()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From thousands of numbers to two
#
# Two steps. Principal components keep the fifty directions along which the features vary most; that is linear and forgets little. t-SNE
# then places the points in the plane so that each keeps its near neighbours. The seed is fixed, since t-SNE starts from and moves with
# random numbers.


# %%
def squeeze(values, perplexity=30, seed=SEED, init="pca"):
    """t-SNE in the plane, (N, 2), of values (N, D)."""
    return TSNE(perplexity=perplexity, random_state=seed, init=init).fit_transform(values)


# %% tags=["nbval-ignore-output"]
reduced, pictures = {}, {}
for method, values in features.items():
    components = PCA(n_components=50, random_state=SEED).fit(values)
    reduced[method] = components.transform(values)
    pictures[method] = squeeze(reduced[method])
    print(f"{method:<9} fifty components keep {components.explained_variance_ratio_.sum():.0%} of the variance")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "t-SNE of the baseline's features twice: drawn as digits and in paint colours."}} slideshow={"slide_type": "subslide"}
figures.embedding(pictures["baseline"], digits, paints, title="t-SNE of f(x), baseline")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "t-SNE of the features of lnl twice: drawn as digits and in paint colours."}} slideshow={"slide_type": "subslide"}
figures.embedding(pictures["lnl"], digits, paints, title="t-SNE of f(x), lnl")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The pictures: each point is a test digit; left it is drawn as its digit, right in the colour it was painted around.* Look at the
# right panels first. The baseline's features are sorted by paint in large regions, bluish paints in one, reddish and yellowish ones
# in another; those of lnl are mixed, except for the darkest paint. Now look at the left panels: the *baseline's* features form groups
# of digits too, many of them twice, once for each region of paint. So $f(x)$ does hold the shape, although the accuracy is poor.
#
# ## How alike are neighbours?
#
# In a picture one sees whether neighbours are alike. A number for this is the **purity**, the share of a point's ten nearest neighbours
# that share its digit (or its paint). It needs no plane, so it can be measured in $f(x)$ itself. Chance is the purity of
# shuffled labels.


# %%
def purity(values, kinds, neighbours=10):
    """Share of the nearest neighbours (without the point itself) that are of the same kind."""
    _, nearest = NearestNeighbors(n_neighbors=neighbours + 1).fit(values).kneighbors(values)
    return (kinds[nearest[:, 1:]] == kinds[:, None]).mean()


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
rng = np.random.default_rng(SEED)
print("share of the 10 nearest neighbours of the same   digit   paint   shuffled")
for method in networks:
    for name, space in {"in f(x)": features[method], "in the picture": pictures[method]}.items():
        row = [purity(space, kinds) for kinds in (digits, paints, rng.permutation(paints))]
        print(f"{method:<9} {name:<37}" + "".join(f"{value:8.2f}" for value in row))

# %% [markdown] slideshow={"slide_type": "slide"}
# The first two columns confirm the pictures: the paint decides the neighbours of the baseline's features much more often than those
# of lnl's, and the digit decides most neighbours in both.
#
# ## Is the colour gone, or only out of sight?
#
# Purity weighs all directions of $f(x)$ by how much they vary. A classifier does not: it may read everything from one direction of
# small variance. So train **fresh probes** on frozen features: a linear one and one with a hidden layer. They are asked for the
# paint, and for comparison for the digit. Probes need many examples, so they get the training shapes, repainted at random; half are
# held out to measure on. The **control** is the same probe trained on shuffled labels: if it were above chance, the probe would be
# broken.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
repainted = load_data(config, config.train_split, DATA_DIR or None, random_colors=True)
print("fresh probe, of fifty components   accuracy   control   chance   nats at least")
for method, network in networks.items():
    probed = PCA(n_components=50, random_state=SEED).fit_transform(embeddings(network, repainted, limit=2 * points).numpy())
    for name, kinds in {"paint": repainted.group, "digit": repainted.labels}.items():
        for kind in ("linear", "mlp"):
            found = probe_leakage(probed, kinds[: len(probed)], kind=kind, steps=probe_steps, seed=SEED)
            numbers = f"{found.accuracy:10.3f}{found.control_accuracy:10.3f}{found.chance:9.3f}{found.information:16.2f}"
            print(f"{method:<10}{name:<8}{kind:<16}{numbers}")
    print(f"{method:<10}its own g names the digit of {accuracy(network, repainted):.3f} of these images")

# %% [markdown] slideshow={"slide_type": "-"}
# The last column is a lower bound of $I\big(b(X);f(X)\big)$ in nats: the entropy of the paint minus the probe's held-out
# cross-entropy. No probe can name the paint better than the exact colour would, and even that leaves doubt, because the shades of
# different paints overlap. The run records hold the same question put to the *whole* of $f(x)$.

# %% tags=["nbval-ignore-output"]
ceiling = color_table(COLOR_VAR, levels=32)  # p(paint, colour)
print(
    f"the colour itself names the paint with accuracy {ceiling.max(axis=0).sum():.3f} and tells {mutual_information(ceiling):.2f} nats"
)
for method, record in records.items():
    for probe, kind in {"bias_probe": "linear", "bias_mlp_probe": "mlp"}.items():
        right, nats = (record.metrics[f"{probe}_{what}"] for what in ("accuracy", "information"))
        print(f"{method:<10}whole f(x), {kind:<8} accuracy {right:.3f}, nats at least {nats:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# Three results.
#
# - **lnl has forgotten much of the colour, not all of it.** Its picture looks mixed, and the probes still name the paint several times
#   as often as chance.
# - **The baseline's features hold the digit.** From its frozen features a fresh probe, trained on random paints, names digits far more often
#   than its own $g$ does. The bias sits in what $g$ learnt to look at, as much as in $f$.
# - **A bound can be too low to say anything.** If the nats come out low or even below zero while the accuracy is above chance, the
#   probe was too sure of itself where it was wrong; with thousands of features and few digits that is common. Such a bound does not
#   mean "no information".
#
# ## A picture that hides what is there
#
# This section hides information in the features on purpose. Paint all test digits in exactly the same colour, so that their features
# cannot know any paint. Give every digit a random **secret** number from 0 to 9. Then write the secret into the features, in ten
# extra directions that have a thousandth of the variance.

# %% tags=["nbval-ignore-output"]
uniform = load_data(config.with_options(color_var=0.0), "test", DATA_DIR or None, mean_color=0)
plain = PCA(n_components=50, random_state=SEED).fit_transform(embeddings(networks["lnl"], uniform, limit=points).numpy())
secret = rng.integers(0, 10, len(plain))
strength = np.sqrt(0.001 * plain.var(axis=0).sum() / 0.9)  # ten one-hot directions have a variance of 0.9 in all
planted = np.hstack([plain, strength * np.eye(10)[secret]])

for name, values in {"without": plain, "with": planted}.items():
    found = probe_leakage(values, secret, kind="linear", epochs=200, seed=SEED)
    print(
        f"{name:<8} the secret: purity {purity(values, secret):.2f}, linear probe {found.accuracy:.2f}, control {found.control_accuracy:.2f}"
    )

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "t-SNE of the features with the planted secret: digits form groups, the secret's ten values are mixed without pattern."}} slideshow={"slide_type": "-"}
hiding = squeeze(planted)
panels, axes = plt.subplots(1, 2, figsize=(8.6, 4.2), layout="constrained")
for panel, (name, kinds) in zip(axes, {"digit": digits, "secret": secret}.items(), strict=True):
    for kind in range(10):
        panel.scatter(*hiding[kinds == kind].T, s=18, marker=f"${kind}$", color=figures.PALETTE[kind], linewidths=0.2)
    panel.set(title=f"each point drawn as its {name}", xticks=[], yticks=[], xlabel="first coordinate")
axes[0].set_ylabel("second coordinate")
panels.suptitle("t-SNE of features that hold a secret number")
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: the same points twice, marked by the digit and by the secret.* The secret cannot be seen in the right panel, and the
# purity does not show it. The linear probe reads it. t-SNE keeps neighbourhoods, and these depend on the directions of large
# variance. Information does not depend on variance.
#
# ## Three more things that a t-SNE cannot show
#
# Run it again with other settings, on the same features of lnl.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Four t-SNE pictures of the same features with perplexity 5, 30, 100 and another random start; size, number and place of the groups differ."}} slideshow={"slide_type": "-"}
settings = {
    "perplexity 5": {"perplexity": 5},
    "perplexity 100": {"perplexity": 100},
    "perplexity 30, another start": {"seed": SEED + 1, "init": "random"},
}
views = {"perplexity 30 (above)": pictures["lnl"]} | {
    name: squeeze(reduced["lnl"], **options) for name, options in settings.items()
}
panels, axes = plt.subplots(2, 2, figsize=(8.6, 7.8), layout="constrained")
for panel, (name, places) in zip(axes.flat, views.items(), strict=True):
    for digit in range(10):
        here = digits == digit
        panel.scatter(*places[here].T, s=16, marker=f"${digit}$", color=MEAN_COLORS[paints[here]], edgecolors="0.3", linewidths=0.15)
    panel.set(title=name, xticks=[], yticks=[], xlabel="first coordinate", ylabel="second coordinate")
    panel.grid(False)
panels.suptitle("The same features four times: points are digits in the colour of their paint")
plt.show()

# %% tags=["nbval-ignore-output"]
for name, places in views.items():
    print(f"{name:<30} purity in the picture: digit {purity(places, digits):.2f}, paint {purity(places, paints):.2f}")

# %% [markdown]
# *The picture: the same features four times.* Groups split, merge and change places. What stays is who is whose near neighbour, and
# that is all that may be read off:
#
# - **Distances between groups mean little.** t-SNE has a high cost for neighbours that are separated, and hardly any for distant
#   points that are put side by side.
# - **Sizes and densities mean little.** Every point gets its own scale, chosen to have the same number of effective neighbours (the
#   perplexity), so a dense group and a loose one come out alike.
# - **Mixed does not mean absent.** The secret above is the proof. Only the other direction holds: what is visibly sorted is there.
#
# So a t-SNE can suggest that something is there. To decide, use a number with a control.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: which mistake costs little? (pencil; medium)
#
# t-SNE turns distances into probabilities of being neighbours, $p_{ij}$ among the features and $q_{ij}$ in the plane, and minimises
# $D_{KL}(P\|Q)=\sum_{ij}p_{ij}\log(p_{ij}/q_{ij})$. Compare the cost of tearing a neighbour away ($p=0.01$, $q=0.0001$) with that of
# pushing a stranger close ($p=0.0001$, $q=0.01$). Which of the two does a gap between two groups in the picture rule out?
#
# <details><summary>Solution</summary>
#
# Torn away: $0.01\,\log 100\approx0.046$. Pushed close: $0.0001\,\log 0.01\approx-0.00046$, a hundred times smaller and even negative
# (the sum over all pairs cannot be). Neighbours are kept together; distant points may land anywhere at almost no cost. So a gap shows
# that *few neighbours lie across it*. It does not show how far the groups are apart, and groups that touch may be far apart.
#
# </details>
#
# ### Exercise 2: where does the colour come from? (code; medium)
#
# Measure the purity of digits and paints, and the linear probe of the paint, for the raw pixels and for an *untrained* network of the
# same shape (`lnl_core.build_network(config)`). Does the baseline's training put the colour in, or does it fail to take it out?
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core import build_network
#
# spaces = {"pixels": repainted.images.flatten(1).float(), "untrained f": embeddings(build_network(config), repainted)}
# spaces |= {method: embeddings(network, repainted) for method, network in networks.items()}
# for name, space in spaces.items():
#     space = space[:2000]
#     digit, paint = (purity(space.numpy(), kinds[:2000].numpy()) for kinds in (repainted.labels, repainted.group))
#     found = probe_leakage(space, repainted.group[:2000], seed=SEED)
#     print(f"{name:<12} purity: digit {digit:.2f}, paint {paint:.2f}; linear probe of the paint {found.accuracy:.3f}")
# ```
#
# The colour is there from the start: the untrained $f$, which nobody taught anything, gives the paint away about as readily as the
# trained baseline, and the raw pixels not much less. Training the baseline sharpens the digits and has no reason to remove the
# colour. lnl removes part of it.
#
# </details>
#
# ### Exercise 3: a group that is far away (predict, then run; easy)
#
# Add the same huge vector to the features of all sevens, so that they lie ten times further from the rest than any two digits lie now.
# Sketch the t-SNE before you run it. Where are the sevens, and how far?
#
# <details><summary>Solution</summary>
#
# ```python
# moved = reduced["lnl"].copy()
# spread = np.linalg.norm(moved - moved.mean(axis=0), axis=1).max()
# moved[digits == 7, 0] += 20 * spread
# figures.embedding(squeeze(moved), digits, paints, title="The sevens are far away, and the picture does not say so")
# ```
#
# The sevens form one clean group with nobody else in it, a little apart: the gap is a fraction of the picture, while in the features
# it is many times the width of all the rest. The picture shows *that* they are apart. It cannot show *how far*: for points beyond the
# perplexity, t-SNE does not use the distance.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - A t-SNE shows who is whose near neighbour. It does not show distances between groups, densities, or that something is absent.
# - Neighbourhood purity says in one number what the picture says in hundreds of points, and it can be measured before squeezing.
# - Probes ask a different question, what can be read at all, and need a control beside them; their information is a lower bound.
# - A direction of small variance is enough to hold a bias that no picture shows.
#
# Next: [Fooled is not forgotten](../book/is_it_gone.md) measures what fresh probes read from the features of every method.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
