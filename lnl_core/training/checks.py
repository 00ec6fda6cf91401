"""What ends a training: losses that are no numbers, or weights that cannot be trained on."""

import math
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor

from lnl_core.errors import NonFiniteLossError
from lnl_core.losses import bias_loss, label_loss
from lnl_core.methods.base import Method, value_of
from lnl_core.methods.hyperparameters import BIAS_REDUCTION
from lnl_core.training.checkpoints import CHECKPOINT, remembered

if TYPE_CHECKING:
    from lnl_core.training.loop import Training


def check_finite(training: "Training", table: Tensor, names: list[str]) -> None:
    """Refuse losses (steps, names) of an epoch that are no numbers."""
    bad = ~torch.isfinite(table)
    if not bad.any():
        return
    step, term = bad.nonzero()[0].tolist()
    what = f"the {names[term]} loss became {table[step, term].item()} at step {step + 1} of epoch {training.epoch + 1}"
    _diverged(what, training)


def what_to_lower(method: Method) -> str:
    """What can be done about a training that diverged, with the names of the rates and weights that its method reads."""
    names = [declared.name for declared in method.hyperparameters]
    rates = ", ".join(["lr", *(name for name in names if name.endswith("_lr"))])
    weights = ", ".join(name for name in names if name.endswith("_weight"))
    return f"lower the learning rate ({rates})" + (f" or the weight of what f is to unlearn ({weights})" if weights else "")


def _diverged(what: str, training: "Training") -> NoReturn:
    """Say what can be done about a training that went wrong: a run that is there cannot be changed, another one can be begun."""
    advice, folder = what_to_lower(training.method), training.folder
    if folder is None:
        raise NonFiniteLossError(f"{what}: {advice}")
    advice += ", and train in another folder"
    if not (folder / CHECKPOINT).exists():
        raise NonFiniteLossError(f"{what}: {advice}")
    raise NonFiniteLossError(
        f"{what}; the last good checkpoint is in {folder}: {advice}, where restore(network, {str(folder)!r}) of "
        "lnl_core.training can give a network the weights of that checkpoint first"
    )


_ROOM = {"label": 10.0, "bias": 100.0}
"""How many times the loss of guessing, or of the epoch's beginning, a loss may have at its end; f may ascend the bias loss."""
_ENOUGH = 64  # images that tell a network which can be trained on from one that cannot


def check_sound(training: "Training", batches: list[Tensor], losses: dict[str, Tensor]) -> None:
    """That the last update of an epoch, which no loss of the epoch has seen, left weights that can be trained on.

    The network meets the first batches of the epoch again, as a step would show them but for random maps. Running statistics and
    random state stay as they are.

    Args:
        batches: of the epoch, as indices.
        losses: of every step of the epoch, (steps,) each; "label", and "bias" where h is trained, are looked at.

    Raises:
        NonFiniteLossError: a weight or what an optimiser remembers is not finite, or a loss is not, or has more than its
            :data:`_ROOM`.
    """
    network, data, config = training.network, training.data, training.config
    when = f"after the last step of epoch {training.epoch + 1}"
    for name, value in {**network.state_dict(), **remembered(training)}.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            _diverged(f"{name} is not finite {when}", training)
    some = batches[: math.ceil(_ENOUGH / config.batch_size)]
    buffers = list(network.buffers())
    before = [value.clone() for value in buffers]
    devices = [data.device] if data.device.type == "cuda" else []
    rows: dict[str, list[Tensor]] = {name: [] for name in _ROOM if name in losses}
    with torch.random.fork_rng(devices=devices), torch.no_grad(), training.autocast():
        for index in some:
            batch = data.batch(index, channels_last=config.channels_last)
            features = network.extractor(batch.images)
            if "label" in rows:
                logits = network.label_head(features)
                both = [label_loss(each, batch.labels) for each in (logits, torch.zeros_like(logits))]
                rows["label"].append(torch.stack(both))
            if "bias" in rows:
                logits, levels = network.read_bias(features, batch)
                both = [bias_loss(each, levels, value_of(config, BIAS_REDUCTION)) for each in (logits, torch.zeros_like(logits))]
                rows["bias"].append(torch.stack(both))
        for value, old in zip(buffers, before, strict=True):
            value.copy_(old)
    for name, row in rows.items():
        now, guessing = torch.stack(row).mean(0).tolist()
        if not now <= _ROOM[name] * max(guessing, float(losses[name][: len(some)].mean())):  # nor for NaN
            _diverged(f"the {name} loss is {now:.3g} nats {when}, where guessing has {guessing:.3g}", training)
