"""One plain loop that trains any method, keeps a checkpoint after every epoch, and resumes from it to the same result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lnl_core._files import user_path
from lnl_core._memory import keep_freed_memory
from lnl_core._random import seeded
from lnl_core.config import RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.losses import bias_loss
from lnl_core.methods import method_step, uses_bias
from lnl_core.methods._steps import Losses, first_pass, second_pass, watch
from lnl_core.methods.bias_balanced import Balance
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training.augment import augment
from lnl_core.training.batches import _affine_generator, _batches, derived_seed
from lnl_core.training.checkpoints import CHECKPOINT, Metrics, _fingerprint, _resume, _save_checkpoint, settled, write_history
from lnl_core.training.checks import _check_finite, _check_network, _check_sound, _layout
from lnl_core.training.devices import choose_device, moved
from lnl_core.training.optimisers import _Optimizers
from lnl_core.training.precision import autocast


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
