"""Which images come when: batches as indices, from a run's seed and the epoch alone."""

import torch
from torch import Tensor

from lnl_core.config import RunConfig
from lnl_core.methods.bias_balanced import Balance


def derived_seed(seed: int, number: int) -> int:
    """A seed of its own for each ``number`` below 1,000,003 of a run's ``seed``, small enough for torch however large that is."""
    return (seed * 1_000_003 + number) % 2**63


def _batches(size: int, config: RunConfig, epoch: int, device: torch.device, balance: Balance | None = None) -> list[Tensor]:
    """The batches of one epoch as indices; they depend on seed and epoch alone. A last batch of one image is dropped."""
    generator = torch.Generator().manual_seed(derived_seed(config.seed, epoch))
    if balance is not None:
        batches = balance.batches(config.batch_size, generator)
    else:
        order = torch.randperm(size, generator=generator).to(device)  # drawn on the CPU: the same on every device
        batches = list(torch.split(order, config.batch_size))
    return batches if len(batches[-1]) > 1 else batches[:-1]


def _affine_generator(config: RunConfig, epoch: int) -> torch.Generator:
    """What draws the affine maps of one epoch, batch after batch."""
    return torch.Generator().manual_seed(derived_seed(config.seed, 500_000 + epoch))
