"""Training: the loop that moves f, g and h by the step of a method, with optimisers, checkpoints, devices and augmentation.

It imports data sets, networks, losses and methods, and nothing that measures or records. A method whose step fills the gradients is
trained by :func:`fit` as it is; one that needs another loop brings it in one file here, and is named below.
"""

from typing import TYPE_CHECKING

from lnl_core._lazy import lazy

if TYPE_CHECKING:
    from lnl_core.training.augment import *
    from lnl_core.training.loop import *
    from lnl_core.training.mi_backprop import (
        Encoder as Encoder,
        bound_gradients as bound_gradients,
        clipped as clipped,
        encode as encode,
        fit_mi_backprop as fit_mi_backprop,
    )
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
    "loop": (
        "CHECKPOINT",
        "Metrics",
        "choose_device",
        "derived_seed",
        "autocast",
        "settled",
        "learning_rate",
        "optimizer_state",
        "load_optimizer_state",
        "make_optimizer",
        "read_safetensors",
        "restore",
        "checkpoint_history",
        "same_run",
        "write_history",
        "moved",
        "fit",
    ),
    "augment": ("ROTATION", "SCALE", "SHEAR", "SHIFT", "random_maps", "random_amounts", "random_photographs", "move"),
    "precision": ("native_bf16", "settle", "reason", "warn_if_emulated"),
    "unlearning": ("DUEL", "OPTIONS", "Duel", "Turns", "read_duel", "fit_jlu"),
    "mi_backprop": ("clipped", "bound_gradients", "encode", "Encoder", "fit_mi_backprop"),
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOMES)
