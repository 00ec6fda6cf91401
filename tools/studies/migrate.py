"""Rewrite stored results of earlier versions in the present form: records of schemas 1 and 2, and configurations beside them.

    python -m tools.studies.migrate [FOLDER ...]     by default results/; what is in the present form is left as it is

No number changes, see `lnl_core.runs.migrated`. What schema 2 called worst_group_accuracy was not measured by schema 1;
`python -m tools.studies groups` measures it where the network is stored. Since schema 3 a configuration holds what its run read
and nothing else, so its fingerprint is another one: files that are named after it are renamed, and so is whatever names them in the
folder.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from lnl_core._files import write_atomically
from lnl_core.config import RunConfig
from lnl_core.runs.records import migrated, migrated_config
from tools import ROOT
from tools.pipes import while_read

_FINGERPRINT = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])")


def migrate(path: Path) -> bool:
    """Rewrite one file, JSON or JSON lines; whether there was something to do."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        new = "".join(json.dumps(_migrated(json.loads(line)), allow_nan=False) + "\n" for line in text.splitlines())
    else:
        values = json.loads(text)
        changed = _migrated(values)
        new = text if changed == values else json.dumps(changed, indent=2, allow_nan=False) + "\n"
    return _rewrite(path, text, new)


def _rewrite(path: Path, old: str, new: str) -> bool:
    if new != old:
        write_atomically(path, lambda temporary: temporary.write_text(new, encoding="utf-8"))
    return new != old


def _migrated(values: Any) -> Any:
    """A record in the present schema, and every configuration inside of other tables; anything else as it is."""
    if isinstance(values, list):
        return [_migrated(value) for value in values]
    if not isinstance(values, dict):
        return values
    if {"profile", "metrics", "provenance", "schema"} <= set(values):
        return migrated(values)
    return {name: migrated_config(value) if name == "config" else _migrated(value) for name, value in values.items()}


def _configurations(values: Any) -> list[dict[str, Any]]:
    """Every configuration of a run inside of a table."""
    if isinstance(values, list):
        return [found for value in values for found in _configurations(value)]
    if not isinstance(values, dict):
        return []
    own = values.get("config")
    here = [own] if isinstance(own, dict) and migrated_config(own) is not own else []
    return here + [found for value in values.values() for found in _configurations(value)]


def new_names(paths: list[Path]) -> dict[str, str]:
    """Today's fingerprint of each run whose file is named after another one."""
    found = {}
    for path in paths:
        old = path.stem.rsplit("-", 1)[-1]
        if path.suffix == ".json" and _FINGERPRINT.fullmatch(old):
            configurations = _configurations(json.loads(path.read_text(encoding="utf-8")))
            if len(configurations) == 1 and (new := RunConfig.from_dict(configurations[0], former=True).fingerprint()) != old:
                found[old] = new
    return found


def rename(folder: Path, names: dict[str, str]) -> int:
    """Give files, and texts in them, the new fingerprints; the number of files that were renamed."""

    def renamed(text: str) -> str:
        return _FINGERPRINT.sub(lambda match: names.get(match[0], match[0]), text)

    moved = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix in (".json", ".jsonl"):
            text = path.read_text(encoding="utf-8")
            _rewrite(path, text, renamed(text))
        if renamed(path.name) != path.name:
            os.replace(path, path.with_name(renamed(path.name)))
            moved += 1
    return moved


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=[ROOT / "results"])
    folders = parser.parse_args().folders
    paths = [path for folder in folders for path in sorted(folder.rglob("*.json*"))]
    names = new_names(paths)
    print(f"{sum(migrate(path) for path in paths)} of {len(paths)} files rewritten")
    print(f"{sum(rename(folder, names) for folder in folders)} files renamed")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
