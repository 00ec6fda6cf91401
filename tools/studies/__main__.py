"""Run a study, or say which there are.

    python -m tools.studies                   the studies, each in a sentence
    python -m tools.studies NAME              do what is missing, and go on with what was interrupted
    python -m tools.studies NAME --list       the jobs with their files, and which of them are there
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from lnl_core.errors import LNLError
from tools import ROOT, studies
from tools.pipes import while_read
from tools.studies.study import Options, Study, run_study


def known() -> dict[str, Study]:
    """All studies by name: those that a module of this folder lists as STUDIES."""
    modules = (import_module(f"{studies.__name__}.{one.name}") for one in iter_modules(studies.__path__) if one.name != "__main__")
    return {study.name: study for module in modules for study in getattr(module, "STUDIES", ())}


def main(arguments: list[str] | None = None, all_studies: dict[str, Study] | None = None) -> int:
    found = known() if all_studies is None else all_studies
    parser = argparse.ArgumentParser(
        prog="python -m tools.studies",
        description="Do what is missing of a study; without a name, say which studies there are.",
    )
    parser.add_argument("name", nargs="?", choices=sorted(found), metavar="NAME")
    parser.add_argument("--list", action="store_true", help="only say what its jobs are, and which are done")
    parser.add_argument("--only", default="*", help="the jobs whose name matches, such as '*-lnl-0.02-*'")
    parser.add_argument("--work", type=Path, default=Options.work, help="folder of trained networks; default: %(default)s")
    parser.add_argument("--data-dir", default=None, help="folder of the data sets")
    parser.add_argument("--threads", type=int, default=None, help="of each process")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time, of a study that trains")
    given = parser.parse_args(arguments)
    if given.name is None:
        width = max(map(len, found), default=0) + 2
        print("\n".join(f"{name:<{width}}{study.about}" for name, study in sorted(found.items())))
        return 0
    study = found[given.name]
    options = Options(given.work, given.data_dir, given.threads, given.workers)
    try:
        if given.list:
            jobs = study.jobs(options)
            left = {job.key for job in study.left(jobs)}
            for job in jobs:
                print(f"{'to do' if job.key in left else 'done':<7}{job.key}  {_short(job.file)}")
            return 0
        report = run_study(study, options, given.only)
    except LNLError as error:
        print(error, file=sys.stderr)
        return 2
    for key, reason in report.missing.items():
        print(f"{key}: {reason}", file=sys.stderr)
    print(f"{len(report.done)} done, {len(report.there)} there already, {len(report.missing)} could not be done")
    return 1 if report.missing else 0


def _short(file: Path) -> Path:
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


if __name__ == "__main__":
    sys.exit(while_read(main))
