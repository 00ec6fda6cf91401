"""The exceptions dial on digits: which are painted anew, who is trained on what, and that nothing is chosen."""

from pathlib import Path

import pytest
import torch

from lnl_core.config import RunConfig
from lnl_core.datasets import BiasedImages, colored_mnist
from lnl_core.runs.comparison import ordering
from tools.pages import digit_exceptions as page
from tools.pages.numbers import missing
from tools.studies import choosing, digit_exceptions as tool, search
from tools.studies.study import Job, Options


@pytest.fixture(scope="module")
def both() -> tuple[BiasedImages, BiasedImages]:
    biased, unbiased = (colored_mnist("train", 0.02, source="mini", random_colors=random) for random in (False, True))
    return biased, unbiased


def test_so_many_digits_have_random_colours_and_the_others_are_as_they_were(both: tuple[BiasedImages, BiasedImages]) -> None:
    biased, unbiased = both
    data, exceptions = tool.painted(0.05, biased, unbiased, seed=3)
    assert int(exceptions.sum()) == round(0.05 * len(biased))
    assert torch.equal(data.labels, biased.labels)
    assert data.color is not None
    for name in ("images", "group", "color", "_bias"):
        found, own, other = (getattr(one, name) for one in (data, biased, unbiased))
        assert torch.equal(found[~exceptions], own[~exceptions]), name
        assert torch.equal(found[exceptions], other[exceptions]), name
    foreign = (data.group != data.labels)[exceptions].double().mean()
    assert 0.8 < foreign < 0.97, "nine in ten"
    assert not torch.equal(exceptions, tool.painted(0.05, biased, unbiased, seed=4)[1])
    assert torch.equal(tool.painted(0.0, biased, unbiased, seed=3)[0].images, biased.images)


def test_a_share_that_is_smaller_is_part_of_a_larger_one(both: tuple[BiasedImages, BiasedImages]) -> None:
    few, many = (tool.painted(share, *both, seed=2)[1] for share in (0.01, 0.2))
    assert bool(many[few].all())


def test_a_method_waits_for_the_search_and_last_layer_for_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "chosen", lambda method, root=None: {"baseline": 2}.get(method))
    keys = {job.values for job in tool.DigitExceptions().jobs(Options())}
    assert {key[0] for key in keys} == {*tool.METHODS} - {"lnl"}
    assert not any(key[:2] == ("last_layer", 0.0) for key in keys)
    assert len(keys) == (5 * 6 - 1) * 3
    first = [job.values[1] for job in tool.DigitExceptions().jobs(Options())]
    assert {*first[: len(first) // 3]} <= {*tool.FIRST}
    assert search.setting_of("group_dro") == {"lr": search.settings()[2]["lr"]}


def test_last_layer_trains_without_the_exceptions_and_fits_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    base, fitted = tool.base_config, list[tuple[int, int]]()

    def small(method: str, share: float, seed: int) -> RunConfig:
        unbiased = {"unbiased_images": 25} if method == "last_layer" else {}
        return base(method, share, seed).with_options(source="mini", train_size=500, test_size=60, epochs=1, **unbiased)

    def fit(network: object, data: BiasedImages, config: RunConfig, *, unbiased: BiasedImages | None, **options: object) -> None:
        fitted.append((len(data), 0 if unbiased is None else len(unbiased)))

    monkeypatch.setattr(tool, "base_config", small)
    monkeypatch.setattr(search, "chosen", lambda method, root=None: 2)
    monkeypatch.setattr(choosing, "fit", fit)
    jobs = [Job("a", Path("a"), (method, 0.05, 2)) for method in ("baseline", "last_layer", "lnl")]
    found = [tool.DigitExceptions().do(job, Options()) for job in jobs]
    assert fitted == [(500, 0), (475, 25), (500, 0)]
    assert [one["config"]["lr"] for one in found] == [search.settings()[2]["lr"]] * 3
    assert found[2]["config"]["adv_weight"] == search.settings()[2]["adv_weight"]
    assert found[0]["exceptions"] == 500
    assert {*found[0]["scores"]} == {"accuracy", "worst_group_accuracy"}


# What the page says of the stored runs


def test_what_is_said_of_exceptions_among_digits() -> None:
    assert not missing(
        "pretrained.md",
        "2,000 exceptions do more than unlearning without any; of 500 these runs cannot say.",
        "not to be told from the 0.729 of `lnl` without exceptions; with 2,000 it lies above it.",
        "both lie above the baseline, and `group_dro` above `lnl`.",
        "`bias_balanced` lies above all others at each share that was run, with exceptions and without.",
        "`last_layer` lies below the baseline with the same exceptions",
    )
    found = page.dial()
    base, lnl, dro, balanced = (found[name] for name in ("baseline", "lnl", "group_dro", "bias_balanced"))
    assert [tool.count_of(share) for share in (0.05, 0.2)] == [500, 2000]
    assert [ordering(base[share], lnl[0.0]) for share in (0.05, 0.2)] == ["cannot say", "higher"]
    assert [ordering(one[0.05], other[0.05]) for one, other in ((dro, base), (lnl, base), (dro, lnl))] == ["higher"] * 3
    whole = [share for share in tool.SHARES if len(balanced[share]) == len(tool.SEEDS)]
    assert {0.0, 0.05, 0.2} <= {*whole}
    for share in whole:
        others = [of[share] for method, of in found.items() if method != "bias_balanced" and of[share]]
        assert {ordering(balanced[share], other) for other in others} == {"higher"}, share
    assert [ordering(found["last_layer"][share], base[share]) for share in (0.05, 0.2)] == ["lower"] * 2
