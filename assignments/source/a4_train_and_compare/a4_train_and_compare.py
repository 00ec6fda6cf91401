# %% [markdown] nbgrader={"grade_id": "title", "locked": true}
# # Assignment 4: train and compare
#
# Baseline, BlindEye and LNL on Colored MNIST, with the 5,000 embedded digits and a small network, so that a laptop trains each in seconds. The training is the library's; what is yours
# is what goes wrong more often than the training: which network, which data, which weight, and what may be said at the end.
#
# **Read first**: `notebooks/04_training`, `notebooks/07_results`, and "How are the weights chosen?" in
# `notebooks/08_your_own_bias`.
#
# **100 points**: five tasks. Below each task stands a cell with some of its tests. There are others that you do not see. Cells that you cannot edit are restored before grading.
#
# **Time**: about three hours; the notebook runs in two to three minutes on two cores. Set the environment variable `LNL_PROFILE=smoke` to have all cells run in seconds, on far too
# few digits to learn anything.

# %% tags=["install"] nbgrader={"grade_id": "install", "locked": true}
# filled in by `make assignments`

# %% nbgrader={"grade_id": "setup", "locked": true}
CLASS_SEED = 2026

import numpy as np
import torch
from torch import nn

from lnl_core import accuracy, fit, load_data, preset, resolve_profile
from lnl_core.evaluation import predict
from lnl_core.networks import LNLNetwork, PixelBiasHead

torch.set_num_threads(1)  # the networks are so small that a second thread waits more than it works
SMALL = resolve_profile("demo") == "smoke"
SIZES = {"train_size": 96, "test_size": 300, "epochs": 1} if SMALL else {"train_size": 1500, "epochs": 5}
COLOR_VAR = 0.04
METHODS = ("baseline", "blind_eye", "lnl")
CANDIDATES = ("0.1", "0.5", "2.0")  # for the weight mu of the reversal, adv_weight


def config_of(method, **changes):
    """The configuration of a short training; changes such as adv_weight=0.5."""
    return preset("demo", method, color_var=COLOR_VAR, seed=CLASS_SEED, batch_size=16, **SIZES, **changes)


def new_network():
    """A small f, g and h for digits, always with the same first weights."""

    def block(inputs, outputs, size, stride=1):
        return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2), nn.BatchNorm2d(outputs), nn.ReLU()

    torch.manual_seed(CLASS_SEED)
    f = nn.Sequential(*block(3, 16, 5, 2), nn.Conv2d(16, 32, 3, padding=1))
    g = nn.Sequential(nn.BatchNorm2d(32), nn.ReLU(), *block(32, 64, 3, 2), *block(64, 64, 3))
    g.extend([nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 10)])
    return LNLNetwork(f, g, PixelBiasHead(features=32, classes=8, channels=3))


def state_of(network):
    """A copy of all weights: what is handed in of a network."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


train, validation, test = (load_data(config_of("lnl"), split) for split in ("train", "validation", "test"))
print(train, validation, test, sep="\n")

# %% [markdown] nbgrader={"grade_id": "prompt-train", "locked": true}
# ## Task 1: train three methods (20 points)
#
# Train **a new network** by each of `METHODS` with `fit(network, train, config_of(method), progress=False)`. Assign two dicts by method:
#
# - `states`: `state_of` each trained network;
# - `predictions`: its predicted labels of the **test** images, `predict(network, test)`.

# %% nbgrader={"grade_id": "train", "solution": true}
### BEGIN SOLUTION
states, predictions = {}, {}
for method in METHODS:
    network, config = new_network(), config_of(method)
    fit(network, train, config, progress=False)
    states[method], predictions[method] = state_of(network), predict(network, test)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-train", "points": 20}
assert set(states) == set(predictions) == set(METHODS), "One state and one array of predictions for each method."
print({method: f"{(predictions[method] == test.labels.numpy()).mean():.1%} of the test images" for method in METHODS})


### BEGIN HIDDEN TESTS
def _check_train():
    import numpy
    import torch
    from lnl_core.evaluation import predict as answers

    tensors = {method: {name: torch.as_tensor(value) for name, value in states[method].items()} for method in METHODS}
    alike = [
        all(torch.equal(tensors[one][name], tensors[other][name]) for name in tensors[one])
        for one, other in (("baseline", "blind_eye"), ("baseline", "lnl"), ("blind_eye", "lnl"))
    ]
    shared = "[one-network-for-all] Two of your trained networks are the same: make a new network for each method, and copy its state after training."
    assert not any(alike), shared
    planned = SIZES["epochs"] * -(-len(train) // config_of("baseline").batch_size)
    for method in METHODS:
        steps = int(tensors[method]["extractor.1.num_batches_tracked"])
        again = "[one-network-for-all] A network was trained before it was trained by its method: make a new network for each."
        assert steps <= planned or steps % planned, again
        assert steps == planned, f"The network of {method} was not trained on all of train for as long as its configuration says."
        network = new_network()
        network.load_state_dict(tensors[method])
        network.eval()
        own = answers(network, test)
        given = numpy.asarray(predictions[method])
        assert given.shape == own.shape, f"predictions[{method!r}] must have one label for each test image."
        assert (given == own).mean() > 0.98, f"predictions[{method!r}] are not what the network of this state says of the test images."


_check_train()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-tune", "locked": true}
# ## Task 2: choose a weight (25 points)
#
# Which weight $\mu$ of the reversal does LNL want here? Train a new network for each of `CANDIDATES` (`config_of("lnl", adv_weight=float(one))`), and assign, by candidate,
#
# - `candidate_states`: `state_of` each trained network;
# - `scores`: the accuracy that the choice is made by, a float;
# - `chosen`: the candidate that you take, one of `CANDIDATES`;
# - `chosen_predictions`: what its network says of the **test** images, `predict(network, test)`.
#
# You report the accuracy on the test images afterwards. By which images, then, is the choice made?

# %% nbgrader={"grade_id": "tune", "solution": true}
### BEGIN SOLUTION
candidate_states, scores = {}, {}
for candidate in CANDIDATES:
    network = new_network()
    fit(network, train, config_of("lnl", adv_weight=float(candidate)), progress=False)
    candidate_states[candidate], scores[candidate] = state_of(network), accuracy(network, validation)
chosen = max(scores, key=scores.get)
network = new_network()
network.load_state_dict(candidate_states[chosen])
chosen_predictions = predict(network, test)
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test-tune", "points": 25}
assert set(candidate_states) == set(scores) == set(CANDIDATES), "One state and one score for each candidate."
assert chosen in CANDIDATES, "The choice is one of the candidates."


### BEGIN HIDDEN TESTS
def _check_tune():
    import numpy
    import torch
    from lnl_core import accuracy as share_right
    from lnl_core.evaluation import predict as answers

    found = {"validation": [], "test": [], "train": []}
    planned = SIZES["epochs"] * -(-len(train) // config_of("lnl").batch_size)
    weights = []
    for one in CANDIDATES:
        steps = int(torch.as_tensor(candidate_states[one]["extractor.1.num_batches_tracked"]))
        again = "[one-network-for-all] A candidate's network was trained before it was trained with its weight: make a new network for each."
        assert steps <= planned or steps % planned, again
        assert steps == planned, f"The network of candidate {one} was not trained on all of train for as long as its configuration says."
        weights.append(torch.cat([torch.as_tensor(value).double().ravel() for value in candidate_states[one].values()]))
    same = any(torch.equal(weights[one], weights[other]) for one, other in ((0, 1), (0, 2), (1, 2)))
    assert not same, "Two candidates have the same network: copy each state after training, and train each with a weight of its own."
    for one in CANDIDATES:
        network = new_network()
        network.load_state_dict({name: torch.as_tensor(value) for name, value in candidate_states[one].items()})
        network.eval()
        for split, images in (("validation", validation), ("test", test), ("train", train)):
            found[split].append(share_right(network, images))

    def by(split):
        return all(abs(float(scores[one]) - value) < 0.0035 for one, value in zip(CANDIDATES, found[split], strict=True))

    if not by("validation"):
        peeked = "[tuned-on-test] You choose the weight by the test images, and then report on them: choose by the validation images."
        assert not by("test"), peeked
        biased = "[tuned-on-training-data] You choose by the training images, whose colour gives the digit away: the most biased network wins there."
        assert not by("train"), biased
        raise AssertionError("The scores are not the accuracies of the candidates' networks on the validation images.")
    best = max(float(value) for value in scores.values())
    assert float(scores[chosen]) == best, "The chosen candidate is not the one with the best score."
    network.load_state_dict({name: torch.as_tensor(value) for name, value in candidate_states[chosen].items()})
    network.eval()
    own, given = answers(network, test), numpy.asarray(chosen_predictions)
    assert given.shape == own.shape, "chosen_predictions must have one label for each test image."
    assert (given == own).mean() > 0.98, "chosen_predictions are not what the chosen candidate's network says of the test images."


_check_tune()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-compare", "locked": true}
# ## Task 3: compare over seeds (20 points)
#
# One training is one draw. Write `compare(runs)`: `runs` is a dict from a method to the list of its accuracies, one for each seed. Return a dict from each method to a list of three numbers: the mean,
# the **standard deviation of the sample** (with $n-1$), and $n$. With one seed there is no spread: the second number is then `None`.


# %% nbgrader={"grade_id": "compare", "solution": true}
def compare(runs):
    """{method: [mean, standard deviation or None, n]} of {method: [accuracy, ...]}."""
    ### BEGIN SOLUTION
    spread = {method: float(np.std(values, ddof=1)) if len(values) > 1 else None for method, values in runs.items()}
    return {method: [float(np.mean(values)), spread[method], len(values)] for method, values in runs.items()}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-compare", "points": 20}
assert list(compare({"lnl": [0.5, 0.5, 0.5]})) == ["lnl"], "One entry for each method."
assert abs(compare({"lnl": [0.5, 0.5, 0.5]})["lnl"][0] - 0.5) < 1e-9, "The mean comes first."


### BEGIN HIDDEN TESTS
def _check_compare():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 3])
    runs = {"baseline": rng.uniform(0.2, 0.4, 3).tolist(), "lnl": rng.uniform(0.5, 0.9, 5).tolist()}
    given = {method: list(values) for method, values in compare(runs).items()}
    assert set(given) == set(runs), "compare must have one entry for each method."
    for method, values in runs.items():
        mean, spread, count = given[method]
        assert numpy.isclose(mean, numpy.mean(values)) and count == len(values), "The mean or the number of seeds is wrong."
        population = "[spread-of-a-sample] Your standard deviation divides by n: these seeds are a sample, and with three of them that is 18 % too small."
        assert not numpy.isclose(spread, numpy.std(values)), population
        error = "[error-of-the-mean-for-spread] You give the standard error of the mean: the spread says how far single trainings lie apart."
        assert not numpy.isclose(spread, numpy.std(values, ddof=1) / numpy.sqrt(len(values))), error
        assert numpy.isclose(spread, numpy.std(values, ddof=1)), "The second number is not the standard deviation of the sample."
    alone = list(compare({"lnl": [0.7]})["lnl"])
    assert alone[1] is None and alone[2] == 1, "With one seed the spread is None: nothing is known of it."


_check_compare()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-conflict", "locked": true}
# ## Task 4: where the bias misleads (15 points)
#
# On the test images the colour of some digits happens to be that of their own class: the bias helps there. Write `by_conflict(predicted, labels, group)`: a list of two floats, the accuracy on the
# **aligned** images, where label and group are equal, and on the **conflicting** ones.


# %% nbgrader={"grade_id": "conflict", "solution": true}
def by_conflict(predicted, labels, group):
    """[accuracy on aligned images, accuracy on conflicting images] for arrays (N,) of whole numbers."""
    ### BEGIN SOLUTION
    aligned = labels == group
    right = predicted == labels
    return [float(right[aligned].mean()), float(right[~aligned].mean())]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test-conflict", "points": 15}
assert len(by_conflict(np.array([1, 2, 0]), np.array([1, 2, 3]), np.array([1, 1, 0]))) == 2, "Two numbers."


### BEGIN HIDDEN TESTS
def _check_conflict():
    import numpy

    rng = numpy.random.default_rng([CLASS_SEED, 4])
    digit, shown = rng.integers(0, 10, 3000), rng.integers(0, 10, 3000)
    said = numpy.where(rng.random(3000) < 0.5, shown, numpy.where(rng.random(3000) < 0.7, digit, rng.integers(0, 10, 3000)))
    given = [float(value) for value in by_conflict(said, digit, shown)]
    hit, same = said == digit, digit == shown
    follows = said == shown
    by_answer = [hit[follows].mean(), hit[~follows].mean()]
    answer = "[aligned-by-the-answer] You sort images by what the network says: aligned is a property of the image, its label and its colour agree."
    assert not numpy.allclose(given, by_answer), answer
    shares = "[share-for-accuracy] You divide by the number of all images: an accuracy is a share of the images of its part."
    assert not numpy.allclose(given, [(hit & same).mean(), (hit & ~same).mean()]), shares
    assert numpy.allclose(given, [hit[same].mean(), hit[~same].mean()]), "by_conflict differs from the accuracies on aligned and conflicting images."


_check_conflict()
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "prompt-verdict", "locked": true}
# ## Task 5: what may be said? (20 points, read by a person)
#
# In at most 200 words: report your three methods, and LNL with the chosen weight, as you would in a paper. Give accuracies, the number of seeds, how the weight was chosen, and what the accuracies on aligned and conflicting images say
# about each method: `by_conflict(predictions[method], test.labels.numpy(), test.group.numpy())`, where `test.group` is the class whose mean colour each test image was given. Name one claim that your numbers do **not** support although one would like to make it.
#
# *Points: 6 for numbers with n and the selection rule, 7 for aligned and conflicting read rightly, 7 for the claim that is not supported and why.*

# %% [markdown] nbgrader={"grade": true, "grade_id": "verdict", "points": 20, "solution": true}
# Each method was trained once, n = 1, on 1,500 digits; mu was chosen among three values by the accuracy on 500 validation digits with blindly dealt colours; the test digits chose nothing, though their accuracies were seen before. The baseline is right nearly always
# on aligned test images and rarely on conflicting ones: it reads colour. A method that unlearns has a smaller gap, mostly by gaining on the conflicting ones. Not supported: that LNL is better than BlindEye, since one seed each says nothing
# about the spread, only LNL's weight was tuned, and the digits are few; nor that the colour is gone from the features, since no fresh probe was asked.
