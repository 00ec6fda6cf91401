"""Values of presets that several experiments share: those of mi_backprop, the authors' and ours."""

from typing import Any

_MI_BOTH: dict[str, Any] = dict(optimizer="adam", bias_lr=1e-3, weight_decay=0.0)
MI_AUTHORS: dict[str, Any] = dict(_MI_BOTH, lr=1e-4, schedule="constant")
MI_OURS: dict[str, Any] = dict(
    _MI_BOTH,
    features="vector",
    schedule="one_cycle",
    lr=1e-3,
    mi_weight=0.7,
    statistics_lr=5e-3,
    statistics_steps=10,
    statistics_refresh=2,
)
