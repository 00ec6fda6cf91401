"""Precision "auto": bf16 where it is native, float32 elsewhere, and the record says which and why."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from lnl_core import methods
from lnl_core.config import PROFILES, RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.experiments import EXPERIMENTS
from lnl_core.networks import build_network
from lnl_core.runs.run import run, run_folder
from lnl_core.training import autocast, fit, precision

ALL_METHODS = tuple(methods.registered())

CPU = torch.device("cpu")


def small(**changes: Any) -> RunConfig:
    return preset("smoke", "baseline", epochs=1, train_size=64, test_size=64, **changes)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_preset_leaves_the_precision_to_the_device(experiment: str, profile: str) -> None:
    for method in ALL_METHODS:
        try:
            config = preset(profile, method, experiment=experiment)
        except ConfigError:  # not a method of this experiment
            continue
        assert config.precision == "auto"


@pytest.mark.parametrize(("native", "used"), [(True, "bf16"), (False, "float32")])
def test_auto_is_what_the_device_computes_natively(native: bool, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda device: native)
    assert precision.settle(small(), CPU).precision == used
    with autocast(small(), CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if native else torch.float32)


@pytest.mark.parametrize("name", ["float32", "bf16"])
@pytest.mark.parametrize("native", [True, False])
def test_a_precision_asked_for_by_name_is_used(name: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda device: native)
    assert precision.settle(small(precision=name), CPU).precision == name


def test_a_processor_held_to_avx2_computes_no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``ATEN_CPU_CAPABILITY=avx2`` makes of a newer machine, and a processor that has AVX-512 but no bf16 instructions."""
    for name in ("avx512", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda: True, raising=False)
    monkeypatch.setattr(precision, "_made_by_intel", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert precision.native_bf16(CPU), "control"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not precision.native_bf16(CPU)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda: False, raising=False)
    assert not precision.native_bf16(CPU)


@pytest.mark.parametrize(("intel", "tiles", "fast"), [(False, False, True), (True, False, False), (True, True, True)])
def test_an_intel_processor_needs_tiles(intel: bool, tiles: bool, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its AVX-512 instruction for bf16 makes an epoch of the baseline 1.5 times as long as in float32."""
    for name, there in {"avx512": True, "avx512_bf16": True, "amx_tile": tiles}.items():
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda there=there: there, raising=False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(precision, "_made_by_intel", lambda: intel)
    assert precision.native_bf16(CPU) == fast


@pytest.mark.parametrize(("asked", "why"), [("auto", "auto: cpu has"), ("float32", "float32 was asked for by name")])
def test_the_record_says_which_precision_and_why(asked: str, why: str, tmp_path: Path) -> None:
    record = run(small(precision=asked), tmp_path / "run", progress=False)
    assert record.config["precision"] == precision.settle(small(precision=asked), CPU).precision
    assert record.provenance["precision"].startswith(why)
    assert run(small(), tmp_path / "run", progress=False) == record, "whoever leaves it open takes the run that is there"


def test_bf16_by_name_works_and_says_in_one_line_that_it_is_slow(
    few: BiasedImages, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda device: False)
    config = small(precision="bf16")
    with caplog.at_level(logging.WARNING, logger="lnl_core"):
        fit(build_network(config), few.subset(slice(0, 32)), config, device="cpu", progress=False)
    (line,) = caplog.messages
    assert "slower than float32" in line
    caplog.clear()
    fit(build_network(config), few.subset(slice(0, 32)), config.with_options(precision="auto"), device="cpu", progress=False)
    assert not caplog.messages


def test_precision_does_not_name_a_run(tmp_path: Path) -> None:
    assert run_folder(tmp_path, small()) == run_folder(tmp_path, small(precision="float32"))
