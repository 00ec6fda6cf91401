"""Assignments: percent scripts are the source; nbgrader's notebooks and the release for students are derived from them.

python -m tools.course.release sync                 write assignments/source/<id>/<id>.ipynb from the scripts
python -m tools.course.release make [--seed 2027]   the same, and assignments/release; a seed is written into the scripts first
python -m tools.course.release check                exit 1 if a pair is out of step, or if assignments/release holds a solution
"""

import argparse
import ast
import base64
import binascii
import copy
import hashlib
import html
import json
import logging
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jupytext
import nbformat

from lnl_core.errors import ConfigError
from tools import ROOT, write_if_changed
from tools.pipes import while_read
from tools.site.address import Address, read_address
from tools.site.notebooks import KERNEL, to_text

COURSE = ROOT / "assignments"
POINTS = 100
"""What the graded cells of an assignment add up to."""
_SCHEMA = {"grade": False, "locked": False, "schema_version": 3, "solution": False, "task": False}
_SEED = re.compile(r"^CLASS_SEED = (\d+)$", re.MULTILINE)
_REGION = re.compile(r"BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)(.*?)(?:END \1|\Z)", re.DOTALL)
_DELIMITERS = tuple(f"{edge} {kind}" for edge in ("BEGIN", "END") for kind in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME"))
_IMPORT = re.compile(r"(import \w|from \S+ import )")
_WHOLE, _PART, _OTHERS = 8, 20, 40
"""Characters, without spaces, from which on a secret line is sought as a whole line, in any text, and in other assignments."""

Notebook = Any


def scripts(course: Path = COURSE) -> list[Path]:
    """The percent scripts of a course, in order: ``source/<id>/<id>.py``."""
    return sorted(path for path in (course / "source").glob("*/*.py") if path.stem == path.parent.name)


def seed_of(text: str) -> int:
    """The CLASS_SEED of a script or a cell.

    Raises:
        ConfigError: there is not exactly one line ``CLASS_SEED = <whole number>``.
    """
    found = _SEED.findall(text)
    if len(found) != 1:
        raise ConfigError(f"an assignment has one line 'CLASS_SEED = 2026', found {len(found)}: write it into the first code cell")
    return int(found[0])


def with_seed(text: str, seed: int) -> str:
    """The script with another CLASS_SEED: other data, other numbers, other right answers."""
    if seed < 0:
        raise ConfigError(f"a class seed is a whole number from 0, got {seed}")
    seed_of(text)
    return _SEED.sub(f"CLASS_SEED = {seed}", text)


def read_source(text: str, address: Address | None = None) -> Notebook:
    """A percent script as nbgrader's notebook with solutions and hidden tests, without outputs, with stable cell ids.

    A cell header names what differs from a plain cell, as ``nbgrader={"grade_id": "entropy", "solution": true}``; the rest of
    nbgrader's metadata is filled in here. A cell tagged "install" gets the code that installs lnl_core.
    """
    notebook: Any = jupytext.reads(text, fmt="py:percent")
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({name: cell.metadata[name] for name in ("nbgrader", "tags") if name in cell.metadata})
        if "install" in cell.metadata.get("tags", []):
            cell.source = (address or Address()).install_cell()
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        if "nbgrader" in cell.metadata:
            own = {**_SCHEMA, **cell.metadata["nbgrader"]}
            own["locked"] = own["locked"] or (own["grade"] and not own["solution"])
            cell.metadata["nbgrader"] = nbformat.from_dict(dict(sorted(own.items())))
            name = own.get("grade_id", name)
        seen[name] = seen.get(name, 0) + 1
        cell["id"] = name if seen[name] == 1 else f"{name}-{seen[name]}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def own(cell: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell; of a plain cell, nothing."""
    found: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return found


def is_grade(cell: Any) -> bool:
    return bool(own(cell).get("grade"))


def is_solution(cell: Any) -> bool:
    return bool(own(cell).get("solution"))


def points(notebook: Notebook) -> dict[str, float]:
    """The points of each graded cell by its id, in order."""
    return {own(cell)["grade_id"]: float(own(cell)["points"]) for cell in notebook.cells if is_grade(cell)}


def faults(notebook: Notebook) -> list[str]:
    """What is wrong with an assignment before anything is derived from it, each in a sentence."""
    found = []
    ids = [own(cell).get("grade_id", "") for cell in notebook.cells if own(cell)]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    found += [f"the grade id {name!r} stands at two cells: give one of them another" for name in twice]
    if "" in ids:
        found.append("a cell of nbgrader has no grade_id: give it one")
    bare = [own(cell).get("grade_id", "") for cell in notebook.cells if is_grade(cell) and "points" not in own(cell)]
    found += [f"the graded cell {name!r} has no points: write how many" for name in bare]
    if not bare and (total := sum(float(own(cell)["points"]) for cell in notebook.cells if is_grade(cell))) != POINTS:
        found.append(f"the points add up to {total:g}, not to {POINTS}: change those of a cell")
    locked = [cell for cell in notebook.cells if own(cell).get("locked") and _SEED.search(cell.source)]
    if len(locked) != 1 or len(_SEED.findall(locked[0].source)) != 1:
        found.append("CLASS_SEED must be set once, in a locked cell: write a line 'CLASS_SEED = 2026' there")
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            found.append(f"cell {cell.id} is not plain Python ({error.msg}): mend it")
    return found


def release(notebook: Notebook) -> Notebook:
    """What students get: nbgrader's own preprocessors take solutions and hidden tests away and lock what is not theirs.

    Raises:
        ConfigError: an assignment with a fault, or one whose regions nbgrader does not take.
    """
    from nbgrader import preprocessors

    names = ["LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums"]
    names += ["ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata"]
    wrong = faults(notebook)
    if wrong:
        raise ConfigError(wrong[0])
    released: Notebook = copy.deepcopy(notebook)
    resources: dict[str, Any] = {}
    quiet = logging.getLogger("tools.course")
    quiet.setLevel(logging.CRITICAL)
    for name in names:
        try:
            released, resources = getattr(preprocessors, name)(log=quiet).preprocess(released, resources)
        except Exception as error:
            reason = str(error).strip().rstrip(".")
            raise ConfigError(f"nbgrader's {name} refuses the assignment: {reason}") from None
    return released


# What must not get out


def _bare(line: str) -> str:
    """A line without spaces and without the mark of a comment."""
    return re.sub(r"\s", "", line).lstrip("#")


def secrets(notebook: Notebook) -> set[str]:
    """The lines of solutions, hidden tests and marking schemes, without spaces; imports and very short lines left out."""
    lines: list[str] = []
    for cell in notebook.cells:
        regions = [found[2] for found in _REGION.finditer(cell.source)]
        if is_solution(cell) and not re.search(r"BEGIN SOLUTION", cell.source):
            regions.append(cell.source)
        lines += [line for region in regions for line in region.splitlines()]
    return {_bare(line) for line in lines if not _IMPORT.match(line.strip()) and len(_bare(line)) >= _WHOLE}


def _strings(value: Any) -> Iterator[str]:
    """Every string of a notebook, keys too: sources, metadata, outputs, attachments."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        if all(isinstance(one, str) for one in value):
            yield "".join(value)  # nbformat's files may hold a text as a list of its lines
        for one in value:
            yield from _strings(one)


def _unpacked(data: bytes) -> Iterator[str]:
    """Bytes as text: as they are, and inflated where they were compressed."""
    versions = [data]
    for bits in (15, 31, -15):  # zlib, gzip, raw
        with suppress(zlib.error):
            versions.append(zlib.decompressobj(bits).decompress(data, 10_000_000))
    for one in versions:
        for encoding in ("utf-8", "utf-16"):
            yield one.decode(encoding, errors="ignore")


def _forms(text: str, depth: int = 2) -> Iterator[str]:
    """A text and what it is when decoded: escapes of JSON, HTML and addresses; base64 and hexadecimal, compressed or not."""
    yield text
    for other in (html.unescape(text), unquote(text), text.replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")):
        if other != text:
            yield other
    if depth == 0:
        return
    dense = re.sub(r"\s", "", text)
    for run in {*re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", dense), *re.findall(r"[A-Za-z0-9+/_-]{16,}={0,2}", text)}:
        plain = run.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            data = base64.b64decode(plain + "=" * (-len(plain) % 4))
        except binascii.Error:
            continue
        for one in _unpacked(data):
            yield from _forms(one, depth - 1)
    for run in re.findall(r"(?:[0-9a-fA-F]{2}){12,}", dense):
        for one in _unpacked(bytes.fromhex(run)):
            yield from _forms(one, depth - 1)


def leaks(hidden: set[str], texts: Iterable[str]) -> list[str]:
    """Which of the secret lines stand in one of the texts, in any form, each in a sentence."""
    found: dict[str, None] = {}
    long = [line for line in hidden if len(line) >= _PART]
    for text in texts:
        for form in _forms(text):
            found |= dict.fromkeys(f"it holds nbgrader's mark {mark!r}" for mark in _DELIMITERS if mark in form)
            dense = re.sub(r"[\s#]", "", form)
            whole = {_bare(line) for line in (*form.splitlines(), *re.split(r"[\n\"'`]", form))}
            lines = {line for line in long if line.replace("#", "") in dense} | (hidden & whole)
            found |= dict.fromkeys(f"it holds the secret line {line!r}" for line in sorted(lines))
    return list(found)


def notebook_leaks(source: Notebook, released: Notebook) -> list[str]:
    """What of the solutions and hidden tests of ``source`` a released notebook still holds, each in a sentence."""
    return leaks(secrets(source), _strings(released))


def _hidden_from(name: str, sources: Mapping[str, Notebook]) -> set[str]:
    """What the release of one assignment must not hold: its own secrets, and the long ones of all others."""
    found = {line for source in sources.values() for line in secrets(source) if len(line) >= _OTHERS}
    return found | secrets(sources[name]) if name in sources else set().union(*map(secrets, sources.values()))


def folder_leaks(sources: Mapping[str, Notebook], folder: Path) -> list[str]:
    """What a whole folder holds of the secrets of the assignments (by id), whoever made it, whatever its files are."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts = [*_unpacked(path.read_bytes())]
        if path.suffix == ".ipynb":
            texts += _strings(json.loads(path.read_bytes()))
        hidden = _hidden_from(path.stem if path.suffix == ".ipynb" else "", sources)
        found += [f"{path.relative_to(folder)}: {sentence}" for sentence in leaks(hidden, texts)]
    return found


# The folders


def _address(course: Path) -> Address:
    return read_address(course.parent) if (course.parent / "_config.yml").is_file() else Address()


def _read_all(course: Path) -> dict[Path, Notebook]:
    found = scripts(course)
    if not found:
        raise ConfigError(f"{course / 'source'} holds no assignment: write <id>/<id>.py there")
    return {script: read_source(script.read_text(encoding="utf-8"), _address(course)) for script in found}


def sync(course: Path = COURSE) -> list[Path]:
    """Write the notebook of every script beside it and return those that changed."""
    notebooks = {script.with_suffix(".ipynb"): to_text(notebook) for script, notebook in _read_all(course).items()}
    return [path for path, text in notebooks.items() if write_if_changed(path, text)]


def out_of_step(course: Path = COURSE) -> list[str]:
    """One sentence for each notebook that :func:`sync` would change."""
    return [
        f"{script.stem}.ipynb was not made from {script.name} as it is now: run make assignments"
        for script, notebook in _read_all(course).items()
        if not (made := script.with_suffix(".ipynb")).is_file() or made.read_text(encoding="utf-8") != to_text(notebook)
    ]


def make(course: Path = COURSE, seed: int | None = None) -> list[Path]:
    """Derive ``source/*.ipynb`` and ``release/``; nothing of a release is written unless all of it passes.

    Args:
        course: the course of nbgrader.
        seed: the CLASS_SEED that is written into the scripts first; by default they keep theirs.

    Returns:
        What was written.

    Raises:
        ConfigError: a fault of an assignment, or a release that would hold a solution or a hidden test.
    """
    if seed is not None:
        for script in scripts(course):
            write_if_changed(script, with_seed(script.read_text(encoding="utf-8"), seed))
    made: dict[Path, str] = {}
    sources = _read_all(course)
    by_name = {script.stem: source for script, source in sources.items()}
    for script, source in sources.items():
        try:
            released = release(source)
        except ConfigError as error:
            raise ConfigError(f"{script.stem}: {error}") from None
        found = leaks(_hidden_from(script.stem, by_name), _strings(released))
        if found:
            advice = "keep it inside its region, or word one of the two otherwise"
            raise ConfigError(f"the release of {script.stem} is refused, {found[0]}: {advice}")
        made[course / "release" / script.stem / f"{script.stem}.ipynb"] = to_text(released)
    written = sync(course)
    return written + [path for path, text in made.items() if write_if_changed(path, text)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Derive notebooks and the release of the assignments.")
    parser.add_argument("command", choices=("sync", "make", "check"))
    parser.add_argument("--seed", type=int, help="the class seed: other data, other numbers, other right answers")
    arguments = parser.parse_args()
    try:
        if arguments.command == "check":
            sources = {script.stem: source for script, source in _read_all(COURSE).items()}
            problems = out_of_step() + folder_leaks(sources, COURSE / "release")
            print("\n".join(problems) or "every pair is in step, and the release holds nothing that it should not")
            return 1 if problems else 0
        for path in sync() if arguments.command == "sync" else make(seed=arguments.seed):
            print(f"wrote {path.relative_to(ROOT)}")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
