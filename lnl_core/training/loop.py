"""One plain loop that trains any method, keeps a checkpoint after every epoch, and resumes from it to the same result."""

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm import tqdm

from lnl_core._files import user_path, variable, write_atomically
from lnl_core._memory import keep_freed_memory
from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.colored_mnist import COLOR_LEVELS
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.datasets.readers.photographs import color_levels
from lnl_core.errors import ConfigError, NonFiniteLossError, RecordError
from lnl_core.losses import bias_loss, label_loss
from lnl_core.methods import method_step, trains_h, uses_bias
from lnl_core.methods._steps import Losses, first_pass, second_pass, watch
from lnl_core.methods.bias_balanced import Balance
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import BiasHeads, Grayscale, LNLNetwork
from lnl_core.training.augment import random_maps, random_photographs
from lnl_core.training.precision import settle, warn_if_emulated

CHECKPOINT = "checkpoint.safetensors"
_FORMAT = "lnl_core checkpoint 1"

Metrics = dict[str, float]


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on: CUDA, else Apple's MPS, else the CPU; ``name`` (or ``LNL_DEVICE``) names one instead.

    Raises:
        ConfigError: if the named device is not there.
    """
    name = (variable("LNL_DEVICE") or "auto").strip() if name == "auto" else name
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    try:
        device = torch.device(name)
        there = present[device.type]
    except (RuntimeError, KeyError):
        raise ConfigError(f"unknown device {name!r}: choose auto, cuda, mps or cpu") from None
    if not there or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(f"device {name!r} is not available here: choose auto or cpu")
    return device


def derived_seed(seed: int, number: int) -> int:
    """A seed of its own for each ``number`` below 1,000,003 of a run's ``seed``, small enough for torch however large that is."""
    return (seed * 1_000_003 + number) % 2**63


def autocast(config: RunConfig, device: torch.device) -> AbstractContextManager[Any]:
    """bf16 autocast if the configuration comes to it on this device; the losses compute in float32 all the same."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=settle(config, device).precision == "bf16")


def settled(config: RunConfig, device: torch.device, folder: Path | None) -> RunConfig:
    """:func:`lnl_core.training.precision.settle` for a training that may go on from a checkpoint in ``folder``; warns if slow."""
    begun = None
    if config.precision == "auto" and folder is not None and (folder / CHECKPOINT).exists():
        begun = _config_of(read_safetensors(folder / CHECKPOINT, _FORMAT)[1]).precision
    config = settle(config, device, begun)
    warn_if_emulated(config, device)
    return config


def _config_of(metadata: dict[str, str]) -> RunConfig:
    return RunConfig.from_dict(json.loads(metadata["config"]))


def learning_rate(config: RunConfig, base: float, progress: float) -> float:
    """The learning rate at ``progress`` epochs (a fraction inside an epoch), a function of nothing else, so resuming is exact.

    "step" multiplies by lr_gamma every lr_step epochs; "one_cycle" rises linearly over the first 15 % of the run from a tenth
    of ``base`` and falls along a cosine to a hundredth of it.
    """
    if config.schedule == "constant":
        return base
    if config.schedule == "step":
        return base * config.lr_gamma ** (int(progress) // config.lr_step)
    share = progress / config.epochs
    rise = 0.15
    if share < rise:
        return base * (0.1 + 0.9 * share / rise)
    return base * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise))))


_REMEMBERED = {"momentum_buffer": "momentum", "exp_avg": "mean", "exp_avg_sq": "square", "step": "step"}  # as checkpoints name it


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """What an optimiser remembers, as KIND.PARAMETER; empty before its first step."""
    return {
        f"{_REMEMBERED[kind]}.{name}": value
        for name, parameter in parameters.items()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, parameters: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """The inverse of :func:`optimizer_state`; what belongs to no parameter of the optimiser is passed over."""
    own = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for kind, key in _REMEMBERED.items():
        for name, parameter in parameters.items():
            if parameter in own and (value := tensors.get(f"{key}.{name}")) is not None:
                # Adam counts its steps on the CPU unless it is fused
                place = parameter.device if kind != "step" or optimizer.defaults.get("fused") else "cpu"
                optimizer.state[parameter][kind] = value.to(place).clone()


def make_optimizer(parameters: Any, config: RunConfig, lr: float, weight_decay: float, **options: Any) -> torch.optim.Optimizer:
    """SGD with momentum or Adam, as ``config.optimizer`` says."""
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, **options)
    return torch.optim.SGD(parameters, lr=lr, momentum=config.momentum, weight_decay=weight_decay, **options)


@dataclass
class _Optimizers:
    """One optimiser for f and g, and one of its own for h, so that either can stay while the other moves."""

    network: LNLNetwork
    config: RunConfig
    main: torch.optim.Optimizer = field(init=False)
    bias: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        heads = [*self.network.extractor.parameters(), *self.network.label_head.parameters()]
        self.main = make_optimizer(heads, self.config, self.config.lr, self.config.weight_decay)
        own = self.network.bias_head.parameters()
        self.bias = make_optimizer(own, self.config, self.config.bias_lr, self.config.weight_decay)

    def set_rates(self, progress: float) -> None:
        for optimizer, base in ((self.main, self.config.lr), (self.bias, self.config.bias_lr)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.config, base, progress)

    def zero_grad(self, *, to_none: bool = True) -> None:
        self.main.zero_grad(set_to_none=to_none)
        self.bias.zero_grad(set_to_none=to_none)

    def state(self) -> dict[str, Tensor]:
        """What both remember, by kind and parameter name; empty before the first step."""
        parameters: dict[str, Tensor] = dict(self.network.named_parameters())
        return optimizer_state(self.main, parameters) | optimizer_state(self.bias, parameters)

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        for optimizer in (self.main, self.bias):
            load_optimizer_state(optimizer, dict(self.network.named_parameters()), tensors)


def _update(network: LNLNetwork, batch: Batch, config: RunConfig, optimizers: _Optimizers, *, warming: bool) -> Losses:
    """One step on one batch: the method's gradients, then the optimisers of whoever moves."""
    cast = autocast(config, batch.images.device)
    if config.updates == "alternating" and uses_bias(config.method) and not warming:
        # As in the authors' code the gradients are zeroed rather than dropped, so the second update moves g by its momentum.
        optimizers.zero_grad(to_none=False)
        with cast:
            losses = first_pass(network, batch, config)
        if config.clip_norm:
            network.clip_gradients(config.clip_norm)
        optimizers.main.step()
        optimizers.zero_grad(to_none=False)
        with autocast(config, batch.images.device):
            losses |= second_pass(network, batch, config)
    else:
        optimizers.zero_grad()
        with cast:
            losses = (watch if warming and uses_bias(config.method) else method_step(config.method))(network, batch, config)
    for _ in range(config.bias_steps - 1 if uses_bias(config.method) else 0):
        _extra_bias_step(network, batch, config, optimizers)
    if config.clip_norm:
        network.clip_gradients(config.clip_norm)
    optimizers.main.step()
    optimizers.bias.step()
    return losses


def _extra_bias_step(network: LNLNetwork, batch: Batch, config: RunConfig, optimizers: _Optimizers) -> None:
    """Apply the gradients that h has and give it new ones, on features that f has not yet left."""
    optimizers.bias.step()
    optimizers.bias.zero_grad()
    with autocast(config, batch.images.device):
        with torch.no_grad():
            features = network.extractor(batch.images)
        loss = bias_loss(*network.read_bias(features, batch), config.bias_reduction)
        (network.adversaries * loss).backward()


def _restart_bias_head(network: LNLNetwork, config: RunConfig, optimizers: _Optimizers, epoch: int) -> None:
    """Give h fresh weights, drawn from seed and epoch alone so that resuming is exact, and take its momentum away.

    The h of :func:`lnl_core.networks.build.build_network` gets the weights of a new one; the layers of any other draw their own
    anew.
    """
    seed = derived_seed(config.seed, 700_000 + epoch)
    fresh = build_network(replace(config, seed=seed, weights=None)).bias_head
    if _layout(fresh) == _layout(network.bias_head):
        network.bias_head.load_state_dict(fresh.state_dict())
    else:
        with seeded(seed):
            for module in network.bias_head.modules():
                getattr(module, "reset_parameters", lambda: None)()
    optimizers.bias.state.clear()


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


def _batches(size: int, config: RunConfig, epoch: int, device: torch.device, balance: Balance | None = None) -> list[Tensor]:
    """The batches of one epoch as indices; they depend on seed and epoch alone. A last batch of one image is dropped."""
    generator = torch.Generator().manual_seed(derived_seed(config.seed, epoch))
    if balance is not None:
        batches = balance.batches(config.batch_size, generator)
    else:
        order = torch.randperm(size, generator=generator).to(device)  # drawn on the CPU: the same on every device
        batches = list(torch.split(order, config.batch_size))
    return batches if len(batches[-1]) > 1 else batches[:-1]


def _affine_generator(config: RunConfig, epoch: int) -> torch.Generator:
    """What draws the affine maps of one epoch, batch after batch."""
    return torch.Generator().manual_seed(derived_seed(config.seed, 500_000 + epoch))


def augment(batch: Batch, config: RunConfig, generator: torch.Generator) -> None:
    """Give a batch other shapes, in place; labels of the colour at each place are read again from the changed photographs."""
    on_digits = config.experiment == "colored_mnist"
    images = (random_maps if on_digits else random_photographs)(batch.images, config.augment, generator, config.elastic)
    # grid_sample forgets the memory layout on a CPU, and all layers would follow it.
    batch.images = images.contiguous(memory_format=torch.channels_last) if config.channels_last else images
    if not on_digits and batch.bias.ndim == 4:
        batch.bias = color_levels(batch.images.mul(255).round().to(torch.uint8), batch.bias.shape[-1], COLOR_LEVELS).long()


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


def _train_epoch(
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    optimizers: _Optimizers,
    epoch: int,
    bar: Any,
    out_dir: Path | None,
    balance: Balance | None,
) -> Metrics:
    network.train()
    batches = _batches(len(data), config, epoch, data.device, balance)
    affine = _affine_generator(config, epoch)
    rows: list[Tensor] = []
    names: list[str] = []
    for number, index in enumerate(batches):
        optimizers.set_rates(epoch + number / len(batches))
        batch = data.batch(index, channels_last=config.channels_last)
        if config.augment or config.elastic:
            augment(batch, config, affine)
        if balance is not None:
            batch.log_prior = balance.prior(index, config, epoch + number / len(batches))
        losses = _update(network, batch, config, optimizers, warming=epoch < config.warmup_epochs)
        names = list(losses)
        rows.append(torch.stack([value.float() for value in losses.values()]))
        bar.update()
        if number % 50 == 0 and not bar.disable:  # reading a loss waits for the device
            bar.set_postfix({name: f"{value:.3f}" for name, value in zip(names, rows[-1].tolist(), strict=True)})
    table = torch.stack(rows).cpu()
    _check_finite(table, names, config, epoch, out_dir)
    losses = dict(zip(names, table.T, strict=True))
    _check_sound(network, data, batches, losses, config, optimizers, epoch, out_dir)
    return {f"{name}_loss": value for name, value in zip(names, table.mean(0).tolist(), strict=True)}


def _fingerprint(data: BiasedImages) -> str:
    """Twelve hex digits that tell data sets apart: sizes, all labels, and every so many images with their bias labels."""
    index = torch.arange(0, len(data), max(1, len(data) // 256), device=data.device)
    some = data.subset(index)
    digest = hashlib.sha256(str(tuple(data.images.shape)).encode())
    for part in (data.labels, some.images, some.bias):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _save_checkpoint(
    path: Path,
    network: LNLNetwork,
    optimizers: _Optimizers,
    config: RunConfig,
    history: list[Metrics],
    data: str,
    more: dict[str, Tensor] | None = None,
    notes: dict[str, str] | None = None,
) -> None:
    from safetensors.torch import save_file

    all_of_it = {f"network.{name}": value for name, value in network.state_dict().items()} | optimizers.state() | (more or {})
    tensors = {name: value.detach().cpu().contiguous() for name, value in all_of_it.items()}
    metadata = {"format": _FORMAT, "config": json.dumps(config.to_dict()), "history": json.dumps(history), "data": data}
    metadata |= notes or {}
    write_atomically(path, lambda temporary: save_file(tensors, str(temporary), metadata=metadata))


def read_safetensors(path: Path, expected_format: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of one of our safetensors files.

    Raises:
        RecordError: if the file is missing, damaged, or not of ``expected_format``.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RecordError(f"{path} does not exist: train a model first, or check the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise RecordError(
            f"{path} is not a readable safetensors file ({error}): it is damaged or was not written by lnl_core"
        ) from None
    if metadata.get("format") != expected_format:
        raise RecordError(f"{path} was not written by this version of lnl_core (expected format {expected_format!r})")
    return tensors, metadata


def restore(network: LNLNetwork, folder: Path | str) -> int:
    """Give ``network`` the weights of the last good epoch of a run that was stopped, to begin another run from them.

    The optimisers begin anew, and the other run needs a folder of its own: its configuration does not say where it began.

    Args:
        network: of the same layers as the run's; changed in place.
        folder: of the run, with its checkpoint.

    Returns:
        The number of epochs behind these weights.

    Raises:
        RecordError: no checkpoint, a damaged one, or one of another network.
    """
    folder = user_path(folder)
    tensors, metadata = read_safetensors(folder / CHECKPOINT, _FORMAT)
    _load_weights(network, tensors, folder)
    network.h_trained = trains_h(_config_of(metadata).method) or network.h_trained
    return len(_history(metadata, folder))


def checkpoint_history(folder: Path | str) -> list[Metrics]:
    """The epochs that the checkpoint in ``folder`` holds, one dictionary each; empty without one. ``metrics.jsonl`` is a copy.

    Raises:
        RecordError: if the checkpoint is damaged or not ours.
    """
    folder = user_path(folder)
    path = folder / CHECKPOINT
    return _history(read_safetensors(path, _FORMAT)[1], folder) if path.exists() else []


def _history(metadata: dict[str, str], folder: Path) -> list[Metrics]:
    try:
        history: list[Metrics] = json.loads(metadata["history"])
    except (KeyError, ValueError):
        raise RecordError(f"the checkpoint in {folder} has a damaged header: choose another folder or delete this one") from None
    return history


def _load_weights(network: LNLNetwork, tensors: dict[str, Tensor], folder: Path) -> None:
    try:
        network.load_state_dict({n.removeprefix("network."): value for n, value in tensors.items() if n.startswith("network.")})
    except RuntimeError:
        raise RecordError(f"the checkpoint in {folder} belongs to another network: choose another folder") from None


def _resume(path: Path, network: LNLNetwork, optimizers: _Optimizers, config: RunConfig, data: str) -> list[Metrics]:
    """Load network, momentum and history from a checkpoint of the same run on the same data."""
    tensors, metadata = read_safetensors(path, _FORMAT)
    same_run(config, _config_of(metadata), path.parent)
    if metadata.get("data") != data:
        raise RecordError(f"the checkpoint in {path.parent} was trained on other data: choose another folder or delete this one")
    _load_weights(network, tensors, path.parent)
    optimizers.load_state(tensors)
    return _history(metadata, path.parent)


def same_run(config: RunConfig, other: RunConfig, folder: Path) -> None:
    """Refuse to continue or to reuse ``folder`` if it holds a run of another configuration, or of another precision by name.

    Raises:
        RecordError: naming the first hyper-parameters that differ.
    """
    other_precision = config.precision not in ("auto", other.precision)
    if config.fingerprint() != other.fingerprint() or other_precision:
        mine, theirs = config.to_dict(), other.to_dict()
        odd = [name for name in mine if mine[name] != theirs[name] and (name != "precision" or other_precision)]
        differing = [f"{name} {theirs[name]!r} instead of {mine[name]!r}" for name in odd]
        raise RecordError(f"{folder} holds another run ({', '.join(differing[:3])}): choose another folder or delete this one")


def write_history(folder: Path, history: list[Metrics]) -> None:
    """Write ``metrics.jsonl``, one line an epoch."""
    text = "".join(json.dumps(line) + "\n" for line in history)
    write_atomically(folder / "metrics.jsonl", lambda temporary: temporary.write_text(text, encoding="utf-8"))


def moved(network: LNLNetwork, data: BiasedImages, config: RunConfig, device: torch.device) -> BiasedImages:
    """Move the network, in place, and the data to the device they are trained on, as ``config`` lays out memory."""
    network.to(device)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    return data if data.device == device else data.to(device)


@keep_freed_memory()
def fit(
    network: LNLNetwork,
    data: BiasedImages,
    config: RunConfig,
    *,
    out_dir: Path | str | None = None,
    device: torch.device | str = "auto",
    validate: Callable[[LNLNetwork], Metrics] | None = None,
    progress: bool = True,
    tensorboard: bool = False,
) -> list[Metrics]:
    """Train ``network`` in place, by the method of ``config``.

    With ``out_dir`` a checkpoint and ``metrics.jsonl`` (one line an epoch) are written after every epoch; a call that finds a
    checkpoint of the same configuration goes on from there and ends with the same weights as an uninterrupted run.
    Until it returns, freed memory stays in the process, see :func:`lnl_core._memory.keep_freed_memory`.

    Args:
        network: f, g and h; moved to the device.
        data: training data; moved to the device as uint8.
        config: hyper-parameters. Same seed, machine and thread count: bit-identical weights on a CPU. What it says of the data and
            of the network is what :func:`lnl_core.experiments.splits.load_data` and :func:`lnl_core.networks.build.build_network`
            read; a network of one's own must agree where that can be seen: grey for the method "gray", with as many heads in h as
            ``adversaries``. An interrupted run of precision "auto" goes on in the precision it was begun in.
        validate: called after every epoch on the network in evaluation mode; its numbers join the epoch's line.
        progress: show a progress bar with the current losses.
        tensorboard: also write scalars for TensorBoard under ``out_dir/tensorboard`` (needs the package tensorboard).

    Returns:
        One dictionary an epoch: epoch, the mean of every loss in nats, and what ``validate`` returned.

    Raises:
        ConfigError: a value that this run would not read, or a network that is not what the configuration says.
        NonFiniteLossError: a loss became infinite or NaN, or the weights after an epoch are beyond repair; the last good checkpoint
            is kept, see :func:`restore`.
        RecordError: ``out_dir`` holds another run, or a run on other data.
    """
    folder = None if out_dir is None else user_path(out_dir)
    config.check_read()
    place = choose_device(str(device))
    config = settled(config, place, folder)
    data = moved(network, data, config, place)
    _check_network(network, data, config)
    optimizers = _Optimizers(network, config)
    checkpoint = None if folder is None else folder / CHECKPOINT
    fingerprint = _fingerprint(data)
    history = _resume(checkpoint, network, optimizers, config, fingerprint) if checkpoint and checkpoint.exists() else []
    if folder is not None and history:
        write_history(folder, history)  # an interruption may have come between the checkpoint and this file
    balance = Balance.of(data, config) if config.method == "bias_balanced" else None
    writer = _tensorboard_writer(folder) if tensorboard else None
    steps = len(_batches(len(data), config, 0, data.device, balance))
    with tqdm(
        total=config.epochs * steps,
        initial=len(history) * steps,
        unit="step",
        desc=config.method,
        disable=None if progress else True,
    ) as bar:
        for epoch in range(len(history), config.epochs):
            if config.bias_restart and epoch and epoch % config.bias_restart == 0:
                _restart_bias_head(network, config, optimizers, epoch)
            metrics: Metrics = {"epoch": epoch + 1, **_train_epoch(network, data, config, optimizers, epoch, bar, folder, balance)}
            network.eval()
            if validate is not None:
                with torch.no_grad():
                    metrics |= validate(network)
            history.append(metrics)
            if folder is not None and checkpoint is not None:
                _save_checkpoint(checkpoint, network, optimizers, config, history, fingerprint)
                write_history(folder, history)
            if writer is not None:
                for name, value in metrics.items():
                    writer.add_scalar(name, value, epoch + 1)
    if writer is not None:
        writer.close()
    network.eval()
    if uses_bias(config.method):
        network.h_trained = True
    return history


def _tensorboard_writer(folder: Path | None) -> Any:
    if folder is None:
        raise ConfigError("TensorBoard needs a folder: give out_dir as well")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("TensorBoard is not installed: run 'pip install tensorboard'") from None
    return SummaryWriter(str(folder / "tensorboard"))
