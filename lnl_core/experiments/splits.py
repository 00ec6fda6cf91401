"""The splits of every experiment as a run sees them: which data set stands behind "train", "opposite" and "test"."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lnl_core.datasets.container import BiasedImages
from lnl_core.experiments import _photographs
from lnl_core.experiments.registry import find

if TYPE_CHECKING:
    from lnl_core.config import RunConfig

OPPOSITE = _photographs.OPPOSITE
"""By training set of photographs, the one with the bias turned round: the hardest test there is."""


def resolve(config: "RunConfig", data_dir: Path | str | None = None) -> "RunConfig":
    """The configuration with the source that "auto" stands for, see :meth:`lnl_core.experiments.base.Experiment.resolve`."""
    return find(config.experiment).resolve(config, data_dir)


def measured_on(config: "RunConfig") -> tuple[str, ...]:
    """The splits a run is measured on: "test", and "opposite" where the experiment has a set with the bias turned round."""
    return find(config.experiment).measured_splits(config)


def load_data(config: "RunConfig", split: str, data_dir: Path | str | None = None, **options: Any) -> BiasedImages:
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
    return find(config.experiment).load_split(config, split, data_dir, **options)


def load_unbiased(config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
    """The unbiased images that a method is trained on which must know some, see :meth:`Experiment.load_unbiased`."""
    return find(config.experiment).load_unbiased(config, data_dir)


def load_probe_data(config: "RunConfig", data_dir: Path | str | None = None) -> BiasedImages | None:
    """Unbiased data for the probes: the training digits painted at random.

    ``None`` where there are none but the test images: on photographs, and for the authors' files, which cannot be painted again.
    """
    return find(config.experiment).load_probe_data(config, data_dir)
