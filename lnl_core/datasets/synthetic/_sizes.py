"""How many images a synthetic split has."""

from lnl_core.errors import ConfigError

SIZES = {"tb1": 3000, "tb2": 2000, "eb1": 4000, "eb2": 2000, "unbiased": 3000, "test": 1000, "od": 5011, "bd": 1499, "ebd": 956}


def number_of_images(split: str, splits: tuple[str, ...], n: int | None, seed: int) -> int:
    """The number of images; a :class:`ConfigError` for an unknown split or a number that is none."""
    if split not in splits:
        raise ConfigError(f"unknown split {split!r}: choose one of {', '.join(splits)}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}")
    n = SIZES[split] if n is None else n
    if isinstance(n, bool) or not isinstance(n, int) or n < 2:
        raise ConfigError(f"n must be a whole number of at least 2 images, got {n!r}")
    return n
