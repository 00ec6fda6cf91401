"""What a machine can check of what reviewers of this project would ask: ``make badge``.

Three lists are followed as far as files can answer: ACM's badges (functional, reusable), ReScience C and JOSE. Then five printed
numbers are drawn and made again from the records, and the configuration of one drawn record of the digits is trained twice at
``demo`` size and compared bit by bit. What only a person can judge stands in no row.

python -m tools.badge [--seed N] [--no-training]
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

from lnl_core.config import RunConfig, preset
from lnl_core.errors import RecordError
from lnl_core.runs.provenance import device_name, versions
from lnl_core.runs.records import RunRecord, read_record
from lnl_core.runs.run import MODEL, run
from lnl_core.training.devices import choose_device
from tools import ROOT
from tools.pages import numbers
from tools.pages.sources import Sources
from tools.pipes import while_read

OK, FAILED, NOT_HERE = "ok", "failed", "cannot be checked here"
NUMBERS = 5
_OSI = {
    "MIT": "Permission is hereby granted, free of charge",
    "BSD-3-Clause": "Redistribution and use in source and binary forms",
    "Apache-2.0": "Apache License",
}
"""Licences that OSI has approved, each with words of its text."""
_PAPER = ("Summary", "Statement of need", "Learning objectives", "Content", "Instructional design", "Experience of use")
"""What headings of the paper must name, see JOSE's guide for authors; one heading may name two."""
_PLACES = re.compile(r"(?<![\w.~])/(?:home|Users|root|tmp|mnt|scratch)/\w|[A-Z]:\\\\?Users\b")
_READ = (".py", ".md", ".toml", ".yml", ".json", ".jsonl")


@dataclass(frozen=True)
class Check:
    """One row: which list asks for what, whether it is so, and the reason or what to do."""

    asked_by: str
    what: str
    state: str
    why: str = ""


Fault = str | None
"""Why a check fails, in a sentence that says what to do; None if all is well."""


class NotHereError(Exception):
    """Why something cannot be checked on this machine or in this copy, in a sentence."""


def _text(root: Path, name: str) -> str:
    path = root / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _project(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(_text(root, "pyproject.toml")).get("project", {})
    return found


def _targets(root: Path) -> set[str]:
    return set(re.findall(r"^([a-z]+):", _text(root, "Makefile"), re.M))


# What files can answer


def licence(root: Path) -> Fault:
    name = str(_project(root).get("license", ""))
    if name not in _OSI:
        return f"pyproject.toml names {name or 'no licence'}, which is none of {', '.join(_OSI)}: choose one that OSI has approved"
    return None if _OSI[name] in _text(root, "LICENSE") else f"LICENSE does not hold the text of {name}: add it"


def licence_of_text(root: Path) -> Fault:
    there = "Attribution 4.0 International" in _text(root, "LICENSE-TEXT")
    return None if there else "LICENSE-TEXT does not hold CC BY 4.0: add it"


def readme(root: Path) -> Fault:
    text = _text(root, "README.md")
    named = set(re.findall(r"\bmake ([a-z]+)", text))
    if missing := [word for word in ("Python", "make book", "make test") if word not in text]:
        return f"README.md does not name {', '.join(missing)}: say what is needed, how it is installed and how it is tested"
    unknown = ", ".join(f"make {target}" for target in sorted(named - _targets(root)))
    return f"README.md names {unknown}, which the Makefile does not have: correct one of the two" if unknown else None


def _citation(root: Path) -> dict[str, Any] | None:
    try:
        found = yaml.safe_load(_text(root, "CITATION.cff"))
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None


def citation(root: Path) -> Fault:
    found = _citation(root)
    if found is None:
        return "CITATION.cff is no table in YAML: correct it"
    missing = [name for name in ("cff-version", "title", "authors", "version", "license", "references") if not found.get(name)]
    if missing:
        return f"CITATION.cff lacks {', '.join(missing)}: add what is missing"
    mine, theirs = str(found["version"]), str(_project(root).get("version"))
    return None if mine == theirs else f"CITATION.cff says version {mine} and pyproject.toml {theirs}: write the same into both"


def environment(root: Path) -> Fault:
    pinned = {name.lower() for name in re.findall(r"^ *- ([\w.-]+)==[\w.]+$", _text(root, "environment.yml"), re.M)}
    wanted = [match[0].lower() for line in _project(root).get("dependencies", []) if (match := re.match(r"[\w.-]+", line))]
    if not wanted:
        return "pyproject.toml names no dependencies: name them"
    missing = [name for name in wanted if name not in pinned]
    return f"environment.yml pins no version of {', '.join(missing)}: pin every dependency" if missing else None


def tests(root: Path) -> Fault:
    count = sum(len(re.findall(r"^def test_", path.read_text("utf-8"), re.M)) for path in (root / "tests").glob("test_*.py"))
    if not count:
        return "there are no tests in tests/: write some"
    runs = [path for path in (root / ".github" / "workflows").glob("*.yml") if "make test" in path.read_text("utf-8")]
    return None if runs else "no workflow runs `make test`: let one of .github/workflows run it"


def documentation(root: Path) -> Fault:
    files = sorted((root / "lnl_core").rglob("*.py"))
    modules = [path for path in files if path.stem == "__init__" or not path.stem.startswith("_")]
    silent = [path.relative_to(root).as_posix() for path in modules if not re.match(r'r?"""\S', path.read_text("utf-8"))]
    if not modules or not (root / "_toc.yml").is_file():
        return "there is no library or no table of contents: this is no copy of the project"
    return f"{', '.join(silent)} begins without saying what it is for: add a docstring" if silent else None


def changes(root: Path) -> Fault:
    found = re.findall(r"^## (.+)$", _text(root, "CHANGELOG.md"), re.M)
    return None if found else "CHANGELOG.md has no headings of versions: say what has changed in which version"


def community(root: Path) -> Fault:
    text = _text(root, "CONTRIBUTING.md")
    return None if "make test" in text else "CONTRIBUTING.md does not say how a contribution is tested: say it"


def places(root: Path) -> Fault:
    """Paths of somebody's machine, in sources, pages and records; the tests invent some."""
    folders = ("lnl_core", "tools", "notebooks", "book", "results", "paper", "assignments")
    for path in (path for folder in folders for path in sorted((root / folder).rglob("*"))):
        if path.suffix in _READ and path.resolve() != Path(__file__).resolve():
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                if found := _PLACES.search(line):
                    name = path.relative_to(root)
                    return f"{name}, line {number}, names the path {found[0]}… of one machine: make it relative"
    return None


def hashes(root: Path) -> Fault:
    """Whatever is downloaded is compared with a hash: each file that names an address of data holds one."""
    for path in sorted((root / "lnl_core" / "datasets").rglob("*.py")):
        text = path.read_text("utf-8")
        if re.search(r"pooch|urlretrieve|urlopen", text) and not re.search(r"\b[0-9a-f]{64}\b|md5:[0-9a-f]{32}", text):
            return f"{path.relative_to(root)} downloads without a hash to compare with: write it beside the address"
    return None


def published(root: Path) -> Fault:
    try:
        found = json.loads(_text(root, "results/paper.json"))
    except ValueError:
        return "results/paper.json cannot be read: the published numbers belong there"
    return None if found else "results/paper.json is empty: the published numbers belong there"


def records(root: Path) -> Fault:
    paths = sorted((root / "results" / "runs").glob("*.json"))
    if not paths:
        return "results/runs holds no record: keep one for each run that is reported"
    for path in paths:
        try:
            record = read_record(path)
        except RecordError as error:
            return f"{str(error).replace(f'{root}/', '')}"
        lacking = [name for name in ("commit", "device", "packages") if not record.provenance.get(name)]
        if lacking:
            return f"{path.relative_to(root)} does not say its {', '.join(lacking)}: make the record again from a clone"
    return None


def _git(root: Path, *words: str) -> str:
    try:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        raise NotHereError("git does not answer here: install it, and run this in a clone") from None


def commits(root: Path) -> Fault:
    """The commit of every record is one of this repository's."""
    if not (root / ".git").exists():
        raise NotHereError("this copy has no git history: run it in a clone")
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise NotHereError("this clone is shallow: `git fetch --unshallow` brings the history")
    there = set(_git(root, "rev-list", "--all").split())
    for path in sorted((root / "results" / "runs").glob("*.json")):
        commit = json.loads(path.read_text("utf-8")).get("provenance", {}).get("commit")
        if commit and commit not in there:
            return f"{path.relative_to(root)} names the commit {commit[:12]}, which this repository does not have: keep the history"
    return None


def paper(root: Path) -> Fault:
    text = _text(root, "paper/paper.md")
    headings = " / ".join(re.findall(r"^# (.+)$", text, re.M)).lower()
    missing = [name for name in _PAPER if name.lower() not in headings]
    if missing:
        return f"paper/paper.md has no section {', '.join(missing)}: write it"
    head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
    lacking = [name for name in ("title", "tags", "authors", "affiliations", "date", "bibliography") if not head.get(name)]
    if lacking:
        return f"the head of paper/paper.md lacks {', '.join(lacking)}: add it"
    works = set(re.findall(r"^@\w+\{([\w:-]+),", _text(root / "paper", str(head["bibliography"])), re.M))
    unknown = sorted(set(re.findall(r"(?<![\w@])@([a-z][\w:-]*\w)", text.split("---", 2)[2])) - works)
    return f"paper/paper.md cites {', '.join(unknown)}, which its bibliography does not have: add it" if unknown else None


def archive(root: Path) -> Fault:
    found = _citation(root) or {}
    if not (found.get("doi") or found.get("identifiers")):
        raise NotHereError("CITATION.cff names no DOI: a person deposits a release in an archive and writes its DOI there")
    return None


CHECKS: tuple[tuple[str, str, Callable[[Path], Fault]], ...] = (
    ("ACM functional, ReScience C, JOSE", "a README that says what is needed, how to install and how to test", readme),
    ("ACM functional, JOSE", "every module says what it is for", documentation),
    ("ACM functional", "tests, and a workflow that runs them", tests),
    ("ACM functional, ReScience C", "an environment with every dependency pinned", environment),
    ("ACM functional, ReScience C", "no path of one machine", places),
    ("ACM functional, ReScience C", "downloads are compared with a hash", hashes),
    ("ACM reusable, ReScience C, JOSE", "a licence of code that OSI has approved, with its text", licence),
    ("ACM reusable, JOSE", "how to contribute, and how it is tested", community),
    ("ACM reusable", "a list of changes", changes),
    ("ACM available", "a release in an archive with a DOI", archive),
    ("ReScience C", "the published numbers, beside which ours are set", published),
    ("ReScience C", "a record of each run with its commit, device and packages", records),
    ("ReScience C", "the commits of the records are in the history", commits),
    ("ReScience C, JOSE", "how to cite it, with the version of the package", citation),
    ("JOSE", "a Creative Commons licence of the text", licence_of_text),
    ("JOSE", "a paper with its sections, its head and works that exist", paper),
)


def check_files(root: Path) -> Iterator[Check]:
    for asked_by, what, look in CHECKS:
        try:
            fault = look(root)
            yield Check(asked_by, what, FAILED if fault else OK, fault or "")
        except NotHereError as reason:
            yield Check(asked_by, what, NOT_HERE, str(reason))


# Numbers made again


def check_numbers(root: Path, chance: random.Random, count: int = NUMBERS) -> Iterator[Check]:
    """Draw printed numbers from all pages, and make each again from the records as its comment says."""
    printed = [(page.name, one) for page in numbers.pages(root) for one in numbers.bound_in(page.read_text(encoding="utf-8"))]
    if len(printed) < count:
        why = f"only {len(printed)} numbers of the pages name their source: bind more"
        yield Check("ReScience C", "printed numbers", FAILED, why)
        return
    functions = Sources(root).functions()
    for page, one in chance.sample(printed, count):
        what = f"{one.number} of book/{page}, by {one.expression}"
        try:
            again = numbers.written(one.number, *numbers.evaluate(one.expression, functions))
        except (RecordError, OSError) as error:
            yield Check("ReScience C", what, FAILED, str(error))
            continue
        right = again == one.number
        yield Check("ReScience C", what, OK if right else FAILED, "" if right else f"the records give {again}: run `make results`")


# A run made again


def demo_of(record: RunRecord) -> RunConfig:
    """The configuration of a record of the digits at ``demo`` size: the same method, variance and seed on a few thousand digits."""
    return preset("demo", record.method, color_var=record.setting["color_var"], seed=record.seed)


def differences(one: Path, other: Path) -> list[str]:
    """In what two folders of finished runs differ: the bits of the weights, and the metrics."""
    weights = [load_file(folder / MODEL) for folder in (one, other)]  # the file's header has no order
    same = weights[0].keys() == weights[1].keys() and all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    found = [] if same else ["the trained networks"]
    metrics = [read_record(folder / "record.json").metrics for folder in (one, other)]
    if json.dumps(metrics[0], sort_keys=True) != json.dumps(metrics[1], sort_keys=True):
        found.append("the metrics")
    return found


def same_platform(record: RunRecord) -> list[str]:
    """In what this machine differs from that of a record; the same bits can be asked for only if it is nothing."""
    now = {"device": device_name(choose_device())} | versions()
    then = {"device": record.provenance.get("device")} | dict(record.provenance.get("packages") or {})
    names = [name for name in ("device", "python", "torch") if then.get(name) != now[name]]
    return [f"{name} {then.get(name)} there and {now[name]} here" for name in names]


def check_run(root: Path, chance: random.Random, train: Callable[..., RunRecord] = run) -> Iterator[Check]:
    """Draw a record of the digits, train its configuration twice at ``demo`` size, and compare bit by bit."""
    paths = sorted((root / "results" / "runs").glob("colored_mnist-*.json"))
    if not paths:
        yield Check("ReScience C", "a run made again", FAILED, "results/runs holds no record of the digits: restore them")
        return
    drawn = chance.choice(paths)
    record = read_record(drawn)
    config = demo_of(record)
    with tempfile.TemporaryDirectory() as work:
        folders = [Path(work, name) for name in ("one", "other")]
        made = [train(config, folder) for folder in folders]
        unequal = differences(*folders)
    what = f"two runs of {record.method} at {record.setting['color_var']:g}, seed {record.seed}, at demo size have the same bits"
    why = f"{' and '.join(unequal)} differ on this machine" if unequal else ""
    yield Check("ReScience C", what, FAILED if unequal else OK, why)
    what = f"the stored record {drawn.stem} has the same metrics"
    if record.config != made[0].config:  # as it was resolved: the precision and the source that "auto" stood for
        yield Check("ReScience C", what, NOT_HERE, f"it was trained at {record.profile} size: the command of its page repeats it")
    elif others := same_platform(record):
        yield Check("ReScience C", what, NOT_HERE, f"bits are equal on one kind of machine only ({'; '.join(others)})")
    else:
        why = "" if record.metrics == made[0].metrics else "this machine gives other metrics: look for the change"
        yield Check("ReScience C", what, FAILED if why else OK, why)


def table(checks: list[Check]) -> str:
    """The rows in columns for a terminal."""
    widths = [max(len(getattr(one, name)) for one in checks) for name in ("state", "asked_by")]
    return "\n".join(
        f"{one.state:<{widths[0]}}  {one.asked_by:<{widths[1]}}  {one.what}{': ' if one.why else ''}{one.why}" for one in checks
    )


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Check what ACM's, ReScience C's and JOSE's lists ask of files.")
    parser.add_argument("--seed", type=int, help="of what is drawn; by default another one each time, which is printed")
    parser.add_argument("--no-training", action="store_true", help="leave out the run that is made again")
    chosen = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10_000) if chosen.seed is None else chosen.seed
    checks = [*check_files(root), *check_numbers(root, random.Random(seed))]
    if not chosen.no_training:
        checks += check_run(root, random.Random(seed))
    print(table(checks))
    counts = {state: sum(one.state == state for one in checks) for state in (OK, FAILED, NOT_HERE)}
    print(f"\n{', '.join(f'{count} {state}' for state, count in counts.items())}; drawn with --seed {seed}")
    return 1 if counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(while_read(lambda: main(sys.argv[1:])))
