"""The exceptions dial on Colored MNIST: 10,000 digits of which some are painted in random colours. Collect exceptions, or unlearn?

Of the training digits 0, 1, 2, 5, 10 or 20 % are painted around the mean colour of a digit picked at random, nine in ten of them in
a foreign one; a seed draws which. All else is as in the study "search": sigma^2 = 0.02, six epochs, tests on the 10,000 test
digits. lnl has the setting that its search chose without exceptions, the others the rate that the baseline's search chose and the
values of their presets. bias_balanced and group_dro are told the nearest mean colour. last_layer trains on the other digits alone
and fits its last layer to the exceptions. Nothing else is tuned, and nothing is chosen here.
"""

from itertools import product
from pathlib import Path
from typing import Any

import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.methods import find
from lnl_core.methods.base import UNBIASED_TRAINING
from lnl_core.methods.bias_balanced import Balance
from tools import ROOT
from tools.studies import search
from tools.studies.choosing import digits, test_scores, trained, with_setting
from tools.studies.study import Found, Job, Options, Study, stored

FOLDER = Path("results", "digit_exceptions")
METHODS = ("baseline", "gray", "lnl", "bias_balanced", "group_dro", "last_layer")
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
FIRST = (0.0, 0.05, 0.2)
"""The shares that are trained before the others: three seeds of a few say more than one of all."""
SEEDS = (2, 3, 4)


def count_of(share: float) -> int:
    """How many digits are exceptions."""
    return round(share * int(search.SETTINGS["train_size"]))


def fits_to_exceptions(method: str) -> bool:
    return UNBIASED_TRAINING in find(method).must_know


def base_config(method: str, share: float, seed: int) -> RunConfig:
    own: dict[str, Any] = {"unbiased_images": count_of(share)} if fits_to_exceptions(method) else {}
    return preset("short", method, color_var=search.COLOR_VAR, seed=seed, source="mnist", **search.SETTINGS, **own)


def config_of(method: str, share: float, seed: int) -> RunConfig:
    """A run, with what the search chose for its method."""
    return with_setting(base_config(method, share, seed), search.setting_of(method) or {})


def painted(share: float, biased: BiasedImages, unbiased: BiasedImages, seed: int) -> tuple[BiasedImages, torch.Tensor]:
    """The training digits, a share of them as they are in ``unbiased``, the same digits in random colours; and which (N,) bool."""
    found = torch.zeros(len(biased), dtype=torch.bool)
    found[torch.randperm(len(biased), generator=torch.Generator().manual_seed(seed))[: round(share * len(biased))]] = True
    place = torch.arange(len(biased)) + len(biased) * found
    parts = ("images", "labels", "_bias", "group", "color")
    both = (torch.cat([getattr(biased, name), getattr(unbiased, name)]) for name in parts)
    images, labels, bias, group, color = (values[place] for values in both)
    same: dict[str, Any] = {name: getattr(biased, name) for name in ("source", "classes", "bias_classes")}
    return BiasedImages(images, labels, bias, group, color, **same), found


def file_of(method: str, share: float, seed: int, root: Path = ROOT) -> Path:
    return root / FOLDER / f"{method}-{share:g}-seed{seed}.json"


def read(method: str, share: float, seed: int, root: Path = ROOT) -> Found | None:
    """A stored run; ``None`` if it is missing."""
    return stored(file_of(method, share, seed, root))


class DigitExceptions(Study):
    name = "digit_exceptions"
    about = "Colored MNIST with a few digits in foreign colours, by method and by how many."
    settings = search.SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        shares = sorted(SHARES, key=lambda share: share not in FIRST)
        keys = [(method, share, seed) for share, seed, method in product(shares, SEEDS, METHODS)]
        keys = [key for key in keys if search.setting_of(key[0]) and not (fits_to_exceptions(key[0]) and not count_of(key[1]))]
        return [Job(file_of(*key).stem, file_of(*key), key, config_of(*key).to_dict()) for key in keys]

    def do(self, job: Job, options: Options) -> Found:
        method, share, seed = job.values
        base, config = base_config(*job.values), config_of(*job.values)
        biased, random = (digits(base, base.train_split, options.data_dir, random) for random in (False, True))
        data, exceptions = painted(share, biased, random, seed)
        unbiased = None
        if fits_to_exceptions(method):
            data, unbiased = data.subset(~exceptions), data.subset(exceptions)
        said = {"settings": search.SETTINGS, "method": method, "share": share, "exceptions": count_of(share), "seed": seed}
        found = trained(config, base, test_scores, options.data_dir, data=data, unbiased=unbiased)
        return {**said, "config": config.to_dict(), **found}

    def line(self, found: Found) -> str:
        return str(found["scores"] or found["diverged"])


DRAWS = "bias_balanced"
"""The method whose draws are counted."""


def draws_file(share: float, seed: int, root: Path = ROOT) -> Path:
    return root / "results" / "digit_draws" / f"{share:g}-seed{seed}.json"


def draws(weights: torch.Tensor, exceptions: torch.Tensor) -> dict[str, float]:
    """What drawing with these weights (N,) does to an epoch of N draws, in expectation; (N,) bool says which are exceptions.

    ``exceptions`` is the share of draws that are exceptions, ``most`` how often the likeliest image is drawn, and ``effective``
    the number of equally likely images that would have the same sum of squared chances, 1 / sum p^2.
    """
    chance = weights.double() / weights.double().sum()
    most, effective = len(chance) * chance.max(), 1 / chance.square().sum()
    return {"exceptions": float(chance[exceptions].sum()), "most": float(most), "effective": float(effective)}


class DigitDraws(Study):
    name = "digit_draws"
    about = "Which digits bias_balanced draws, by how many are exceptions."
    settings = search.SETTINGS

    def jobs(self, options: Options) -> list[Job]:
        keys = [(share, seed) for share in SHARES for seed in SEEDS]
        return [Job(f"{share:g}-seed{seed}", draws_file(share, seed), (share, seed)) for share, seed in keys]

    def do(self, job: Job, options: Options) -> Found:
        share, seed = job.values
        base = base_config(DRAWS, share, seed)
        biased, random = (digits(base, base.train_split, options.data_dir, random) for random in (False, True))
        data, exceptions = painted(share, biased, random, seed)
        said = {"settings": search.SETTINGS, "share": share, "seed": seed, "images": len(data)}
        return {**said, **draws(Balance.of(data, base).weights, exceptions)}

    def line(self, found: Found) -> str:
        return f"{found['exceptions']:.2f} of the draws are exceptions"


STUDIES = (DigitExceptions(), DigitDraws())
