"""Build the same sources with the newest Sphinx and MyST-NB, without jupyter-book 1.x, and report what is missing: ``make ahead``.

The site itself is built with the versions that environment.yml locks. Here they get a virtual environment of their own, without
pins; lnl_core and torch are those of the project's. Notebooks are shown as they are in the repository, unexecuted.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tools import ROOT, write_if_changed
from tools.pipes import while_read
from tools.site.address import for_site
from tools.site.book import CONFIG, STATUS, draw_images, status_table
from tools.site.contents import documents

NEWEST = (
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
    "sphinx-external-toc",
    "sphinx-togglebutton",
    "sphinx-copybutton",
    "sphinx-design",
    "sphinx-proof",
    "sphinx-mathjax-offline",
    "sphinx-multitoc-numbering",
    "sphinxcontrib-bibtex",
)
ITS_OWN = ("jupyter_book", "sphinx_jupyterbook_latex", "sphinx_thebe", "sphinx_comments")
"""Extensions that jupyter-book 1.x brings for itself."""
_OPTIONS = ("use_jupyterbook_latex", "comments_config", "latex_engine")
_LOG = "build.log"


def settings(written: str) -> dict[str, Any]:
    """The settings of a ``conf.py`` as ``jupyter-book config sphinx`` writes it, without what is jupyter-book's own."""
    found: dict[str, Any] = {}
    exec(written, found)  # plain assignments, written a moment ago from our own _config.yml
    found = {name: value for name, value in found.items() if not name.startswith("__") and name not in _OPTIONS}
    return found | {"extensions": [name for name in found["extensions"] if name not in ITS_OWN]}


def kinds(log: str) -> dict[str, int]:
    """How often each kind of warning and error stands in Sphinx's log, the most frequent first; one without a kind by its words."""
    lines = [line for line in log.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b:", line)]
    named = [re.search(r"\[([\w.-]+)\]$", line) for line in lines]
    words = [found[1] if found else line.split(": ", 2)[-1][:80] for found, line in zip(named, lines, strict=True)]
    return dict(Counter(words).most_common())


def report(versions: dict[str, str], site: Path, log: str, wanted: list[str], rc: int) -> str:
    """What came out, in a page of Markdown; ``rc`` is Sphinx's."""
    missing = [name for name in wanted if not (site / f"{name}.html").is_file()]
    faults = kinds(log)
    lines = [
        "# The same sources with the newest Sphinx",
        "",
        ", ".join(f"{name} {number}" for name, number in versions.items()),
        "",
    ]
    lines += [f"Sphinx ended with {rc}. {len(wanted) - len(missing)} of {len(wanted)} pages are there.", ""]
    lines += ["Missing pages: " + ", ".join(missing), ""] if missing else []
    lines += ["| Kind of warning | Times |", "|---|---:|", *(f"| {name} | {times} |" for name, times in faults.items()), ""]
    if not faults:
        lines[-3:] = ["There is no warning.", ""]
    if rc and not faults:
        lines += ["The log ends:", "", "```text", *log.splitlines()[-15:], "```", ""]
    return "\n".join(lines)


def stage(target: Path) -> None:
    """The sources as the repository holds them, and the settings."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "book", target / "book")
    shutil.copytree(ROOT / "notebooks", target / "notebooks", ignore=shutil.ignore_patterns("*.py", "runs"))
    shutil.copy(ROOT / "_toc.yml", target)
    write_if_changed(target / CONFIG, for_site((ROOT / CONFIG).read_text(encoding="utf-8")))
    write_if_changed(target / STATUS, status_table(target, {}, "demo"))
    draw_images(target / "book" / "images")
    subprocess.run([Path(sys.executable).with_name("jupyter-book"), "config", "sphinx", target], check=True, capture_output=True)
    values = settings((target / "conf.py").read_text(encoding="utf-8"))
    (target / "conf.py").write_text("".join(f"{name} = {value!r}\n" for name, value in values.items()), encoding="utf-8")


def packages_of(python: Path) -> Path:
    """Where an environment keeps its packages."""
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())


def environment(folder: Path) -> Path:
    """A virtual environment with the newest of NEWEST, in which the project's packages are found after them; returns its Python."""
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-qq", "--upgrade", *NEWEST], check=True)
    packages = packages_of(python)
    (packages / "project.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n", encoding="utf-8")
    return python


def main(work: Path = ROOT / "_build" / "ahead") -> int:
    target, site = work / "stage", work / "html"
    stage(target)
    python = environment(work / "venv")
    shutil.rmtree(site, ignore_errors=True)
    command = [str(python), "-m", "sphinx", "-b", "html", "--keep-going", str(target), str(site)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=ROOT)
    (work / _LOG).write_text(done.stdout, encoding="utf-8")
    ask = [str(python), "-m", "pip", "list", "--format=json", "--path", str(packages_of(python))]
    listed = json.loads(subprocess.run(ask, check=True, capture_output=True).stdout)
    there = {canonicalize_name(one["name"]): one["version"] for one in listed}
    text = report(
        {name: there.get(canonicalize_name(name), "?") for name in NEWEST}, site, done.stdout, documents(), done.returncode
    )
    (work / "report.md").write_text(text, encoding="utf-8")
    print(text)
    return 1 if done.returncode or kinds(done.stdout) else 0


if __name__ == "__main__":
    sys.exit(while_read(main))
