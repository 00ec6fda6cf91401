"""Training: the loop that moves f, g and h by the step of a method, with optimisers, checkpoints, devices and augmentation.

It imports data sets, networks, losses and methods, and nothing that measures or records. A method whose step fills the gradients is
trained by :func:`fit` as it is; one that needs another loop brings it in one file here, and is named below.
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
    from lnl_core.training.mi_backprop import (
        Encoder as Encoder,
        bound_gradients as bound_gradients,
        clipped as clipped,
        encode as encode,
        fit_mi_backprop as fit_mi_backprop,
    )
    from lnl_core.training.optimisers import *
    from lnl_core.training.precision import *
    from lnl_core.training.unlearning import (
        DUEL as DUEL,
        OPTIONS as OPTIONS,
        Duel as Duel,
        Turns as Turns,
        fit_jlu as fit_jlu,
        read_duel as read_duel,
    )

_HOMES = {
    "loop": ("fit",),
    "batches": ("derived_seed",),
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
    "unlearning": ("DUEL", "OPTIONS", "Duel", "Turns", "read_duel", "fit_jlu"),
    "mi_backprop": ("clipped", "bound_gradients", "encode", "Encoder", "fit_mi_backprop"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)
