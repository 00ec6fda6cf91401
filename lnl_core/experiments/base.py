"""What an experiment is: data, network, presets, what is measured and how its table is laid out, in one object.

Who runs, records, compares or prints asks the object and never for the experiment's name.
"""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from lnl_core._files import variable
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.digits import data_folder
from lnl_core.errors import ConfigError
from lnl_core.hyperparameters import HyperParameter, choice, count, either
from lnl_core.networks.parts import LNLNetwork

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

_log = logging.getLogger(__name__)
Values = Mapping[str, Any]
Setting = dict[str, float | str]
"""What tells a row of a results table from the others of its method, such as the variance of the colours."""


class Experiment:
    """One experiment. Derive from it, give it the parts below, and hand an object to :func:`lnl_core.experiments.register`.

    Needed are ``name``, ``hyperparameters`` with one called "source", ``methods``, ``presets``, :meth:`load` and :meth:`network`.
    Everything else has an answer here that fits an experiment with one training set, one test set and nothing held out.

    Attributes:
        name: as in ``lnl train --experiment NAME``; part of names of files.
        hyperparameters: what the experiment itself reads, beside those of method, training and execution.
        methods: those that ``lnl sweep --methods all`` compares.
        presets: by profile, what differs from the defaults; a profile that is left out has the defaults.
        method_presets: by method and profile, what one method has otherwise than the others.
        offers: what hyper-parameters and methods can need. "images": they can be moved at random and made grey; "channels": bias
            labels in the channels R, G, B at every place; "maps": h reads feature maps whose layers the configuration chooses;
            "image_bias": one bias an image, or one that can be made of its labels.
        items: what a data set holds, in a word.
        free_of_preset: by method, hyper-parameters that may differ from the preset, as they are what the table varies.
        varied: what a sweep takes lists of, from the outermost loop to the innermost: for each hyper-parameter the values that
            "all" stands for, empty where there is no "all".
        required: those of ``varied`` that a sweep has to be given.
        varied_word: what one of the values is called, in the singular.
        folders: of each published source that "auto" may stand for, its folder below the data folder, the first to be taken first.
        fallback: the source that needs no files, which "auto" stands for where the published one is missing.
        table_sources: whose records may enter the results table.
        published: the key of its published numbers in ``results/paper.json``, where it is not the name.
        sources_by_setting: sources that have files of their own for each setting.
        may_lack: measured splits that the data at hand may have no images of; a run says so and goes on without them.
        compared: splits on which the groups are compared, see :func:`lnl_core.evaluation.fairness.fairness_by_split`.
    """

    name: str
    hyperparameters: tuple[HyperParameter, ...]
    methods: tuple[str, ...]
    presets: Mapping[str, Values]
    method_presets: Mapping[str, Mapping[str, Values]] = {}
    offers: frozenset[str] = frozenset()
    items: str = "images"
    free_of_preset: Mapping[str, tuple[str, ...]] = {}
    varied: Mapping[str, tuple[Any, ...]] = {}
    required: tuple[str, ...] = ()
    varied_word: str = "setting"
    folders: Mapping[str, str] = {}
    fallback: str = ""
    table_sources: tuple[str, ...] = ()
    published: str = ""
    sources_by_setting: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()
    fallback_words: ClassVar[str] = "synthetic"
    published_words: str = ""

    # What is declared

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the data may come from: what the hyper-parameter "source" may be."""
        return next(one.choices for one in self.hyperparameters if one.name == "source")

    def declares(self, name: str) -> bool:
        """Whether a hyper-parameter is one of the experiment's own."""
        return any(one.name == name for one in self.hyperparameters)

    def preset(self, profile: str, method: str, given: Values) -> dict[str, Any]:
        """What a preset has otherwise than the defaults; ``given`` are the values that the caller chose, such as a training set."""
        return {**self.presets.get(profile, {}), **self.method_presets.get(method, {}).get(profile, {})}

    def free(self, method: str) -> tuple[str, ...]:
        """What a run may choose without leaving its preset, beside seed, source and execution."""
        return (*self.varied, *self.free_of_preset.get(method, ()))

    def check(self, config: "RunConfig") -> None:
        """Refuse values that do not go together, with a :class:`ConfigError`; each on its own is as its declaration wants it."""

    def setting(self, config: "RunConfig") -> Setting:
        """What the results table varies, in the words of ``results/paper.json``."""
        return {name: config.get(name) for name in self.varied}

    def setting_name(self, config: "RunConfig") -> str:
        """The setting in a few letters, for names of files."""
        parts = (f"{value:g}" if isinstance(value, float) else str(value) for value in self.setting(config).values())
        return "-".join(parts) or "all"

    # Data and network

    @abstractmethod  # no metaclass refuses the object: `register` does, and names the part
    def load(self, config: "RunConfig", split: str, data_dir: Path | str | None, **options: Any) -> BiasedImages:
        """A whole split, from a source that is not "auto"; ``options`` are those of the data set's own function.

        Raises:
            ConfigError: an unknown split.
            DataError: if the data are not there.
        """

    @abstractmethod
    def network(self, config: "RunConfig") -> LNLNetwork:
        """The untrained network; the random numbers that are drawn here are seeded by the caller."""

    def resolve(self, config: "RunConfig", data_dir: Path | str | None = None) -> "RunConfig":
        """The configuration with the source that "auto" stands for, see :meth:`available`; the fallback is never taken silently."""
        if config.source != "auto":
            return config
        source = self.available(data_dir)
        if source == self.fallback:
            named = variable("LNL_DATA_DIR")  # with a data_dir there is no fallback
            wanted = self.published_words or " or ".join(self.folders)
            _log.warning("no %s found%s: the data are %s", wanted, f" in {named}" if named else "", self.fallback_words)
        return config.with_options(source=source)

    def available(self, data_dir: Path | str | None) -> str:
        """The published source whose folder is there, else the fallback.

        A ``data_dir`` that was named and holds no such folder gives the published set all the same, whose loading then says what
        is missing: a mistake in a path is no reason to use other data.
        """
        there = [source for source, folder in self.folders.items() if (data_folder(data_dir) / folder).is_dir()]
        return there[0] if there else next(iter(self.folders)) if data_dir and self.folders else self.fallback

    def load_split(self, config: "RunConfig", split: str, data_dir: Path | str | None = None, **options: Any) -> BiasedImages:
        """A split as a run sees it: source "auto" is resolved, and the first images are taken where the run has a size."""
        config = self.resolve(config, data_dir)
        data, limit = self.load(config, split, data_dir, **options), self.size(config, split)
        return data if limit is None or limit >= len(data) else data.subset(slice(0, limit))

    def size(self, config: "RunConfig", split: str) -> int | None:
        """How many images of a split a run uses; ``None`` for all."""
        found: int | None = config.get("train_size" if split in ("train", "trainval", "validation") else "test_size")
        return found

    def load_probe_data(self, config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
        """Unbiased data for the probes that are not the test images; ``None`` where there are none."""
        return None

    def load_unbiased(self, config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
        """Unbiased images for a method that must be trained on some; by default those of the probes."""
        return self.load_probe_data(config, data_dir)

    def training_split(self, config: "RunConfig") -> str:
        """The split that a run is trained on."""
        return "train"

    def measured_splits(self, config: "RunConfig") -> tuple[str, ...]:
        """The splits that a trained network is measured on; "test" is always among them."""
        return ("test",)

    def validation_split(self, config: "RunConfig") -> str | None:
        """The split whose accuracy is measured after each epoch; ``None`` where nothing is held out."""
        return None

    def with_files(self, config: "RunConfig", data_dir: Path | str | None = None) -> "RunConfig":
        """The configuration with the path of each file of the data folder that the network begins with."""
        return config

    def without_files(self, config: "RunConfig") -> "RunConfig":
        """The configuration without the files that only the beginning of training needs."""
        return config

    def on_source(self, config: "RunConfig", source: str) -> "RunConfig":
        """The configuration of a trained network that is measured on another source."""
        return config.with_options(source=source)

    def check_unseen(self, trained_on: str, source: str) -> None:
        """Refuse a test set, of ``source``, whose images a network trained on ``trained_on`` has seen."""

    def unlabelled(self, config: "RunConfig", data_dir: Path | str | None = None) -> tuple[list[str], Tensor]:
        """Names and images of test images without labels, for the oracle that ``config`` trained.

        Raises:
            ConfigError: if this is the configuration of no oracle.
        """
        raise ConfigError(f"{self.name} has no test images without labels: an oracle of it has nothing to label")

    # The results table

    def columns(self, setting: Setting, metrics: Mapping[str, float]) -> dict[str, Setting]:
        """The accuracies of a record that are in the table, by name, each with the setting of its row."""
        return {"test_accuracy": setting}


def source(*names: str) -> HyperParameter:
    """Where the data come from; "auto" is the published set where its files are, else the fallback."""
    return choice("source", "auto", ("auto", *names), "where the data come from; auto is the published set if it is there")


TRAIN_SIZE = count("train_size", None, "use only the first so many training images; null means all", least=2, optional=True)
TEST_SIZE = count("test_size", None, "use only the first so many test images; null means all", least=1, optional=True)


def one_of(config: "RunConfig", name: str, allowed: tuple[str, ...], of: str) -> None:
    """Refuse a value that is not ``allowed`` under another value of the run.

    Raises:
        ConfigError: naming both.
    """
    value = getattr(config, name)
    if value not in allowed:
        raise ConfigError(f"{name} must be {either(tuple(map(repr, allowed)))} for {of}, got {value!r}")
