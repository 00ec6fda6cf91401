"""One configuration in, one record out: runs, sweeps over many, their records, and the comparison with published numbers.

It imports the core and the experiments, and nothing that draws. The functions ``run`` and ``sweep`` are called like the files that
they live in: take them from ``lnl_core`` and from ``lnl_core.runs.sweep``. For one more way to execute a sweep write its executor
in ``executors``; for one more number of a record see :mod:`lnl_core.evaluation`.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.runs.bench import *
    from lnl_core.runs.comparison import *
    from lnl_core.runs.executors import *
    from lnl_core.runs.provenance import (
        code_state as code_state,
        describe_environment as describe_environment,
        device_name as device_name,
        versions as versions,
    )
    from lnl_core.runs.records import *
    from lnl_core.runs.run import (
        CONFIG as CONFIG,
        HISTORY as HISTORY,
        MODEL as MODEL,
        PARTS as PARTS,
        RECORD as RECORD,
        load_model as load_model,
        model_config as model_config,
        oracle_labels as oracle_labels,
        read_history as read_history,
        read_runs as read_runs,
        run_folder as run_folder,
        save_model as save_model,
    )
    from lnl_core.runs.sweep import SweepReport as SweepReport, grid as grid, plan as plan

_HOMES = {
    "run": (
        "MODEL",
        "RECORD",
        "CONFIG",
        "HISTORY",
        "PARTS",
        "run_folder",
        "save_model",
        "model_config",
        "load_model",
        "oracle_labels",
        "read_history",
        "read_runs",
    ),
    "records": (
        "SCHEMA",
        "RunRecord",
        "write_record",
        "read_record",
        "migrated",
        "write_record_lines",
        "read_record_lines",
        "read_records",
        "results_folder",
        "published_models",
    ),
    "provenance": ("versions", "device_name", "describe_environment", "code_state"),
    "comparison": (
        "Setting",
        "FEWEST_RUNS",
        "MARGIN",
        "DISCOVERY_RATE",
        "paper_numbers",
        "aggregate",
        "results_table",
        "difference_interval",
        "agreement",
        "welch_interval",
        "welch_p_value",
        "ordering",
        "orderings",
        "next_run",
        "decided",
        "of_its_preset",
        "table_markdown",
    ),
    "executors": ("Job", "Outcome", "set_aside", "is_busy", "LocalExecutor", "DaskExecutor", "code_version"),
    "sweep": ("SweepReport", "grid", "plan"),
    "bench": (
        "BATCH",
        "find_reference",
        "mi_backprop_cost",
        "photograph_costs",
        "import_seconds",
        "benchmark",
        "report",
        "LayerCost",
        "roofline",
        "roofline_markdown",
        "roofline_seconds",
        "device_limits",
    ),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)
