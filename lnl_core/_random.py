"""Random numbers of one's own: drawn from a seed, with the generators of the caller left as they were, the GPU's too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_cpu(seed: int) -> None:
    """Seed the CPU's generator alone: the numbers of ``torch.manual_seed``, which would seed every GPU's generator too."""
    torch.default_generator.manual_seed(int(seed))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block whose random numbers on the CPU come from ``seed``; afterwards the caller's go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        seed_cpu(seed)
        yield
