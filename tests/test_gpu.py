"""What only a CUDA device can show: that it trains and measures as the CPU does, and leaves the records and checkpoints it should.

Nothing here needs a data set or a notebook: these tests run wherever PyTorch, pytest and a card are.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lnl_core import experiments
from lnl_core.config import RunConfig, preset
from lnl_core.datasets.colored_mnist import image_color_labels, paint
from lnl_core.datasets.container import BiasedImages
from lnl_core.methods import METHODS as EVERY_METHOD, find
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.runs.records import read_record
from lnl_core.runs.run import load_model, run
from lnl_core.training.devices import choose_device
from lnl_core.training.loop import fit
from lnl_core.training.precision import native_bf16

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("default"),  # what PyTorch says of a driver or of settings for TF32 differs from version to version
]
METHODS = experiments.find("colored_mnist").methods


@pytest.fixture(autouse=True)
def _whole_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions of float32 would otherwise round to the ten bits of TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def blots() -> BiasedImages:
    """Blots, seven of eight in the colour of their class, learnt within a few steps."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 10
    grey = rng.integers(0, 256, (160, 28, 28)).astype(np.uint8)
    for number, label in enumerate(labels):
        grey[number, 2 * label : 2 * label + 6] = 255
    kinds = (labels + 3 * (np.arange(160) % 8 == 0)) % 10
    color = (kinds[:, None] * [7, 3, 9] % 10 / 10 + 0.05).astype(np.float32)
    return BiasedImages(paint(grey, color), labels, image_color_labels(color), kinds, color)


@pytest.fixture(scope="module")
def data() -> BiasedImages:
    return blots()


def config_of(method: str = "lnl", **changes: Any) -> RunConfig:
    at_once = {"warmup_epochs": 0} if any(one.name == "warmup_epochs" for one in find(method).hyperparameters) else {}
    return preset("smoke", method, **{"epochs": 2, "batch_size": 32, "precision": "float32", **at_once, **changes})


def weights(network: LNLNetwork) -> Tensor:
    return torch.cat([value.detach().double().cpu().flatten() for value in network.parameters()])


def moved(config: RunConfig, data: BiasedImages, device: str, **options: Any) -> Tensor:
    """By how much training on a device moves each weight."""
    network = build_network(config)
    before = weights(network)
    fit(network, data, config, device=device, progress=False, **options)
    return weights(network) - before


def apart(one: Tensor, other: Tensor) -> float:
    """The distance between two ways, in lengths of the first."""
    return float((one - other).norm() / one.norm())


def test_a_card_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LNL_DEVICE", raising=False)
    assert choose_device().type == "cuda"


CASES: dict[str, dict[str, Any]] = {
    **{method: {} for method in EVERY_METHOD if method != "jlu"},  # whose h has turns, and turns amplify rounding
    "lnl, two passes": {"updates": "alternating"},
}


def of_case(case: str) -> RunConfig:
    method = case.partition(",")[0]
    own = {"last_layer": {"unbiased_images": 40}, "jtt": {"first_epochs": 1}}.get(method, {})
    return config_of(method, **CASES[case], **own)


@pytest.mark.parametrize("case", CASES)
def test_it_trains_as_the_cpu_does(case: str, data: BiasedImages) -> None:
    """Every method that a study may train here, those with a second network among them."""
    config = of_case(case)
    options = {"unbiased": data} if config.method == "last_layer" else {}
    assert apart(moved(config, data, "cpu", **options), moved(config, data, "cuda", **options)) < 0.02


def test_another_seed_ends_elsewhere(data: BiasedImages) -> None:
    """Control: the test above would notice."""
    assert apart(moved(config_of(), data, "cuda"), moved(config_of(seed=1), data, "cuda")) > 0.2


def test_it_computes_what_the_cpu_computes(data: BiasedImages) -> None:
    network = build_network(config_of()).eval()
    images = data.batch(slice(None)).images
    with torch.no_grad():
        here = network.label_head(network.extractor(images))
        there = network.to("cuda").label_head(network.extractor(images.to("cuda"))).cpu()
    torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(torch.cuda.is_available() and not native_bf16(torch.device("cuda")), reason="a card without bf16")
def test_bf16_is_used_and_ends_near_float32(data: BiasedImages) -> None:
    exact, rounded = (moved(config_of(precision=name), data, "cuda") for name in ("float32", "bf16"))
    assert 1e-4 < apart(exact, rounded) < 0.2


def test_an_interrupted_run_goes_on_from_its_checkpoint(data: BiasedImages, tmp_path: Path) -> None:
    config = config_of(epochs=3)
    whole = moved(config, data, "cuda")
    calls: list[int] = []

    def stop_in_the_second(network: LNLNetwork) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        moved(config, data, "cuda", out_dir=tmp_path, validate=stop_in_the_second)
    resumed = moved(config, data, "cuda", out_dir=tmp_path, validate=stop_in_the_second)
    assert len(calls) == 4, "one epoch, half of another, and the two that were left"
    assert apart(whole, resumed) < 0.01


def test_a_run_leaves_a_record_that_names_the_card(tmp_path: Path) -> None:
    config = preset("smoke", "lnl", experiment="faces")
    record = run(config, tmp_path / "run", device="cuda", progress=False)
    assert read_record(tmp_path / "run" / "record.json") == record
    assert record.provenance["device"] == torch.cuda.get_device_name()
    assert record.provenance["precision"].startswith("auto: cuda has")
    assert record.run_config().precision == ("bf16" if native_bf16(torch.device("cuda")) else "float32")
    network = load_model(tmp_path / "run")
    assert {value.device.type for value in network.parameters()} == {"cpu"}, "the model opens where there is no card"
