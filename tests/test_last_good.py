"""After a bad update the checkpoint that is kept is a good one, and what the message advises works to the letter."""

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lnl_core import cli
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.errors import NonFiniteLossError, RecordError
from lnl_core.methods.jlu import OPTIONS, UPDATES, Turns, read_updates
from lnl_core.networks import LNLNetwork, face_network
from lnl_core.runs.records import read_record
from lnl_core.training import loop, optimisers
from lnl_core.training.checkpoints import CHECKPOINT, Metrics, checkpoint_history, restore
from lnl_core.training.loop import fit, fit_jlu

METHODS = ("baseline", "lnl", "jlu", "mi_backprop")
STEPS = 4  # an epoch, of each toy


@dataclass
class Toy:
    """A method with a network and data small enough to be trained in a moment."""

    config: RunConfig
    data: BiasedImages
    build: Callable[[], LNLNetwork]
    loop: Callable[..., Any]
    guessing: float  # nats of the label loss

    def train(self, network: LNLNetwork | None = None, **options: Any) -> tuple[dict[str, Tensor], list[Metrics]]:
        """Weights and history; ``config`` among the options is another one than the toy's."""
        network = self.build() if network is None else network
        config = options.pop("config", self.config)
        found = self.loop(network, self.data, config, device="cpu", progress=False, **options)
        return network.state_dict(), found[0] if isinstance(found, tuple) else found


def points(size: int = 256) -> BiasedImages:
    """Images of four pixels, of which the first tells the bias and the second the label, which agree in four of five."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (size,), generator=generator)
    bias = torch.where(torch.rand(size, generator=generator) < 0.8, labels, 1 - labels)
    pixels = 128 + 12 * torch.randn(size, 4, generator=generator)
    pixels[:, 0] += 40 * bias - 20
    pixels[:, 1] += 40 * labels - 20
    images = pixels.clamp(0, 255).to(torch.uint8).view(size, 4, 1, 1)
    return BiasedImages(images, labels, bias, bias, source="toy", classes=2, bias_classes=2)


def of_points() -> LNLNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LNLNetwork(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), nn.Linear(2, 2), nn.Linear(2, 2))


def of_faces() -> LNLNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return face_network(representation=16)


def toy(method: str) -> Toy:
    shared: dict[str, Any] = {"epochs": 4, "precision": "float32", "schedule": "constant"}
    if method == "jlu":

        def loop(*arguments: Any, **options: Any) -> Any:
            return fit_jlu(*arguments, turns=Turns(window=1, patience=2, longest=3, main=2), **options)

        config = preset("demo", "jlu", batch_size=10, confusion_weight=0.4, **shared)
        return Toy(config, synthetic_faces("bd", n=40, size=32, learn="age"), of_faces, loop, math.log(14))
    if method == "mi_backprop":
        shared |= {"optimizer": "sgd", "statistics_steps": 3, "statistics_lr": 1e-2}
    if method != "baseline":
        shared["warmup_epochs"] = 0
    config = preset("demo", method, batch_size=64, lr=0.1, **shared)
    return Toy(config, points(), of_points, fit, math.log(2))


@cache
def uninterrupted(method: str) -> tuple[dict[str, Tensor], list[Metrics]]:
    return toy(method).train()


@contextmanager
def too_large(factor: float, one: float | None = None) -> Iterator[None]:
    """A block in which the learning rates of the last update of epoch 2 are ``factor`` times too large, or ``one`` of them is."""
    real = optimisers.learning_rate

    def rate(config: RunConfig, base: float, progress: float) -> float:
        return real(config, base, progress) * (factor if progress == 2 - 1 / STEPS and one in (None, base) else 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimisers, "learning_rate", rate)
        yield


def refused(game: Toy, factor: float, folder: Path) -> str:
    """What a run says whose last update of epoch 2 is a bad one."""
    with too_large(factor), pytest.raises(NonFiniteLossError) as caught:
        game.train(out_dir=folder)
    return str(caught.value)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def sane(game: Toy, history: list[Metrics]) -> bool:
    return all(line["label_loss"] < 1.5 * game.guessing for line in history)


# What is kept


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e12])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_after_a_bad_last_update_is_good(method: str, factor: float, tmp_path: Path) -> None:
    game = toy(method)
    whole, whole_history = uninterrupted(method)
    assert "epoch 2" in refused(game, factor, tmp_path)
    assert [line["epoch"] for line in checkpoint_history(tmp_path)] == [1], "the epoch that ended well is kept, the other not"
    resumed, history = game.train(out_dir=tmp_path)
    assert sane(game, history)
    assert history == whole_history
    assert same(whole, resumed), "and goes on as if nothing had been"


@pytest.mark.parametrize("method", METHODS)
def test_an_update_that_training_comes_back_from_is_kept(method: str, tmp_path: Path) -> None:
    """Control: a long step is none that ends a run."""
    game = toy(method)
    with too_large(10):
        _, history = game.train(out_dir=tmp_path)
    assert len(checkpoint_history(tmp_path)) == game.config.epochs
    assert sane(game, history)


@pytest.mark.parametrize("method", METHODS)
def test_a_healthy_run_keeps_each_epoch_and_looking_changes_nothing(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = toy(method)
    kept: list[int] = []

    def count(network: LNLNetwork) -> Metrics:
        kept.append(len(checkpoint_history(tmp_path)))
        return {}

    torch.manual_seed(5)
    before = torch.get_rng_state()
    looked_at, _ = game.train(out_dir=tmp_path, validate=count)
    assert kept == [0, 1, 2, 3]
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr(loop, "check_sound", lambda *_: None)
    assert same(looked_at, game.train()[0])


@pytest.mark.parametrize("spread", [1.0, 30.0, 1000.0])
def test_a_network_that_begins_worse_than_guessing_is_no_bad_update(spread: float, tmp_path: Path) -> None:
    """A fresh g with large weights costs far more than guessing, and after an epoch at a small rate still does."""
    game = toy("baseline")
    network = of_points()
    with torch.no_grad():
        network.label_head.weight.mul_(spread)  # type: ignore[operator, union-attr]
    _, history = game.train(network, config=game.config.with_options(lr=1e-9), out_dir=tmp_path)
    assert len(checkpoint_history(tmp_path)) == len(history) == game.config.epochs
    assert (history[0]["label_loss"] > 20 * game.guessing) is (spread == 1000)


def test_only_h_was_ruined(tmp_path: Path) -> None:
    """h alone moves too far: the label loss says nothing of it, the bias loss does."""
    game = toy("lnl")
    said = r"^the bias loss is .* nats after the last step of epoch 2, where guessing has 0\.6"
    with too_large(1e6, game.config.bias_lr), pytest.raises(NonFiniteLossError, match=said):
        game.train(out_dir=tmp_path)
    assert len(checkpoint_history(tmp_path)) == 1


# What is advised


@pytest.mark.parametrize("method", METHODS)
def test_the_advice_followed_to_the_letter(method: str, tmp_path: Path) -> None:
    """The expression in the message is evaluated as it stands, the rate is lowered, and the folder is another one."""
    game = toy(method)
    said = refused(game, 1e6, tmp_path / "it's here")
    rates = {"baseline": "lr", "mi_backprop": "lr, bias_lr, statistics_lr"}.get(method, "lr, bias_lr")
    assert f"lower the learning rate ({rates})" in said
    assert ("the weight of what f is to unlearn" in said) is (method != "baseline")
    assert "train in another folder" in said
    network = game.build()
    (expression,) = re.findall(r"where (restore\(.*\)) of lnl_core\.training", said)
    assert eval(expression, {"restore": restore, "network": network}) == 1
    with safe_open(tmp_path / "it's here" / CHECKPOINT, "pt") as file:
        assert all(torch.equal(value, file.get_tensor(f"network.{name}")) for name, value in network.state_dict().items())
    lower = game.config.with_options(**{name: getattr(game.config, name) / 1e6 for name in rates.split(", ")})
    with too_large(1e6):
        _, history = game.train(network, config=lower, out_dir=tmp_path / "another")
    assert len(history) == game.config.epochs
    assert sane(game, history)
    assert network.h_trained is (None if method == "baseline" else True)


def test_weights_given_back_know_whether_h_was_trained(tmp_path: Path) -> None:
    for method in ("baseline", "lnl"):
        refused(toy(method), 1e6, tmp_path / method)
        network = of_points()
        network.h_trained = False
        restore(network, tmp_path / method)
        assert network.h_trained is (method == "lnl")


SMALL = ("--profile", "smoke", "--quiet", *(f"--set={name}" for name in ("train_size=64", "test_size=50", "batch_size=32")))


def lnl(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and standard error of a command."""
    handlers, before = list(logging.getLogger().handlers), sys.argv
    sys.argv = ["lnl", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as caught:
            cli.main()
    finally:
        sys.argv, logging.getLogger().handlers[:] = before, handlers
    return int(caught.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(
    ("bad", "lower", "kept"),
    [
        (("lr=1e4", "warmup_epochs=0"), ("lr=0.01", "warmup_epochs=0"), 0),
        (("adv_weight=1e6", "warmup_epochs=1"), ("adv_weight=0.1", "warmup_epochs=1"), 1),
    ],
    ids=["rate", "weight"],
)
def test_the_advice_followed_on_the_command_line(
    bad: tuple[str, ...], lower: tuple[str, ...], kept: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(folder: str, values: tuple[str, ...]) -> tuple[int, str]:
        return lnl(capsys, "train", "--out", tmp_path / folder, *SMALL, "--set=epochs=2", *(f"--set={value}" for value in values))

    code, said = train("run", bad)
    assert code == 2
    weights = "the weight of what f is to unlearn (mi_weight, adv_weight), and train in another folder"
    assert f"lower the learning rate (lr, bias_lr) or {weights}" in said
    assert len(checkpoint_history(tmp_path / "run")) == kept
    assert train("another", lower)[0] == 0
    losses = [json.loads(line) for line in (tmp_path / "another" / "metrics.jsonl").read_text().splitlines()]
    assert all(math.isfinite(value) for line in losses for value in line.values())
    assert read_record(tmp_path / "another" / "record.json").config["epochs"] == 2


# Copies beside the checkpoint


@pytest.mark.parametrize("method", METHODS)
def test_files_cut_in_half_beside_a_whole_checkpoint(method: str, tmp_path: Path) -> None:
    game = toy(method)
    whole, whole_history = uninterrupted(method)
    refused(game, 1e6, tmp_path)
    copies = [path for path in tmp_path.iterdir() if path.name != CHECKPOINT]
    assert {path.name for path in copies} == {"metrics.jsonl", *([UPDATES, OPTIONS] if method == "jlu" else [])}
    for path in copies:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    resumed, history = game.train(out_dir=tmp_path)
    assert same(whole, resumed)
    assert history == whole_history
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == history
    if method == "jlu":
        assert sum(line["turn"] == "main" for line in read_updates(tmp_path)) == game.config.epochs * STEPS


@pytest.mark.parametrize("name", [UPDATES, "duel.jsonl"])
def test_a_checkpoint_of_an_earlier_version_is_read_with_the_files_beside_it(name: str, tmp_path: Path) -> None:
    game = toy("jlu")
    whole, whole_history = uninterrupted("jlu")
    refused(game, 1e6, tmp_path)
    with safe_open(tmp_path / CHECKPOINT, "pt") as file:
        metadata = {name: value for name, value in file.metadata().items() if name not in ("turns", "names")}
        tensors = {name: file.get_tensor(name) for name in file.keys() if name != UPDATES}  # noqa: SIM118 - not a dict
    save_file(tensors, str(tmp_path / CHECKPOINT), metadata=metadata)
    whole_file = (tmp_path / UPDATES).rename(tmp_path / name).read_bytes()
    at_a_line, inside_one = whole_file.index(b"\n") + 1, whole_file.index(b"\n") + 9
    for cut in (at_a_line, inside_one):
        (tmp_path / name).write_bytes(whole_file[:cut])
        with pytest.raises(RecordError, match=r"(updates\.jsonl|duel\.jsonl|the list of updates in .*) is missing or damaged"):
            game.train(out_dir=tmp_path)
    (tmp_path / name).write_bytes(whole_file)
    resumed, history = game.train(out_dir=tmp_path)
    assert same(whole, resumed)
    assert history == whole_history


def test_a_checkpoint_with_the_former_name_of_its_updates_is_read(tmp_path: Path) -> None:
    game = toy("jlu")
    whole, whole_history = uninterrupted("jlu")
    refused(game, 1e6, tmp_path)
    with safe_open(tmp_path / CHECKPOINT, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        tensors["duel.jsonl"] = tensors.pop(UPDATES)
        metadata = {name: value for name, value in file.metadata().items() if name != "names"}
        save_file(tensors, str(tmp_path / CHECKPOINT), metadata=metadata)
    (tmp_path / UPDATES).unlink()
    resumed, history = game.train(out_dir=tmp_path)
    assert same(whole, resumed)
    assert history == whole_history
