"""Linear erasure: what linear probes can read of the bias is taken out of features (LEACE, Belrose et al. 2023)."""

import warnings
from collections.abc import Callable

import numpy as np
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from lnl_core._arrays import feature_rows
from lnl_core.errors import DataError
from lnl_core.evaluation.probes import probe_inputs

_SVD_TOLERANCE = 1e-9  # of LEACE: directions of the cross-covariance below it are rounding


def linear_eraser(embeddings: Tensor | NDArray[np.floating], bias: Tensor | ArrayLike) -> Callable[[Tensor], Tensor]:
    r"""LEACE: of all affine maps after which no linear probe beats a constant, the one that changes features least in mean square.

    No linear classifier with a convex loss can read the bias from :math:`r(z)` exactly if the cross-covariance of r(z) with the
    one-hot bias is zero; the map that reaches that with the least change is

    .. math:: r(z) = z - W^+ P \, W (z - E[z]), \qquad W = \Sigma_{zz}^{-1/2}, \quad P \text{ the projection onto } W \Sigma_{zb}

    (Belrose et al. 2023, theorem 4.3), by the authors' package ``concept-erasure``. It holds on the examples that it was fitted to;
    what a probe with a hidden layer reads may stay.

    Args:
        embeddings: (N, D), N clearly larger than D, since with fewer examples than features everything is linear.
        bias: (N,) bias classes.

    Returns:
        A function (M, D) -> (M, D) float32.

    Raises:
        DataError: as :func:`lnl_core.evaluation.probes.probe_leakage`, or no more examples than features.
    """
    x, y, classes = probe_inputs(embeddings, bias)
    if len(x) <= x.shape[1]:
        raise DataError(f"{len(x)} examples of {x.shape[1]} features: linear erasure needs more examples than features")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # at import it compiles other erasers with torch.jit.script
        from concept_erasure import LeaceEraser

    # Without the shrinkage and the bound on the trace, which would leave the closed form above.
    eraser = LeaceEraser.fit(
        x.double(), F.one_hot(y, classes).double(), shrinkage=False, constrain_cov_trace=False, svd_tol=_SVD_TOLERANCE
    )

    def erase(features: Tensor) -> Tensor:
        rows = feature_rows("features", features).flatten(1)
        if rows.shape[1] != x.shape[1]:
            raise DataError(f"features must have the {x.shape[1]} columns that the eraser was fitted to, got {rows.shape[1]}")
        erased: Tensor = eraser(features.cpu().flatten(1).double()).float().to(features.device)
        return erased

    return erase
