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
# # Training: who moves, and what it costs

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** In every method $g$ descends the label loss and $h$, where it is trained, the bias loss; the methods
# > differ only in what $f$ does about $h$.
# >
# > **Read before.** [00 Quickstart](00_quickstart.ipynb), [03 The min-max game](03_minmax_game.ipynb).
# >
# > **Reading time.** 15 minutes.
#
# One loop trains three networks by every method. This page explains the loop: which loss moves which network, how the losses of
# $f$, $g$ and $h$ change over time, what a warm start and the authors' alternating updates do, how a run goes on after an
# interruption, and which techniques of `lnl_core.training` make it fast on your machine.
#
# **After this page you can**
#
# - train any method of this book, from a notebook and from the command line, and find the same run again from either;
# - read the step of a method next to its equation, and check by its gradients who moves;
# - translate the bias loss of $h$ into nats of information, and see whether $f$ is forgetting or $h$ is failing;
# - resume an interrupted run and prove that nothing was lost;
# - measure what makes training fast on your machine.
#
# **What you need**
#
# | | |
# |---|---|
# | background | stochastic gradient descent with momentum; [03_minmax_game](03_minmax_game.ipynb) for gradient reversal |
# | earlier runs | [00_quickstart](00_quickstart.ipynb) leaves two of the runs behind; if it has not run, this page trains them |
# | theory | [Eqs. 6 to 9 in the theory chapter](../book/theory.md) |
#
# **Run time** on two CPU cores: smoke under a minute; demo about a minute and a half on top of the two shared runs; full wants a GPU.

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
import shlex
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from math import log
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from lnl_core import (
    accuracy,
    build_network,
    choose_device,
    figures,
    fit,
    methods,
    preset,
    read_history,
    resolve_profile,
    run,
    run_folder,
)
from lnl_core.datasets import IGNORE, Batch
from lnl_core.experiments.splits import load_data
from lnl_core.information import entropy
from lnl_core.runs.provenance import describe_environment
from lnl_core.training import autocast
from lnl_core.training.precision import native_bf16

figures.use_style()
profile = resolve_profile(PROFILE)
device = choose_device()
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}, device {device}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which loss moves which network?
#
# The full game, Eq. 9, is
#
# $$\min_{\theta_f,\theta_g}\;\max_{\theta_h}\;\; L_c(\theta_f,\theta_g)\;+\;\lambda\,L_{MI}(\theta_f)\;-\;\mu\,L_B(\theta_f,\theta_h),$$
#
# with the label loss $L_c$, the negative conditional entropy $L_{MI}$ of what $h$ says, and the bias loss $L_B$. Every method here
# is this game with some terms switched off, or with $L_{MI}$ exchanged for the confusion loss $L_{\text{conf}}$ of Alvi et al.
#
# | method | $f$ | $g$ | $h$ |
# |---|---|---|---|
# | `baseline` | descends $L_c$ | descends $L_c$ | stays |
# | `gray` | descends $L_c$, on grey images | descends $L_c$ | stays |
# | `blind_eye` | descends $L_c+\alpha L_{\text{conf}}$ | descends $L_c$ | descends $L_B$ |
# | `grl` | descends $L_c$, ascends $\mu L_B$ | descends $L_c$ | descends $L_B$ |
# | `blind_eye_grl` | descends $L_c+\alpha L_{\text{conf}}$, ascends $\mu L_B$ | descends $L_c$ | descends $L_B$ |
# | `lnl_adv` | descends $L_c+\lambda L_{MI}$ | descends $L_c$ | descends $L_B$ |
# | `lnl` | descends $L_c+\lambda L_{MI}$, ascends $\mu L_B$ | descends $L_c$ | descends $L_B$ |
#
# Read down the columns: $g$ does the same everywhere, and so does $h$ where it moves. The methods differ only in what $f$ does about $h$.
#
# In code the step of a method is one function that fills gradients. Here is lnl's, Eq. 9 term by term.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "subslide"}
print(inspect.getsource(methods.lnl))

# %% [markdown]
# The reversal layer lets $h$ descend $L_B$ while $f$ ascends it, and the frozen copy of $h$ gives $f$ the gradient of
# $L_{MI}$ while $h$ gets none. This costs a second pass through $h$. The training asks for the same gradients from one pass, by
# a function that serves every method here: each has a weight for each of its terms. A test holds the two together to the last digits.

# %% tags=["nbval-ignore-output"]
print(inspect.getsource(methods.adversarial_step))

# %% [markdown]
# This is possible because of `detached_features`: they are cut off from $f$, so a gradient can be *read* there for each loss,
# weighted or reversed, and handed to $f$ in one backward pass. `torch.autograd.grad(..., detached_features)` asks for the gradient
# there only, so neither $L_{MI}$ nor $L_{\text{conf}}$ ever touches a weight of $h$. If it did, $h$ would learn to be unsure,
# and $f$ could keep the bias.
#
# Check the table: take one batch and one untrained network, call each step, and look at the gradients it leaves.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "subslide"}
config = preset(profile, "lnl", color_var=COLOR_VAR, seed=SEED)
train = load_data(config, "train", DATA_DIR or None)
batch = train.batch(slice(0, 64))
PARTS = {"f": "extractor", "g": "label_head", "h": "bias_head"}


def gradients(method, step=None):
    """The gradient that one step leaves in f, g and h, each as one vector."""
    config = preset(profile, method, color_var=COLOR_VAR, seed=SEED)
    network = build_network(config).train()
    (step or methods.find(method).step)(network, batch, config)
    return {
        part: torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in getattr(network, name).parameters()]
        )
        for part, name in PARTS.items()
    }


of_one_step = [name for name, method in methods.registered().items() if len(method.moves) == 1]
found = {method: gradients(method) for method in of_one_step}
plain = found["baseline"]
print(f"{'length of the gradient in':<28}{'f':>8}{'g':>8}{'h':>8}   f's angle to the baseline's")
for method, parts in found.items():
    angle = torch.rad2deg(torch.arccos(torch.cosine_similarity(parts["f"], plain["f"], dim=0).clamp(-1, 1)))
    print(f"{method:<28}" + "".join(f"{parts[part].norm():>8.3f}" for part in PARTS) + f"{angle:>12.1f} degrees")

players = [method for method in of_one_step if methods.find(method).trains_h]
assert all(torch.allclose(found[m]["g"], plain["g"], atol=1e-6) for m in players), "g must move as in the baseline"
assert all(torch.allclose(found[m]["h"], found["lnl"]["h"], atol=1e-6) for m in players), "h must descend L_B and nothing else"
assert plain["h"].norm() == 0

as_it_reads = gradients("lnl", methods.lnl)
assert all(torch.allclose(as_it_reads[part], found["lnl"][part], rtol=1e-3, atol=1e-5) for part in PARTS), "Eq. 9 as it reads"

# %% [markdown] slideshow={"slide_type": "slide"}
# $h$ moves identically in the six methods with an adversary and stays in all others, and $g$ does not depend on the method
# (`gray` sees other images, hence its own numbers). Only the direction of $f$ differs. An untrained $h$ says almost the same
# everywhere, so the gradient of its entropy is still small; that of the reversed bias loss is not. What the methods from
# `reweighing` on do beside the label loss, such as weighing images, is in their files.
#
# ## How do the losses develop?
#
# The two runs of the quickstart, epoch by epoch. `run` reads them back if they exist.

# %% tags=["nbval-ignore-output"]
shared = {}
for method in ("baseline", "lnl"):
    run_config = preset(profile, method, color_var=COLOR_VAR, seed=SEED)
    folder = run_folder(OUT_DIR, run_config)
    run(run_config, folder, data_dir=DATA_DIR or None)
    shared[method] = read_history(folder)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "One panel a quantity, epochs on the horizontal axis. The label loss falls for baseline and lnl, faster for the baseline. For lnl the bias loss of h falls at first, then rises and stays high, and the negative entropy of h sinks. The unbiased validation accuracy of lnl ends far above the baseline's."}} slideshow={"slide_type": "-"}
figures.losses(shared, title=f"Training at σ² = {COLOR_VAR}, profile {profile}")

# %% tags=["nbval-ignore-output"]
first, last = shared["lnl"][0], shared["lnl"][-1]
print(f"label loss of g:        baseline ends at {shared['baseline'][-1]['label_loss']:.3f}, lnl at {last['label_loss']:.3f} nats")
print(
    f"bias loss of h (lnl):   {first['bias_loss']:.2f} in the first epoch, {min(line['bias_loss'] for line in shared['lnl']):.2f} at its lowest, {last['bias_loss']:.2f} at the end"
)
print(f"negative entropy (lnl): {last['mi_loss']:.2f} at the end; -log 8 = {-log(8):.2f} would be a uniform h")
if "validation_accuracy" in last:
    print(
        f"unbiased validation:    baseline {shared['baseline'][-1]['validation_accuracy']:.3f}, lnl {last['validation_accuracy']:.3f}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# On biased training images the baseline fits better, on unbiased images it is the worse network. So the label loss alone does not
# show that anything is wrong. The bias loss shows the game: while $h$ learns, it falls; once $f$ removes the colour, it rises
# again.
#
# ## Is f forgetting, or is h failing?
#
# A high bias loss means nothing by itself: a broken $h$ has one too. It needs a scale. An $h$ that knows only how frequent each colour
# level is, and reads nothing from $f(x)$, reaches the entropy $H(b)$ of the labels. By Eq. 4 and the same bound as in the theory chapter,
#
# $$I\big(b(X);f(X)\big)\;=\;H(b)-H\big(b\mid f(X)\big)\;\ge\;H(b)-L_B ,$$
#
# so the distance of the loss from $H(b)$ is what $h$ demonstrably reads, in nats. This holds for each colour channel. Our $L_B$ adds the
# three channels, so we plot the sum of the three distances. It counts what channels have in common more than once.


# %%
def marginal_entropy(data):
    """H(b) in nats, summed over the three channels: the loss of an h that reads nothing."""
    total = 0.0
    for channel in range(3):
        levels = data.bias[:, channel]
        counts = np.bincount(levels[levels != IGNORE].numpy(), minlength=8)
        total += entropy(counts / counts.sum())
    return total


ceiling = marginal_entropy(train)

# %% [markdown]
# To compare methods, train three of them for a few epochs on the first 600 digits. This uses `fit`, the loop beneath `run`, and
# passes it a function to call after every epoch. A changed number of epochs makes the profile of these runs `custom`: they can never
# enter a results table.

# %% tags=["nbval-ignore-output"]
EPOCHS = 2 if profile == "smoke" else 4
FEW = 64 if profile == "smoke" else 600  # training digits of these short runs
few = train.subset(slice(0, FEW))
held_out = load_data(config, "validation", DATA_DIR or None)


def short_run(method, **options):
    """Train for a few epochs on the training split and return the history; a finished run is read back from its folder."""
    config = preset(profile, method, color_var=COLOR_VAR, seed=SEED)
    config = config.with_options(
        **{"epochs": EPOCHS, "train_size": FEW, "batch_size": 16, "warmup_epochs": 0, "train_split": "train", **options}
    )
    network, validation = build_network(config), held_out.to(device)
    folder = run_folder(Path(OUT_DIR).expanduser() / "04_training", config)
    return fit(network, few, config, out_dir=folder, validate=lambda f: {"validation_accuracy": accuracy(f, validation)})


short = {method: short_run(method) for method in ("blind_eye", "grl", "lnl")}

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Nats of colour that h reads from the features, per epoch, for blind_eye, grl and lnl, far below a dashed line for everything there is to read. The curve of blind_eye rises and stays; those of grl and lnl, whose f works against the bias loss itself, stay lower."}} slideshow={"slide_type": "-"}
epochs = range(1, EPOCHS + 1)
figures.lines(
    epochs,
    {method: [ceiling - line["bias_loss"] for line in history] for method, history in short.items()},
    title="What h reads from f(x) while training",
    xlabel="epoch",
    ylabel="H(b) minus bias loss, in nats",
    levels={"H(b), sum over channels": ceiling, "nothing read": 0.0},
)

# %% tags=["nbval-ignore-output"]
for method, history in short.items():
    read = [ceiling - line["bias_loss"] for line in history]
    print(
        f"{method:<10} h reads {max(read):5.2f} nats at its best, {read[-1]:5.2f} in the last epoch; "
        f"unbiased validation accuracy {history[-1]['validation_accuracy']:.3f}"
    )
if profile == "smoke":
    print("These are smoke runs: they prove that the code runs, and their numbers mean nothing.")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: all curves start near zero, since $h$ has to learn first, and stay far below the dashed line of what there is to
# read.* These runs are long enough to show the effect of each term, and too short to be judged by their accuracy: the finished runs
# are those of the figure before.
#
# The loss is averaged over an epoch in which $h$ is still learning, so the curve is a lower bound with a delay. Values below zero
# mean that $h$ is worse than the frequencies alone: $f$ misleads it. A curve near zero does not prove that the colour is gone.
# It says that *this* $h$, which $f$ was trained against, cannot read it; [05_embeddings](05_embeddings.ipynb) asks fresh
# networks.
#
# ## What does a warm start change?
#
# The authors call the adversarial part unstable and advise to train $f$ and $g$ first. Meanwhile $h$ learns on features that
# its gradient does not reach. The idea is that the game then starts with an $h$ that can already read. `warmup_epochs` does that.
#
# Their code also makes **two updates** a batch from two passes through $f$, first for $L_c+\lambda L_{MI}$, then for $L_B$; our default
# adds both into **one**. `updates="alternating"` is their way.

# %% tags=["nbval-ignore-output"]
variants = {
    "joint, cold": short["lnl"],
    "joint, warm start": short_run("lnl", warmup_epochs=max(1, EPOCHS // 3)),
    "alternating, cold": short_run("lnl", updates="alternating"),
}

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Nats of colour that h reads, per epoch, for lnl trained jointly from a cold start, jointly after a warm start, and by alternating updates. After the warm start h reads more than in the cold runs, falls when the game begins, and rises again."}} slideshow={"slide_type": "-"}
figures.lines(
    epochs,
    {name: [ceiling - line["bias_loss"] for line in history] for name, history in variants.items()},
    title="lnl: cold, warm, and by alternating updates",
    xlabel="epoch",
    ylabel="H(b) minus bias loss, in nats",
    levels={"nothing read": 0.0},
)

# %% tags=["nbval-ignore-output"]
for name, history in variants.items():
    print(
        f"{name:<20}unbiased validation accuracy after {EPOCHS} epochs {history[-1]['validation_accuracy']:.3f}, best epoch {max(line['validation_accuracy'] for line in history):.3f}"
    )
accuracies = [history[-1]["validation_accuracy"] for history in variants.values()]
print(f"They lie {max(accuracies) - min(accuracies):.3f} apart; each is a single, short run, so do not rank them by it.")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: at the end of the warm start $h$ reads more than in the cold runs; it reads less when the game begins, and then more again as they do (one run each).* In a warm start $f$
# learns the bias that it must unlearn afterwards. In return $g$ is already trained, and $h$ has a useful gradient from the
# first adversarial step on. The full preset follows the authors' code and has none.
#
# ## What if the machine stops?
#
# `fit` writes a checkpoint after every epoch: weights, momentum, history. The learning rate depends on the epoch alone and the order of
# the batches on seed and epoch alone, so nothing else needs to be saved. Stop a run at the end of the third epoch, start again, and compare with a
# run that was not stopped.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
small = preset("smoke", "lnl", color_var=COLOR_VAR, seed=SEED).with_options(epochs=3, train_size=128)
small_data = load_data(small, "train", DATA_DIR or None)


class PowerCut(Exception):
    pass


calls = []


def cut_in_third_epoch(network):
    calls.append(1)
    if len(calls) == 3:
        raise PowerCut
    return {}


left_in_peace, resumed = build_network(small), build_network(small)
fit(left_in_peace, small_data, small, progress=False)
with tempfile.TemporaryDirectory() as folder:
    try:
        fit(build_network(small), small_data, small, out_dir=folder, validate=cut_in_third_epoch, progress=False)
    except PowerCut:
        print(
            f"stopped with {len(read_history(folder))} epochs on disk: {', '.join(sorted(p.name for p in Path(folder).iterdir()))}"
        )
    history = fit(resumed, small_data, small, out_dir=folder, progress=False)
pairs = list(zip(left_in_peace.state_dict().values(), resumed.state_dict().values(), strict=True))
print(f"resumed and finished: {len(history)} epochs")
print(
    f"weights bit-identical: {all(torch.equal(a, b) for a, b in pairs)}; largest difference {max(float((a - b).abs().max()) for a, b in pairs):.1e}"
)

# %% [markdown] slideshow={"slide_type": "slide"}
# The third epoch was lost and nothing else. On a CPU the result is identical to the bit; on a GPU some sums are taken in an
# order that varies, and the last digits may too. Called on a folder that holds *another* configuration, `fit` refuses instead of
# mixing the two.
#
# ## How do I do this without a notebook?
#
# The command line builds its configuration with the same `preset`. Point it to the folder of the lnl run from above and it finds that
# there is nothing left to do.

# %% tags=["nbval-ignore-output"]
arguments = f"train --method lnl --color-var {COLOR_VAR} --profile {profile} --seed {SEED} --quiet --out".split()
arguments += [str(run_folder(OUT_DIR, config)), *(["--data-dir", DATA_DIR] if DATA_DIR else [])]
print("$ lnl " + shlex.join(arguments))
done = subprocess.run([sys.executable, "-m", "lnl_core", *arguments], capture_output=True, text=True)
print(done.stdout or done.stderr)
assert done.returncode == 0

# %% [markdown] slideshow={"slide_type": "slide"}
# Delete the folder and the same command trains the same network again. `--set epochs=5` changes a hyper-parameter (and the profile to
# `custom`), `--bf16` and `--tensorboard` do what they say, `lnl train --help` lists the rest.
#
# ## What makes it fast, measured on this device
#
# A straightforward script opens every image with PIL in a `DataLoader`, makes its colour labels one by one, computes in float32 and
# passes every batch through $f$ twice, once for each update. Four things can be saved:
#
# 1. **data on the device**: all images as uint8 in one tensor; a batch is one indexing and one division;
# 2. **one pass**: detached features make a second trip through $f$ unnecessary, and a test holds both forms of the gradient together;
# 3. **the layout**: with the colour channels of a place side by side in memory (`channels_last`) the convolutions read whole rows, and
#    max-pooling works on all channels of a place at once;
# 4. **half the bits**: bf16 autocast, on processors and GPUs that have instructions for it.
#
# First, the same gradient?

# %% tags=["nbval-ignore-output"]
twice = gradients("lnl", methods.two_pass_gradients)
print(
    "largest difference between one pass and two:",
    ", ".join(f"{part} {float((twice[part] - found['lnl'][part]).abs().max()):.1e}" for part in PARTS),
)

# %% [markdown]
# Then the time: gradients of one lnl step, repeated on the same images, without the optimiser (which is the same for all). The
# smallest of a few rounds counts, because other work on the machine can only slow a round down.


# %%
class PerImage(Dataset):
    """One image at a time, as a first draft would do it."""

    def __init__(self, data):
        self.images, self.labels = data.images.permute(0, 2, 3, 1).numpy(), data.labels.numpy()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.fromarray(self.images[index])
        tiny = np.array(image.resize((14, 14), Image.Resampling.NEAREST)).transpose(2, 0, 1)
        bias = np.where(tiny == 0, IGNORE, tiny // 32).astype(np.int64)
        pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255
        return torch.from_numpy(pixels), torch.from_numpy(bias), int(self.labels[index])


def one_by_one(data):
    for images, bias, labels in DataLoader(PerImage(data), batch_size=128):
        yield Batch(images.to(device), labels.to(device), bias.to(device))


def on_device(data, channels_last=False):
    for index in torch.arange(len(data), device=data.device).split(128):
        yield data.batch(index, channels_last=channels_last)


def seconds(batches, step, rounds, **execution):
    """Smallest time of `rounds` passes over the batches, after one pass to warm up."""
    options = config.with_options(**execution)
    network = build_network(options).to(device).train()
    if options.channels_last:
        network.to(memory_format=torch.channels_last)
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for batch in batches():
            network.zero_grad()
            with autocast(options, device):
                step(network, batch, options)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
size, rounds = (128 if profile == "smoke" else 256), (1 if profile == "smoke" else 3)
few, moved = train.subset(slice(0, size)), train.subset(slice(0, size)).to(device)
plain, layout = {"channels_last": False, "precision": "float32"}, {"channels_last": True, "precision": "float32"}
measured = {
    "DataLoader and PIL, two passes": seconds(lambda: one_by_one(few), methods.two_pass_gradients, rounds, **plain),
    "+ data on the device": seconds(lambda: on_device(moved), methods.two_pass_gradients, rounds, **plain),
    "+ one pass": seconds(lambda: on_device(moved), methods.find("lnl").step, rounds, **plain),
    "+ channels_last": seconds(lambda: on_device(moved, channels_last=True), methods.find("lnl").step, rounds, **layout),
}
fastest = layout
if native_bf16(device):
    fastest = {"precision": "bf16", **layout}
    measured["+ bf16"] = seconds(lambda: on_device(moved, channels_last=True), methods.find("lnl").step, rounds, **fastest)
gains = {name: measured[before] / measured[name] for before, name in pairwise(measured)}
measured["for comparison: baseline"] = seconds(lambda: on_device(moved, channels_last=True), methods.baseline, rounds, **fastest)
start = next(iter(measured.values()))
print(f"{size} images, batches of 128, on {device} with {torch.get_num_threads()} threads, float32 if nothing else is said")
print(f"{'':<42}{'ms per 1,000 images':>20}{'times as fast':>15}")
for name, value in measured.items():
    print(f"{name:<42}{value / size * 1e6:>20.0f}{start / value:>15.1f}")
if not native_bf16(device):
    print("bf16 is left out: this device has no instructions for it, and imitating it takes several times as long as float32.")

# %% tags=["nbval-ignore-output"]
best, worst = max(gains, key=gains.get), min(gains, key=gains.get)
print(
    f"Here the largest step is '{best.lstrip('+ ')}' ({gains[best]:.1f} times), the smallest '{worst.lstrip('+ ')}' ({gains[worst]:.1f} times)."
)
if gains[worst] < 1:
    print("A factor below 1 is a loss: this device does not like that step, or was busy with something else.")

# %% [markdown]
# These factors are those of this machine and this moment. A GPU finishes such small batches long before PIL has made the next one, so
# there the first technique gains far more than the others. `lnl bench` measures whole epochs on the full data beside a reference
# script.
#
# [Fast training](../book/fast_training.md) says what bounds a step (operations, bytes, launches), and what the other techniques gain
# (a folded first layer, memory that is kept).
#
# ## Exercises
#
# ### Exercise 1: why the entropy term must not reach h (pencil; medium)
#
# Suppose a careless implementation let $\lambda L_{MI}$ reach the weights of $h$ as well. Let $h$ have a bias vector $c$ in
# its last layer, and let $f(x)$ carry no information. Which $c$ minimises $L_B$, and which minimises $L_B+\lambda L_{MI}$ as
# $\lambda\to\infty$? Why does $f$ not learn to hide the bias from the second?
#
# <details><summary>Solution</summary>
#
# Without information in $f(x)$ all that $h$ can learn is the marginal: $L_B$ is smallest at softmax$(c)=P(b)$, where it is
# $H(b)$. $L_{MI}$ is smallest at the uniform prediction, $c=0$, whatever $P(b)$ is. With both, $h$ is pulled towards the uniform
# prediction even where $f(x)$ does tell the bias. Then $L_{MI}$ is already small because of $h$, its gradient at the features
# vanishes, and $f$ has no reason to change.
#
# </details>
#
# ### Exercise 2: the two passes, by hand (code; medium)
#
# Write the step of `lnl` without a copy of $h$: with two passes through $f$, one for $L_c+\lambda L_{MI}$ and one for $L_B$, and $h$'s
# weights protected from $L_{MI}$. Check that its gradients agree with the library's.
#
# <details><summary>Solution</summary>
#
# ```python
# from lnl_core.losses import bias_loss, label_loss, negative_conditional_entropy, reverse_gradient
#
# def by_hand(network, batch, config):
#     features = network.extractor(batch.images)
#     entropy_term = negative_conditional_entropy(network.bias_head(features))
#     (label_loss(network.label_head(features), batch.labels) + config.mi_weight * entropy_term).backward()
#     network.bias_head.zero_grad()  # h stays
#     logits = network.bias_head(reverse_gradient(network.extractor(batch.images), config.adv_weight))
#     bias_loss(logits, batch.bias, config.bias_reduction).backward()  # h descends, f ascends
#
# mine = gradients("lnl", by_hand)
# for part in PARTS:
#     torch.testing.assert_close(mine[part], found["lnl"][part], atol=1e-5, rtol=1e-4)
# ```
#
# </details>
#
# ### Exercise 3: switching off (predict, then run; easy)
#
# What does the step of `lnl` become with $\mu=0$? With $\lambda=0$? With both zero: is it the baseline? Name the method, or say what is
# different, then compare gradients.
#
# <details><summary>Solution</summary>
#
# ```python
# def with_weights(**changes):
#     return lambda network, batch, config: methods.find("lnl").step(network, batch, config.with_options(**changes))
#
# for changes, other in (({"adv_weight": 0.0}, "lnl_adv"), ({"mi_weight": 0.0}, "grl"), ({"adv_weight": 0.0, "mi_weight": 0.0}, "baseline")):
#     left, right = gradients("lnl", with_weights(**changes)), found[other]
#     print(changes, other, {part: torch.allclose(left[part], right[part], atol=1e-6) for part in PARTS})
# ```
#
# $\mu=0$ gives `lnl_adv`, $\lambda=0$ gives `grl`. With both zero $f$ and $g$ move as in the baseline, but $h$ still
# descends $L_B$: that is the `warmup_step`, not the baseline.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - $g$ descends the label loss and $h$ the bias loss in every method; methods differ only in what $f$ does about $h$.
# - $H(b)-L_B$ gives the bias loss a scale: nats that $h$ demonstrably reads. A value near zero only says that *this* $h$ reads nothing.
# - Warm start and alternating updates are options of the same loop; runs resume to the same result, from a notebook or the command line.
# - Data on the device, one pass, bf16: measure the three on your own device.
#
# Next: [06_confusion](06_confusion.ipynb) asks which of the trained networks uses the colour.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
