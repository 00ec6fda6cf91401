"""The notebooks: percent scripts are the source, ``.ipynb`` files are derived from them and committed.

python -m tools.site.notebooks sync            fill badge and install cells, write the .ipynb files, refresh stale facts
python -m tools.site.notebooks sync --facts    the same, and execute the deterministic notebooks in any case
python -m tools.site.notebooks check           exit 1 if a pair is out of step
"""

import argparse
import ast
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from tools import ROOT, write_if_changed
from tools.pipes import while_read
from tools.site.address import Address, read_address

FACTS = ("02_derivation", "03_minmax_game")
"""The notebooks whose outputs are facts: stored, and compared by nbval."""
PARAMETERS = {"PROFILE": "demo", "SEED": 0, "COLOR_VAR": 0.03, "DATA_DIR": "", "OUT_DIR": "runs"}
"""What the parameters cell of every notebook declares."""
IGNORE = "nbval-ignore-output"
SOLUTION = "solution"
"""Tags a cell with the solution of an exercise, which is executed in smoke runs and shown nowhere."""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_TAGS = re.compile(r"^# %%.*\btags=(\[[^\]]*\])")

Notebook = Any


def scripts(root: Path = ROOT) -> list[Path]:
    """The percent scripts in reading order."""
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.py"))


def tags(cell: Any) -> list[str]:
    found: list[str] = cell.metadata.get("tags", [])
    return found


def cells_tagged(notebook: Notebook, tag: str) -> list[Any]:
    return [cell for cell in notebook.cells if tag in tags(cell)]


def solutions(notebook: Notebook) -> dict[int, str]:
    """The Python code of each exercise's folded solution, by the exercise's number; an exercise for the pencil has none."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    exercises = re.split(r"^### Exercise \d+.*$", text, flags=re.MULTILINE)[1:]
    blocks = {
        number: re.findall(r"^```python\n(.*?)^```", exercise, flags=re.MULTILINE | re.DOTALL)
        for number, exercise in enumerate(exercises, start=1)
    }
    return {number: "\n".join(found) for number, found in blocks.items() if found}


def with_solutions(notebook: Notebook) -> Notebook:
    """The notebook with the code of its solutions as cells of their own before its last one, as a reader who tries them has it."""
    for number, code in solutions(notebook).items():
        cell: Any = nbformat.v4.new_code_cell(f"# solution of exercise {number}\n{code}")  # type: ignore[no-untyped-call]
        cell["id"] = f"solution-{number}"
        cell.metadata["tags"] = [SOLUTION, IGNORE]
        notebook.cells.insert(len(notebook.cells) - 1, cell)
    return notebook


def literals(source: str) -> dict[str, object]:
    """The plain assignments ``NAME = literal`` of a parameters cell.

    Raises:
        ValueError: if the cell holds anything else.
    """
    values: dict[str, object] = {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise ValueError(f"line {node.lineno} of the parameters cell is not a plain assignment")
        values[node.targets[0].id] = ast.literal_eval(node.value)
    return values


def fill_script(text: str, name: str, address: Address) -> str:
    """The script with its badge and install cells written anew; everything else stays as its author left it."""
    bodies = {
        "badge": "\n".join(f"# {line}".rstrip() for line in address.badge(name).splitlines()),
        "install": address.install_cell(),
    }
    lines: list[str] = []
    skipping = False
    for line in text.splitlines():
        if line.startswith("# %%"):
            skipping = False
        if not skipping:
            lines.append(line)
        found = _TAGS.match(line)
        for tag in ast.literal_eval(found[1]) if found else ():
            if tag in bodies:
                lines += [bodies[tag], ""]
                skipping = True
    return "\n".join(lines) + "\n"


def read_script(path: Path) -> Notebook:
    """A percent script as a notebook without outputs, with stable cell ids and our metadata."""
    notebook: Any = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        kept = ("mystnb", "slideshow", "tags")
        cell.metadata = nbformat.from_dict({name: cell.metadata[name] for name in kept if cell.metadata.get(name)})
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:10]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata = nbformat.from_dict(
        {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def read_notebook(path: Path) -> Notebook:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def to_text(notebook: Notebook) -> str:
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"  # type: ignore[no-untyped-call]


def _stored(cell: Any, other: Any) -> bool:
    return bool(cell.cell_type == other.cell_type == "code" and cell.source == other.source and tags(cell) == tags(other))


def keep_outputs(notebook: Notebook, old: Notebook) -> None:
    """Carry the outputs of unchanged code cells over from the notebook written before."""
    by_id = {cell.get("id"): cell for cell in old.cells}
    for cell in notebook.cells:
        before = by_id.get(cell["id"])
        if before is not None and _stored(cell, before) and IGNORE not in tags(cell):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count


def facts_are_stale(notebook: Notebook, old: Notebook | None) -> bool:
    """Whether any code changed since the outputs were stored; one changed cell can change the output of all after it."""

    def code(cells: Any) -> list[tuple[str, list[str]]]:
        return [(cell.source, tags(cell)) for cell in cells.cells if cell.cell_type == "code" and "install" not in tags(cell)]

    return old is None or code(notebook) != code(old) or bool(facts_missing(old))


def facts_missing(notebook: Notebook) -> list[int]:
    """Positions of the compared code cells without a stored result. nbval passes those over in silence."""
    return [
        number
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and not {IGNORE, "install"} & set(tags(cell)) and cell.execution_count is None
    ]


def use_own_ipython(work: Path) -> None:
    """Give the kernels an IPython folder of their own: none of the reader's start-up scripts, no warning about the transport."""
    folder = work.resolve() / "ipython"
    write_if_changed(folder / "profile_default" / "ipython_kernel_config.py", "get_config().IPKernelApp.log_level = 40\n")
    os.environ["IPYTHONDIR"] = str(folder)


@contextmanager
def private_sockets() -> Iterator[Any]:
    """The configuration of a kernel that is reached by files of its own.

    By default jupyter_client looks for free TCP ports and lets go of them before the kernel takes them, so of two kernels that
    start at once one may find its port taken and die (papermill, issue 511). TCP remains where files will not do: on Windows and
    where the path is longer than a socket's may be.
    """
    import zmq
    from traitlets.config import Config

    with tempfile.TemporaryDirectory(prefix="lnl-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "kernel.json"
        short = len(os.fsencode(file.with_name("kernel-ipc-5"))) <= zmq.IPC_PATH_MAX_LEN
        yield Config({"KernelManager": {"transport": "ipc", "connection_file": str(file)}} if short else {})


def join_streams(cell: Any) -> None:
    """Make one output of neighbouring pieces of one stream: where a stream is cut is a matter of time, not a fact."""
    joined: list[Any] = []
    for output in cell.outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    cell.outputs = joined


def store_facts(notebook: Notebook, folder: Path) -> None:
    """Execute the notebook in ``folder`` and keep the outputs of the cells that nbval compares."""
    from nbclient import NotebookClient

    use_own_ipython(folder.parent / "_build")
    where = {"metadata": {"path": str(folder)}}
    with private_sockets() as config:
        NotebookClient(notebook, timeout=None, kernel_name="python3", resources=where, config=config).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code" and {IGNORE, "install"} & set(tags(cell)):
            cell.outputs, cell.execution_count = [], None
        elif cell.cell_type == "code":
            join_streams(cell)
    notebook.metadata["language_info"] = nbformat.from_dict({"name": "python"})


def derive(script: Path, *, facts: bool = False, refresh: bool = True) -> str:
    """The text of the ``.ipynb`` that belongs to ``script``.

    Args:
        facts: execute a deterministic notebook in any case.
        refresh: execute it if its code changed.
    """
    notebook = read_script(script)
    if script.stem in FACTS:
        target = script.with_suffix(".ipynb")
        old = read_notebook(target) if target.is_file() else None
        if facts or (refresh and facts_are_stale(notebook, old)):
            print(f"executing {script.stem} to store its outputs", flush=True)
            store_facts(notebook, script.parent)
        elif old is not None:
            keep_outputs(notebook, old)
    return to_text(notebook)


def sync(root: Path = ROOT, *, facts: bool = False, refresh: bool = True) -> list[Path]:
    """Bring every pair in step and return what was written."""
    address = read_address(root)
    written = []
    for script in scripts(root):
        if write_if_changed(script, fill_script(script.read_text(encoding="utf-8"), script.stem, address)):
            written.append(script)
        target = script.with_suffix(".ipynb")
        if write_if_changed(target, derive(script, facts=facts, refresh=refresh)):
            written.append(target)
    return written


def out_of_step(root: Path = ROOT) -> list[str]:
    """One sentence for each pair that ``make sync`` would change."""
    address = read_address(root)
    problems = []
    for script in scripts(root):
        target = script.with_suffix(".ipynb")
        if fill_script(script.read_text(encoding="utf-8"), script.stem, address) != script.read_text(encoding="utf-8"):
            problems.append(f"{script.name} does not hold the address of _config.yml: run make sync")
        if not target.is_file():
            problems.append(f"{target.name} is missing: run make sync")
        elif derive(script, refresh=False) != target.read_text(encoding="utf-8"):
            problems.append(f"{target.name} was not made from {script.name} as it is now: run make sync")
    known = {script.with_suffix(".ipynb").name for script in scripts(root)}
    strays = sorted(path.name for path in (root / "notebooks").glob("*.ipynb") if path.name not in known)
    return problems + [f"{name} has no percent script: delete it or pair it" for name in strays]


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep percent scripts and notebooks in step.")
    parser.add_argument("command", choices=("sync", "check"))
    parser.add_argument("--facts", action="store_true", help="execute the deterministic notebooks even if nothing changed")
    arguments = parser.parse_args()
    os.environ.pop("LNL_PROFILE", None)
    if arguments.command == "check":
        problems = out_of_step()
        print("\n".join(problems) or "every pair is in step")
        return 1 if problems else 0
    from tools.site.contents import write_times  # which reads the scripts by this module

    write_times()
    for path in sync(facts=arguments.facts):
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
