"""What is joined to what: a loss may be right and be given the wrong images, an honest measurement the wrong split.

Each test fails where two values of one shape are exchanged.
"""

import hashlib
import importlib
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_unlearning import FEW, config_of as config_of_jlu, network_of as network_of_jlu
from torch import Tensor

from lnl_core.config import preset
from lnl_core.datasets import BiasedImages, colored_mnist, digits, synthetic_faces
from lnl_core.errors import RecordError
from lnl_core.evaluation import (
    Interval,
    accuracy,
    background_places,
    data_information,
    evaluate,
    feature_maps,
    over_seeds,
    pool_places,
)
from lnl_core.evaluation.probes import ProbeResult
from lnl_core.experiments.splits import load_data, load_probe_data
from lnl_core.losses import bias_loss
from lnl_core.methods import find
from lnl_core.methods.groups import Groups
from lnl_core.methods.last_layer import PENALTIES, chosen_penalty, logistic_regression
from lnl_core.methods.statistics_network import bias_codes
from lnl_core.networks import build_network
from lnl_core.runs.records import write_record
from lnl_core.runs.run import MODEL, load_model, run, run_folder
from lnl_core.training import fit_jlu, loop
from lnl_core.training.checkpoints import fingerprint
from lnl_core.training.loop import Training
from tools.studies import ablations, fairness, groups, leakage, maps
from tools.studies.study import NotReady, Options

INDEX = torch.tensor([9, 3, 77, 50, 2])


def training_of(method: str, data: BiasedImages, **changes: Any) -> Any:
    config = preset("smoke", method, **{"epochs": 1, "batch_size": 32, **changes})
    return Training(find(method), build_network(config), data, config)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def noted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """The positional arguments of every call of ``owner.name``, which goes on to do what it did."""
    calls: list[Any] = []
    real = getattr(owner, name)

    def called(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return real(*args, **options)

    monkeypatch.setattr(owner, name, called)
    return calls


# What is measured on what


def test_each_probe_is_asked_what_its_name_says(few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Tensor, Tensor, dict[str, Any]]] = []

    def answer(inputs: Tensor, bias: Tensor, **options: Any) -> ProbeResult:
        asked.append((inputs, bias, options))
        nth = len(asked)  # other numbers for every probe, so that none may stand in another's place
        return ProbeResult(options["kind"], 0.9 - nth / 10, 0.1 + nth / 100, 0.2, 1.5 + nth, -0.25, 1, 1)

    monkeypatch.setattr(importlib.import_module("lnl_core.evaluation.accuracy"), "probe_leakage", answer)
    network, other = build_network(preset("smoke", "lnl")).eval(), few.subset(slice(40, 120))
    found = evaluate(network, few, probe_data=other, probe_limit=50, probe_steps=7, seed=5)
    z = feature_maps(network, other, 50)
    away = background_places(other.images[:50], (z.shape[2], z.shape[3]))
    wanted = {
        "bias_probe": ("linear", z.flatten(1)),
        "bias_mlp_probe": ("mlp", z.flatten(1)),
        "foreground_probe": ("mlp", pool_places(z, ~away)),
        "background_probe": ("mlp", pool_places(z, away)),
    }
    for nth, ((name, (kind, inputs)), (given, bias, options)) in enumerate(zip(wanted.items(), asked, strict=True), 1):
        assert torch.equal(given, inputs)
        assert torch.equal(bias, other.group[:50])
        assert (options["kind"], options["steps"], options["seed"]) == (kind, 7, 5)
        measured = [found[f"{name}_{what}"] for what in ("accuracy", "control_accuracy", "information")]
        assert measured == pytest.approx([0.9 - nth / 10, 0.1 + nth / 100, 1.5 + nth])


def test_the_probes_read_the_planted_bias_not_the_label(mini_test: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    other = mini_test.subset(slice(0, 60))
    other.group = (other.labels + 3) % 10
    asked = []

    def answer(inputs: Tensor, bias: Tensor, **options: Any) -> ProbeResult:
        asked.append(bias)
        return ProbeResult(options["kind"], 0.0, 0.0, 0.0, 0.0, 0.0, 1, 1)

    monkeypatch.setattr(importlib.import_module("lnl_core.evaluation.accuracy"), "probe_leakage", answer)
    evaluate(build_network(preset("smoke", "lnl")).eval(), other, probe_data=other, probe_limit=60)
    assert [torch.equal(bias, other.group) for bias in asked] == 4 * [True]


def test_the_digits_of_the_probes_have_random_colors() -> None:
    data = load_probe_data(preset("demo", "lnl", color_var=0.02))
    assert data is not None
    assert 0.05 < float((data.group == data.labels).float().mean()) < 0.2


def test_a_record_measures_each_split_on_itself(tmp_path: Path, hasty_probes: None) -> None:
    config = preset("smoke", "baseline", train_size=96, test_size=60, epochs=1)
    metrics = run(config, tmp_path, progress=False, device="cpu").metrics
    network = load_model(tmp_path)
    assert metrics["validation_accuracy"] == pytest.approx(accuracy(network, load_data(config, "validation")))
    assert metrics["train_information"] == pytest.approx(data_information(load_data(config, "train")))


def test_the_colors_of_two_splits_are_drawn_for_themselves() -> None:
    validation, test = (colored_mnist(split, 0.03, source="mini").group[:500] for split in ("validation", "test"))
    assert 0.03 < float((validation == test).float().mean()) < 0.2


def test_the_splits_of_the_mini_digits_stay_what_records_were_measured_on() -> None:
    _, labels = digits.load_mini()
    found = {name: hashlib.sha256(index.tobytes()).hexdigest()[:12] for name, index in digits.split_indices(labels, "mini").items()}
    assert found == {"test": "80dc9b597e2b", "validation": "7183f492640a", "train": "b1ba511dab2f"}


def test_a_fresh_adversary_is_asked_about_images_it_has_not_seen(mini_test: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Tensor] = []
    asked: list[Tensor] = []

    def train(network: Any, data: BiasedImages, **_: Any) -> Any:
        assert data.color is not None
        trained.append(data.color)
        return network

    def ask(_: Any, data: BiasedImages) -> SimpleNamespace:
        assert data.color is not None
        asked.append(data.color)
        return SimpleNamespace(accuracy=0.2 * len(asked), information=0.1 * len(asked), chance=0.1)

    monkeypatch.setattr(leakage, "retrain_adversary", train)
    monkeypatch.setattr(leakage, "evaluate_adversary", ask)
    found = leakage.fresh_h(None, mini_test.subset(slice(0, 100)), 1, 2)  # type: ignore[arg-type]  # no network is trained
    assert found["accuracy"] == asdict(Interval.of([0.2, 0.4], overlap=1.0)), "halves of the same images are not independent"
    assert found["information"] == asdict(Interval.of([0.1, 0.2], overlap=1.0))
    assert len(trained) == len(asked) == 2
    for seen, unseen in zip(trained, asked, strict=True):
        both = torch.cat([seen, unseen])
        assert len(both.unique(dim=0)) == len(both) == 100


def test_the_splits_of_a_probe_count_as_overlapping(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, seed: int, **__: Any) -> ProbeResult:
        return ProbeResult("mlp", 0.1 * seed, 0.2 * seed, 0.1, 0.3 * seed, 0.4 * seed, 30, 10)

    monkeypatch.setattr("lnl_core.evaluation.over_seeds.probe_leakage", answer)
    found = over_seeds.leakage(torch.zeros(40, 2), torch.zeros(40), seeds=3)
    scales = (found.accuracy, 0.1), (found.control, 0.2), (found.information, 0.3), (found.control_information, 0.4)
    for interval, scale in scales:
        wanted = Interval.of([scale * seed for seed in range(3)], overlap=10 / 30)
        assert asdict(interval) == pytest.approx(asdict(wanted))


def test_the_eraser_is_fitted_to_other_images_than_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = noted(monkeypatch, leakage, "linear_eraser")
    z, group = torch.randn(300, 4, generator=generator()), torch.arange(300) % 2
    leakage.erased(z, group, 100, live=0.0, seeds=1)
    assert [torch.equal(inputs, z[100:]) for inputs, _ in fitted] == [True, True]


def test_fairness_is_measured_on_test_rows_and_reduced_on_training_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    task = fairness.Task("german-age", 0, profile="smoke")
    config = task.config("baseline")
    probed: list[Tensor] = []
    monkeypatch.setattr(fairness, "probe_metrics", lambda z, bias, **_: probed.append(bias) or {})  # type: ignore[func-returns-value]
    fairness._trained(task, config)
    assert [torch.equal(bias, task.split("test").bias) for bias in probed] == [True]
    reduced = noted(monkeypatch, fairness, "reduction")
    fairness._features.cache_clear()
    fairness._reduced_features(task, config, "demographic_parity", 0.05)
    assert [torch.equal(rows[0].labels, task.split("train").labels) for rows in reduced] == [True]


def test_a_map_reads_the_planted_color_of_randomly_painted_digits_at_every_place(
    few: BiasedImages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = build_network(preset("smoke", "lnl")).eval()
    other = few.subset(slice(0, len(few)))
    other.group = (other.labels + 3) % 10
    loaded: list[dict[str, Any]] = []
    monkeypatch.setattr(maps, "load_model", lambda _: network)
    monkeypatch.setattr(maps, "load_data", lambda *_, **options: loaded.append(options) or other)  # type: ignore[func-returns-value]
    monkeypatch.setattr(maps, "IMAGES", 50)
    probed = noted(monkeypatch, maps, "probe_map")
    study, options = maps.Maps(), Options(work=tmp_path)
    job = study.jobs(options)[0]
    with pytest.raises(NotReady, match="run the study ablations first"):
        study.do(job, options)
    folder = run_folder(tmp_path, ablations.config_of(ablations.PLACES[job.key]))
    folder.mkdir(parents=True)
    (folder / MODEL).touch()
    found = study.do(job, options)
    assert loaded == [{"random_colors": True}]
    ((features, bias),) = probed
    assert torch.equal(features, feature_maps(network, other, 50))
    assert torch.equal(bias, other.group[:50])
    away = background_places(other.images[:50], (features.shape[2], features.shape[3]))
    torch.testing.assert_close(torch.tensor(found["background"]), away.float().mean(0), atol=1e-4, rtol=0)
    assert (found["variant"], found["record"], found["images"]) == (job.key, folder.name, 50)


def test_what_is_added_to_a_record_is_what_its_own_network_scores(tmp_path: Path, hasty_probes: None) -> None:
    config = preset("smoke", "baseline", train_size=96, test_size=60, epochs=1)
    record = run(config, tmp_path / "run", progress=False, device="cpu")
    wanted = {name: record.metrics.pop(name) for name in groups.ADDED}
    write_record(record, tmp_path / "record.json")
    found = groups.measure(tmp_path / "run" / MODEL, tmp_path / "record.json")
    assert {name: found["metrics"][name] for name in groups.ADDED} == pytest.approx(wanted)
    assert {name: found["metrics"][name] for name in record.metrics} == record.metrics, "what was there stays"
    assert found["provenance"]["added"]["metrics"] == [*groups.ADDED]
    record.metrics["test_accuracy"] += 2 * groups.ROUNDING
    write_record(record, tmp_path / "record.json")
    with pytest.raises(RecordError, match="it is another network, publish the record's own"):
        groups.measure(tmp_path / "run" / MODEL, tmp_path / "record.json")


# What a method is given


def test_the_images_that_the_biased_network_finds_hard_count_more(few: BiasedImages) -> None:
    training = training_of("lff", few)
    training.course.hard = torch.tensor([3.0, 0.5])
    # w = l_biased / (l_biased + l): 3 / (3 + 1) and 0.5 / (0.5 + 1); the mean of w l over two images takes half of each.
    assert training.course.weigh(torch.tensor([1.0, 1.0]), None, torch.arange(2)).tolist() == pytest.approx([0.75 / 2, 1 / 6])


def test_the_codes_of_hsic_are_those_of_the_batch(few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_of("conditional_hsic", few)
    calls = noted(monkeypatch, training.course, "with_codes")
    training.course.update(few.batch(INDEX), INDEX, 0)
    assert [torch.equal(codes, bias_codes(few)[INDEX]) for _, _, codes, _ in calls] == [True]


def test_group_dro_draws_its_groups_equally(few: BiasedImages) -> None:
    training = training_of("group_dro", few)
    assert torch.equal(torch.cat(training.course.draw(generator())), Groups.of(few).drawn_equally(generator()))


def test_subsampling_passes_over_groups_of_one_size(few: BiasedImages) -> None:
    training, groups = training_of("subsampling", few), Groups.of(few)
    kept = torch.cat(training.course.draw(generator())).unique()
    there = groups.counts > 0
    sizes = torch.bincount(groups.of_image[kept], minlength=len(groups.counts))[there]
    assert sizes.unique().tolist() == [int(groups.counts[there].min())]


def test_bias_balanced_draws_from_its_balance_and_reads_the_prior_of_the_batch(few: BiasedImages) -> None:
    training = training_of("bias_balanced", few)
    balance, batch = training.course.balance, few.batch(INDEX)
    drawn, wanted = training.course.draw(generator()), balance.batches(32, generator())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(drawn, wanted, strict=True))
    training.course.update(batch, INDEX, 0)
    assert batch.log_prior is not None
    assert torch.equal(batch.log_prior, balance.prior(INDEX, training.config, training.progress))


def test_h_takes_as_many_steps_as_the_run_says_and_forgets_its_momentum_with_its_weights(
    few: BiasedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, index = training_of("lnl", few, warmup_epochs=0, adversary_steps=3, adversaries=2), torch.arange(32)
    steps = noted(monkeypatch, training.optimizers.bias, "step")
    training.course.update(few.batch(index), index, 0)
    assert len(steps) == 3
    assert training.optimizers.bias.state
    training.course.reset_adversary()
    assert not training.optimizers.bias.state


def test_in_an_extra_step_each_head_descends_its_own_loss(few: BiasedImages) -> None:
    training = training_of("lnl", few, warmup_epochs=0, adversary_steps=2, adversaries=2, precision="float32")
    network, batch = training.network.eval(), few.batch(torch.arange(32))
    training.optimizers.zero_grad()
    training.course.extra_adversary_step(batch)
    z = network.extractor(batch.images).detach()
    for head in network.bias_head.heads:
        wanted = torch.autograd.grad(bias_loss(head(z), batch.bias, "sum"), list(head.parameters()))
        for mine, theirs in zip(head.parameters(), wanted, strict=True):
            torch.testing.assert_close(mine.grad, theirs, atol=1e-5, rtol=1e-4)


def test_alpha_counts_after_the_warm_start_alone() -> None:
    faces = synthetic_faces("bd", n=40, size=32, learn="age")

    def ends(**changes: Any) -> Any:
        network = network_of_jlu()
        fit_jlu(network, faces, config_of_jlu(**changes), device="cpu", progress=False, turns=FEW)
        return network.state_dict()["label_head.weight"]

    def moved(**changes: Any) -> bool:
        return not torch.equal(ends(confusion_weight=1.0, **changes), ends(confusion_weight=0.0, **changes))

    assert moved(epochs=1), "no warm start: alpha counts from the first epoch"
    assert not moved(epochs=1, warmup_epochs=1), "the only epoch is one of the warm start"
    assert moved(epochs=2, warmup_epochs=1), "the second epoch is past it"


def test_the_penalty_of_the_last_layer_is_the_one_that_names_most_held_out_images() -> None:
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(80, 60, generator=draw, dtype=torch.float64)
    labels = (z[:, 0] + 0.5 * torch.randn(80, generator=draw, dtype=torch.float64) > 0).long()

    def right(penalty: float) -> float:
        weight, bias = logistic_regression(z[:40], labels[:40], 2, penalty)
        return float(((z[40:] @ weight.T + bias).argmax(1) == labels[40:]).double().mean())

    scores = [right(penalty) for penalty in PENALTIES]
    assert min(scores) < max(scores)
    assert chosen_penalty(z, labels, 2) == PENALTIES[scores.index(max(scores))]


# What a training is made of


def test_weight_decay_is_that_of_h_too(few: BiasedImages) -> None:
    training = training_of("lnl", few, weight_decay=0.01)
    both = (training.optimizers.main, training.optimizers.bias)
    assert {group["weight_decay"] for optimizer in both for group in optimizer.param_groups} == {0.01}


def test_other_labels_are_other_data(few: BiasedImages) -> None:
    other = few.subset(slice(0, len(few)))
    other.labels = few.labels.flip(0)
    assert fingerprint(other) != fingerprint(few)


def test_the_maps_of_every_epoch_are_new(few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_of("baseline", few, bias_labels="image", bias_places="everywhere", augment=1.0, epochs=2)
    monkeypatch.setattr(training.course, "draw", lambda _: list(torch.arange(64).split(32)))
    given = noted(monkeypatch, training.course, "update")
    for training.epoch in range(2):
        loop._train_epoch(training, SimpleNamespace(disable=True, update=lambda: None))
    first, _, second, _ = (batch.images for batch, _, _ in given)
    assert first.shape == second.shape
    assert not torch.equal(first, second)
