"""float32 means float32: convolutions of a run are not rounded to TF32 on a CUDA card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lnl_core._tf32 import whole_float32
from lnl_core.config import preset
from lnl_core.datasets.container import BiasedImages
from lnl_core.evaluation.accuracy import evaluate
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.runs import run as runs
from lnl_core.training.loop import fit

CUDNN: Any = torch.backends.cudnn
NEWER = hasattr(CUDNN, "conv")


@pytest.fixture(autouse=True)
def _as_pytorch_has_it() -> Iterator[None]:
    CUDNN.allow_tf32 = True
    yield
    CUDNN.allow_tf32 = True


def test_fit_rounds_no_convolution_and_takes_it_back(few: BiasedImages) -> None:
    config = preset("smoke", "baseline", train_size=64, epochs=1)
    during: list[bool] = []

    def note(network: LNLNetwork) -> dict[str, float]:
        during.append(CUDNN.allow_tf32)
        return {}

    fit(build_network(config), few, config, progress=False, validate=note)
    assert during == [False]
    assert CUDNN.allow_tf32


def test_a_run_is_measured_without_rounding_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[bool] = []

    def noted(*given: Any, **options: Any) -> Any:
        during.append(CUDNN.allow_tf32)
        return evaluate(*given, **options)

    monkeypatch.setattr(runs, "evaluate", noted)
    runs.run(preset("smoke", "baseline", epochs=1, train_size=64, test_size=60), tmp_path / "run", progress=False)
    assert set(during) == {False}
    assert CUDNN.allow_tf32


@pytest.mark.parametrize("already", [True, False])
def test_the_setting_comes_back_after_the_outermost_block_and_after_an_error(already: bool) -> None:
    CUDNN.allow_tf32 = already
    with whole_float32():
        with whole_float32():
            assert not CUDNN.allow_tf32
        assert not CUDNN.allow_tf32
    assert CUDNN.allow_tf32 == already
    with pytest.raises(KeyboardInterrupt), whole_float32():
        raise KeyboardInterrupt
    assert CUDNN.allow_tf32 == already


@pytest.mark.skipif(not NEWER, reason="this version of PyTorch has the older name alone")
def test_settings_by_the_newer_names_are_heeded_and_come_back() -> None:
    CUDNN.rnn.fp32_precision = "ieee"
    with pytest.raises(RuntimeError):
        CUDNN.allow_tf32  # noqa: B018 - that PyTorch refuses it is why there are two ways
    with whole_float32():
        assert CUDNN.conv.fp32_precision == "ieee"
    assert CUDNN.conv.fp32_precision == "tf32"
    CUDNN.rnn.fp32_precision = "tf32"
