"""The runs behind "Measuring mutual information": every estimator on data whose information is known.

Ten minutes and five on one core.

Normal pairs of several dimensions and sizes, all with the same information; some of them shuffled, whose information is 0; strongly
dependent pairs; and a parity, which a weak reader cannot see. Labels: two of them, whose table is known, and normal features whose
mean is the label's.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from lnl_core._files import read_json
from lnl_core.evaluation import probe_leakage
from lnl_core.information import gaussian_information, mutual_information, plug_in_mutual_information
from lnl_core.information.estimators import BOUNDS, estimate_information, ksg
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study

FILE = Path("results", "estimators", "runs.json")
SETTINGS: dict[str, Any] = {
    "information": 2.0,
    "dimensions": [1, 4, 16],
    "sizes": [500, 1500, 4500],
    "strong": {"information": 6.0, "dimensions": 4, "size": 4500},
    "control": {"dimensions": 4, "size": 4500},
    "parity_size": 3000,
    "seeds": [0, 1, 2, 3, 4],
    "neighbors": 3,
    "critic": {"hidden": 64, "steps": 400, "batch_size": 64, "lr": 2e-3, "test_share": 0.5, "moving_average": 0.01},
}
LABELS = Path("results", "estimators", "labels.json")
LABEL_SETTINGS: dict[str, Any] = {
    "tables": {"agree": 0.5, "classes": [2, 8, 32], "sizes": [100, 400, 1600, 6400], "seeds": list(range(50))},
    "features": {
        "classes": 10,
        "distance": 2.5,
        "dimensions": [10, 40, 160],
        "sizes": [500, 1500, 4500],
        "control": {"dimensions": 40, "size": 1500},
        "readers": ["linear", "mlp"],
        "seeds": [0, 1, 2, 3, 4],
        "exact_samples": 1_000_000,
    },
}
"""``agree``: share of labels that are copied, the others are drawn from all classes; ``distance``: that of each mean from 0."""


def normal_pairs(size: int, dimensions: int, information: float, seed: int) -> tuple[Any, Any]:
    """(size, dimensions) each: pairs of coordinates with the correlation that gives the information in nats."""
    correlation = math.sqrt(-math.expm1(-2 * information / dimensions))
    rng = np.random.default_rng([seed, size, dimensions])
    a = rng.normal(size=(size, dimensions))
    return a, correlation * a + math.sqrt(1 - correlation**2) * rng.normal(size=(size, dimensions))


def _measure(name: str, a: Any, b: Any, seed: int, **changes: Any) -> dict[str, Any]:
    clock = time.perf_counter()
    if name == "ksg":
        found: dict[str, Any] = {"value": ksg(a, b, neighbors=SETTINGS["neighbors"]), "note": ""}
    else:
        estimate = estimate_information(a, b, bound=name, seed=seed, **{**SETTINGS["critic"], **changes})
        found = {key: getattr(estimate, key) for key in ("value", "standard_error", "ceiling", "note")}
        if estimate.diverged:
            found |= {"value": None, "standard_error": None}
    return {"estimator": name, "seed": seed, **found, "seconds": round(time.perf_counter() - clock, 2)}


def normal_runs(seed: int) -> list[dict[str, Any]]:
    """Every estimator on every kind of normal pairs."""
    cells = [("grid", d, n, SETTINGS["information"]) for d in SETTINGS["dimensions"] for n in SETTINGS["sizes"]]
    strong, control = SETTINGS["strong"], SETTINGS["control"]
    cells += [("strong", strong["dimensions"], strong["size"], strong["information"])]
    cells += [("shuffled", control["dimensions"], control["size"], SETTINGS["information"])]
    runs = []
    for kind, dimensions, size, information in cells:
        a, b = normal_pairs(size, dimensions, information, seed)
        exact = gaussian_information(math.sqrt(-math.expm1(-2 * information / dimensions)), dimensions)
        if kind == "shuffled":
            b, exact = np.random.default_rng(seed).permutation(b), 0.0
        for name in ("ksg", *BOUNDS):
            where = {"kind": kind, "dimensions": dimensions, "size": size, "exact": exact}
            runs.append({**where, **_measure(name, a, b, seed)})
    return runs


def parity_runs(seed: int) -> list[dict[str, Any]]:
    """Features that show a fair bit b, (b, u), and features that hold it as a parity, (u, u b); weak and strong readers of both."""
    size = SETTINGS["parity_size"]
    u, b = np.random.default_rng([seed, size]).choice([-1, 1], size=(2, size))
    runs = []
    for kind, features in (("shown", np.stack([b, u], axis=1)), ("parity", np.stack([u, u * b], axis=1))):
        joint = np.zeros((4, 2))
        for one in (-1, 1):
            for bit in (-1, 1):
                first, second = (bit, one) if kind == "shown" else (one, one * bit)
                joint[(first + 1) + (second + 1) // 2, (bit + 1) // 2] += 0.25
        where = {"kind": kind, "size": size, "exact": mutual_information(joint)}
        for reader, hidden in (("bilinear", 0), ("mlp", SETTINGS["critic"]["hidden"])):
            runs.append({**where, "reader": reader, **_measure("donsker_varadhan", features, b, seed, hidden=hidden)})
        for reader in ("linear", "mlp"):
            probe = probe_leakage(features.astype(np.float32), (b + 1) // 2, kind=reader, seed=seed)
            runs.append({**where, "reader": reader, "estimator": "probe", "seed": seed, "value": probe.information})
    return runs


def label_table(classes: int) -> NDArray[np.float64]:
    """Joint probabilities (classes, classes) of a label and its noisy copy."""
    agree = LABEL_SETTINGS["tables"]["agree"]
    joint: NDArray[np.float64] = (agree * np.eye(classes) + (1 - agree) / classes) / classes
    return joint


def table_runs(seed: int) -> list[dict[str, Any]]:
    """Counting, as it is and corrected, on samples of tables that are known."""
    runs = []
    for classes in LABEL_SETTINGS["tables"]["classes"]:
        joint = label_table(classes)
        for size in LABEL_SETTINGS["tables"]["sizes"]:
            drawn = np.random.default_rng([seed, classes, size]).choice(classes**2, size=size, p=joint.ravel())
            where = {"classes": classes, "size": size, "exact": mutual_information(joint), "seed": seed}
            for name, corrected in (("plug_in", False), ("miller_madow", True)):
                value = plug_in_mutual_information(*np.divmod(drawn, classes), corrected=corrected)
                runs.append({**where, "estimator": name, "value": value})
    return runs


def labelled_features(size: int, dimensions: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(size, dimensions) and (size,): standard normal noise, and in the label's own coordinate its distance from 0."""
    settings, rng = LABEL_SETTINGS["features"], np.random.default_rng([seed, size, dimensions])
    labels = rng.integers(0, settings["classes"], size)
    features = rng.normal(size=(size, dimensions))
    features[np.arange(size), labels] += settings["distance"]
    return features.astype(np.float32), labels


def label_information() -> float:
    """Nats of the label in such features, from its true posterior; coordinates without a label add nothing."""
    settings = LABEL_SETTINGS["features"]
    features, labels = labelled_features(settings["exact_samples"], settings["classes"], seed=0)
    log_posterior = log_softmax(settings["distance"] * features.astype(np.float64), axis=1)
    return math.log(settings["classes"]) + float(log_posterior[np.arange(len(labels)), labels].mean())


def feature_runs(seed: int, exact: float) -> list[dict[str, Any]]:
    """The bound of a probe on features whose information is known, and on shuffled labels."""
    settings = LABEL_SETTINGS["features"]
    control = settings["control"]
    cells = [("features", dimensions, size) for dimensions in settings["dimensions"] for size in settings["sizes"]]
    runs = []
    for kind, dimensions, size in [*cells, ("shuffled", control["dimensions"], control["size"])]:
        features, labels = labelled_features(size, dimensions, seed)
        labels = np.random.default_rng(seed).permutation(labels) if kind == "shuffled" else labels
        where = {"kind": kind, "dimensions": dimensions, "size": size, "exact": 0.0 if kind == "shuffled" else exact, "seed": seed}
        for reader in settings["readers"]:
            runs.append(
                {**where, "estimator": reader, "value": probe_leakage(features, labels, kind=reader, seed=seed).information}
            )
    return runs


def _stored(path: Path, empty: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path, "restore it from the repository") if path.is_file() else {**empty, "provenance": {}}
    return found


def read_runs(root: Path = ROOT) -> dict[str, Any]:
    """The stored runs on pairs: ``settings``, ``normal``, ``parity`` and ``provenance``; empty lists where there are none."""
    return _stored(root / FILE, {"settings": SETTINGS, "normal": [], "parity": []})


def read_labels(root: Path = ROOT) -> dict[str, Any]:
    """The stored runs on labels: ``settings``, ``tables``, ``features`` and ``provenance``; empty lists where there are none."""
    return _stored(root / LABELS, {"settings": LABEL_SETTINGS, "tables": [], "features": []})


class Estimators(Study):
    """One file of all runs of one kind."""

    def __init__(self, name: str, about: str, file: Path, settings: Found, runs: Callable[[], Found]) -> None:
        self.name, self.about, self.file, self.settings, self.runs = name, about, file, settings, runs

    def jobs(self, options: Options) -> list[Job]:
        return [Job(self.name, ROOT / self.file)]

    def do(self, job: Job, options: Options) -> Found:
        return {"settings": self.settings, **self.runs()}


def _pairs() -> Found:
    kinds = {"normal": normal_runs, "parity": parity_runs}
    return {name: [run for seed in SETTINGS["seeds"] for run in runs(seed)] for name, runs in kinds.items()}


def _labels() -> Found:
    exact = label_information()
    return {
        "tables": [run for seed in LABEL_SETTINGS["tables"]["seeds"] for run in table_runs(seed)],
        "features": [run for seed in LABEL_SETTINGS["features"]["seeds"] for run in feature_runs(seed, exact)],
    }


STUDIES = (
    Estimators("estimators", "Every estimator of information on pairs whose information is known.", FILE, SETTINGS, _pairs),
    Estimators("labels", "Counting and probes on labels whose information is known.", LABELS, LABEL_SETTINGS, _labels),
)
