"""Add what run records of schema 1 did not measure, from the networks that are stored in results/models.

    python -m tools.studies.groups [--data-dir DIR]

Writes worst_group_accuracy, smallest_group_size, bias_aligned_accuracy and bias_conflicting_accuracy into the record of each of
these runs, and leaves all other numbers as they are. "added" in the provenance says which these are, from which file they come and
by which code. The stored weights have half precision, so their accuracy may differ by a few images in ten thousand, and is said.
"""

import argparse
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lnl_core._files import write_json
from lnl_core.errors import RecordError
from lnl_core.evaluation import bias_alignment, group_metrics, predict
from lnl_core.experiments.splits import load_data
from lnl_core.runs.provenance import code_state, device_name
from lnl_core.runs.records import published_models, read_record
from lnl_core.runs.run import load_model
from tools import ROOT

ADDED = ("worst_group_accuracy", "smallest_group_size", "bias_aligned_accuracy", "bias_conflicting_accuracy")
ROUNDING = 0.001  # accuracies of the same network in half precision differ by less


def measure(model: Path, record: Path, data_dir: str | None = None) -> dict[str, Any]:
    """The fields of a record with :data:`ADDED` measured on the stored network.

    Raises:
        RecordError: if the network is not the record's: other accuracies on the same test images.
    """
    known = read_record(record)
    config = known.run_config()
    train, test = load_data(config, config.train_split, data_dir), load_data(config, "test", data_dir)
    predicted, labels = predict(load_model(model), test), test.labels.numpy()
    found = {"test_accuracy": float((predicted == labels).mean())}
    found |= group_metrics(predicted, labels, test.group.numpy(), bias_alignment(train))
    if abs(found["test_accuracy"] - known.metrics["test_accuracy"]) > ROUNDING:
        raise RecordError(
            f"{model} scores {found['test_accuracy']:.4f} on the test images where {record} says "
            f"{known.metrics['test_accuracy']:.4f}: it is another network, publish the record's own"
        )
    values = asdict(known)
    values["metrics"] |= {name: found[name] for name in ADDED if name in found}
    values["provenance"]["added"] = {
        "metrics": [name for name in ADDED if name in found],
        "from": f"results/models/{model.name}",
        "test_accuracy": found["test_accuracy"],
        "worst_bias_accuracy": found["worst_bias_accuracy"],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(torch.device("cpu")),
        **code_state(),
    }
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=None)
    arguments = parser.parse_args()
    for model in published_models(ROOT / "results"):
        path = ROOT / "results" / "runs" / f"{model['record']}.json"
        values = measure(model["path"], path, arguments.data_dir)
        write_json(path, values)
        print(f"{model['record']}: " + ", ".join(f"{name} {values['metrics'][name]:.4g}" for name in ADDED))
    return 0


if __name__ == "__main__":
    sys.exit(main())
