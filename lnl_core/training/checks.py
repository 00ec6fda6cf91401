"""What is refused before a training, and what ends one: a network that is another than said, losses that diverge."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor, nn

from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError, NonFiniteLossError
from lnl_core.losses import bias_loss, label_loss
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import BiasHeads, Grayscale, LNLNetwork
from lnl_core.training.checkpoints import CHECKPOINT
from lnl_core.training.optimisers import _Optimizers
from lnl_core.training.precision import autocast


def _layout(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]


def _check_network(network: LNLNetwork, data: BiasedImages, config: RunConfig) -> None:
    """Refuse a network of one's own that is not what the configuration says it is.

    Raises:
        ConfigError: "gray" with an f that sees colour, other adversaries than h has, or an h that cannot start again.
    """
    if config.method == "gray":
        images = data.batch(slice(0, 16)).images
        was_training = network.training
        with torch.no_grad():
            seen = network.eval().extractor(torch.cat([images, Grayscale(config.grayscale).to(images.device)(images)]))
        network.train(was_training)
        as_they_are, grey = seen.chunk(2)
        if not torch.allclose(as_they_are, grey, rtol=1e-3, atol=1e-3 * float(grey.abs().max())):
            raise ConfigError(
                "the f of this network sees colours, so method 'gray' would train the baseline: let its extractor begin with "
                f"lnl_core.networks.Grayscale({config.grayscale!r}), as build_network does"
            )
    told = isinstance(network.bias_head, BiasHeads) and network.bias_head.told is not None
    if config.adversaries not in (1, network.adversaries) or (config.bias_given_label and not told):
        name = "bias_given_label" if config.adversaries in (1, network.adversaries) else "adversaries"
        raise ConfigError(f"{name} is a matter of h, and the h of this network is another: make it lnl_core.networks.BiasHeads")
    if config.bias_restart:
        layers = [module for module in network.bias_head.modules() if [*module.parameters(recurse=False)]]
        fixed = [type(layer).__name__ for layer in layers if not hasattr(layer, "reset_parameters")]
        if fixed and _layout(build_network(replace(config, weights=None)).bias_head) != _layout(network.bias_head):
            raise ConfigError(f"bias_restart needs an h that can draw new weights: give {fixed[0]} a method reset_parameters()")


def _check_finite(table: Tensor, names: list[str], config: RunConfig, epoch: int, out_dir: Path | None) -> None:
    bad = ~torch.isfinite(table)
    if not bad.any():
        return
    step, term = bad.nonzero()[0].tolist()
    what = f"the {names[term]} loss became {table[step, term].item()} at step {step + 1} of epoch {epoch + 1}"
    _diverged(what, config, out_dir)


def what_to_lower(config: RunConfig) -> str:
    """What can be done about a training that diverged, with the names of the fields that this run reads."""
    rates, weights = (
        ", ".join(name for name in names if config.unread(name) is None)
        for names in (("lr", "bias_lr", "statistics_lr"), ("mi_weight", "adv_weight", "confusion_weight"))
    )
    return f"lower the learning rate ({rates})" + (f" or the weight of what f is to unlearn ({weights})" if weights else "")


def _diverged(what: str, config: RunConfig, out_dir: Path | None) -> NoReturn:
    """Say what can be done about a training that went wrong: a run that is there cannot be changed, another one can be begun."""
    if out_dir is None:
        raise NonFiniteLossError(f"{what}: {what_to_lower(config)}")
    advice = f"{what_to_lower(config)}, and train in another folder"
    if not (out_dir / CHECKPOINT).exists():
        raise NonFiniteLossError(f"{what}: {advice}")
    raise NonFiniteLossError(
        f"{what}; the last good checkpoint is in {out_dir}: {advice}, where restore(network, {str(out_dir)!r}) of "
        "lnl_core.training can give a network the weights of that checkpoint first"
    )


_ROOM = {"label": 10.0, "bias": 100.0}
"""How many times the loss of guessing, or of the epoch's beginning, a loss may have at its end; f may ascend the bias loss."""
_ENOUGH = 64  # images that tell a network which can be trained on from one that cannot


def _check_sound(
    network: LNLNetwork,
    data: BiasedImages,
    batches: list[Tensor],
    losses: dict[str, Tensor],
    config: RunConfig,
    optimizers: _Optimizers,
    epoch: int,
    out_dir: Path | None,
    more: dict[str, Tensor] | None = None,
) -> None:
    """That the last update of an epoch, which no loss of the epoch has seen, left weights that can be trained on.

    The network meets the first batches of the epoch again, as a step would show them but for random maps. Running statistics and
    random state stay as they are.

    Args:
        batches: of the epoch, as indices.
        losses: of every step of the epoch, (steps,) each; "label", and "bias" where h is trained, are looked at.
        more: what else is to be finite.

    Raises:
        NonFiniteLossError: a weight or what an optimiser remembers is not finite, or a loss is not, or has more than its
            :data:`_ROOM`.
    """
    when = f"after the last step of epoch {epoch + 1}"
    for name, value in {**network.state_dict(), **optimizers.state(), **(more or {})}.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            _diverged(f"{name} is not finite {when}", config, out_dir)
    some = batches[: math.ceil(_ENOUGH / config.batch_size)]
    buffers = list(network.buffers())
    before = [value.clone() for value in buffers]
    devices = [data.device] if data.device.type == "cuda" else []
    rows: dict[str, list[Tensor]] = {name: [] for name in _ROOM if name in losses}
    with torch.random.fork_rng(devices=devices), torch.no_grad(), autocast(config, data.device):
        for index in some:
            batch = data.batch(index, channels_last=config.channels_last)
            features = network.extractor(batch.images)
            logits = network.label_head(features)
            rows["label"].append(torch.stack([label_loss(each, batch.labels) for each in (logits, torch.zeros_like(logits))]))
            if "bias" in rows:
                logits, levels = network.read_bias(features, batch)
                both = [bias_loss(each, levels, config.bias_reduction) for each in (logits, torch.zeros_like(logits))]
                rows["bias"].append(torch.stack(both))
        for value, old in zip(buffers, before, strict=True):
            value.copy_(old)
    for name, row in rows.items():
        now, guessing = torch.stack(row).mean(0).tolist()
        if not now <= _ROOM[name] * max(guessing, float(losses[name][: len(some)].mean())):  # nor for NaN
            _diverged(f"the {name} loss is {now:.3g} nats {when}, where guessing has {guessing:.3g}", config, out_dir)
