"""The splits of every experiment as a run sees them: which data set stands behind "train", "opposite" and "test"."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from lnl_core._files import variable
from lnl_core.config import RunConfig
from lnl_core.datasets.census import adult, drawn_census, german
from lnl_core.datasets.colored_mnist import colored_mnist, resolve_source
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.digits import data_folder
from lnl_core.datasets.dogs_cats import dogs_cats
from lnl_core.datasets.faces import faces, jlu_faces
from lnl_core.datasets.synthetic.animals import animals
from lnl_core.datasets.synthetic.faces import synthetic_faces
from lnl_core.errors import ConfigError

_log = logging.getLogger(__name__)
OPPOSITE = {"tb1": "tb2", "tb2": "tb1", "eb1": "eb2", "eb2": "eb1"}
"""The training set with the bias turned round: the hardest test there is."""
_FOLDERS = {"kaggle": "dogs-vs-cats", "utkface": "utkface", "imdb": "imdb", "uci": "uci"}
_WANTED = {"dogs_cats": ("kaggle",), "census": ("uci",)}


def resolve(config: RunConfig, data_dir: Path | str | None = None) -> RunConfig:
    """The configuration with the source that "auto" stands for: the published set if its folder is there, else the stand-in.

    For digits see :func:`lnl_core.datasets.colored_mnist.resolve_source`. A ``data_dir`` that was named and holds no such folder
    gives the published set all the same, whose loading then says what is missing.
    """
    if config.source != "auto":
        return config
    if config.experiment == "colored_mnist":
        return _told(config, resolve_source("auto", data_dir), "MNIST")
    wanted = _WANTED.get(config.experiment, ("utkface", "imdb"))
    there = [source for source in wanted if (data_folder(data_dir) / _FOLDERS[source]).is_dir()]
    return _told(config, there[0] if there else wanted[0] if data_dir else "drawn", " or ".join(wanted))


def _told(config: RunConfig, source: str, wanted: str) -> RunConfig:
    """The configuration with its source; a stand-in is never taken without a word."""
    if source in ("mini", "drawn"):
        stand_in = "the 5,000 embedded digits" if source == "mini" else "the drawn stand-in"
        named = variable("LNL_DATA_DIR")  # with a data_dir there are no stand-ins
        _log.warning("no %s found%s: the data are %s", wanted, f" in {named}" if named else "", stand_in)
    return replace(config, source=source)


def measured_on(config: RunConfig) -> tuple[str, ...]:
    """The splits a run is measured on: "test", and "opposite" where the experiment has a set with the bias turned round."""
    return ("opposite", "test") if config.train_set in OPPOSITE else ("test",)


def load_data(config: RunConfig, split: str, data_dir: Path | str | None = None, **options: Any) -> BiasedImages:
    """A split as a run sees it.

    Args:
        config: the run; its ``train_size`` and ``test_size`` cut the splits short.
        split: on digits and census tables "train", "trainval", "validation" or "test"; on photographs "train"
            (``config.train_set``), "opposite" (see :data:`OPPOSITE`) or "test".
        data_dir: see :func:`lnl_core.datasets.digits.data_folder`.
        options: for the data set's own function, such as ``random_colors`` of :func:`lnl_core.datasets.colored_mnist`.

    Source "auto" is resolved first, see :func:`resolve`.

    Raises:
        ConfigError: an unknown split.
        DataError: if the data are not there.
    """
    config = resolve(config, data_dir)
    if config.experiment == "colored_mnist":
        data = _digits(config, split, data_dir, **options)
    elif config.experiment == "census":
        data = _census(config, split, data_dir, **options)
    else:
        names = {"train": config.train_set, "opposite": OPPOSITE.get(str(config.train_set)), "test": _test_set(config)}
        name = names.get("train" if split == "trainval" else split)
        if name is None:
            raise ConfigError(f"{config.experiment} trained on {config.train_set} has no split {split!r}: choose train or test")
        data = (_drawn if config.source == "drawn" else _photographs)(config, name, data_dir, **options)
    limit = config.train_size if split in ("train", "trainval", "validation") else config.test_size
    if config.experiment == "jlu_faces" and split == "test" and config.source != "drawn":
        limit = None  # a part of EBD would no longer hold equally many men and women of each age
    return data if limit is None or limit >= len(data) else data.subset(slice(0, limit))


def load_probe_data(config: RunConfig, data_dir: Path | str | None = None) -> BiasedImages | None:
    """Unbiased data for the probes: the training digits painted at random.

    ``None`` where there are none but the test images: on photographs, and for the authors' files, which cannot be painted again.
    """
    if config.experiment != "colored_mnist" or config.source == "authors":
        return None
    return load_data(config, config.train_split, data_dir, random_colors=True)


def _test_set(config: RunConfig) -> str:
    return "ebd" if config.experiment == "jlu_faces" else "test"


def _digits(config: RunConfig, split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
    return colored_mnist(
        split,
        config.color_var,
        seed=config.seed,
        data_dir=data_dir,
        source=config.source,
        bias_labels=config.bias_labels,
        bias_places=config.bias_places,
        color_outside=config.color_outside,
        **options,
    )


def _census(config: RunConfig, split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
    """Of german and the stand-ins the run's seed also draws the split."""
    shared: dict[str, Any] = {"protected": config.protected, **options}
    if config.source == "drawn":
        return drawn_census(str(config.train_set), split, n=config.train_size, seed=config.seed, **shared)
    if config.train_set == "german":
        return german(split, seed=config.seed, data_dir=data_dir, **shared)
    return adult(split, data_dir=data_dir, **shared)


def _places(config: RunConfig) -> int:
    """Places a side of the network's feature map, where h looks for the colour."""
    return -(-(config.image_size or 64) // (8 if config.network == "cartoon" else 16))


def _drawn(config: RunConfig, name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
    """The stand-ins; nothing is read."""
    size = config.image_size or 64
    held_out = name in ("test", "ebd") or OPPOSITE.get(str(config.train_set)) == name
    count = config.test_size if held_out else config.train_size
    if config.experiment == "dogs_cats":
        split = "unbiased" if name == "train" else name
        return animals(split, size=size, n=count, seed=config.seed, **{"places": _places(config), **options})
    learn = config.learn or "age"
    return synthetic_faces(name, size=size, n=count, seed=config.seed, learn=learn, **options)


def _photographs(config: RunConfig, name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
    shared: dict[str, Any] = {"size": config.image_size or 64, "data_dir": data_dir, "seed": config.seed, **options}
    if config.experiment == "dogs_cats":
        return dogs_cats(name, labels=config.test_labels if name == "test" else None, **{"places": _places(config), **shared})
    if config.experiment == "faces":
        return faces(name, learn=config.learn or "gender", source=config.source, **shared)
    return jlu_faces(name, source=config.source, **shared)
