"""Joint learning and unlearning: the stopping rule, whose turn it is, what is logged, and resuming."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.errors import ConfigError, NonFiniteLossError, RecordError
from lnl_core.methods.jlu import UPDATES, Turns, jlu_bias_step, jlu_main_step, read_updates
from lnl_core.networks import LNLNetwork, face_network
from lnl_core.training import checkpoints, fit, fit_jlu

FEW = Turns(window=1, patience=2, longest=3, main=2)


@pytest.fixture(scope="module")
def faces() -> BiasedImages:
    return synthetic_faces("bd", n=40, size=32, learn="age")


def config_of(**changes: Any) -> RunConfig:
    values: dict[str, Any] = {"epochs": 2, "batch_size": 8, "confusion_weight": 0.4, "schedule": "constant", **changes}
    return preset("demo", "jlu", **values)


def network_of(seed: int = 0) -> LNLNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return face_network(representation=16)


def train(faces: BiasedImages, config: RunConfig | None = None, **options: Any) -> tuple[LNLNetwork, Any, Any]:
    network = network_of()
    history, updates = fit_jlu(network, faces, config or config_of(), device="cpu", progress=False, turns=FEW, **options)
    return network, history, updates


# The stopping rule, by hand


@pytest.mark.parametrize(
    ("losses", "over"),
    [
        ([], False),
        ([0.7], False),
        ([0.7, 0.2], False),  # mean 0.45 of the window
        ([0.7, 0.3, 0.2], True),  # mean 0.25: optimised
        ([0.7] * 3, False),  # two means and none before them to compare with
        ([0.7] * 4, True),  # the last two means are no better than the first
        ([0.9, 0.8, 0.7, 0.6, 0.5], False),  # means 0.85, 0.75, 0.65, 0.55: still falling
        ([1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0], False),
        ([1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1.0, 0.9], True),  # still falling, but this is the longest turn
    ],
)
def test_when_the_turn_of_h_is_over(losses: list[float], over: bool) -> None:
    turns = Turns(goal=0.3, gain=0.05, window=2, patience=2, longest=10, main=1)
    assert turns.optimised(losses) is over


def test_the_longest_turn_holds_even_if_it_is_shorter_than_the_window() -> None:
    turns = Turns(window=5, longest=2)
    assert [turns.optimised([0.7] * count) for count in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"main": 0}, "main must be a whole number of at least 1, got 0"),
        ({"longest": 1.5}, "longest must be a whole number of at least 1, got 1.5"),
        ({"goal": -1.0}, "goal must be a finite number of nats that is not negative, got -1.0"),
        ({"gain": math.inf}, "gain must be a finite number of nats"),
    ],
)
def test_turns_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Turns(**options)


# Whose turn it is


def turns_of(updates: Any) -> Iterator[tuple[str, int]]:
    """(whose turn, how many updates), turn after turn."""
    length = 0
    for number, line in enumerate(updates):
        length += 1
        last = number + 1 == len(updates)
        if last or (updates[number + 1]["turn"], updates[number + 1]["epoch"]) != (line["turn"], line["epoch"]):
            yield line["turn"], length
            length = 0


def test_turns_alternate_and_h_begins(faces: BiasedImages) -> None:
    _, history, updates = train(faces)
    found = list(turns_of(updates))
    assert [who for who, _ in found] == ["bias", "main"] * (len(found) // 2)
    assert [count for who, count in found if who == "main"] == [2, 2, 1] * 2, "five batches an epoch, in turns of two"
    assert all(1 <= count <= 3 for who, count in found if who == "bias")
    assert sum(count for who, count in found if who == "bias") == sum(line["bias_steps"] for line in history)


def test_the_updates_hold_every_loss(faces: BiasedImages) -> None:
    _, history, updates = train(faces)
    for line in updates:
        expected = {"turn", "epoch", "bias", "confusion"} | ({"label"} if line["turn"] == "main" else set())
        assert line.keys() == expected
        assert line["confusion"] >= math.log(2) - 1e-5
    for epoch, metrics in enumerate(history, 1):
        mine = [line for line in updates if line["turn"] == "main" and line["epoch"] == epoch]
        for name in ("label", "confusion", "bias"):
            assert metrics[f"{name}_loss"] == pytest.approx(sum(line[name] for line in mine) / len(mine), rel=1e-5)


@pytest.mark.parametrize(("step", "moving"), [("bias", {"bias_head"}), ("main", {"extractor", "label_head"})])
def test_only_one_side_moves_in_a_turn(step: str, moving: set[str], faces: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the steps of a run the parameters of the other side are the same to the last bit, momentum and all."""
    import lnl_core.methods.jlu as unlearning

    network = network_of()
    seen: list[tuple[str, dict[str, torch.Tensor]]] = []

    def spy(real: Any, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            seen.append((name, {key: value.detach().clone() for key, value in network.named_parameters()}))
            return real(*arguments)

        return call

    watching, unlearned = spy(jlu_bias_step, "bias"), spy(jlu_main_step, "main")
    monkeypatch.setattr(unlearning, "jlu_bias_step", watching)
    monkeypatch.setattr(unlearning, "jlu_main_step", unlearned)
    fit_jlu(network, faces, config_of(epochs=1), device="cpu", progress=False, turns=FEW)
    moved: set[str] = set()
    for (name, before), (_, after) in pairwise(seen):
        if name == step:
            moved |= {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == moving


def test_with_alpha_zero_f_and_g_are_the_baselines(faces: BiasedImages) -> None:
    """M1 of the report: the game of h changes nothing, but for the running statistics of a batch normalisation in f."""
    network, _, _ = train(faces, config_of(confusion_weight=0.0))
    baseline = network_of()
    fit(baseline, faces, preset("demo", "baseline", epochs=2, batch_size=8, schedule="constant"), device="cpu", progress=False)
    for part in ("extractor", "label_head"):
        for mine, theirs in zip(getattr(network, part).parameters(), getattr(baseline, part).parameters(), strict=True):
            assert torch.equal(mine, theirs)
    unlearned, _, _ = train(faces, config_of(confusion_weight=1.0))
    assert not torch.equal(unlearned.label_head.weight, baseline.label_head.weight)  # type: ignore[arg-type]


def test_warming_up_is_alpha_zero(faces: BiasedImages) -> None:
    warm, _, _ = train(faces, config_of(warmup_epochs=2))
    without, _, _ = train(faces, config_of(confusion_weight=0.0))
    assert all(torch.equal(a, b) for a, b in zip(warm.parameters(), without.parameters(), strict=True))


# Same seed, resuming, refusing


def test_the_same_seed_gives_the_same_weights_and_the_caller_keeps_its_randomness(faces: BiasedImages) -> None:
    first, _, updates = train(faces)
    torch.manual_seed(9)
    state = torch.get_rng_state()
    second, _, again = train(faces)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert updates == again


def test_resuming_ends_with_the_same_weights_history_and_updates(faces: BiasedImages, tmp_path: Path) -> None:
    config = config_of(epochs=3)
    whole, history, updates = train(faces, config)

    def stop(network: LNLNetwork) -> dict[str, float]:
        raise KeyboardInterrupt

    calls = 0

    def stop_later(network: LNLNetwork) -> dict[str, float]:
        nonlocal calls
        calls += 1
        return stop(network) if calls == 3 else {}

    with pytest.raises(KeyboardInterrupt):
        train(faces, config, out_dir=tmp_path, validate=stop_later)
    with (tmp_path / UPDATES).open("a") as file:  # an epoch whose checkpoint was not written any more
        file.write(json.dumps({"turn": "bias", "epoch": 3, "bias": 0.0, "confusion": 1.0}) + "\n")
    resumed, history_again, updates_again = train(faces, config, out_dir=tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True))
    assert history_again == history
    assert updates_again == updates == read_updates(tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_an_epoch_that_was_saved_and_not_logged_is_logged_by_the_next_call(
    faces: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_history", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(faces, config_of(epochs=1), out_dir=tmp_path)
    train(faces, config_of(epochs=1), out_dir=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_another_run_in_the_folder_is_refused(faces: BiasedImages, tmp_path: Path) -> None:
    train(faces, config_of(epochs=1), out_dir=tmp_path)
    with pytest.raises(RecordError, match=r"holds another run \(confusion_weight 0.4 instead of 1.0\)"):
        train(faces, config_of(epochs=1, confusion_weight=1.0), out_dir=tmp_path)
    with pytest.raises(RecordError, match="holds a run with other turns"):
        fit_jlu(network_of(), faces, config_of(epochs=1), device="cpu", progress=False, out_dir=tmp_path)
    with pytest.raises(RecordError, match="trained on other data"):
        train(synthetic_faces("bd", n=40, size=32, learn="age", seed=1), config_of(epochs=1), out_dir=tmp_path)


def test_a_diverged_run_says_so(faces: BiasedImages) -> None:
    with pytest.raises(NonFiniteLossError, match="loss became"):
        train(faces, config_of(lr=1e30))


def test_fit_jlu_trains_no_other_method(faces: BiasedImages) -> None:
    with pytest.raises(ConfigError, match="fit_jlu trains the method 'jlu', not 'lnl'"):
        fit_jlu(network_of(), faces, preset("demo", "lnl"), device="cpu", progress=False)


def test_both_doors_train_the_same(faces: BiasedImages) -> None:
    first, second = network_of(), network_of()
    history = fit(first, faces, config_of(epochs=1), device="cpu", progress=False)
    assert history == fit_jlu(second, faces, config_of(epochs=1), device="cpu", progress=False)[0]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
