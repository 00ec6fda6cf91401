"""Training: the loop that moves f, g and h by the step of a method, with optimisers, checkpoints, devices and augmentation.

It imports data sets, networks, losses and methods, and nothing that measures or records. A method whose step fills the gradients is
trained by :func:`fit` as it is; what one does beside its step, such as turns or a further network, stands in its own file as a
:class:`lnl_core.methods.base.Course`, and the loop calls it.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.training.augment import (
        ROTATION as ROTATION,
        SCALE as SCALE,
        SHEAR as SHEAR,
        SHIFT as SHIFT,
        move as move,
        random_amounts as random_amounts,
        random_maps as random_maps,
        random_photographs as random_photographs,
    )
    from lnl_core.training.batches import *
    from lnl_core.training.checkpoints import *
    from lnl_core.training.checks import *
    from lnl_core.training.devices import *
    from lnl_core.training.loop import *
    from lnl_core.training.optimisers import *
    from lnl_core.training.precision import *

_HOMES = {
    "loop": ("Training", "fit", "fit_jlu", "fit_mi_backprop"),
    "batches": ("derived_seed", "generator_of"),
    "augment": ("ROTATION", "SCALE", "SHEAR", "SHIFT", "random_maps", "random_amounts", "random_photographs", "move"),
    "optimisers": ("learning_rate", "optimizer_state", "load_optimizer_state", "make_optimizer"),
    "checkpoints": (
        "CHECKPOINT",
        "Metrics",
        "settled",
        "read_safetensors",
        "restore",
        "checkpoint_history",
        "same_run",
        "write_history",
    ),
    "checks": ("what_to_lower",),
    "devices": ("choose_device", "moved"),
    "precision": ("native_bf16", "settle", "reason", "warn_if_emulated", "autocast"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)
