"""How sure the stored networks are of their answers to the 10,000 test digits, in random colours and in those of the training.

In random colours the bias tells nothing of the digit, so what is sure and wrong there is what the training data could not show. In
the colours of the training, drawn anew for the test digits, the bias still helps: the control. Ten seconds of one core a network.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lnl_core.evaluation import calibration, logits
from lnl_core.evaluation.calibration import SURE
from lnl_core.experiments.splits import load_data
from lnl_core.runs.records import read_record
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.studies.stored import OfStoredNetworks, read_measurements
from tools.studies.study import Found

FOLDER = Path("results", "confidence")
SETTINGS: dict[str, Any] = {"split": "test", "bins": 15, "sure": SURE}
COLORS = {"unbiased": True, "training_colors": False}
"""Whether the colours are random, of each measurement."""


def measure(model: dict[str, Any], results: Path, data_dir: str | None = None) -> Found:
    """Both measurements of one of :func:`lnl_core.runs.records.published_models`."""
    config = read_record(results / "runs" / f"{model['record']}.json").run_config()
    network = load_model(model["path"])
    found: Found = {"settings": SETTINGS, "record": model["record"], "weights": "float16"}
    found |= {name: model[name] for name in ("method", "color_var", "profile")} | {"seed": config.seed}
    for name, random in COLORS.items():
        data = load_data(config, SETTINGS["split"], data_dir, random_colors=random)
        found[name] = asdict(calibration(logits(network, data), data.labels, SETTINGS["bins"]))
    return found


def read_confidence(root: Path = ROOT) -> list[Found]:
    """The stored measurements, see :func:`tools.studies.stored.read_measurements`."""
    return read_measurements(root / FOLDER)


class Confidence(OfStoredNetworks):
    name = "confidence"
    about = "How sure the stored networks are of right and of wrong answers."
    settings = SETTINGS
    folder = FOLDER

    def measure(self, model: dict[str, Any], data_dir: str | None) -> Found:
        return measure(model, ROOT / "results", data_dir)

    def line(self, found: Found) -> str:
        values = found["unbiased"]
        return f"accuracy {values['accuracy']:.4f}, confidence {values['confidence']:.4f}, error {values['error']:.4f}"


STUDIES = (Confidence(),)
