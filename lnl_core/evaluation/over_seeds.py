"""Probes over seeds: what fresh ones of one kind read, with confidence intervals."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core.errors import ConfigError
from lnl_core.evaluation.intervals import Interval
from lnl_core.evaluation.probes import ProbeResult, probe_leakage


@dataclass(frozen=True)
class Leakage:
    """What fresh probes of one kind read, over seeds that draw the split, the weights and the shuffled control anew.

    The intervals cover the choice of split and weights, not the training of the network whose features are probed. The splits are
    of the same examples, for which they are corrected (:meth:`Interval.of`).

    Attributes:
        kind: one of :data:`lnl_core.evaluation.probe_kinds.PROBES`.
        accuracy: share of held-out examples whose bias is named.
        control: the same for probes trained and asked on shuffled labels, which leave nothing to read: clearly above chance, it
            would say that the measurement itself leaks. (Its labels do not recur from one example to the next, so it is no control
            task of Hewitt and Liang 2019, whose labels can be learnt by heart.)
        chance: share of the most frequent class, mean over the splits.
        information: H(B) minus the held-out cross-entropy in nats: the V-information of this kind of probe, and a lower bound of
            I(B; Z) up to sampling error.
        control_information: the same for probes of shuffled labels, at most 0 up to sampling error.
        seeds: number of probes.
    """

    kind: str
    accuracy: Interval
    control: Interval
    chance: float
    information: Interval
    control_information: Interval
    seeds: int

    @property
    def found(self) -> bool:
        """Whether the whole interval lies above both chance and the control's mean; one probe alone has no interval."""
        return self.seeds > 1 and self.accuracy.low > max(self.chance, self.control.mean)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "found": self.found}


def require_seeds(seeds: int) -> None:
    """Refuse what is no positive whole number, with a :class:`ConfigError`."""
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ConfigError(f"seeds must be a whole number of at least 1, got {seeds!r}")


def leakage(
    embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike, *, kind: str = "mlp", seeds: int = 5, **options: Any
) -> Leakage:
    """Train ``seeds`` fresh probes and sum up what they read.

    Args:
        embeddings: (N, D) features, or (N, C, H, W) feature maps for the conv probe.
        bias: (N,) bias class of each example. Use unbiased data, or the probe reads the bias from the label.
        kind: one of :data:`lnl_core.evaluation.probe_kinds.PROBES`.
        seeds: number of probes, at least 1.
        options: for :func:`lnl_core.evaluation.probes.probe_leakage`.

    Raises:
        ConfigError: no positive number of seeds.
        DataError: see :func:`lnl_core.evaluation.probes.probe_leakage`.
    """
    require_seeds(seeds)
    results: list[ProbeResult] = [probe_leakage(embeddings, bias, kind=kind, seed=seed, **options) for seed in range(seeds)]
    overlap = results[0].n_test / results[0].n_train
    return Leakage(
        kind=kind,
        accuracy=Interval.of([result.accuracy for result in results], overlap=overlap),
        control=Interval.of([result.control_accuracy for result in results], overlap=overlap),
        chance=float(np.mean([result.chance for result in results])),
        information=Interval.of([result.information for result in results], overlap=overlap),
        control_information=Interval.of([result.control_information for result in results], overlap=overlap),
        seeds=seeds,
    )
