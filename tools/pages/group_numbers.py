"""The accuracies on groups of digits in Figure 4, for which a run must keep its answers to single digits.

Where its record lacks them they come from the same run trained again, of the study "figure_4_groups"; its other numbers do not.
"""

from collections.abc import Iterable
from pathlib import Path

from lnl_core.runs.records import RunRecord
from tools import ROOT
from tools.pages import records as record_pages
from tools.studies.study import record_of

FOLDER = "figure_4_groups"
OF_GROUPS = ("worst_group_accuracy", "bias_aligned_accuracy", "bias_conflicting_accuracy")


def measured(records: Iterable[RunRecord], root: Path = ROOT) -> list[RunRecord]:
    """By run the record that holds its numbers of groups, the other one where its own does not; runs without are left out."""
    return [found for record in records if (found := _of_run(record, root)) is not None]


def _of_run(record: RunRecord, root: Path) -> RunRecord | None:
    if not record.metrics.keys().isdisjoint(OF_GROUPS):
        return record
    again = record_of(record.run_config(), FOLDER, root)
    return again if again is not None and again.config["precision"] == record.config["precision"] else None


def values(metric: str, records: Iterable[RunRecord], root: Path = ROOT) -> list[float]:
    """A number of each run that has it, its own or, of OF_GROUPS, that of the same run trained again."""
    found = measured(records, root) if metric in OF_GROUPS else records
    return [one.metrics[metric] for one in found if metric in one.metrics]


def links(records: Iterable[RunRecord], root: Path = ROOT) -> str:
    """The links to the records of these runs, and to those of the runs trained again."""
    own = list(records)
    again = [one for one in measured(own, root) if one not in own]
    return " ".join([record_pages.links(own, root), *([record_pages.links(again, root, " again")] if again else [])])
