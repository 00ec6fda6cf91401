# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 6: a bias of your own
#
# An open project. You choose a task and a bias, write them down as an **experiment file** of `lnl_core`, train on it, and report like somebody who wants to be believed. Colour is taken; textures behind digits are those of
# `notebooks/08_your_own_bias`, which shows every step. Small is good: a few hundred images and a network that trains in seconds.
#
# **100 points**: three tasks that tests decide, and two that a person reads by the rubric at the end. There are tests that you do not see. Cells that you cannot edit are restored before grading.
#
# **Time**: one to two weeks beside other work; the notebook has to run without downloads, on one core, each cell in half a minute and all of them in two minutes: the grader ends what takes longer.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import hashlib
import os
from pathlib import Path

import numpy as np

from lnl_core import accuracy, fit, load_data, preset
from lnl_core.information import plug_in_mutual_information
from lnl_core.networks import build_network

SEEDS = (CLASS_SEED, CLASS_SEED + 1)  # the seeds that you train with, at least


def digest(*arrays):
    """A short text that is another one if any of the arrays is: what is handed in of images."""
    return hashlib.sha256(b"".join(np.asarray(one).tobytes() for one in arrays)).hexdigest()

# %% [markdown] nbgrader={"grade_id": "prompt-file", "locked": true}
# ## Task 1: the experiment (20 points)
#
# Assign `NAME`, the name of your experiment, and `EXPERIMENT_FILE`, the text of its file: a class derived from `lnl_core.experiments.Experiment` that loads the splits `"train"`, `"validation"` and `"test"`, builds $f$, $g$ and $h$,
# and is registered; "An experiment" in `CONTRIBUTING.md` and notebook 08 have the parts. It needs a preset `"smoke"` of a few hundred images. The lines at the end of the cell write the file and load it; leave them as they are, and
# restart the kernel after a change, since a file is read once. The tests look at `samples`:
#
# - in **training** the group tells at least a third of a nat about the label, and at least 2 in 100 images contradict the rule, from group to label and from label to group;
# - in **validation and test** the group tells nothing about the label;
# - another seed gives other data.

# %% nbgrader={"grade_id": "file", "solution": true}
### BEGIN SOLUTION
NAME = "dots"
EXPERIMENT_FILE = r'''
"""Digits under a faint dot: in training its place tells the digit nearly always, in validation and test never."""

import numpy as np
import torch
from torch import nn

from lnl_core.datasets import BiasedImages
from lnl_core.datasets.digits import load_mini, split_indices
from lnl_core.experiments import Experiment, register, source
from lnl_core.experiments.base import TEST_SIZE, TRAIN_SIZE
from lnl_core.hyperparameters import number
from lnl_core.networks import LNLNetwork

SPLITS = ("train", "validation", "test")


class Dots(Experiment):
    name = "dots"
    offers = frozenset({"image_bias"})
    methods = ("baseline", "grl", "lnl")
    hyperparameters = (
        source("mini").but(default="mini"),
        number("rho", 0.9, "share of training digits whose dot surely stands at the place of their class", most=1),
        TRAIN_SIZE,
        TEST_SIZE,
    )
    presets = {"smoke": dict(source="mini", train_size=400, test_size=300, epochs=2, batch_size=16, schedule="constant", lr=0.01)}
    varied = {"rho": (0.9, 1.0)}
    table_sources = ("mini",)

    def load(self, config, split, data_dir):
        all_grey, all_labels = load_mini()
        rng = np.random.default_rng([config.seed, SPLITS.index(split)])
        part = rng.permutation(split_indices(all_labels, "mini")[split])[: self.size(config, split)]
        grey, labels = all_grey[part], all_labels[part]
        rho = config.rho if split == "train" else 0.0
        group = np.where(rng.random(len(labels)) < rho, labels, rng.integers(0, 10, len(labels)))
        images = grey[:, None].repeat(3, axis=1)
        row, column = 1 + 2 * (group // 5), 4 + 5 * (group % 5)
        images[np.arange(len(labels)), :, row, column] = 255
        return BiasedImages(images, labels, group, group, source="mini", bias_classes=10)

    def network(self, config):
        convolution = nn.Conv2d(3, 16, 5, stride=2, padding=2)
        extractor = nn.Sequential(convolution, nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(7), nn.Flatten())
        return LNLNetwork(extractor, nn.Linear(784, 10), nn.Linear(784, 10))


register(Dots())
'''
### END SOLUTION
experiment_path = Path(f"{NAME}.py").absolute()
experiment_path.write_text(EXPERIMENT_FILE, encoding="utf-8")
os.environ["LNL_PLUGINS"] = str(experiment_path)


def config_of(method, seed=SEEDS[0], **changes):
    """The configuration of a run on your experiment."""
    return preset("smoke", method, experiment=NAME, seed=seed, **changes)


samples = {split: load_data(config_of("baseline"), split) for split in ("train", "validation", "test")}
samples["other seed"] = load_data(config_of("baseline", SEEDS[1]), "train")
samples = {split: {"images": digest(data.images), "labels": data.labels, "group": data.group} for split, data in samples.items()}

# %% nbgrader={"grade": true, "grade_id": "test-file", "points": 20}
assert set(samples) == {"train", "validation", "test", "other seed"}, "Three splits, and training images of another seed."
assert all(len(one["labels"]) == len(one["group"]) >= 100 for one in samples.values()), "At least a hundred images in each."


### BEGIN HIDDEN TESTS
def _check_file():
    import numpy
    from lnl_core.information import plug_in_mutual_information as counted

    pairs = {split: (numpy.asarray(one["labels"]), numpy.asarray(one["group"])) for split, one in samples.items()}
    told = {split: counted(*pair) for split, pair in pairs.items()}
    assert told["train"] > 1 / 3, "Your training data are hardly biased: the group has to tell at least a third of a nat about the label."

    def against(given, told):
        """The share of images that contradict the rule from one to the other that fits best."""
        usual = {one: numpy.bincount(told[given == one]).argmax() for one in numpy.unique(given)}
        return numpy.mean([usual[one] != two for one, two in zip(given.tolist(), told.tolist(), strict=True)])

    label, kind = pairs["train"]
    decides = "[bias-decides-label] In your training data the group decides the label, or the label the group: let some images contradict the rule."
    assert min(against(kind, label), against(label, kind)) >= 0.02, decides
    depends = "[test-colour-depends-on-digit] In your validation or test data the bias still tells the label: deal it blindly there, as Eq. 1 asks."
    assert max(told["validation"], told["test"]) < 0.15, depends
    assert samples["train"]["images"] != samples["other seed"]["images"], "Another seed gives the same images: draw with config.seed."


_check_file()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-strength", "locked": true}
# ## Task 2: how strong is it? (15 points)
#
# Assign `strength`, a dict from `"train"`, `"validation"` and `"test"` to the information between label and group in `samples`, as `plug_in_mutual_information` counts it with its correction, in **nats**.

# %% nbgrader={"grade_id": "strength", "solution": true}
### BEGIN SOLUTION
strength = {
    split: plug_in_mutual_information(one["labels"], one["group"]) for split, one in samples.items() if split != "other seed"
}
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-strength", "points": 15}
assert set(strength) == {"train", "validation", "test"}, "One number for each split."


### BEGIN HIDDEN TESTS
def _check_strength():
    import numpy
    from lnl_core.information import plug_in_mutual_information as counted

    splits = ("train", "validation", "test")
    right = numpy.array([counted(numpy.asarray(samples[one]["labels"]), numpy.asarray(samples[one]["group"])) for one in splits])
    given = numpy.array([float(strength[one]) for one in splits])
    bits = "[nats-and-bits] Your strength is in bits: plug_in_mutual_information gives nats, and so does the whole course."
    assert not numpy.allclose(given, right / numpy.log(2)), bits
    assert numpy.allclose(given, right, atol=1e-6), "strength differs from the corrected count of label and group in samples."


_check_strength()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-results", "locked": true}
# ## Task 3: train (25 points)
#
# Train the baseline and at least one method that unlearns, with the seeds `SEEDS` in this order, and more if you like. A new network for each:
# `build_network(config)`, `fit(network, load_data(config, "train"), config, progress=False)`. Assign two dicts from a method to a list, one entry for each seed:
#
# - `results`: the accuracies on your **test** data, `load_data(config, "test")`;
# - `networks`: the trained networks themselves.
#
# The test cell measures the networks of `SEEDS` again, on the test data of `config_of("baseline", seed)`, and asks whether those of the baseline have learnt: on their training data they have to beat one and the same answer by 0.1. Weights are chosen on validation data, if you choose any.

# %% nbgrader={"grade_id": "results", "solution": true}
### BEGIN SOLUTION
results, networks = {"baseline": [], "grl": []}, {"baseline": [], "grl": []}
for method, accuracies in results.items():
    for seed in SEEDS:
        config = config_of(method, seed)
        network, planted, unbiased = build_network(config), load_data(config, "train"), load_data(config, "test")
        fit(network, planted, config, progress=False)
        accuracies.append(accuracy(network, unbiased))
        networks[method].append(network)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-results", "points": 25}
from lnl_core import accuracy, load_data, preset  # once more: a cell above may have given these names to something else

assert "baseline" in results and len(results) >= 2, "The baseline, and at least one method that unlearns."
counted = {method: len(runs) for method, runs in results.items()}
assert {method: len(runs) for method, runs in networks.items()} == counted, "One network for each accuracy."
pairs = {method: list(zip(accuracies, networks[method], strict=True)) for method, accuracies in results.items()}
weights = [
    b"".join(one.detach().cpu().numpy().tobytes() for one in network.state_dict().values())
    for runs in pairs.values()
    for _, network in runs
]
alike = "[single-run] Two of the networks are the same: train each method with at least two seeds, and a new network for each."
assert len(set(weights)) == len(weights), alike
plain = [preset("smoke", "baseline", experiment=NAME, seed=seed) for seed in (CLASS_SEED, CLASS_SEED + 1)]
unbiased = [load_data(config, "test") for config in plain]
for method, runs in pairs.items():
    for place, (value, network) in enumerate(runs[: len(plain)]):
        again = accuracy(network, unbiased[place])
        assert abs(again - value) < 0.02, f"The network {place} of {method} is right on {again:.3f} of the test images, and not on {value:.3f}."
for config, (_, network) in zip(plain, pairs["baseline"], strict=False):
    planted = load_data(config, "train")
    learnt, guessed = accuracy(network, planted), np.unique(planted.labels, return_counts=True)[1].max() / len(planted)
    untrained = f"The baseline network of seed {config.seed} is right on {learnt:.3f} of its training images, and one and the same answer on {guessed:.3f}: train it."
    assert learnt > guessed + 0.1, untrained


### BEGIN HIDDEN TESTS
def _check_results():
    lists = {method: [float(value) for value in values] for method, values in results.items()}
    assert all(0 <= value <= 1 for values in lists.values() for value in values), "An accuracy lies between 0 and 1."
    single = "[single-run] You compare single runs: train each method with at least two seeds, which give different networks."
    assert all(len(values) >= 2 for values in lists.values()), single
    assert len({len(values) for values in lists.values()}) == 1, "Each method has to be trained with the same seeds."


_check_results()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-design", "locked": true}
# ## Task 4: the design (20 points, read by a person)
#
# In at most 250 words: what is the task, what is the bias, and why would a network take it? How is it planted, and what does $I(b;Y)$ say of its strength? Why does your $h$ fit this bias, and what could it not see? What would have to be true of the world for
# your method to help?
#
# ## Task 5: the conclusion (20 points, read by a person)
#
# In at most 250 words: what did you measure, with how many seeds and which spread? How were weights chosen? Which cell of label and bias suffers? Is the bias gone from the features, and how do you know? What do your numbers not support?
#
# **Rubric**, for each of the two tasks:
#
# | points | the design | the conclusion |
# |---|---|---|
# | 17 to 20 | bias and label are told apart, the strength is measured and compared with chance, $h$ is argued for and its blind spot named | seeds, spread and selection rule given; worst cell and a fresh probe with its control; a claim is given up for want of evidence |
# | 12 to 16 | all parts there, one of them not argued for | numbers with seeds and rule; either the worst cell or the probe is missing |
# | 6 to 11 | the bias is described and not measured, or $h$ does not fit it | accuracies only, or a ranking that the spread does not allow |
# | 0 to 5 | it is not said what is bias and what is label | tuned on test data, or no numbers |

# %% [markdown] nbgrader={"grade": true, "grade_id": "design", "points": 20, "solution": true}
# The label is the digit, the bias the place of one bright dot above it, of ten places. A convolution finds a bright dot sooner than a shape, so the baseline takes it. With probability 0.9 a training digit has the place of its class, else any: strength["train"] is near 1.7 of 2.3
# nats, and near 0 in validation and test, where counts of independent variables would give as little. One h a picture, linear in the pooled features, fits a bias that is one label a picture; it cannot see a code in products of features. The method helps if dots and digits are independent where
# the network is used, and if somebody knows the dots of the training images.

# %% [markdown] nbgrader={"grade": true, "grade_id": "conclusion", "points": 20, "solution": true}
# (By the rubric about 5 of 20 points. For more it lacks the mean and the spread of each method, the accuracy of the worst cell with its number of images, and a fresh probe with its control.) Two seeds each, 400 training digits, no weight was tuned: the preset's were taken before the test was looked at. The accuracies of baseline and reversal differ by less than the two seeds do among themselves, so no ranking is supported. The cells in which digit and dot disagree suffer most in both. No
# fresh probe was trained, so nothing is said of the features. What would be needed: ten seeds, an MLP probe on repainted digits with its control, and a weight chosen on validation digits.
