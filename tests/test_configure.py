"""The address: badges, install cells and buttons agree, with and without one; and the install cell does what it promises."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
import yaml

from tools import ROOT
from tools.site.address import Address, AddressError, for_site, parse_address, read_address
from tools.site.configure import configure
from tools.site.notebooks import PARAMETERS, cells_tagged, literals, out_of_step, read_notebook, scripts

GITHUB = "https://github.com/someone/something"
COPIED = ("00_quickstart", "02_derivation", "03_minmax_game")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that an address is written to, of three notebooks, in a folder that is no git clone.

    That all of the project's notebooks say one address is checked where they lie; converting each of them takes a while.
    """
    root = tmp_path / "copy"
    (root / "notebooks").mkdir(parents=True)
    for name in COPIED:
        for ending in ("py", "ipynb"):
            shutil.copy(ROOT / "notebooks" / f"{name}.{ending}", root / "notebooks")
    shutil.copy(ROOT / "_config.yml", root)
    return root


def check_agreement(root: Path, address: Address) -> None:
    """Badge, install cell and ``_config.yml`` under ``root`` all say ``address``."""
    assert read_address(root) == address
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"] == {"url": address.repository, "branch": address.revision}
    assert config["html"]["use_repository_button"] is bool(address.page)
    assert bool(config.get("launch_buttons")) is bool(address.github)
    assert out_of_step(root) == []
    assert len(scripts(root)) >= len(COPIED)
    for script in scripts(root):
        notebook = read_notebook(script.with_suffix(".ipynb"))
        (badge,), (install,) = cells_tagged(notebook, "badge"), cells_tagged(notebook, "install")
        assert badge.source == address.badge(script.stem)
        assert f'\nREPOSITORY = "{address.repository}"\nREVISION = "{address.revision}"\n' in install.source
        assert ("colab" in badge.source) is bool(address.github)


def test_the_project_agrees_with_itself() -> None:
    check_agreement(ROOT, read_address(ROOT))


def test_a_github_address_fills_badges_cells_and_buttons(copy: Path) -> None:
    address = configure(copy, GITHUB, "v1.2")
    check_agreement(copy, address)
    badge = cells_tagged(read_notebook(copy / "notebooks" / "00_quickstart.ipynb"), "badge")[0].source
    assert f"https://colab.research.google.com/github/someone/something/blob/v1.2/notebooks/00_quickstart.ipynb)" in badge  # noqa: F541
    assert badge.startswith("[![Open in Colab](")


@pytest.mark.parametrize(
    "repository", ["https://gitlab.com/someone/something", "file:///srv/git/something", "https://git.example.org/x.git"]
)
def test_other_addresses_fill_the_install_cell_only(copy: Path, repository: str) -> None:
    address = configure(copy, repository)
    check_agreement(copy, address)
    assert address.revision == "main"
    text = (copy / "_config.yml").read_text(encoding="utf-8")
    assert "colab" not in text
    assert yaml.safe_load(for_site(text))["repository"]["url"] == address.page


def test_without_an_address_nothing_is_shown(copy: Path) -> None:
    before = {path: path.read_bytes() for path in [copy / "_config.yml", *(copy / "notebooks").glob("*.*")]}
    configure(copy, "none")
    check_agreement(copy, Address())
    unset = {path: path.read_bytes() for path in before}
    configure(copy, GITHUB)
    assert {path: path.read_bytes() for path in before} != unset
    configure(copy, "none")
    assert {path: path.read_bytes() for path in before} == unset


def test_the_default_is_the_remote_of_the_clone(copy: Path) -> None:
    with pytest.raises(AddressError, match="no git remote 'origin'"):
        configure(copy)
    subprocess.run(["git", "init", "--quiet", str(copy)], check=True)
    subprocess.run(["git", "-C", str(copy), "remote", "add", "origin", "git@github.com:someone/something.git"], check=True)
    assert configure(copy) == Address(GITHUB, "main")
    check_agreement(copy, Address(GITHUB, "main"))


@pytest.mark.parametrize(
    ("repository", "revision", "message"),
    [
        ("/srv/git/something", "main", "not an address"),
        ("../something", "main", "not an address"),
        ("ssh://host/something", "main", "not an address"),
        ("https://me:secret@github.com/someone/something", "main", "user name or password"),
        ("https://github.com/someone", "main", "owner/name"),
        ('https://host/some"thing', "main", "characters"),
        (GITHUB, "--upload-pack=x", "not a branch"),
        (GITHUB, "a b", "not a branch"),
        (GITHUB, "a..b", "not a branch"),
    ],
)
def test_bad_addresses_change_nothing(copy: Path, repository: str, revision: str, message: str) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(AddressError, match=message) as caught:
        configure(copy, repository, revision)
    assert "secret" not in str(caught.value)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("git@github.com:someone/something.git", GITHUB),
        (GITHUB + ".git/", GITHUB),
        ("https://gitlab.com/group/sub/name.git", "https://gitlab.com/group/sub/name.git"),
        ("none", ""),
    ],
)
def test_addresses_are_made_uniform(given: str, expected: str) -> None:
    assert parse_address(given).repository == expected


# The install cell, in a host that has all packages but lnl_core.


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _make_repository(folder: Path, files: Path) -> tuple[str, str]:
    """A git repository of the project with two commits; returns the one to install and the later one."""
    shutil.copytree(ROOT / "lnl_core", folder / "lnl_core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "results", folder / "results")
    shutil.copytree(files / "notebooks", folder / "notebooks")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    _git(folder, "init", "--quiet", "--initial-branch=main")
    commits = []
    for mark in ("asked for", "later"):
        (folder / "lnl_core" / "_mark.py").write_text(f'MARK = "{mark}"\n')
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", mark)
        commits.append(_git(folder, "rev-parse", "HEAD"))
    _git(folder, "tag", "v9", commits[0])
    return commits[0], commits[1]


def _make_host(folder: Path) -> Path:
    """A virtual environment with links to every package that is installed here, lnl_core aside; returns its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    target = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    for source in {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}:
        for entry in source.iterdir():
            if "lnl_core" not in entry.name and entry.name != "__pycache__":
                (target / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def _distributions(python: Path) -> dict[str, str]:
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _host_environment(python: Path, kernels: Path) -> dict[str, str]:
    """Nothing of this project on the path, no index to fetch anything from, and a kernel that runs the host's Python."""
    kernel = kernels / "kernels" / "host" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "host", "language": "python"}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "LNL_", "VIRTUAL_ENV"))}
    # An old quirk of pip: this variable is read as the value of the option's positive form, so "0" means no build isolation.
    return {**kept, "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "JUPYTER_PATH": str(kernels)}


_TELL = """import importlib.metadata
from lnl_core._mark import MARK
from lnl_core.runs.comparison import paper_numbers
assert paper_numbers()["lnl"], "the published numbers came along"
print("MARK", MARK, importlib.metadata.distribution("lnl_core").read_text("direct_url.json"))"""


def _first_cells(source: Path, target: Path) -> None:
    """The notebook up to the cell that imports lnl_core, and one that tells what was imported."""
    notebook = read_notebook(source)
    importing = [at for at, cell in enumerate(notebook.cells) if cell.cell_type == "code" and "from lnl_core" in cell.source]
    notebook.cells = [*notebook.cells[: importing[0] + 1], nbformat.v4.new_code_cell(_TELL)]  # type: ignore[no-untyped-call]
    nbformat.write(notebook, target)  # type: ignore[no-untyped-call]


def _execute(notebook: Path, environment: dict[str, str], output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "papermill", str(notebook), str(output), "--kernel", "host", "--no-progress-bar"]
    return subprocess.run(command, cwd=notebook.parent, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_install_cell_gets_the_same_revision_and_changes_nothing_else(copy: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    address = configure(copy, repository.as_uri(), "v9")
    asked, later = _make_repository(repository, copy)
    assert asked != later
    python = _make_host(tmp_path / "host")
    environment = _host_environment(python, tmp_path / "jupyter")
    elsewhere = tmp_path / "elsewhere"  # what Colab opens: one notebook, no project around it
    elsewhere.mkdir()
    _first_cells(repository / "notebooks" / "00_quickstart.ipynb", elsewhere / "page.ipynb")
    before = _distributions(python)
    assert "lnl_core" not in before
    assert "torch" in before

    done = _execute(elsewhere / "page.ipynb", environment, elsewhere / "done.ipynb")
    assert done.returncode == 0, done.stderr[-3000:]
    printed = read_notebook(elsewhere / "done.ipynb").cells[-1].outputs[0].text
    assert printed.startswith("MARK asked for ")
    url = json.loads(printed.removeprefix("MARK asked for "))
    assert url["url"] == address.repository
    assert url["vcs_info"]["commit_id"] == asked
    after = _distributions(python)
    assert after.pop("lnl_core") == importlib.metadata.version("lnl_core")
    assert after == before

    cells = cells_tagged(read_notebook(elsewhere / "page.ipynb"), "install")[0].source + "\n" + _TELL
    nowhere = {**environment, "PATH": "/nowhere"}
    again = subprocess.run([python, "-I", "-c", cells], env=nowhere, capture_output=True, text=True, check=False)
    assert again.returncode == 0, "where lnl_core is importable the cell needs neither git nor pip"
    assert again.stdout == printed


@pytest.mark.slow
def test_install_cell_without_an_address_says_what_to_do(copy: Path, tmp_path: Path) -> None:
    configure(copy, "none")
    python = _make_host(tmp_path / "host")
    cell = cells_tagged(read_notebook(copy / "notebooks" / "00_quickstart.ipynb"), "install")[0].source
    done = subprocess.run([python, "-I", "-c", cell], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError: lnl_core is not installed and this notebook names no address" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_install_cell_that_cannot_keep_the_host_as_it_is_says_so(copy: Path, tmp_path: Path) -> None:
    """A package that wants another numpy than the host's is not installed; the host stays as it was."""
    repository = tmp_path / "repository"
    configure(copy, repository.as_uri(), "main")
    _make_repository(repository, copy)
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    (repository / "pyproject.toml").write_text(text.replace('"numpy>=1.26"', '"numpy>=99"'), encoding="utf-8")
    _git(repository, "commit", "--all", "--quiet", "--message", "wants too much")
    python = _make_host(tmp_path / "host")
    before = _distributions(python)
    cell = cells_tagged(read_notebook(copy / "notebooks" / "00_quickstart.ipynb"), "install")[0].source
    environment = _host_environment(python, tmp_path / "jupyter")
    done = subprocess.run([python, "-I", "-c", cell], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"RuntimeError: pip could not add lnl_core from {repository.as_uri()} to this machine's packages" in done.stderr
    assert "numpy" in done.stderr
    assert _distributions(python) == before


def test_install_cell_leaves_the_parameters_alone() -> None:
    cell = Address(GITHUB, "main").install_cell()
    compile(cell, "install cell", "exec")
    assert not [name for name in PARAMETERS if f"{name} =" in cell]
    assert literals("\n".join(line for line in cell.splitlines() if line.startswith(("REPOSITORY", "REVISION")))) == {
        "REPOSITORY": GITHUB,
        "REVISION": "main",
    }
