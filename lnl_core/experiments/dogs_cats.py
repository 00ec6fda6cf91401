"""Dogs and Cats: the species told from photographs in which it goes with how bright the coat is (Kim et al., section 4.2)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lnl_core import datasets, methods
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import IGNORE, BiasedImages
from lnl_core.datasets.dogs_cats import unlabelled_test_images
from lnl_core.datasets.readers.dogs_cats_files import CLASS_NAMES
from lnl_core.datasets.synthetic.animals import animals
from lnl_core.errors import ConfigError, DataError
from lnl_core.experiments._photographs import (
    JLU,
    NETWORK,
    OPPOSITE,
    RESNET,
    SMALL_CNN,
    PhotographExperiment,
    by_profile,
    photograph_network,
    train_sets,
)
from lnl_core.experiments.base import Values, source
from lnl_core.hyperparameters import HyperParameter, choice, text
from lnl_core.methods.base import UNBIASED_TRAINING
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

_COAT = "coat"
_EXCEPTIONS = HyperParameter(
    "exceptions",
    None,
    "photographs of a fixed half of the opposite set that are trained on too, as a share of that set; its other half is then the "
    "opposite set; null means none and the whole set",
    most=0.5,
    optional=True,
    late=True,
    only={"train_set": ("tb1", "tb2")},
)
_WEIGHTS: dict[str, Any] = dict(bias_lr=0.05, mi_weight=0.003, adv_weight=0.03, confusion_weight=0.1)


class DogsCats(PhotographExperiment):
    """Trained on TB1 or TB2, or on all labelled images as the oracle is; the bias is a map of colour levels, or the coat."""

    name = "dogs_cats"
    offers = frozenset({"images", "channels", "image_bias"})
    methods = ("baseline", "gray", "blind_eye", "grl", "blind_eye_grl", "lnl_adv", "lnl", "bias_balanced")
    hyperparameters = (
        source("kaggle", "synthetic"),
        *train_sets("tb1", "tb2", "train"),
        *NETWORK,
        choice(
            "bias_labels",
            "levels",
            ("levels", _COAT),
            "the colour levels of each place, or the coat that the lists give, one an image",
            late=True,
        ),
        _EXCEPTIONS,
        text(
            "test_labels",
            None,
            "a file of labels of the test images; null means the authors' published ones",
            optional=True,
            late=True,
            only={"source": ("auto", "kaggle")},
        ),
    )
    presets = by_profile(
        "tb1",
        {
            "smoke": SMALL_CNN,
            "demo": dict(SMALL_CNN, **_WEIGHTS, train_size=1200, batch_size=24, epochs=9),
            "short": dict(RESNET, **_WEIGHTS, source="kaggle", epochs=24),
            "full": RESNET,
        },
    )
    method_presets = {"jlu": JLU}
    varied = {"train_set": ("tb1", "tb2")}
    required = ("train_set",)
    folders = {"kaggle": "dogs-vs-cats"}
    may_lack = ("other",)
    table_sources = ("kaggle", "kaggle-part")

    def preset(self, profile: str, method: str, given: Values) -> dict[str, Any]:
        own = {"bias_labels": _COAT} if "image_bias" in methods.find(method).needs else {}
        return {**super().preset(profile, method, given), **own}

    def check(self, config: "RunConfig") -> None:
        super().check(config)
        if "image_bias" in methods.find(config.method).needs and not _coat(config):
            raise ConfigError(f"method {config.method!r} needs one bias an image: set bias_labels to {_COAT!r}")

    def free(self, method: str) -> tuple[str, ...]:
        return (*super().free(method), "test_labels")

    def network(self, config: "RunConfig") -> LNLNetwork:
        return photograph_network(config, 2, "label") if _coat(config) else photograph_network(config, COLOR_LEVELS, "color")

    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """Splits as of every experiment on photographs, and "other", photographs of neither coat.

        With ``exceptions`` "opposite" is the half of the opposite set that is not trained on, and "unbiased" the exceptions and as
        many photographs of the training set. A method that is trained on unbiased images does not see these two in "train".
        """
        if split == "other":
            if config.source == "synthetic":
                raise ConfigError("synthetic animals are bright or dark, there is no split 'other': choose photographs")
            data = self.photographs(config, "other", data_dir, size=config.image_size or 64, seed=config.seed, **options)
        elif config.get("exceptions") is None or split == "test":
            data = super().load(config, split, data_dir, **options)
        else:
            ordered = config.with_options(seed=0)  # so that the halves are the same for every seed
            own, opposite = (super(DogsCats, self).load(ordered, name, data_dir, **options) for name in ("train", "opposite"))
            if config.get("train_size") is not None:
                own = own.subset(slice(0, config.train_size))
            data = _with_exceptions(config, split, own, opposite)
        return _one_coat_an_image(data) if _coat(config) else data

    def load_split(self, config: "RunConfig", split: str, data_dir: Path | str | None = None, **options: Any) -> BiasedImages:
        """With ``exceptions`` the training set is cut before they join it, and the unbiased images are not cut."""
        if config.get("exceptions") is not None and split in ("train", "trainval", "unbiased"):
            return self.load(self.resolve(config, data_dir), split, data_dir, **options)
        return super().load_split(config, split, data_dir, **options)

    def load_unbiased(self, config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
        return self.load_split(config, "unbiased", data_dir) if config.get("exceptions") else None

    def measured_splits(self, config: "RunConfig") -> tuple[str, ...]:
        """On photographs also those of neither coat, on which hyper-parameters can be chosen."""
        found = super().measured_splits(config)
        return ("other", *found) if config.source != "synthetic" and config.train_set in OPPOSITE else found

    def photographs(self, config: "RunConfig", name: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        labels = config.get("test_labels") if name == "test" else None
        return datasets.dogs_cats(name, labels=labels, data_dir=data_dir, **{"places": _places(config), **options})

    def synthetic(self, config: "RunConfig", name: str, **options: Any) -> BiasedImages:
        return animals("unbiased" if name == "train" else name, **{"places": _places(config), **options})

    def unlabelled(self, config: "RunConfig", data_dir: Path | str | None = None) -> tuple[list[str], Tensor]:
        """Kaggle's test images, which an oracle labels as in the paper."""
        if config.train_set != "train":
            trained_on = f"{self.name} {config.train_set}"
            raise ConfigError(f"an oracle is trained on all labelled dogs and cats (train_set 'train'), this one on {trained_on}")
        if config.source == "synthetic":
            raise ConfigError("an oracle is trained on photographs, this one on synthetic pictures: train it with --source kaggle")
        names, images = unlabelled_test_images(size=config.image_size or 64, data_dir=data_dir)
        return list(names), images


def _places(config: "RunConfig") -> int:
    """Places a side of the network's feature map, where h looks for the colour."""
    return -(-(config.image_size or 64) // {"small_cnn": 8, "mobilenet_v2": 32}.get(config.network, 16))


def _coat(config: "RunConfig") -> bool:
    return bool(config.bias_labels == _COAT)


def _one_coat_an_image(data: BiasedImages) -> BiasedImages:
    """The group in the place of the colour levels; what the lists call neither bright nor dark has no bias label."""
    bias = data.group.where(data.group < 2, IGNORE)
    return BiasedImages(data.images, data.labels, bias, data.group, source=data.source, classes=2, bias_classes=2)


def exceptions_of(share: float, opposite: int) -> int:
    """How many photographs a share of an opposite set of so many is."""
    return round(share * opposite)


def _first_half(data: BiasedImages, count: int, seed: int) -> Tensor:
    """``count`` photographs of the first half of each label's, as many of each label, drawn by the seed; their places, sorted.

    Raises:
        DataError: a label of which the half has too few.
    """
    found = []
    for label, wanted in ((0, count // 2), (1, count - count // 2)):
        pool = torch.nonzero(data.labels == label)[:, 0]
        pool = pool[: len(pool) // 2]
        if len(pool) < wanted:
            raise DataError(f"{wanted} {CLASS_NAMES[label]}s are wanted as exceptions and there are {len(pool)}: lower exceptions")
        found.append(pool[torch.from_numpy(np.random.default_rng([seed, label]).permutation(len(pool))[:wanted])])
    return torch.cat(found).sort().values


def _with_exceptions(config: "RunConfig", split: str, own: BiasedImages, opposite: BiasedImages) -> BiasedImages:
    """A split of a run with exceptions, see :meth:`DogsCats.load`; ``own`` is the training set."""
    share, count = config.exceptions, exceptions_of(config.exceptions, len(opposite))
    if share and count < 2:
        many = f"exceptions {share:g} of {len(opposite)} photographs are {count}"
        raise DataError(f"{many}, and each label needs one: raise exceptions")
    if split == "opposite":
        places = [torch.nonzero(opposite.labels == label)[:, 0] for label in range(2)]
        return opposite.subset(torch.cat([place[len(place) // 2 :] for place in places]).sort().values)
    if not count and split != "unbiased":
        return own
    exceptions = opposite.subset(_first_half(opposite, count, config.seed))
    if split != "unbiased" and UNBIASED_TRAINING not in methods.find(config.method).must_know:
        return _joined(exceptions, own)
    partners = _first_half(own, count, config.seed)
    if split == "unbiased":
        return _joined(exceptions, own.subset(partners))
    rest = torch.ones(len(own), dtype=torch.bool)
    rest[partners] = False
    return own.subset(torch.nonzero(rest)[:, 0])


def _joined(*sets: BiasedImages) -> BiasedImages:
    parts = ("images", "labels", "_bias", "group")
    images, labels, bias, group = (torch.cat([getattr(one, name) for one in sets]) for name in parts)
    first = sets[0]
    return BiasedImages(images, labels, bias, group, source=first.source, classes=first.classes, bias_classes=first.bias_classes)


EXPERIMENT = DogsCats()
