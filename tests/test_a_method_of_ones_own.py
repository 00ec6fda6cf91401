"""A method is one file: a toy one from outside is trained by the common loop, stopped and resumed; half ones are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lnl_core import config as configuration
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError, NonFiniteLossError
from lnl_core.losses import bias_loss, label_loss
from lnl_core.methods import METHODS, Course, Losses, Method, Moves, find, register, registered, who_moves
from lnl_core.methods.hyperparameters import BIAS_LR
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.training import fit
from lnl_core.training.checkpoints import checkpoint_history, restore


class Witness(Method):
    """f and g descend L_c, and h watches from afar."""

    name = "witness"
    hyperparameters = (BIAS_LR,)
    moves = (Moves("descends L_c", "descends L_c", "descends L_B"),)
    trains_h = True

    def step(self, network: LNLNetwork, batch: Batch, config: RunConfig) -> Losses:
        z = network.extractor(batch.images)
        label, bias = label_loss(network.label_head(z), batch.labels), bias_loss(network.bias_head(z.detach()), batch.bias)
        (label + bias).backward()
        return {"label": label.detach(), "bias": bias.detach()}

    def course(self, training: Any) -> "Counting":
        return Counting(self, training)


class Counting(Course):
    """A training that counts its updates, and keeps the number in the checkpoint."""

    updates = 0

    def update(self, batch: Batch, index: Tensor, number: int) -> Losses:
        self.updates += 1
        return super().update(batch, index, number)

    def end_epoch(self, means: dict[str, float]) -> dict[str, float]:
        return {**super().end_epoch(means), "updates": float(self.updates)}

    def tensors(self) -> dict[str, Tensor]:
        return {"updates": torch.tensor(float(self.updates))}

    def resume(self, tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> None:
        self.updates = int(tensors["updates"])


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    known = getattr(configuration, "_CHOICES", None)
    if known is not None:
        monkeypatch.setitem(known, "method", (*known["method"], "witness"))
    method = Witness()
    register(method)
    yield method
    del METHODS["witness"]


def config_of(**changes: Any) -> RunConfig:
    return preset("smoke", "witness", epochs=3, batch_size=32, **changes)


def train(data: BiasedImages, **options: Any) -> tuple[LNLNetwork, list[dict[str, float]]]:
    network = build_network(config_of())
    return network, fit(network, data, config_of(), device="cpu", progress=False, **options)


def test_a_method_from_outside_is_trained_stopped_and_resumed(witness: Witness, few: BiasedImages, tmp_path: Path) -> None:
    data = few.subset(slice(0, 96))
    whole, history = train(data)
    assert [line["updates"] for line in history] == [3, 6, 9]
    assert {"epoch", "label_loss", "bias_loss", "updates"} == history[0].keys()
    assert whole.h_trained
    assert history[2]["label_loss"] < history[0]["label_loss"]

    def stop(network: LNLNetwork) -> dict[str, float]:
        if len(checkpoint_history(tmp_path)) == 1:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(data, out_dir=tmp_path, validate=stop)
    resumed, again = train(data, out_dir=tmp_path)
    assert again == history
    for (name, mine), theirs in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    fresh = build_network(config_of())
    assert restore(fresh, tmp_path) == 3
    assert fresh.h_trained


def test_it_is_found_by_name_and_stands_in_the_table(witness: Witness) -> None:
    assert find("witness") is witness
    assert list(registered())[-1] == "witness"
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in who_moves().splitlines()]
    assert ["witness", "descends L_c", "descends L_c", "descends L_B"] in rows


def test_what_diverges_names_the_rates_that_the_method_reads(witness: Witness, few: BiasedImages) -> None:
    config = config_of(lr=1e30)
    with pytest.raises(NonFiniteLossError, match=r"lower the learning rate \(lr, bias_lr\)$"):
        fit(build_network(config), few, config, device="cpu", progress=False)


def test_a_second_method_of_one_name_is_refused(witness: Witness) -> None:
    with pytest.raises(ConfigError, match="there is a method 'witness' already: choose another name"):
        register(Witness())
    assert find("witness") is witness


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("name", "", "a name"),
        ("name", 3, "a name"),
        ("hyperparameters", ("bias_lr",), "hyperparameters, a tuple of HyperParameter"),
        ("hyperparameters", [BIAS_LR], "hyperparameters, a tuple of HyperParameter"),
        ("moves", (), "moves, a tuple of Moves with one row at least"),
        ("needs", {"images"}, "needs, a frozenset of words"),
        ("trains_h", None, "trains_h, true or false"),
        ("step", Method.step, "a step"),
    ],
)
def test_a_method_that_lacks_a_part_is_refused_and_told_which(part: str, value: Any, said: str) -> None:
    before = registered()
    half = type("Half", (Witness,), {"name": "half", part: value})()
    with pytest.raises(ConfigError, match=rf"^the method .* lacks {said}: see lnl_core\.methods\.base\.Method$"):
        register(half)
    assert registered() == before


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(ConfigError, match="lacks the base class Method"):
        register(lambda network, batch, config: {})  # type: ignore[arg-type]
