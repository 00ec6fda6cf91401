"""Milliseconds of one training step per network: trained one by one, in a stack, and (on CUDA) in a stack replayed as a CUDA graph.

python benchmarks/stacked.py [--method lnl] [--precision float32] [--batch 128] [--sizes 1 2 4 8] [--rounds 5]

The ways take turns, and the smallest time of each counts, because other work on the machine can only slow one down.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

import torch

from lnl_core import stacked, training
from lnl_core._memory import keep_freed_memory
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages, colored_mnist
from lnl_core.networks import build_network
from lnl_core.records import provenance


def one_by_one(configs: list[RunConfig], data: BiasedImages) -> Callable[[], None]:
    networks = [build_network(config).to(data.device, memory_format=torch.channels_last).train() for config in configs]
    optimizers = [training._Optimizers(network, config) for network, config in zip(networks, configs, strict=True)]
    places = torch.arange(configs[0].batch_size, device=data.device)

    def step() -> None:
        for network, config, optimizer in zip(networks, configs, optimizers, strict=True):
            training._update(network, data.batch(places, channels_last=True), config, optimizer, warming=False)

    return step


def together(configs: list[RunConfig], data: BiasedImages, capture: bool) -> Callable[[], None]:
    networks = [build_network(config).to(data.device).train() for config in configs]
    trainer = stacked._Trainer(networks, [data] * len(configs), configs, capture)
    inputs = trainer.data.batches(configs, 0)[0]
    run = stacked._Captured(trainer.run_batch) if capture else trainer.run_batch

    def step() -> None:
        with stacked._side_stream(data.device, capture):
            run(*inputs)

    return step


def milliseconds(step: Callable[[], None], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps * 1e3


@keep_freed_memory()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="lnl")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    chosen = parser.parse_args()
    device = training.choose_device()
    data = colored_mnist("train", 0.03, source="mini").subset(slice(0, 4 * chosen.batch)).to(device)
    place = provenance(datetime.now(UTC), 0.0, device)
    print(f"{chosen.method}, {chosen.precision}, batch {chosen.batch}, torch {place['packages']['torch']}, {place['device']}")
    for size in chosen.sizes:
        values = {"precision": chosen.precision, "batch_size": chosen.batch}
        configs = [preset("full", chosen.method, seed=seed, **values) for seed in range(size)]
        ways = {"one by one": one_by_one(configs, data), "stacked": together(configs, data, False)}
        if device.type == "cuda":
            ways["graph"] = together(configs, data, True)
        best = dict.fromkeys(ways, float("inf"))
        for number in range(chosen.rounds + 1):
            for name, step in ways.items():
                spent = milliseconds(step, chosen.steps) / size
                best[name] = min(best[name], spent) if number else best[name]  # the first round warms up
        print(f"{size:>4} networks: " + ", ".join(f"{name} {value:.2f} ms" for name, value in best.items()), flush=True)


if __name__ == "__main__":
    main()
