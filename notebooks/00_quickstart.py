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
# # Quickstart: a digit reader that must not see colour

# %% [markdown] tags=["badge"]
# *To run this page yourself, type `make lab` in a copy of the project.*

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** A plain network goes by the colour of a digit; one that is trained not to learn the colour reads far more
# > digits in random colours, although a fresh probe still finds colour in its features.
# >
# > **Read before.** Nothing.
# >
# > **Reading time.** 15 minutes.
#
# This page goes from biased data to a network that does not act on the bias. We look at digits whose colour tells which digit they
# are, and train an ordinary network, which learns the colour. Then we train the same network by the method of Kim et al. (CVPR 2019),
# *Learning Not to Learn*, and compare the two. At the end we ask: has the second network forgotten the colour, or has it only stopped
# using it?
#
# **After this page you can**
#
# - say what biased data are, and why a test set that shares the bias cannot reveal them;
# - name the three networks $f$, $g$, $h$, and what each of them is trained for;
# - train any method of this book with two lines, and find the finished run again;
# - tell three claims apart: accurate, fair to every group, and free of the bias.
#
# **What you need**
#
# | | |
# |---|---|
# | background | what a convolutional classifier, a cross-entropy loss and a gradient step are |
# | theory | [the derivation of the loss](../book/theory.md), for afterwards |
#
# **Run time** on two CPU cores: smoke under a minute (it proves that the page runs; its numbers mean nothing), demo a few minutes, nearly
# all of it training; full trains as long as the authors did, on all of MNIST, and wants a GPU.

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

from lnl_core import accuracy, figures, load_model, preset, read_history, resolve_profile, run, run_folder
from lnl_core.datasets import COLOR_NAMES, color_table
from lnl_core.evaluation import cell_accuracy, confusion, evaluate_adversary, group_accuracy, predict
from lnl_core.experiments.splits import load_data
from lnl_core.runs.comparison import paper_numbers
from lnl_core.runs.provenance import describe_environment

figures.use_style()
profile = resolve_profile(PROFILE)
config = preset(profile, "baseline", color_var=COLOR_VAR, seed=SEED)
print(f"profile {profile}, colour variance {COLOR_VAR}, seed {SEED}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What does the network get to see?
#
# It sees painted handwritten digits. Each digit class has a mean colour, and a **training** digit is painted in a shade of its own
# class's colour. A **test** digit is painted in a shade of a colour that is picked at random. `COLOR_VAR` is the variance of the
# shades, the paper's $\sigma^2$: the smaller it is, the more surely a colour names its digit.

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows of ten training digits; within a row all digits have shades of one colour."}} slideshow={"slide_type": "-"}
train = load_data(config, config.train_split, DATA_DIR or None)
test = load_data(config, "test", DATA_DIR or None)
figures.samples(train, title=f"Training digits, σ² = {COLOR_VAR}: the colour gives the digit away")

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Ten rows of ten test digits; every row mixes all colours."}} slideshow={"slide_type": "subslide"}
figures.samples(test, title=f"Test digits, σ² = {COLOR_VAR}: the colour says nothing")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The pictures: ten digits a class, first in training colours, then in test colours.* Shape and colour both name a training digit.
# Nothing in the data says which of the two is meant, and colour is the easier one to see. How strongly colour tells the digit, in
# nats, is the subject of [01_biased_data](01_biased_data.ipynb).
#
# ## What does an ordinary network learn?
#
# A `RunConfig` says everything about a run. `preset` builds one from a profile and a method, and `run` trains, evaluates and files the
# result under `OUT_DIR`; called again, it reads the finished run back. "baseline" is plain training on the label loss $L_c$.

# %% tags=["nbval-ignore-output"]
baseline_folder = run_folder(OUT_DIR, config)
baseline_record = run(config, baseline_folder, data_dir=DATA_DIR or None)
baseline = load_model(baseline_folder)

# %% [markdown]
# Is it any good? That depends on the test. The same held-out digits can be painted like training digits or in random colours.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
flattering = load_data(config, "test", DATA_DIR or None, random_colors=False)  # test digits in their own class's colour
on_test = {"baseline": accuracy(baseline, test)}
on_biased = {"baseline": accuracy(baseline, flattering)}
print(f"training digits                                 {accuracy(baseline, train):.3f}")
print(f"held-out digits in their own class's colours    {on_biased['baseline']:.3f}")
print(f"the same held-out digits in random colours      {on_test['baseline']:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# The first two numbers are what is usually reported: collect data, split off a test set, measure. Both parts share the bias,
# so the bias stays hidden. Only the third line shows that the network reads colours at least as much as shapes.
#
# ## Can it be told what not to learn?
#
# Split the network in two: a feature extractor $f$ and a label head $g$. Then add an adversary, a bias head $h$, which tries to name the
# colour from the features $f(x)$. The colour is given to $h$ as a map of labels: the image is divided into $14\times14$ places, and
# at each place each channel, red, green and blue, has one of eight levels, from 0 (dark) to 7 (bright). $h$ predicts these levels
# from the features around the place.
#
# | network | sees | is trained |
# |---|---|---|
# | $h$, bias head | $f(x)$ | to predict the colour $b(x)$: it descends the bias loss $L_B$ |
# | $g$, label head | $f(x)$ | to predict the digit $y$: it descends the label loss $L_c$ |
# | $f$, extractor | the image $x$ | to help $g$, and to give $h$ no information |
#
# For $f$ the last line means two extra terms: make $h$'s prediction spread out (descend $\lambda\,\mathcal N$;
# $\mathcal N$ is the negative entropy of what $h$ predicts) and make $h$ wrong (ascend $\mu L_B$, through a layer that reverses the gradient). Together this is Eq. 9 of
# the paper:
#
# $$\min_{\theta_f,\theta_g}\;\max_{\theta_h}\;\; L_c \;+\; \lambda\,\mathcal N \;-\; \mu\, L_B .$$
#
# (Figures and code call $\mathcal N$ "mi" or $L_{MI}$. In the paper $\mathcal L_{MI}$ is the whole of Eq. 6, of which $\mathcal N$ is
# the first term.)
#
# In code it is another method name.

# %% tags=["nbval-ignore-output"]
lnl_config = preset(profile, "lnl", color_var=COLOR_VAR, seed=SEED)
lnl_folder = run_folder(OUT_DIR, lnl_config)
lnl_record = run(lnl_config, lnl_folder, data_dir=DATA_DIR or None)
lnl = load_model(lnl_folder)

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Line charts per epoch for baseline and lnl: the label loss of both falls; lnl also has a bias loss and a negative entropy."}} slideshow={"slide_type": "subslide"}
histories = {"baseline": read_history(baseline_folder), "lnl": read_history(lnl_folder)}
figures.losses(histories, title="The game, epoch by epoch")

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: one panel a quantity, in nats but for the accuracy.* Both networks come to read their training digits without trouble, so the label loss gives no warning. The baseline has no adversary and no line in the panels of $h$; there the line of lnl shows the
# game: $h$ first learns the colour, then $f$ removes it again. [04_training](04_training.ipynb) explains such curves in detail.
#
# ## What do the two networks confuse?

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Two confusion matrices on the unbiased test digits: the baseline's answers are scattered over all digits, those of lnl lie mostly on the diagonal."}} slideshow={"slide_type": "-"}
figures.confusion_matrices(
    {"baseline": confusion(baseline, test), "lnl": confusion(lnl, test)}, title="The same test digits, in random colours"
)

# %% [markdown] slideshow={"slide_type": "-"}
# *The picture: rows are true digits, columns are answers; a perfect reader has a bright diagonal and nothing else.* The baseline's
# answers are scattered because the colours are random, and it goes by the paint. To see *which* paint leads to *which* answer, paint
# all digits alike, as [06_confusion](06_confusion.ipynb) does.

# %% tags=["nbval-ignore-output"]
on_test["lnl"], on_biased["lnl"] = accuracy(lnl, test), accuracy(lnl, flattering)
gain = on_test["lnl"] - on_test["baseline"]
print(f"on unbiased digits: baseline {on_test['baseline']:.3f}, lnl {on_test['lnl']:.3f} ({gain:+.3f})")
print(f"on biased digits:   baseline {on_biased['baseline']:.3f}, lnl {on_biased['lnl']:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# The second line shows a cost: where the colour does tell the digit, a network that ignores it loses a good clue.
#
# ## Which digits are read worst?
#
# A mean can hide a group on which the network is bad. Split the test digits by whether their paint happens to be their own class's colour
# (*bias-aligned*) or not (*bias-conflicting*), then by paint, then by digit and paint together.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
agrees = (test.group == test.labels).numpy()
labels = test.labels.numpy()
for name, network in {"baseline": baseline, "lnl": lnl}.items():
    right = predict(network, test) == labels
    print(
        f"{name:<9} colour agrees with the digit: {right[agrees].mean():.3f} of {agrees.sum()} digits, "
        f"misleads: {right[~agrees].mean():.3f} of {(~agrees).sum()}"
    )

# %% tags=["nbval-ignore-output"] mystnb={"image": {"alt": "Bar chart of accuracy for each of the ten paint colours, baseline and lnl side by side, chance dashed."}} slideshow={"slide_type": "subslide"}
groups = {"baseline": group_accuracy(baseline, test), "lnl": group_accuracy(lnl, test)}
panels, panel = plt.subplots(figsize=(8.6, 3.6), layout="constrained")
for number, (name, values) in enumerate(groups.items()):
    places = np.arange(len(values)) + (number - 0.5) * 0.38
    color = figures.METHOD_STYLE[name][0]
    panel.bar(places, values, width=0.38, color=color, hatch=("", "//")[number], edgecolor="white", label=name)
panel.axhline(0.1, color="0.35", linestyle="--", linewidth=1, label="chance")
panel.set(
    title="Accuracy on test digits by paint",
    xlabel="paint, and the class that wears it in training",
    ylabel="accuracy",
    ylim=(0, 1),
)
panel.set_xticks(range(10), [f"{color} {name}".replace(" ", "\n") for color, name in enumerate(COLOR_NAMES)], fontsize=8)
panel.set_axisbelow(True)
panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% tags=["nbval-ignore-output"]
for name, values in groups.items():
    worst, best = int(np.nanargmin(values)), int(np.nanargmax(values))
    print(f"{name:<9} worst paint {COLOR_NAMES[worst]} {values[worst]:.3f}, best paint {COLOR_NAMES[best]} {values[best]:.3f}")
for name, network in {"baseline": baseline, "lnl": lnl}.items():
    shares, sizes = cell_accuracy(network, test)
    digit, paint = np.unravel_index(np.nanargmin(shares), shares.shape)
    print(
        f"{name:<9} worst group: {digit} in {COLOR_NAMES[paint]} {shares[digit, paint]:.3f} of {sizes[digit, paint]} digits "
        f"(the smallest group has {sizes[sizes > 0].min()})"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: one pair of bars a paint.* The lowest bar is the accuracy on the worst colour (`worst_bias_accuracy` in a record). It
# still mixes digits that the colour helps with digits that it misleads. **Worst-group accuracy** (`worst_group_accuracy`) does not:
# its groups are the hundred pairs of digit and paint. There are few digits in each here, so the lowest of a hundred accuracies is low
# by chance as well, even of a network that never looks at the colour. Run records keep all of them beside the mean.
#
# ## Has f forgotten the colour?
#
# The paper's goal is stronger than accuracy: $f(x)$ should hold no information about the colour. Its evidence is $h$, which in the
# end cannot name the colour. Ask $h$ about randomly painted digits, and compare its cross-entropy with that of a constant
# prediction: the shares of the eight levels of a channel. The difference is what $h$ knows, in nats (information with natural
# logarithms).

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
repainted = load_data(lnl_config, lnl_config.train_split, DATA_DIR or None, random_colors=True)  # training shapes, random colours
said = evaluate_adversary(lnl, repainted.subset(slice(0, 1000)))
print(f"a colour channel has {said.entropy:.2f} nats to tell; h reads {said.information:.2f} nats of it from f(x)")

# %% [markdown]
# So $h$ reads next to nothing. But $f$ was trained against exactly this $h$, and $h$ looks at one small patch at a time. A
# better test is a **fresh probe**: a new classifier, trained on frozen features of randomly painted digits, that $f$ has never met and
# that sees the whole of $f(x)$. It is asked for the paint, one of ten. Every run record keeps a linear probe and one with a hidden layer,
# each with a control that was trained on shuffled paints.

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
print("a fresh probe names the paint:   linear   control      MLP   control")
for name, metrics in {"baseline": baseline_record.metrics, "lnl": lnl_record.metrics}.items():
    numbers = [
        metrics[f"{probe}_{what}"] for probe in ("bias_probe", "bias_mlp_probe") for what in ("accuracy", "control_accuracy")
    ]
    print(f"  features of {name:<15}" + "".join(f"{number:10.3f}" for number in numbers))
ceiling = color_table(COLOR_VAR, levels=32).max(axis=0).sum()
print(f"chance is 0.1; from the colour itself one can name {ceiling:.3f}, since the shades of different paints overlap")

# %% [markdown] slideshow={"slide_type": "slide"}
# Look at the controls first: they must be near chance, or the probe itself is broken. Then compare. The features of lnl give away
# less of the paint than those of the baseline, and yet more than nothing. That the adversary reads nothing says something about
# $h$; what a fresh probe reads says something about $f$. A network may answer well because $g$ does not act on what $f$
# still carries. [05_embeddings](05_embeddings.ipynb) looks further into this.
#
# ## How far can these numbers be trusted?

# %% tags=["nbval-ignore-output"] slideshow={"slide_type": "-"}
data, settings = lnl_record.data, lnl_record.run_config()
print(f"trained on {data['train_size']:,} images (source {data['source']}), tested on {data['test_size']:,}; one seed")
print(
    f'{settings.epochs} epochs, weights lambda {settings.mi_weight:g} and mu {settings.adv_weight:g}, bias labels "{settings.bias_labels}"'
)
published = {name: paper_numbers()[name].get(COLOR_VAR) for name in ("baseline", "lnl")}
for name, record in {"baseline": baseline_record, "lnl": lnl_record}.items():
    paper = f"{published[name]:.3f}" if published[name] is not None else "no number for this variance"
    print(f"{name:<9} this run {record.metrics['test_accuracy']:.3f}, published {paper}")
comparable = settings.profile == "full" and data["source"] in ("mnist", "authors")
print("this is the paper's setting" if comparable else "these two columns are NOT comparable: other data, other settings")

# %% [markdown]
# Under the demo profile this page is an illustration and not a replication, for three reasons.
#
# - **Data**: the 5,000 real MNIST digits that come with the installation, not the 60,000 of the full set.
# - **Bias labels**: the demo labels every place of the $14\times14$ map with the image's colour ("image"). The authors label only the
#   stroke ("pixel"). With so few digits the authors' labels gained little on validation digits; a possible reason is that $f$ keeps the
#   colour in the background, which then has no label. This is our choice and not the paper's, see [deviations](../book/deviations.md).
# - **Weights and epochs** were chosen for the small data, on validation digits and never on the test digits.
#
# The full profile runs the authors' values on full MNIST, short runs fewer epochs on it, with labels,
# weights and rates of our choice. Only records of these two
# enter the table of [07_results](07_results.ipynb).

# %% [markdown]
# ## Exercises
#
# ### Exercise 1: a network that looks at the colour only (pencil; easy)
#
# A network looks at nothing but the mean colour and always names the digit that wore it in training. What is its accuracy on training
# digits, on test digits whose colour agrees, on test digits whose colour misleads, and on the whole unbiased test set? What does its
# confusion matrix on the unbiased test set look like, and why can you not tell from it that the network reads colours?
#
# <details><summary>Solution</summary>
#
# On training digits and on agreeing test digits it is always right, on misleading ones always wrong. A tenth of the test digits agree
# by chance, so the unbiased accuracy is $0.1$, and the worst paint has about $0.1$ as well: within one paint all answers are the
# same and a tenth of the shapes fit. The worst group, of digit and paint together, has $0$: wherever the paint misleads, nothing is
# right.
#
# In the unbiased test set the colour is independent of the digit, so every row of the confusion matrix is the same: a tenth in each
# column. A network that guesses at random has that matrix too. The colours must be held fixed one at a time to tell them apart:
# then the colour-only network shows one full column a colour.
#
# </details>
#
# ### Exercise 2: why not simply go grey? (code; easy)
#
# If colour is the problem, throw it away: the method "gray" makes every image grey before $f$ sees it. Train it and set it beside the two
# networks of this page. What does it need to know that "lnl" does not?
#
# <details><summary>Solution</summary>
#
# ```python
# gray_config = preset(profile, "gray", color_var=COLOR_VAR, seed=SEED)
# gray_folder = run_folder(OUT_DIR, gray_config)
# gray_record = run(gray_config, gray_folder, data_dir=DATA_DIR or None)
# gray = load_model(gray_folder)
# print(f"gray: unbiased {accuracy(gray, test):.3f}, worst paint {group_accuracy(gray, test).min():.3f}")
# print(f"its probe still reads the colour: {gray_record.metrics['bias_mlp_probe_accuracy']:.3f}")
# ```
#
# It needs a formula for removing the bias from the *input*, which exists for colour and for little else: nobody can write down an
# image without its age or gender. "lnl" needs only labels of the bias. Nor is grey the same as unbiased: a bright paint leaves a
# bright digit, so the probe is not at chance, and the network may read brightness.
#
# </details>
#
# ### Exercise 3: colours that always mislead (predict, then run; medium)
#
# In the unbiased test set one digit in ten has its own colour by chance. Make all colours misleading: paint every test digit around
# the mean colour of the class two further on, zeros in lemon, ones in bondi blue, and so on up to nines in teal. Before you run it,
# write down for each network: is its accuracy above or below that on the unbiased test set, and above or below chance? How often does
# it answer with the colour's digit?
#
# <details><summary>Solution</summary>
#
# ```python
# for name, network in {"baseline": baseline, "lnl": lnl}.items():
#     shape, paint, total = 0, 0, 0
#     for color in range(10):
#         lying = load_data(config, "test", DATA_DIR or None, mean_color=color)
#         lying = lying.subset(np.flatnonzero(lying.labels == (color - 2) % 10))
#         answer = predict(network, lying)
#         shape, paint, total = shape + (answer == (color - 2) % 10).sum(), paint + (answer == color).sum(), total + len(lying)
#     print(f"{name:<9} answers the shape {shape / total:.3f}, the colour {paint / total:.3f} of {total} digits")
# ```
#
# Without that tenth the baseline is worse, and it answers the colour's digit more often than the shape's. Even so it stays above
# chance: it uses colour and shape. The lnl network loses little. Try the other shifts: how much accuracy is lost depends on which
# colour replaces which.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Biased data let a network use the wrong clue, and a test set with the same bias does not show it.
# - Learning not to learn trains $f$ against a bias head $h$: keep what helps $g$, drop what helps $h$ (Eq. 9).
# - Report the unbiased accuracy *and* the worst group of label and bias, with its size; look at confusion matrices one colour at a time.
# - An adversary at chance does not prove that $f$ has forgotten. Train a fresh probe.
#
# Next: [01_biased_data](01_biased_data.ipynb) measures how much of the digit its colour gives away.

# %% tags=["nbval-ignore-output"]
print(describe_environment())
