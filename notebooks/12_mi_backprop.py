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
# # Mutual information backpropagation, step by step

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** A critic that falls behind makes its bound small without any forgetting, so a small bound says nothing
# > about the colour.
# >
# > **Read before.** [Mutual information backpropagation](../book/mi_backprop.md).
# >
# > **Reading time.** 10 minutes.
#
# LNL trains a network $h$ to name the colour, and $f$ to prevent it. Ragonesi et al. train a network $T$ to *estimate* how
# much the features tell of the colour, in nats, and $f$ descends the estimate. So the number to be made small is itself in the
# loss. This page builds the method, trains it beside the baseline, shows the estimate during the training, and then measures what is left
# of the colour.
#
# **After this page you can**
#
# - write the Donsker-Varadhan bound of a batch in three lines and say which part of it is a shuffle;
# - name the three updates of a step and whom each moves;
# - see from the lengths of two gradients what the clipping does;
# - tell a bound that fell because $f$ forgot from one that fell because $T$ was too slow;
# - say what $K$ steps of $T$ cost, and what they gain.
#
# **What you need**
#
# | | |
# |---|---|
# | background | [measuring information](../book/measuring_information.md): critics and their bounds |
# | theory | [the chapter](../book/mi_backprop.md) to this page |
#
# **Run time** on two CPU cores: smoke under a minute; demo about two minutes; short and full want a GPU.

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
import inspect
import time
from math import log

import matplotlib.pyplot as plt
import torch

from lnl_core import (
    build_network,
    figures,
    fit,
    fit_mi_backprop,
    load_data as load,
    load_model,
    preset,
    read_history,
    resolve_profile,
    run,
    run_folder,
)
from lnl_core.evaluation import confusion, embeddings, evaluate_adversary, probe_leakage
from lnl_core.experiments.splits import load_probe_data, resolve
from lnl_core.information.estimators import donsker_varadhan
from lnl_core.methods import mi_backprop as method
from lnl_core.methods.statistics_network import StatisticsNetwork, bias_codes, code_entropy, information_bound, statistics_network
from lnl_core.runs.provenance import describe_environment

figures.use_style()
profile = resolve_profile(PROFILE)
probe_steps = 60 if profile == "smoke" else 600  # that a fresh probe may take at least
config = resolve(preset(profile, "mi_backprop", color_var=COLOR_VAR, seed=SEED), DATA_DIR or None)
data = load(config, config.train_split, DATA_DIR or None)
print(f"profile {profile}: {data}")
print(f"K = {config.statistics_steps}, lambda = {config.mi_weight}, {config.epochs} epochs of {config.optimizer}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What is the bias here?
#
# It is not a map of levels, as for $h$, but one code an image: the largest value of each colour channel over all pixels, in 8
# levels, one-hot. The brightest pixel of a stroke has nearly the full colour, so the code is the colour, coarsely.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
codes = bias_codes(data)
first = codes[0].view(3, 8)
print("the first image's code, a row for red, green and blue:")
print(first.int().numpy())
print(f"its brightest pixels: {data.images[0].amax(dim=(1, 2)).tolist()}, levels {first.argmax(1).tolist()}")
print(f"{len(codes.unique(dim=0))} different codes; entropy {code_entropy(codes):.2f} nats, of the digit {log(10):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# No features can hold more about the code than its entropy. This is the largest value that any estimate below can rightly have.
#
# ## The bound of a batch
#
# $T$ scores a pair of code and features. Donsker and Varadhan: the mean score of pairs that belong together, minus the logarithm of the
# mean of $e^T$ over pairs that do not. Pairs that do not are made by shuffling the codes of the batch.


# %%
def bound_by_hand(T, codes, z, shuffle):
    """E[T] on pairs together, minus log E[exp T] on pairs apart."""
    together = T.body(torch.cat([codes, z], dim=1))
    apart = T.body(torch.cat([codes[shuffle], z], dim=1))
    return together.mean() - apart.exp().mean().log()


T = StatisticsNetwork(24, 3, 64)
z, some, shuffle = torch.rand(128, 64), codes[:128], torch.randperm(128)
by_hand, by_library = bound_by_hand(T, some, z, shuffle), donsker_varadhan(*T(some, z, shuffle))
torch.testing.assert_close(by_hand, by_library)

# %% [markdown] slideshow={"slide_type": "subslide"}
# Here $z$ is noise, which tells nothing of the colour. What is the bound of a $T$ that is trained on these few pairs, on these
# pairs and on fresh ones?

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
adam = torch.optim.Adam(T.parameters(), lr=1e-3)
for step in range(301):
    gain = bound_by_hand(T, some, z, torch.randperm(len(z)))
    if step % 100 == 0:
        with torch.no_grad():
            fresh = bound_by_hand(T, some, torch.rand(len(z), 64), shuffle)
        print(
            f"step {step:3}: {float(gain.detach()):+7.2f} nats on its own pairs, {float(fresh):+7.2f} on fresh noise; the truth is 0"
        )
    adam.zero_grad(), (-gain).backward(), adam.step()

# %% [markdown] slideshow={"slide_type": "slide"}
# On its own pairs $T$ finds information that is not there; on fresh ones it is *worse* than a constant $T$, whose bound is 0. Both
# numbers matter later: in training, $T$ learns from some batches and $f$ is judged on another.
#
# ## One step, three updates
#
# | what moves | $f$ | $g$ | $T$ |
# |---|---|---|---|
# | 1. the label loss | descends | descends | stays |
# | 2. the bound on the same batch | descends, clipped, rate $\lambda$ | stays | stays |
# | 3. $K$ times, features held still | stays | stays | ascends |
#
# The second one is this function:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print(inspect.getsource(method.bound_gradients))

# %% [markdown] slideshow={"slide_type": "subslide"}
# Each parameter tensor of $f$ gets the gradient of the bound, made no longer than the gradient of the label loss there. How long
# are they? A fresh network, and a $T$ that has seen one pass of its features:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
network = build_network(config).train()
index = torch.arange(min(len(data), 10 * config.batch_size))
features = method.encode(network, data, index, config)
T = statistics_network(codes, features.shape[1], config)
adam = torch.optim.Adam(T.parameters(), lr=1e-3)
for part in index.split(config.batch_size) * 5:
    scores = T(codes[part], features[part], torch.randperm(len(part)))
    adam.zero_grad(), (-information_bound("donsker_varadhan", *scores)).backward(), adam.step()

batch, first = data.batch(slice(0, config.batch_size)), index[: config.batch_size]
kept = []
real, method.clipped = method.clipped, lambda bound, label: kept.append((bound, label)) or real(bound, label)
try:
    found = method.bound_gradients(network, T, batch, codes[first], torch.randperm(len(first)), config)
finally:
    method.clipped = real
of_bound, of_label = kept[0]
print(f"the bound is {float(found['bound']):.2f} nats\n{'parameters of f':<28}{'label loss':>12}{'bound':>10}{'clipped':>10}")
for (name, parameter), mine, theirs in zip(network.extractor.named_parameters(), of_bound, of_label, strict=True):
    print(f"{name:<28}{float(theirs.norm()):>12.4f}{float(mine.norm()):>10.4f}{float(parameter.grad.norm()):>10.4f}")
    assert float(parameter.grad.norm()) <= min(float(mine.norm()), float(theirs.norm())) * 1.01 + 1e-6

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Training
#
# The baseline has the same network, data, optimiser and number of epochs. It is `mi_backprop` with $\lambda=0$, where $T$ learns
# and has no effect on $f$. Both begin with a warm start: $f$ learns the label alone, and with it the colour, while $T$ learns
# to see it.

# %% tags=["nbval-ignore-output"]
configs = {"λ = 0": config.with_options(mi_weight=0.0), f"λ = {config.mi_weight:g}": config}
with_it = list(configs)[-1]
records, histories, networks = {}, {}, {}
for name, one in configs.items():
    folder = run_folder(OUT_DIR, one)
    records[name] = run(one, folder, data_dir=DATA_DIR or None)
    histories[name], networks[name] = read_history(folder), load_model(folder)

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watching the bound

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two panels over the epochs, a line for each value of lambda. Left the estimated information between features and colour in nats, with a dashed line at the entropy of the digit and a dotted one at the end of the warm start; right the label loss in nats."}} slideshow={"slide_type": "-"}
panels, axes = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
for look, (name, history) in zip(("baseline", "mi_backprop"), histories.items(), strict=True):
    color, marker = figures.METHOD_STYLE[look]
    for panel, key in zip(axes, ("bound", "label_loss"), strict=True):
        points = [(line["epoch"], line[key]) for line in history if key in line]
        if points:
            panel.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, label=name)
if config.warmup_epochs:
    axes[0].axvline(config.warmup_epochs + 0.5, color="0.4", linestyle=":", linewidth=1, label="end of the warm start")
axes[0].axhline(log(10), color="0.4", linestyle="--", linewidth=1, label="entropy of the digit")
axes[0].set(title="the estimate that f descends", xlabel="epoch", ylabel="nats")
axes[1].set(title="label loss", xlabel="epoch", ylabel="nats")
axes[0].legend()
plt.show()

# %% tags=["nbval-ignore-output"]
for name, history in histories.items():
    bounds = [line["bound"] for line in history if "bound" in line]
    out = sum("bound_diverged" in line for line in history)
    low = f"lowest {min(bounds):+.2f}, last {bounds[-1]:+.2f} nats" if bounds else "no estimate that is one"
    print(
        f"{name:<8} {low}; epochs whose estimate diverged: {out}; epochs with a bound below 0: {sum(value < 0 for value in bounds)}"
    )

# %% [markdown] slideshow={"slide_type": "subslide"}
# *The picture: the mean over each epoch of the estimate on the batch of each step.* Each curve is the estimate of another $T$, so
# compare a curve with itself on both sides of the dotted line rather than with the other. An information is never negative. Where the
# curve is below 0, $T$ is worse than a constant on the features that $f$ has just made. It lags behind $f$ or has
# learnt its few batches by heart, and the number says nothing about the colour.
#
# ### The two gradients

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Lengths of three gradients over the epochs on a logarithmic scale: of the label loss, of the bound, and of the bound after clipping, which follows the smaller of the other two."}} slideshow={"slide_type": "-"}
lengths = [line for line in histories[with_it] if "clipped_gradient" in line]
panels, panel = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
names = {"label_gradient": "label loss", "bound_gradient": "bound", "clipped_gradient": "bound, clipped"}
for number, (key, name) in enumerate(names.items()):
    values = [max(line[key], 1e-6) for line in lengths]
    panel.plot(
        [line["epoch"] for line in lengths], values, color=figures.PALETTE[number], marker=figures.MARKERS[number], label=name
    )
panel.set(title="length of the gradient of f, mean over an epoch", xlabel="epoch", ylabel="length", yscale="log")
panel.legend()
plt.show()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: without the clip the bound would move $f$ by its own, longer gradient.* With SGD this is the strength of
# forgetting, and it fades as the labels are fitted. Adam scales a gradient by its own past and undoes most of it.
#
# ## Is the colour gone?
#
# Four measurements, all on **training digits painted at random**, so that colour and digit tell nothing of each other: a linear and
# an MLP probe, trained afresh, name the group of the colour; $h$, which learnt without effect on $f$, has a loss; and the answers
# on the test set have an information of their own.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
unbiased = load_probe_data(config, DATA_DIR or None)
unbiased = (load(config, "test", DATA_DIR or None) if unbiased is None else unbiased).subset(slice(0, 1000))
test = load(config, "test", DATA_DIR or None)
print(
    f"{'':<14}{'unbiased test':>14}{'worst colour':>14}{'linear probe':>14}{'MLP probe':>11}{'loss of h':>11}{'nats in answers':>17}"
)
for name, one in {"untrained": build_network(config).eval(), **networks}.items():
    values = embeddings(one, unbiased)
    probes = [probe_leakage(values, unbiased.group, kind=kind, steps=probe_steps, seed=SEED).accuracy for kind in ("linear", "mlp")]
    metrics = records[name].metrics if name in records else {}
    left = [f"{metrics[key]:.3f}" if metrics else "–" for key in ("test_accuracy", "worst_bias_accuracy")]
    told = f"{metrics['prediction_information']:.2f}" if metrics else "–"
    own = f"{evaluate_adversary(one, unbiased).cross_entropy:.2f}" if metrics else "–"
    print(f"{name:<14}{left[0]:>14}{left[1]:>14}{probes[0]:>14.3f}{probes[1]:>11.3f}{own:>11}{told:>17}")
print(f"chance {0.1:>60.3f}{0.1:>11.3f}{log(8):>11.2f}")

# %% tags=["nbval-ignore-output"]
before, after = (records[name].metrics for name in configs)
better = after["test_accuracy"] - before["test_accuracy"]
less = after["bias_mlp_probe_accuracy"] - before["bias_mlp_probe_accuracy"]
print(f"with the method, accuracy on unbiased digits {better:+.3f}, and accuracy of a fresh MLP probe of the colour {less:+.3f}")
if profile == "smoke":
    print("Smoke: these numbers mean nothing.")
else:
    print(f"The method {'helps' if better > 0.03 else 'hurts' if better < -0.03 else 'makes no clear difference'} here; one seed.")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Confusion matrices on unbiased test digits, without and with mutual information backpropagation; rows are true digits, columns answers."}} slideshow={"slide_type": "subslide"}
figures.confusion_matrices({name: confusion(one, test) for name, one in networks.items()}, title="Unbiased test digits")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How many steps for T?
#
# The authors give $T$ forty steps after each step of $f$. Fewer are cheaper. On a part of the data and for a few epochs, with the
# estimate beside what a fresh $T$, trained to its end on frozen features, says of the same network:


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
little = data.subset(slice(0, 128 if profile == "smoke" else 160))
epochs = 2


def brief(**changes):
    """Train a little; the last estimate in training, what a fresh T finds, the label loss, seconds."""
    one = config.with_options(**{"epochs": epochs, "warmup_epochs": 1, "schedule": "constant", **changes})
    network, start = build_network(one), time.perf_counter()
    history = fit_mi_backprop(network, little, one, progress=False)
    seconds = time.perf_counter() - start
    z, own = embeddings(network.cpu(), little), bias_codes(little)
    fresh = statistics_network(own, z.shape[1], one.with_options(estimator="donsker_varadhan"))
    scaled = (z - z.mean(0)) / z.std(0).clamp(min=1e-6)
    adam, half = torch.optim.Adam(fresh.parameters(), lr=2e-3), len(z) // 2
    for _ in range(2 if profile == "smoke" else 40):
        for part in torch.randperm(half).split(128):
            scores = donsker_varadhan(*fresh(own[part], scaled[part], torch.randperm(len(part))))
            adam.zero_grad(), (-scores).backward(), adam.step()
    with torch.no_grad():
        found = float(donsker_varadhan(*fresh(own[half:], scaled[half:], torch.randperm(len(z) - half))))
    return history[-1].get("bound", float("nan")), found, history[-1]["label_loss"], seconds


print(f"{'K':>3}{'T in training':>16}{'a fresh T':>12}{'label loss':>12}{'seconds':>9}   (nats; nan: diverged)")
for steps in (0, 2, 10) if profile == "smoke" else (0, 2, 10, 40):
    bound, found, label, seconds = brief(statistics_steps=steps)
    print(f"{steps:>3}{bound:>16.2f}{found:>12.2f}{label:>12.2f}{seconds:>9.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# "T in training" is a mean over the last epoch, and "a fresh T" reads the network as it ended. A large gap means that $T$ in training is no
# guide: it lags behind $f$ (small $K$), or has learnt its few batches by heart (40 steps on 160 digits). A fresh $T$ that finds
# much where the other finds nothing suggests that the bound fell and the colour stayed. (The fresh one learns from one half of few
# digits and is judged on the other half, so it may also be too low.)
#
# ## Another estimate
#
# Every line is the same game with another bound.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print(f"{'estimator':<20}{'T in training':>14}{'a fresh T':>12}{'label loss':>12}{'seconds':>9}")
for name in ("donsker_varadhan", "mine", "nwj", "info_nce", "club"):
    bound, found, label, seconds = brief(estimator=name, statistics_steps=2 if profile == "smoke" else 4)
    print(f"{name:<20}{bound:>14.2f}{found:>12.2f}{label:>12.2f}{seconds:>9.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# CLUB is the only one that is meant to lie *above* the information, and does so only while its $q$ is good: its column is no bound.
# A ranking would need seeds and a search for each.
#
# ## What does an epoch cost?
#
# $K$ steps need the features of $K$ batches after every step of $f$. Beside an epoch of lnl on the same images:

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
images = data.subset(slice(0, 128 if profile == "smoke" else 320))


def seconds_of(name, **changes):
    """The faster of two epochs; the first one also sets up what is set up on first use."""
    one = preset("full", name, color_var=COLOR_VAR, epochs=1, precision=config.precision)
    if name == "mi_backprop":
        one = config.with_options(epochs=1, batch_size=one.batch_size, **changes)
    loop, taken = fit_mi_backprop if name == "mi_backprop" else fit, []
    for _ in range(2):
        start = time.perf_counter()
        loop(build_network(one), images, one, progress=False)
        taken.append(time.perf_counter() - start)
    return min(taken)


unit = seconds_of("lnl")
print(f"an epoch of lnl on {len(images):,} images: {unit:.1f} s")
for steps, refresh in ((1, 1), (10, 1), (10, 4)):
    cost = seconds_of("mi_backprop", statistics_steps=steps, statistics_refresh=refresh) / unit
    print(f"K = {steps:2}, features for T every {refresh} steps: {cost:.1f} epochs of lnl")

# %% [markdown]
# These few images hold two whole batches, so more than two steps find no further batch to encode, and the cost hardly grows. With more images
# the steps of $T$ stay cheap and the passes of $f$ that feed them do not: `lnl bench` measures it for $K=40$.

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: a critic that says nothing (pencil; medium)
#
# Show that a constant $T=a$ has the bound 0 whatever $a$ is, and that a negative bound can always be improved by multiplying
# $T$ with a number below 1. Why then is the bound negative in training?
#
# <details><summary>Solution</summary>
#
# $a-\log e^a=0$. With $sT$ the bound is $s\,E[T]-\log E[e^{sT}]$, which is 0 at $s=0$ and concave in $s$, since $\log E[e^{sT}]$
# is convex. Where it is negative at $s=1$ its maximum over $[0,1]$ is at least 0 and lies below 1. $T$ would find it in a few
# steps on *these* features. But it has learnt from features that $f$ had before its last step, and from other images.
#
# </details>
#
# ### Exercise 2: no bias at all (code; easy)
#
# Give all images the same bias and train two epochs. What does the library say, and are the weights those of the baseline?
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core import BiasedImages
#
# few = data.subset(slice(0, 256))
# nothing = torch.zeros(len(few), dtype=torch.long)
# plain = BiasedImages(few.images, few.labels, nothing, few.group, bias_classes=2)
# short = config.with_options(epochs=2)
# one, other = build_network(short), build_network(short)
# one.bias_head = torch.nn.Linear(64, 2)
# print(fit_mi_backprop(one, plain, short, progress=False)[-1])
# fit_mi_backprop(other, few, short.with_options(mi_weight=0.0), progress=False)
# assert all(torch.equal(a, b) for a, b in zip(one.extractor.parameters(), other.extractor.parameters()))
# ```
#
# It says once that the information of a constant is 0, and the two networks have the same $f$ to the last bit.
#
# </details>
#
# ### Exercise 3: a weight that is too large (predict, then run; medium)
#
# Multiply $\lambda$ by ten and train again with `brief(mi_weight=...)`. What will happen to the estimate, to the label loss, and to
# what a fresh $T$ finds? Decide first.
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core.errors import NonFiniteLossError
#
# for weight in (config.mi_weight, 10 * config.mi_weight):
#     try:
#         print(weight, brief(mi_weight=weight))
#     except NonFiniteLossError as error:
#         print(weight, error)
# ```
#
# The label loss rises, here until the library ends the training with a sentence: in training, colour and digit go together, and features
# that do not tell the one cannot tell the other. The estimate is no guide, since $T$ is then too slow for $f$. The authors warn of a $\lambda$ that is too high, too, and give no reason.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - $T$ ascends a lower bound of $I(C;Z)$ in $K$ steps; $f$ descends it in one, after its step on the label loss, with a clipped gradient.
# - The gradient is that of the information only while $T$ is at its best. A bound below 0 shows that it is not.
# - A small bound proves nothing about the colour: ask fresh probes.
# - The cost is $K$ passes through $f$ a step; they can be done together, or more rarely, but not left out.
#
# Next: [Related work](../book/related_work.md) says which other methods there are, and which data sets are called Colored MNIST.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
