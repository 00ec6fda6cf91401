"""Random numbers of a run, from its seed alone: the order of the batches, random maps, fresh weights."""

import torch


def derived_seed(seed: int, number: int) -> int:
    """A seed of its own for each ``number`` below 1,000,003 of a run's ``seed``, small enough for torch however large that is."""
    return (seed * 1_000_003 + number) % 2**63


def generator_of(seed: int, number: int) -> torch.Generator:
    """A CPU generator with the derived seed: its numbers are the same on every device."""
    return torch.Generator().manual_seed(derived_seed(seed, number))
