"""Rewrite the stored run records of schema 1 in schema 2: what it called worst_group_accuracy is named worst_bias_accuracy.

    python -m tools.migrate [FOLDER ...]     by default results/; records of schema 2 and other files are left as they are

No number changes, see `lnl_core.runs.migrated`. What schema 2 calls worst_group_accuracy was not measured by schema 1;
`python -m tools.groups` measures it where the network is stored.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lnl_core._files import write_atomically
from lnl_core.runs.records import migrated
from tools.notebooks import ROOT


def migrate(path: Path) -> bool:
    """Rewrite one file, a record as JSON or many as JSON lines; whether there was something to do."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        new = "".join(json.dumps(_migrated(json.loads(line)), allow_nan=False) + "\n" for line in text.splitlines())
    else:
        values = json.loads(text)
        changed = _migrated(values)
        new = text if changed is values else json.dumps(changed, indent=2, allow_nan=False) + "\n"
    if new == text:
        return False
    write_atomically(path, lambda temporary: temporary.write_text(new, encoding="utf-8"))
    return True


def _migrated(values: Any) -> Any:
    """A run record in the present schema; files of another kind, which have no profile and metrics, as they are."""
    return migrated(values) if isinstance(values, dict) and {"profile", "metrics", "provenance"} <= set(values) else values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=[ROOT / "results"])
    paths = [path for folder in parser.parse_args().folders for path in sorted(folder.rglob("*.json*"))]
    print(f"{sum(migrate(path) for path in paths)} of {len(paths)} files rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
