"""The training loop: the same bits from the same seed, resuming, schedules, precision, and stopping in time."""

import json
import math
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import every
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from lnl_core import experiments
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError, DataError, NonFiniteLossError, RecordError
from lnl_core.evaluation import accuracy
from lnl_core.methods import find
from lnl_core.networks import LNLNetwork, build_network, digit_network
from lnl_core.training import CHECKPOINT, Metrics, autocast, choose_device, fit, learning_rate, loop as training, optimisers
from lnl_core.training.checkpoints import restore
from lnl_core.training.loop import Training
from lnl_core.training.precision import native_bf16

METHODS = experiments.find("colored_mnist").methods

Weights = dict[str, Tensor]


def config_of(method: str = "lnl", **changes: Any) -> RunConfig:
    at_once = {} if method in ("baseline", "gray") else {"warmup_epochs": 0}
    return preset("smoke", method, **{"epochs": 3, **at_once, "batch_size": 32, **changes})


def train(config: RunConfig, data: BiasedImages, **options: Any) -> tuple[Weights, list[Metrics]]:
    network = build_network(config)
    history = fit(network, data, config, device="cpu", progress=False, **options)
    return {name: value.clone() for name, value in network.state_dict().items()}, history


def same(first: Weights, second: Weights, part: str = "") -> bool:
    return all(torch.equal(first[name], second[name]) for name in first if name.startswith(part))


def stop_after(epochs: int, measure: Callable[[LNLNetwork], Metrics]) -> Callable[[LNLNetwork], Metrics]:
    """A validation that is interrupted, as by Ctrl-C, in the epoch after ``epochs``."""
    calls = 0

    def validate(network: LNLNetwork) -> Metrics:
        nonlocal calls
        calls += 1
        if calls > epochs:
            raise KeyboardInterrupt
        return measure(network)

    return validate


def enough_for(changes: dict[str, Any], few: BiasedImages) -> BiasedImages:
    """Two batches; or three, much smaller, where bf16 may be imitated, which takes nine times as long."""
    return few.subset(slice(0, 10 if changes.get("precision") == "bf16" else 64))


def rewritten(folder: Path, header: dict[str, str | None], tensors: dict[str, Tensor] | None = None) -> None:
    """The checkpoint with other values in its header, or without those that are ``None``, and with other tensors."""
    path = folder / CHECKPOINT
    with safe_open(str(path), framework="pt") as file:
        metadata = {name: value for name, value in {**file.metadata(), **header}.items() if value is not None}
    save_file(load_file(path) if tensors is None else tensors, str(path), metadata=metadata)


SLOW: dict[str, Any] = {"precision": "bf16", "channels_last": True, "batch_size": 4}

# Same seed, same bits


@pytest.mark.parametrize("changes", [{}, {"updates": "alternating"}, SLOW], ids=str)
def test_same_seed_gives_bit_identical_weights(changes: dict[str, Any], few: BiasedImages) -> None:
    config, few = config_of(**changes), enough_for(changes, few)
    first, first_history = train(config, few)
    torch.manual_seed(99)  # the state of the caller plays no part
    second, second_history = train(config, few)
    assert same(first, second)
    assert first_history == second_history


def test_other_seed_gives_other_weights(few: BiasedImages) -> None:
    assert not same(train(config_of(seed=0), few)[0], train(config_of(seed=1), few)[0])


def test_the_order_of_batches_follows_the_seed(few: BiasedImages) -> None:
    """The same starting weights, trained with another seed."""
    ends = []
    for seed in (0, 0, 1):
        network = build_network(config_of(seed=0))
        fit(network, few, config_of(seed=seed, epochs=1), device="cpu", progress=False)
        ends.append({name: value.clone() for name, value in network.state_dict().items()})
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


def test_validation_and_checkpoints_do_not_change_the_result(few: BiasedImages, tmp_path: Path) -> None:
    plain, _ = train(config_of(), few)
    watched, history = train(config_of(), few, out_dir=tmp_path, validate=lambda network: {"seen": accuracy(network, few)})
    assert same(plain, watched)
    assert all("seen" in line for line in history)


@pytest.mark.parametrize("method", METHODS)
def test_training_lowers_the_label_loss(method: str, few: BiasedImages) -> None:
    _, history = train(config_of(method, epochs=6, lr=0.03), few)
    assert history[-1]["label_loss"] < 0.95 * history[0]["label_loss"]


def test_h_learns_to_see_the_colour(few: BiasedImages) -> None:
    _, history = train(config_of("lnl_adv", epochs=4, mi_weight=0.0), few)
    assert history[-1]["bias_loss"] < 0.9 * history[0]["bias_loss"]


# Interruption


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "one_cycle", "warmup_epochs": 1},
        {"method": "baseline"},
        {"updates": "alternating"},
        SLOW,
    ],
    ids=str,
)
@pytest.mark.parametrize("epochs_done", [1, 2])
def test_resuming_gives_the_uninterrupted_result(
    changes: dict[str, Any], epochs_done: int, few: BiasedImages, tmp_path: Path
) -> None:
    config, few = config_of(**changes), enough_for(changes, few)

    def measure(network: LNLNetwork) -> Metrics:
        return {"train_accuracy": accuracy(network, few)}

    whole, whole_history = train(config, few, validate=measure, out_dir=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, few, validate=stop_after(epochs_done, measure), out_dir=tmp_path / "cut")
    assert len((tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()) == epochs_done

    calls: list[int] = []

    def count(network: LNLNetwork) -> Metrics:
        calls.append(1)
        return measure(network)

    resumed, history = train(config, few, validate=count, out_dir=tmp_path / "cut")
    assert len(calls) == 3 - epochs_done, "it goes on, it does not start again"
    assert same(whole, resumed)
    assert history == whole_history
    assert (tmp_path / "cut" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()


def test_momentum_survives_an_interruption(few: BiasedImages, tmp_path: Path) -> None:
    """Control: a checkpoint without its momentum ends elsewhere, so the test above would notice."""
    config = config_of()
    whole, _ = train(config, few)
    with pytest.raises(KeyboardInterrupt):
        train(config, few, validate=stop_after(1, lambda network: {}), out_dir=tmp_path)
    tensors = load_file(tmp_path / CHECKPOINT)
    assert any(name.startswith("momentum.bias_head") for name in tensors)
    rewritten(tmp_path, {"names": None}, {name: value for name, value in tensors.items() if name.startswith("network.")})
    assert not same(whole, train(config, few, out_dir=tmp_path)[0])


def test_a_finished_training_is_not_repeated(few: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, history = train(config_of(), few, out_dir=tmp_path)
    monkeypatch.setattr(training, "_train_epoch", None)
    second, again = train(config_of(), few, out_dir=tmp_path)
    assert same(first, second)
    assert history == again


def test_another_configuration_is_refused_and_changes_nothing(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of(epochs=1), few, out_dir=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(RecordError, match=r"holds another run \(.*mi_weight 0\.01 instead of 0\.5.*\): choose another folder"):
        train(config_of(epochs=1, mi_weight=0.5), few, out_dir=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.parametrize("native", [True, False])
def test_a_run_of_precision_auto_goes_on_in_the_one_it_was_begun_in(
    native: bool, few: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = train(config_of(precision="float32"), few)
    with pytest.raises(KeyboardInterrupt):
        train(config_of(precision="float32"), few, validate=stop_after(1, lambda network: {}), out_dir=tmp_path)
    monkeypatch.setattr("lnl_core.training.native_bf16", lambda device: native)
    weights, history = train(config_of(precision="auto"), few, out_dir=tmp_path)
    assert [line["epoch"] for line in history] == [1, 2, 3]
    assert same(whole, weights)


def test_another_precision_by_name_is_another_run(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of(precision="float32", epochs=1), few, out_dir=tmp_path)
    with pytest.raises(RecordError, match=r"holds another run \(precision 'float32' instead of 'bf16'\)"):
        train(config_of(precision="bf16", epochs=1), few, out_dir=tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", bytes(8), b"\xff" * 100])
def test_a_damaged_checkpoint_is_refused(content: bytes, few: BiasedImages, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(RecordError, match=r"is no readable safetensors file of ours .*: delete it to begin this run anew"):
        train(config_of(), few, out_dir=tmp_path)


def test_a_checkpoint_cut_short_is_refused(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of(epochs=1), few, out_dir=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RecordError, match=r"is no readable safetensors file of ours .*: delete it to begin this run anew"):
        train(config_of(epochs=1), few, out_dir=tmp_path)


DAMAGED: dict[str, dict[str, str | None]] = {
    "no configuration": {"config": None},
    "half a configuration": {"config": '{"method": "lnl"'},
    "a list for a configuration": {"config": "[]"},
    "no history": {"history": None},
    "a number for a history": {"history": "5"},
    "numbers in a history": {"history": "[1, 2]"},
    "brackets deeper than anybody means": {"history": "[" * 100_000},
}


def test_a_checkpoint_with_a_damaged_header_is_refused_and_what_is_said_to_help_does(few: BiasedImages, tmp_path: Path) -> None:
    config = config_of("baseline", epochs=1)
    train(config, few, out_dir=tmp_path / "whole")

    def refused(name: str, header: dict[str, str | None]) -> None:
        folder = tmp_path / name
        shutil.copytree(tmp_path / "whole", folder)
        rewritten(folder, header)
        for call in (lambda: train(config, few, out_dir=folder), lambda: restore(build_network(config), folder)):
            with pytest.raises(RecordError, match=r"checkpoint\.safetensors has a .*delete it to begin this run anew, or choose"):
                call()
        (folder / CHECKPOINT).unlink()
        train(config, few, out_dir=folder)  # as the sentence says

    every(DAMAGED.items(), refused)


def test_a_checkpoint_of_a_plug_in_that_is_not_there_says_so(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of("baseline", epochs=1), few, out_dir=tmp_path)
    rewritten(tmp_path, {"config": json.dumps({**config_of("baseline").to_dict(), "method": "mine"})})
    with pytest.raises(RecordError, match=r"cannot read \(unknown method 'mine'.*\): put that right, or delete it"):
        restore(build_network(config_of("baseline")), tmp_path)


def test_a_checkpoint_that_has_lost_its_momentum_is_not_gone_on_from(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of("baseline", epochs=1), few, out_dir=tmp_path)
    tensors = load_file(tmp_path / CHECKPOINT)
    rewritten(tmp_path, {}, {name: value for name, value in tensors.items() if not name.startswith("momentum.")})
    with pytest.raises(RecordError, match="lacks something of what it held, such as the momentum: delete it"):
        train(config_of("baseline", epochs=1), few, out_dir=tmp_path)
    rewritten(tmp_path, {"names": None}, tensors)  # an earlier version's
    train(config_of("baseline", epochs=1), few, out_dir=tmp_path)


def test_a_safetensors_file_of_others_is_refused(few: BiasedImages, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, str(tmp_path / CHECKPOINT))
    with pytest.raises(RecordError, match=r"was not written by this version of lnl_core \(.*\): delete it"):
        train(config_of(), few, out_dir=tmp_path)


# What is written


def test_one_line_an_epoch(few: BiasedImages, tmp_path: Path) -> None:
    _, history = train(config_of(), few, out_dir=tmp_path, validate=lambda network: {"validation_accuracy": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == history
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"epoch", "label_loss", "bias_loss", "mi_loss", "validation_accuracy"}


def test_nothing_is_written_without_a_folder(few: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(config_of(epochs=1), few)
    assert not list(tmp_path.iterdir())


def test_no_temporary_files_stay(few: BiasedImages, tmp_path: Path) -> None:
    train(config_of(epochs=1), few, out_dir=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, "metrics.jsonl"}


def test_losses_are_means_over_the_batches_of_an_epoch(few: BiasedImages) -> None:
    """At rate zero the weights stay, so the mean over batches can be recomputed (batches are of equal size)."""
    config = config_of("baseline", epochs=1, lr=0.0, weight_decay=0.0, precision="float32")
    network = build_network(config)
    _, history = train(config, few)
    seen = []
    for index in Training(find("baseline"), network, few, config).batches(0):
        batch = few.batch(index)
        seen.append(torch.nn.functional.cross_entropy(network(batch.images), batch.labels).item())
    assert history[0]["label_loss"] == pytest.approx(sum(seen) / len(seen), rel=1e-5)


def test_an_epoch_sees_every_image_once_in_a_new_order(few: BiasedImages) -> None:
    training = Training(find("baseline"), digit_network(), few, config_of("baseline"))
    first, second = (torch.cat(training.batches(epoch)) for epoch in (0, 1))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(len(few)))
    assert first.tolist() != second.tolist()


def test_a_last_batch_of_one_is_dropped(few: BiasedImages) -> None:
    training = Training(find("baseline"), digit_network(), few.subset(slice(0, 65)), config_of("baseline"))
    sizes = [len(batch) for batch in training.batches(0)]
    assert sizes == [32, 32]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("method", ["lnl", "mi_backprop"])
def test_tensorboard_gets_the_scalars(method: str, few: BiasedImages, tmp_path: Path) -> None:
    train(config_of(method, epochs=1), few, out_dir=tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_a_training_that_fails_in_its_first_epoch_leaves_nothing_of_tensorboard(few: BiasedImages, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLossError):
        train(config_of("baseline", epochs=1, lr=1e30), few, out_dir=tmp_path, tensorboard=True)
    assert not [*tmp_path.iterdir()]


def test_tensorboard_needs_a_folder(few: BiasedImages) -> None:
    with pytest.raises(ConfigError, match="TensorBoard needs a folder"):
        train(config_of(epochs=1), few, tensorboard=True)


# Warm start


def test_warm_up_leaves_f_and_g_as_the_baseline_has_them(few: BiasedImages) -> None:
    lnl, lnl_history = train(config_of("lnl", epochs=2, warmup_epochs=2), few)
    baseline, history = train(config_of("baseline", epochs=2), few)
    assert same(baseline, lnl, "extractor")
    assert same(baseline, lnl, "label_head")
    assert not same(baseline, lnl, "bias_head"), "h watches and learns"
    assert [line["label_loss"] for line in lnl_history] == [line["label_loss"] for line in history]


def test_control_after_the_warm_up_f_goes_another_way(few: BiasedImages) -> None:
    lnl, history = train(config_of("lnl", epochs=2, warmup_epochs=1), few)
    baseline, _ = train(config_of("baseline", epochs=2), few)
    assert not same(baseline, lnl, "extractor")
    assert "mi_loss" not in history[0]
    assert "mi_loss" in history[1]


def test_without_weights_lnl_trains_the_baseline(few: BiasedImages) -> None:
    """Negative control of the whole loop: what f and g gain, they gain by the two weights."""
    lnl, _ = train(config_of("lnl", mi_weight=0.0, adv_weight=0.0), few)
    baseline, _ = train(config_of("baseline"), few)
    assert same(baseline, lnl, "extractor")
    assert same(baseline, lnl, "label_head")


# Learning rates


def test_constant_rate() -> None:
    assert {learning_rate(config_of(schedule="constant"), 0.3, progress) for progress in (0, 1.5, 99)} == {0.3}


@pytest.mark.parametrize(("progress", "factor"), [(0, 1), (39.99, 1), (40, 0.1), (79.5, 0.1), (80, 0.01), (99.9, 0.01)])
def test_step_rate_is_the_authors(progress: float, factor: float) -> None:
    assert learning_rate(preset("full"), 0.01, progress) == pytest.approx(0.01 * factor)


@pytest.mark.parametrize(
    ("share", "factor"),
    [(0.0, 0.1), (0.075, 0.55), (0.15, 1.0), (0.575, 0.01 + 0.99 / 2), (1.0, 0.01), (0.15 + 0.85 / 3, 0.01 + 0.99 * 0.75)],
)
def test_one_cycle_rate(share: float, factor: float) -> None:
    config = config_of(schedule="one_cycle", epochs=20)
    assert learning_rate(config, 0.02, 20 * share) == pytest.approx(0.02 * factor)


def test_both_optimisers_follow_the_schedule(few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []

    def record(config: RunConfig, base: float, progress: float) -> float:
        seen.append((base, progress))
        return base

    monkeypatch.setattr(optimisers, "learning_rate", record)
    train(config_of(epochs=2, lr=0.02, bias_lr=0.05), few)
    assert {base for base, _ in seen} == {0.02, 0.05}
    assert sorted({progress for _, progress in seen}) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8])


def test_h_has_a_rate_of_its_own(few: BiasedImages) -> None:
    slow, _ = train(config_of("grl", epochs=1, adv_weight=0.0, bias_lr=0.001), few)
    fast, _ = train(config_of("grl", epochs=1, adv_weight=0.0, bias_lr=0.1), few)
    assert same(slow, fast, "extractor")
    assert not same(slow, fast, "bias_head")


# Precision


FAST: dict[str, Any] = {"precision": "bf16", "channels_last": True}


@pytest.mark.parametrize("method", METHODS)
def test_one_step_in_bf16_gives_nearly_the_same_losses_and_gradients(method: str, few: BiasedImages) -> None:
    losses, gradients = [], []
    for config in (config_of(method), config_of(method, **FAST)):
        network = build_network(config)
        with autocast(config, torch.device("cpu")):
            losses.append(find(method).step(network, few.batch(slice(0, 40), channels_last=config.channels_last), config))
        found = {name: p.grad.float().flatten() for name, p in network.named_parameters() if p.grad is not None}
        gradients.append([torch.cat([g for name, g in found.items() if name.startswith(part)]) for part in parts_of(found)])
    for name, value in losses[0].items():
        assert losses[1][name].item() == pytest.approx(value.item(), rel=0.01)
    for exact, rounded in zip(*gradients, strict=True):
        assert torch.cosine_similarity(exact, rounded, dim=0) > 0.99


def parts_of(names: Weights) -> list[str]:
    return sorted({name.split(".")[0] for name in names})


# A min-max game amplifies rounding, so lnl's end may differ by more than the baseline's; single steps are held together above.
@pytest.mark.skipif(not native_bf16(torch.device("cpu")), reason="bf16 is imitated on this processor, which takes minutes")
@pytest.mark.parametrize(("method", "loss_within", "accuracy_within"), [("baseline", 0.03, 0.05), ("lnl", 0.2, 0.1)])
def test_training_in_bf16_reaches_what_float32_reaches(
    method: str, loss_within: float, accuracy_within: float, mini_train: BiasedImages
) -> None:
    data = mini_train.subset(slice(0, 640))
    results = []
    for changes in ({}, FAST):
        config = config_of(method, lr=0.03, schedule="one_cycle", epochs=6, **changes)
        network = build_network(config)
        history = fit(network, data, config, device="cpu", progress=False)
        results.append((history[-1]["label_loss"], accuracy(network, data)))
    exact, rounded = results
    assert exact[1] > 0.5, "control: there is something to get wrong"
    assert rounded[0] == pytest.approx(exact[0], abs=loss_within)
    assert rounded[1] == pytest.approx(exact[1], abs=accuracy_within)


def test_channels_last_alone_changes_rounding_only(few: BiasedImages) -> None:
    first, _ = train(config_of(epochs=1), few)
    second, _ = train(config_of(epochs=1, channels_last=True), few)
    for name, value in first.items():
        assert torch.allclose(value.float(), second[name].float(), rtol=1e-3, atol=1e-3), name


def test_weights_stay_in_float32_under_bf16(few: BiasedImages) -> None:
    weights, _ = train(config_of(epochs=1, precision="bf16"), few.subset(slice(0, 40)))
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}


# A loss that is no number


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(
    few: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of()
    whole, whole_history = train(config, few)
    with monkeypatch.context() as patch:
        patch.setattr(optimisers, "learning_rate", lambda config, base, progress: base if progress < 1.5 else 1e30)
        with pytest.raises(NonFiniteLossError) as caught:
            train(config, few, out_dir=tmp_path)
    message = str(caught.value)
    assert "loss became" in message
    assert "of epoch 2" in message
    assert str(tmp_path) in message
    assert "\n" not in message
    assert [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1]
    resumed, history = train(config, few, out_dir=tmp_path)
    assert same(whole, resumed), "the checkpoint that was kept is the good one"
    assert history == whole_history


@pytest.mark.parametrize(
    ("method", "loss", "term"),
    [
        ("baseline", "label_loss", "label"),
        ("lnl", "negative_conditional_entropy", "mi"),
        ("blind_eye", "confusion_loss", "confusion"),
        ("grl", "bias_loss", "bias"),
    ],
)
@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_message_names_term_and_step(
    method: str, loss: str, term: str, bad: float, few: BiasedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(f"lnl_core.methods.{'baseline' if method == 'baseline' else 'adversarial_step'}")
    real, calls = getattr(module, loss), 0

    def breaks_at_the_third_step(*arguments: Any, **options: Any) -> Tensor:
        nonlocal calls
        calls += 1
        value: Tensor = real(*arguments, **options)
        return value * bad if calls == 3 else value

    monkeypatch.setattr(module, loss, breaks_at_the_third_step)
    with pytest.raises(NonFiniteLossError, match=rf"^the {term} loss became -?{bad} at step 3 of epoch 1: lower the learning rate"):
        train(config_of(method), few)


# Devices


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown device 'gpu': choose auto, cuda, mps or cpu"):
        choose_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="device 'cuda' is not available here"):
        choose_device("cuda")


def test_a_gpu_with_a_number_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(ConfigError, match="device 'cuda:7' is not available here"):
        choose_device("cuda:7")


def test_the_environment_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNL_DEVICE", "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv("LNL_DEVICE", "abacus")
    with pytest.raises(ConfigError, match="unknown device 'abacus'"):
        choose_device()
    assert choose_device("cpu") == torch.device("cpu"), "an argument counts more"


# Several steps of h


def test_extra_steps_move_h_alone(mini_train: BiasedImages) -> None:
    data = mini_train.subset(slice(0, 32))
    networks = {}
    for steps in (1, 3):
        config = preset("smoke", "lnl", epochs=1, warmup_epochs=0, batch_size=32, adversary_steps=steps)
        networks[steps] = build_network(config)
        fit(networks[steps], data, config, device="cpu", progress=False)
    one, three = (dict(networks[steps].named_parameters()) for steps in (1, 3))
    for name in one:
        assert torch.equal(one[name], three[name]) is not name.startswith("bias_head"), name


def test_extra_steps_lower_the_bias_loss_that_f_meets(mini_train: BiasedImages) -> None:
    lines = {}
    for steps in (1, 4):
        config = preset("smoke", "lnl", epochs=1, warmup_epochs=1, batch_size=32, adversary_steps=steps)
        lines[steps] = fit(build_network(config), mini_train.subset(slice(0, 256)), config, device="cpu", progress=False)
    assert lines[4][0]["bias_loss"] < lines[1][0]["bias_loss"] - 0.1


# Long gradients


def moves_of_one_step(data: BiasedImages, **changes: Any) -> Weights:
    """By how much each weight moves, over the rate: for plain SGD the gradient that was applied."""
    config = preset("smoke", "lnl", epochs=1, warmup_epochs=0, batch_size=32, momentum=0.0, weight_decay=0.0, **changes)
    network = build_network(config)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    fit(network, data, config, device="cpu", progress=False)
    return {name: (value.detach() - before[name]) / config.lr for name, value in network.named_parameters()}


def joined(moves: Weights, *parts: str) -> Tensor:
    return torch.cat([value.flatten() for name, value in moves.items() if name.startswith(parts)])


def test_a_long_gradient_of_f_and_g_is_shortened_and_keeps_its_direction(mini_train: BiasedImages) -> None:
    data = mini_train.subset(slice(0, 32))
    free, short, loose = (moves_of_one_step(data, clip_norm=norm) for norm in (0.0, 1e-3, 1e6))
    assert torch.equal(joined(free, "bias_head"), joined(short, "bias_head")), "h keeps its own"
    mine = "extractor", "label_head"
    assert torch.equal(joined(free, *mine), joined(loose, *mine))
    assert joined(free, *mine).norm() > 0.1, "control: it was longer"
    assert joined(short, *mine).norm() == pytest.approx(1e-3, rel=0.05)
    assert torch.cosine_similarity(joined(free, *mine), joined(short, *mine), dim=0) > 0.999


def test_of_the_authors_two_updates_the_first_is_shortened(mini_train: BiasedImages) -> None:
    data = mini_train.subset(slice(0, 32))
    free, short = (moves_of_one_step(data, clip_norm=norm, updates="alternating") for norm in (0.0, 1e-3))
    assert joined(short, "label_head").norm() < 1.05e-3 < 0.1 < joined(free, "label_head").norm()


def test_one_image_is_no_training_set(few: BiasedImages) -> None:
    with pytest.raises(DataError, match=r"^training needs two images or more, got 1: give more data$"):
        train(config_of(), few.subset(slice(0, 1)))
