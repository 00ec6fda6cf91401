"""Add what run records of schema 1 did not measure, from the networks that are stored in results/models.

Writes worst_group_accuracy, smallest_group_size, bias_aligned_accuracy and bias_conflicting_accuracy into the record of each of
these runs, and leaves all other numbers as they are. "added" in the provenance says which these are, from which file they come and
by which code. The stored weights have half precision, so their accuracy may differ by a few images in ten thousand, and is said.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lnl_core.errors import RecordError
from lnl_core.evaluation import bias_alignment, group_metrics, predict
from lnl_core.experiments.splits import load_data
from lnl_core.runs.provenance import code_state, device_name
from lnl_core.runs.records import published_models, read_record
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.studies.study import Found, Job, Options, Study

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


class Groups(Study):
    name = "groups"
    about = "What the records of stored networks lack: the accuracy of the worst group, of aligned and of conflicting digits."

    def jobs(self, options: Options) -> list[Job]:
        results = ROOT / "results"
        named = {model["record"]: model["path"] for model in published_models(results)}
        return [Job(name, results / "runs" / f"{name}.json", path) for name, path in named.items()]

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if not {*ADDED} <= {*read_record(job.file).metrics}]

    def do(self, job: Job, options: Options) -> Found:
        return measure(job.values, job.file, options.data_dir)

    def line(self, found: Found) -> str:
        return ", ".join(f"{name} {found['metrics'][name]:.4g}" for name in ADDED)


STUDIES = (Groups(),)
