"""Train several networks at once: weights stacked along a first dimension, one batch of every network in each step.

The digit network is small, and a large GPU waits for its host more than it computes. S networks in one stack cost as many kernel
launches as one. What a step computes is written in :mod:`lnl_core.methods` alone: here f, g and h are mapped over the stack
(``torch.func.vmap``), so is each loss, and the sum of the losses of all networks gives each the gradient of its own.

:func:`lnl_core.training.fit` stays the reference. From the same configuration both start from the same weights, see the same
batches at the same rates, and end alike up to rounding. A stack writes no checkpoints.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from lnl_core._memory import keep_freed_memory
from lnl_core.augment import move, random_amounts
from lnl_core.balance import Balance, towards_uniform, uniform_share
from lnl_core.config import OWN_LOOPS, RunConfig
from lnl_core.datasets.container import Batch, BiasedImages
from lnl_core.errors import ConfigError, DataError, NonFiniteLossError
from lnl_core.methods import trains_h
from lnl_core.networks import LNLNetwork
from lnl_core.training import (
    Metrics,
    _affine_generator,
    _batches,
    _check_network,
    _Optimizers,
    _update,
    choose_device,
    settled,
    what_to_lower,
)

logger = logging.getLogger(__name__)

FREE = ("seed", "color_var")
"""What the configurations of one stack may differ in."""
_Inputs = tuple[Tensor, ...]
_PLAIN_STEPS = 3  # before a graph is recorded, so that whatever is set up on first use is there


class _Autocast(TorchFunctionMode):
    """What autocast does to f, g and h, where vmap hides it.

    Under vmap autocast sees what ``conv2d`` and ``linear`` are made of, part of which it leaves in float32 on a CPU; and the batch
    normalisation of bf16 features with float32 statistics is refused.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.conv2d, F.linear) and torch.is_autocast_enabled(device := args[0].device.type):
            args = [value.to(torch.get_autocast_dtype(device)) if isinstance(value, Tensor) else value for value in args]
        if func is F.batch_norm and args[0].dtype == torch.bfloat16:
            return func(args[0].float(), *args[1:], **kwargs).to(torch.bfloat16)
        return func(*args, **kwargs)


class _Part(nn.Module):
    """f, g or h of all networks: (S, B, ...) -> (S, B, ...). Its parameters are theirs, stacked: (S, ...)."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        parameters, self.stacked_buffers = stack_module_state(list(modules))
        self.stacked: dict[str, Tensor] = {}
        for name, value in parameters.items():
            self.stacked[name] = parameter = nn.Parameter(value)
            self.register_parameter(name.replace(".", "/"), parameter)
        skeleton = copy.deepcopy(modules[0]).to("meta").train()
        for module in skeleton.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # vmap hands it a view, and autograd copies what changes a view in place

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor) -> Tensor:
            result: Tensor = functional_call(skeleton, (parameters, buffers), (inputs,))
            return result

        self._all = vmap(one)

    def forward(self, inputs: Tensor) -> Tensor:
        with _Autocast():
            result: Tensor = self._all(self.stacked, self.stacked_buffers, inputs)
        return result

    def write_back(self, modules: Sequence[nn.Module]) -> None:
        values = {**self.stacked, **self.stacked_buffers}
        for number, module in enumerate(modules):
            for name, own in [*module.named_parameters(), *module.named_buffers()]:
                own.copy_(values[name][number])


class _Stack(LNLNetwork):
    """S networks that look like one to the steps of :mod:`lnl_core.methods`, with a first dimension S everywhere."""

    def __init__(self, networks: Sequence[LNLNetwork]) -> None:
        super().__init__(*(_Part([getattr(network, part) for network in networks]) for part in _PARTS))

    def each(self, loss: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """(S,): ``loss`` of every network."""
        result: Tensor = vmap(loss, in_dims=tuple(0 if isinstance(value, Tensor) else None for value in arguments))(*arguments)
        return result

    @torch.no_grad()
    def clip_gradients(self, norm: float) -> None:
        """Shorten the joint gradient of f and g of every network for itself, in place."""
        parameters = (*self.extractor.parameters(), *self.label_head.parameters())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)  # (S,)
        scale = (norm / (norms + 1e-6)).clamp(max=1)  # as torch.nn.utils.clip_grad_norm_
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))

    @torch.no_grad()
    def write_back(self, networks: Sequence[LNLNetwork]) -> None:
        """Copy every network's weights and running statistics out of the stack."""
        for part in _PARTS:
            getattr(self, part).write_back([getattr(network, part) for network in networks])


_PARTS = ("extractor", "label_head", "bias_head")


class _StackedData:
    """The data sets one after another on the device, images as uint8: number i of data set s lies at ``s * N + i``."""

    def __init__(self, datasets: Sequence[BiasedImages], configs: Sequence[RunConfig], device: torch.device) -> None:
        self.size = len(datasets[0])
        balanced = configs[0].method == "bias_balanced"
        self.balances = [Balance.of(*each) if balanced else None for each in zip(datasets, configs, strict=True)]
        priors = [balance.log_prior for balance in self.balances if balance is not None]
        self.log_prior = self._join(priors, device) if priors else None
        self.images = self._join([data.images for data in datasets], device)
        self.labels = self._join([data.labels for data in datasets], device)
        self.bias = self._join([data._bias for data in datasets], device)

    def _join(self, parts: Sequence[Tensor], device: torch.device) -> Tensor:
        whole = torch.empty(len(parts) * self.size, *parts[0].shape[1:], dtype=parts[0].dtype, device=device)
        for place, part in zip(whole.split(self.size), parts, strict=True):
            place.copy_(part)
        return whole

    def batches(self, configs: Sequence[RunConfig], epoch: int) -> list[_Inputs]:
        """What every step of an epoch reads; network s sees what :func:`lnl_core.training.fit` would show it.

        The places (B, S) of the images and, where images are augmented, the amounts (B, S, A) of their random maps.
        """
        orders, amounts = [], []
        for s, (config, balance) in enumerate(zip(configs, self.balances, strict=False)):
            batches = _batches(self.size, config, epoch, torch.device("cpu"), balance)
            orders.append(torch.cat(batches).cpu() + s * self.size)
            if config.augment or config.elastic:
                generator = _affine_generator(config, epoch)
                each = [random_amounts(len(batch), config.augment, generator, config.elastic) for batch in batches]
                amounts.append(torch.cat(each))
        device, size = self.images.device, configs[0].batch_size
        columns = [torch.stack(values, dim=1).to(device).split(size) for values in (orders, amounts) if values]
        return list(zip(*columns, strict=True))

    def batch(self, share: Tensor, places: Tensor, amounts: Tensor | None = None) -> Batch:
        """Images (S, B, C, H, W) float32 in [0, 1] and what belongs to them; ``share`` weans from the prior of "bias_balanced".

        In memory the image comes first and the network second, since vmap turns the convolutions of S networks into one with S
        groups of channels.
        """
        images = self.images[places].to(torch.float32).div_(255)
        if amounts is not None:
            images = move(images.flatten(0, 1), amounts.flatten(0, 1)).view_as(images)
        batch = Batch(images.transpose(0, 1), self.labels[places].transpose(0, 1), self.bias[places].long().transpose(0, 1))
        if self.log_prior is not None:
            batch.log_prior = towards_uniform(self.log_prior[places], share).transpose(0, 1)
        return batch


class _Captured:
    """A step that runs a few times as it is, is then recorded as a CUDA graph, and is replayed ever after.

    Every run is a real step on what it is given. The recording only reads ``self.inputs``, so these are copied there; a batch of
    another size, the last of an epoch, runs as it is.
    """

    def __init__(self, step: Callable[..., Tensor]) -> None:
        self.step = step
        self.plain_steps = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self.plain_steps < _PLAIN_STEPS:
            self.plain_steps += 1
            self.inputs = [value.clone() for value in inputs]
            return self.step(*inputs)
        if inputs[0].shape != self.inputs[0].shape:
            return self.step(*inputs)
        for mine, value in zip(self.inputs, inputs, strict=True):
            mine.copy_(value)
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream()):
                self.losses = self.step(*self.inputs)  # recorded, not run
        self.graph.replay()
        return self.losses.clone()


@contextmanager
def _side_stream(device: torch.device, capture: bool) -> Iterator[None]:
    """Work on a CUDA stream of its own if a graph is to be captured, which the default stream does not allow."""
    if not capture:
        yield
        return
    before = torch.cuda.current_stream(device)
    stream = torch.cuda.Stream(device)
    stream.wait_stream(before)
    with torch.cuda.stream(stream):
        yield
    before.wait_stream(stream)


class _Trainer:
    """The stack, its data and its optimisers; one call of :meth:`epoch` after another."""

    def __init__(
        self, networks: Sequence[LNLNetwork], datasets: Sequence[BiasedImages], configs: Sequence[RunConfig], capture: bool
    ) -> None:
        self.device = next(networks[0].parameters()).device
        self.configs, self.config = configs, configs[0]
        self.stack = _Stack(networks)
        self.data = _StackedData(datasets, configs, self.device)
        self.share = torch.zeros((), device=self.device)  # in a tensor, like the rates, for the sake of CUDA graphs
        self.optimizers = _Optimizers(self.stack, self.config, {"fused": True} if self.device.type in ("cpu", "cuda") else {})
        self.names: list[str] = []
        self.warming: bool | None = None
        self.capture = capture
        if capture:
            self.rates_on_device()

    def rates_on_device(self) -> None:
        """Keep the learning rates where a graph can read them; the fused optimiser takes them from there without a look."""
        for optimizer in (self.optimizers.main, self.optimizers.bias):
            for group in optimizer.param_groups:
                group["lr"] = torch.zeros((), device=self.device)

    def run_batch(self, *inputs: Tensor) -> Tensor:
        """One step; returns the losses (kinds, S) in the order of ``names``."""
        losses = _update(self.stack, self.data.batch(self.share, *inputs), self.config, self.optimizers, warming=bool(self.warming))
        self.names = list(losses)
        return torch.stack([value.float() for value in losses.values()])

    def epoch(self, epoch: int, advance: Callable[[], Any]) -> list[Metrics]:
        """Train one epoch; nothing in it waits for the device before the losses are read at its end."""
        if self.warming != (warming := epoch < self.config.warmup_epochs):
            self.warming = warming
            self.run = _Captured(self.run_batch) if self.capture else self.run_batch
        batches = self.data.batches(self.configs, epoch)
        rows: list[Tensor] = []
        for number, inputs in enumerate(batches):
            progress = epoch + number / len(batches)
            self.optimizers.set_rates(progress)
            self.share.fill_(uniform_share(self.config, progress))
            rows.append(self.run(*inputs))
            advance()
        table = torch.stack(rows).cpu()  # (steps, losses, S)
        self._check_finite(table, epoch)
        self._check_weights(epoch)
        return [
            {"epoch": epoch + 1} | {f"{name}_loss": value for name, value in zip(self.names, means, strict=True)}
            for means in table.mean(0).T.tolist()
        ]

    def _check_finite(self, table: Tensor, epoch: int) -> None:
        bad = ~torch.isfinite(table)
        if bad.any():
            step, term, s = bad.nonzero()[0].tolist()
            raise NonFiniteLossError(
                f"the {self.names[term]} loss of {self._named(s)} became "
                f"{table[step, term, s].item()} at step {step + 1} of epoch {epoch + 1}: "
                f"{what_to_lower(self.config)}"
            )

    def _check_weights(self, epoch: int) -> None:
        """That no weight became infinite or NaN in the epoch's last update, which no loss has seen."""
        finite = torch.stack([torch.isfinite(value).flatten(1).all(1) for value in self.stack.parameters()]).all(0)  # (S,)
        if not bool(finite.all()):
            s = int((~finite).nonzero()[0])
            raise NonFiniteLossError(
                f"the weights of {self._named(s)} are not finite after the last step of epoch {epoch + 1}: "
                f"{what_to_lower(self.config)}"
            )

    def _named(self, s: int) -> str:
        return f"the network with seed {self.configs[s].seed} and color_var {self.configs[s].color_var:g}"


def check_stackable(configs: Sequence[RunConfig]) -> None:
    """Refuse configurations that cannot be trained in one stack.

    Raises:
        ConfigError: if there are none, if they differ in more than seed and color_var, if they ask for alternating updates, or if
            they are no digit networks of the plain loop, or with another adversary than the usual one.
    """
    if not configs:
        raise ConfigError("there is nothing to train: give at least one configuration")
    for name in (field.name for field in fields(RunConfig) if field.name not in FREE):
        for config in configs:
            one, other = getattr(configs[0], name), getattr(config, name)
            if one != other:
                raise ConfigError(
                    f"networks trained at once may differ in {' and '.join(FREE)} only, these differ in {name} "
                    f"({one!r} and {other!r}): train them one by one"
                )
    configs[0].check_read()  # they differ in seed and color_var alone
    if configs[0].experiment != "colored_mnist" or configs[0].method in OWN_LOOPS or configs[0].optimizer != "sgd":
        without = " or ".join(map(repr, OWN_LOOPS))
        raise ConfigError(
            f"only networks on Colored MNIST can be stacked, with SGD and not with method {without}: train the others one by one"
        )
    if configs[0].other_adversary:
        raise ConfigError(f"networks with {configs[0].other_adversary} cannot be stacked: train them one by one")
    if configs[0].updates == "alternating":
        raise ConfigError("alternating updates cannot be stacked: use updates 'joint', or train the networks one by one")


def _check(networks: Sequence[LNLNetwork], datasets: Sequence[BiasedImages], configs: Sequence[RunConfig]) -> None:
    check_stackable(configs)
    if not len(networks) == len(datasets) == len(configs):
        raise ConfigError(
            "every network needs a data set and a configuration: "
            f"got {len(networks)} networks, {len(datasets)} data sets and {len(configs)} configurations"
        )
    for network, data, config in zip(networks, datasets, configs, strict=True):
        _check_network(network, data.subset(slice(0, 16)).to(next(network.parameters()).device), config)
    for what, error, kinds in (
        ("networks", ConfigError, [{name: value.shape for name, value in n.state_dict().items()} for n in networks]),
        ("data sets", DataError, [(data.images.shape, data._bias.shape) for data in datasets]),
    ):
        odd = next((number for number, kind in enumerate(kinds) if kind != kinds[0]), None)
        if odd is not None:
            raise error(f"the {what} of a stack must be of equal size, number {odd + 1} differs from the first: train it alone")


def _capture(capture: bool | str, device: torch.device) -> bool:
    if capture not in (True, False, "auto"):
        raise ConfigError(f"capture must be True, False or 'auto', got {capture!r}")
    if capture is True and device.type != "cuda":
        raise ConfigError(f"CUDA graphs need a CUDA device, not {device.type}: leave capture at 'auto'")
    return device.type == "cuda" if capture == "auto" else bool(capture)


def _fit_together(
    networks: Sequence[LNLNetwork],
    datasets: Sequence[BiasedImages],
    configs: Sequence[RunConfig],
    validate: Sequence[Callable[[LNLNetwork], Metrics]] | None,
    capture: bool,
    progress: bool,
) -> list[list[Metrics]]:
    device = next(networks[0].parameters()).device
    with _side_stream(device, capture):
        trainer = _Trainer(networks, datasets, configs, capture)
        histories: list[list[Metrics]] = [[] for _ in networks]
        config, steps = configs[0], len(trainer.data.batches(configs[:1], 0))
        description = f"{config.method} x {len(networks)}"
        with tqdm(total=config.epochs * steps, unit="step", desc=description, disable=None if progress else True) as bar:
            for epoch in range(config.epochs):
                lines = trainer.epoch(epoch, bar.update)
                if validate is not None or epoch == config.epochs - 1:
                    trainer.stack.write_back(networks)
                for number, (network, line) in enumerate(zip(networks, lines, strict=True)):
                    network.eval()
                    network.h_trained = trains_h(config.method) or network.h_trained
                    with torch.no_grad():
                        histories[number].append(line if validate is None else line | validate[number](network))
    return histories


@keep_freed_memory()
def fit_stacked(
    networks: Sequence[LNLNetwork],
    datasets: Sequence[BiasedImages],
    configs: Sequence[RunConfig],
    *,
    device: torch.device | str = "auto",
    validate: Sequence[Callable[[LNLNetwork], Metrics]] | None = None,
    capture: bool | str = "auto",
    progress: bool = True,
) -> list[list[Metrics]]:
    """Train ``networks`` in place and at once, each as :func:`lnl_core.training.fit` would, up to rounding.

    Where the device runs out of memory, half as many are trained at once, from their initial weights, and a warning says so.

    Args:
        networks: S networks of one kind; moved to the device.
        datasets: S data sets of one size, the training data of each; a copy of all goes to the device as uint8.
        configs: S configurations, which may differ in ``seed`` and ``color_var`` only.
        validate: S functions, called after every epoch on their network in evaluation mode; the numbers join its line.
        capture: record the step as a CUDA graph and replay it; "auto" does so on CUDA devices.
        progress: show a progress bar, without losses: reading one would wait for the device.

    Returns:
        S histories as :func:`lnl_core.training.fit` returns them: a dictionary an epoch.

    Raises:
        ConfigError: the configurations or networks do not go together, or one network alone does not fit into memory.
        DataError: the data sets are not of one size.
        NonFiniteLossError: a loss became infinite or NaN; the message names the network.
    """
    place = choose_device(str(device))
    configs = [settled(config, place, None) for config in configs]
    recorded = _capture(capture, place)
    _check(networks, datasets, configs)
    initial = [copy.deepcopy(network.state_dict()) for network in networks]
    histories: list[list[Metrics]] = []
    together = len(networks)
    while len(histories) < len(networks):
        now = slice(len(histories), len(histories) + together)
        of_these = None if validate is None else validate[now]
        with suppress(torch.cuda.OutOfMemoryError):
            for network in networks[now]:
                network.to(place).train()
            histories += _fit_together(networks[now], datasets[now], configs[now], of_these, recorded, progress)
            continue
        # What filled the memory was let go with the traceback, so the rest can be done out here.
        if together == 1:
            raise ConfigError(f"{place} has too little memory for one network alone: lower batch_size, or choose another device")
        for network, state in zip(networks[now], initial[now], strict=True):
            network.load_state_dict(state)
        if place.type == "cuda":
            torch.cuda.empty_cache()
        logger.warning("out of memory with %d networks at once: starting these again, %d at once", together, (together + 1) // 2)
        together = (together + 1) // 2
    return histories
