"""Fresh adversaries on the stored networks, trained on tens of thousands of repainted digits: is what their kind can see gone?

A fresh h has the layers of the old one and starts from fresh weights; f is frozen and its features are computed once. It is trained
on the 55,000 digits of "train" and asked about test digits in random colours, a part of its own for every seed, so that an interval
over seeds is one over training and over images. How many of its epochs are kept, the loss on the 5,000 validation digits decides,
painted as those it is trained on. All readings are those of :func:`lnl_core.evaluation.adversary.evaluate_adversary`.

An h sees five by five places. To learn it needs no whole maps: every step takes a few labelled places of every image and the
windows around them, on which the layers compute what they compute on the map (:func:`read_windows`). That takes a fourteenth of
the time of all places.

An untrained f is measured, too: what it does not hide, an h that has learnt enough must read. Runs in the working folder whose
weights are still there are measured as well. Some five minutes of one core a network.
"""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import IGNORE, BiasedImages
from lnl_core.datasets.colored_mnist import bias_map
from lnl_core.errors import ConfigError
from lnl_core.evaluation import Interval
from lnl_core.evaluation.adversary import AdversaryReading, evaluate_adversary
from lnl_core.evaluation.features import refuse_infinite
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.experiments.splits import load_data
from lnl_core.networks import LNLNetwork
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import PixelBiasHead
from lnl_core.runs.records import read_record
from lnl_core.runs.run import MODEL, RECORD, load_model, model_config
from tools import ROOT
from tools.studies.stored import OfStoredNetworks, read_measurements
from tools.studies.study import Found, Job, Options

FOLDER = Path("results", "fresh_h")
SETTINGS: dict[str, Any] = {
    "trained_on": "train",
    "held_out": "validation",
    "asked": "test",
    "epochs": 10,
    "batch_size": 125,
    "places": 2,
    "held_out_places": 8,
    "lr": 1e-2,
    "seeds": 3,
}
"""``places``: windows of an image in a step, drawn anew in every epoch; ``lr``: Adam's, which falls to 0 along a cosine.

Of the settings tried on one network (blind_eye, 0.02, seed 3) this has the least held-out loss after ten epochs, 1.814: a rate of
0.003 has 1.854, half the batch with it 1.819, features divided by the deviations of their channels 1.852. Three epochs at 0.003,
with 1.952, read less than the old h does, in this network and in three others (:data:`THREE_EPOCHS`). Thirty epochs at 0.01 reach
1.681."""
THREE_EPOCHS = FOLDER / "three_epochs"
"""What was measured of four networks of blind_eye with the settings of before, three epochs at a rate of 0.003."""
LONGER = 30
"""Epochs of the reading "longer": three times as many, to see how far from its end the others' training is."""
READINGS: dict[str, dict[str, Any]] = {
    "background": {"where": "background"},
    "foreground": {"where": "foreground"},
    "training_colors": {"where": "background", "random_colors": False},
    "permuted": {"where": "background", "permuted": True},
    "longer": {"where": "background", "epochs": LONGER},
}
"""Of each fresh h: at which places it is trained and asked, whether it is trained on random colours, whether the colours of the
labels are dealt anew among the images, which leaves nothing to read, and its epochs where they are not those of all."""
EVERYWHERE = ("background", "foreground")
"""Those of every network."""
CONTROLLED = {"baseline": ("training_colors", "permuted"), "lnl": ("training_colors", "permuted", "longer")}
"""The further readings of a method's network at the smallest variance; each takes as long as the others, "longer" three times."""
UNTRAINED = "untrained"
_REACH = 2  # places that h sees on each side


def levels_of(data: BiasedImages) -> Tensor:
    """(N, 3) int64 level of each channel of an image, whatever places are labelled."""
    assert data.color is not None
    return bias_map(data.images[:, :, :2, :2], data.color, "image", "everywhere")[:, :, 0, 0].long()


def labelled(data: BiasedImages, where: str) -> Tensor:
    """(N, places) bool: the places of "background" or "foreground"."""
    assert data.color is not None
    return (bias_map(data.images, data.color, "image", where)[:, 0] != IGNORE).flatten(1)


def relabelled(data: BiasedImages, levels: Tensor, where: str) -> BiasedImages:
    """The same images with these levels (N, 3) at these places, and no labels elsewhere."""
    shape = data.bias.shape
    there = labelled(data, where).view(shape[0], 1, *shape[2:])
    bias = levels[:, :, None, None].expand(shape).where(there, torch.tensor(IGNORE))
    return BiasedImages(data.images, data.labels, bias, data.group, data.color, source=data.source)


def padded(features: Tensor) -> Tensor:
    """(N, C, H, W) with zeros around, as (N, H + 4, W + 4, C) float16, the channels of a place side by side."""
    return F.pad(features, (_REACH,) * 4).permute(0, 2, 3, 1).half().contiguous()


@torch.no_grad()
def padded_features(network: LNLNetwork, data: BiasedImages) -> Tensor:
    """:func:`padded` f(x) of all images; small batches with channels side by side take a third of the time."""
    extractor = copy.deepcopy(network.extractor).to(memory_format=torch.channels_last).eval()
    pieces = []
    for index in torch.arange(len(data)).split(100):
        features = extractor(data.batch(index, channels_last=True).images)
        refuse_infinite(features)
        pieces.append(padded(features))
    return torch.cat(pieces)


def windows(maps: Tensor, image: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """What h sees of some places.

    Args:
        maps: of :func:`padded`.
        image, place: (M,) int64; a place is row times width plus column.

    Returns:
        (M, C, 5, 5) float32 around the places, and (M, 1, 3, 3) bool: which of their neighbours are places of the map.
    """
    height, width = (size - 2 * _REACH for size in maps.shape[1:3])
    row, column = (place // width)[:, None, None], (place % width)[:, None, None]
    near = torch.arange(2 * _REACH + 1)
    seen = maps[image[:, None, None], row + near[:, None], column + near].float().permute(0, 3, 1, 2)
    beside = torch.arange(-1, 2)
    down, right = row + beside[:, None], column + beside
    return seen, ((down >= 0) & (down < height) & (right >= 0) & (right < width))[:, None]


def read_windows(head: PixelBiasHead, seen: Tensor, inside: Tensor) -> Tensor:
    """(M, K, channels) logits: what ``head`` answers at the places in the middle of :func:`windows`."""
    first, norm, relu, last = head.layers
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    hidden = relu(norm(F.conv2d(seen, first.weight, first.bias))) * inside
    logits = F.conv2d(hidden, last.weight, last.bias, groups=last.groups)
    return logits.view(len(seen), head.channels, head.classes).transpose(1, 2)


class Places:
    """Images as a fresh h is trained on them: padded features, a level of each channel, and the places that are labelled."""

    def __init__(self, maps: Tensor, levels: Tensor, there: Tensor) -> None:
        self.maps, self.levels, self.there = maps, levels, there.float()
        self.index = there.any(1).nonzero()[:, 0]

    def batches(self, size: int, places: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """All images once in random order, :func:`windows` of so many places of each, with (M, channels) levels."""
        for index in self.index[torch.randperm(len(self.index))].split(size):
            place = torch.multinomial(self.there[index], places, replacement=True).flatten()
            image = index.repeat_interleave(places)
            yield *windows(self.maps, image, place), self.levels[image]


def trained_head(head: PixelBiasHead, train: Places, held_out: Places, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train ``head`` in place from fresh weights, and leave it as it was after the epoch with the least held-out loss.

    Returns:
        ``losses``, of held-out places after each epoch in nats, mean over channels, and ``kept``, the number of that epoch.
    """
    with seeded(seed):
        for layer in head.layers:
            reset: Callable[[], None] = getattr(layer, "reset_parameters", lambda: None)
            reset()
        examined = list(held_out.batches(settings["batch_size"], settings["held_out_places"]))
        optimizer = torch.optim.Adam(head.parameters(), lr=settings["lr"])
        steps = settings["epochs"] * -(-len(train.index) // settings["batch_size"])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        losses, best = [], copy.deepcopy(head.state_dict())
        for _ in range(settings["epochs"]):
            head.train()
            for seen, inside, levels in train.batches(settings["batch_size"], settings["places"]):
                optimizer.zero_grad()
                F.cross_entropy(read_windows(head, seen, inside), levels).backward()
                optimizer.step()
                schedule.step()
            losses.append(_loss(head, examined))
            if losses[-1] == min(losses):
                best = copy.deepcopy(head.state_dict())
    head.load_state_dict(best)
    head.eval()
    return {"losses": losses, "kept": losses.index(min(losses)) + 1}


@torch.no_grad()
def _loss(head: PixelBiasHead, batches: list[tuple[Tensor, Tensor, Tensor]]) -> float:
    head.eval()
    sums = [float(F.cross_entropy(read_windows(head, seen, inside), levels)) * len(levels) for seen, inside, levels in batches]
    return sum(sums) / sum(len(levels) for _, _, levels in batches)


def parts(data: BiasedImages, count: int) -> list[BiasedImages]:
    """The images in so many parts of about one size."""
    return [data.subset(index) for index in torch.arange(len(data)).chunk(count)]


def summary(readings: list[AdversaryReading]) -> Found:
    """Means with 95 % intervals over readings of different images, and how many images each was asked about."""
    found: Found = {
        name: asdict(Interval.of([getattr(one, name) for one in readings])) for name in ("information", "accuracy", "chance")
    }
    return found | {"entropy": sum(one.entropy for one in readings) / len(readings), "asked": [one.images for one in readings]}


class Asked:
    """One network with its digits in random and in training colours; features are computed when they are first needed."""

    def __init__(self, network: LNLNetwork, config: RunConfig, data_dir: str | None) -> None:
        if not isinstance(network.bias_head, PixelBiasHead):
            raise ConfigError(f"fresh adversaries of this study read feature maps, and {config.method} has another h: leave it out")
        self.network, self.config, self.data_dir = network, config, data_dir
        self.test = load_data(config, SETTINGS["asked"], data_dir)
        self._painted: dict[tuple[str, bool], tuple[BiasedImages, Tensor]] = {}

    def painted(self, split: str, random_colors: bool) -> tuple[BiasedImages, Tensor]:
        """The digits of a split and their :func:`padded` features."""
        key = (split, random_colors)
        if key not in self._painted:
            data = load_data(self.config, split, self.data_dir, random_colors=random_colors)
            self._painted[key] = data, padded_features(self.network, data)
        return self._painted[key]

    def fresh(self, where: str, random_colors: bool = True, permuted: bool = False, epochs: int | None = None) -> Found:
        """Fresh h's, one a seed, each asked about its own part of the test digits."""
        clock, readings, fits = time.process_time(), [], []
        settings = SETTINGS if epochs is None else {**SETTINGS, "epochs": epochs}
        tests = parts(self.test, SETTINGS["seeds"])
        for seed, test in enumerate(tests):
            generator = torch.Generator().manual_seed(seed)

            def dealt(levels: Tensor, generator: torch.Generator = generator) -> Tensor:
                return levels[torch.randperm(len(levels), generator=generator)] if permuted else levels

            train, held_out = (
                Places(maps, dealt(levels_of(data)), labelled(data, where))
                for data, maps in (self.painted(SETTINGS[name], random_colors) for name in ("trained_on", "held_out"))
            )
            head = copy.deepcopy(self.network.bias_head)
            assert isinstance(head, PixelBiasHead)
            fits.append(trained_head(head, train, held_out, settings, seed))
            asked = relabelled(test, dealt(levels_of(test)), where)
            readings.append(evaluate_adversary(LNLNetwork(self.network.extractor, self.network.label_head, head), asked))
        return {**summary(readings), "fits": fits, "cpu_seconds": time.process_time() - clock}

    def old(self, where: str) -> Found | None:
        """The h of the training, asked about the same parts; ``None`` where it was never trained."""
        if not self.network.h_trained:
            return None
        asked = [relabelled(one, levels_of(one), where) for one in parts(self.test, SETTINGS["seeds"])]
        return summary([evaluate_adversary(self.network, one) for one in asked])


def measure(network: LNLNetwork, config: RunConfig, data_dir: str | None) -> Found:
    """All readings of one network, and the number of images that its fresh h's were trained on."""
    asked = Asked(network, config, data_dir)
    found: Found = {"old": {where: asked.old(where) for where in EVERYWHERE}}
    further = CONTROLLED.get(config.method, ()) if config.color_var == min(COLOR_VARS) else ()
    found["fresh"] = {name: asked.fresh(**READINGS[name]) for name in (*EVERYWHERE, *further)}
    images = {name: len(asked.painted(SETTINGS[name], True)[0]) for name in ("trained_on", "held_out")}
    return found | {"images": images}


def can_be_asked(model: Path) -> bool:
    """Whether a model is that of a preset, which a row of the table names in full, and its h reads feature maps."""
    config = model_config(model)
    return config.profile != "custom" and config.features == "map"


def untrained_config() -> RunConfig:
    """The network of Kim et al. as its training begins, and the digits at the smallest variance."""
    return preset("short", "baseline", color_var=0.02, source="mnist")


def read_fresh_h(root: Path = ROOT) -> list[Found]:
    """The stored measurements, see :func:`tools.studies.stored.read_measurements`."""
    return read_measurements(root / FOLDER)


class FreshH(OfStoredNetworks):
    name = "fresh_h"
    about = "Fresh adversaries trained on 55,000 repainted digits, on the features of the stored networks."
    settings = SETTINGS
    folder = FOLDER

    def jobs(self, options: Options) -> list[Job]:
        control = Job(UNTRAINED, ROOT / FOLDER / f"{UNTRAINED}.json", {"path": None})
        stored = super().jobs(options)
        known = {job.values["record"] for job in stored}
        trained = {file.parent.name: file.parent / MODEL for file in sorted(options.work.glob(f"colored_mnist-*/{RECORD}"))}
        more = [(name, path) for name, path in trained.items() if name not in known and path.is_file() and can_be_asked(path)]
        return [control, *stored, *(Job(name, ROOT / FOLDER / f"{name}.json", {"path": path}) for name, path in more)]

    def measure(self, model: dict[str, Any], data_dir: str | None) -> Found:
        path = model["path"]
        if path is None:
            config = untrained_config()
            who: Found = {"method": UNTRAINED, "test_accuracy": None, "weights": "float32"}
            return self._measured(build_network(config).eval(), config, who, data_dir)
        config = model_config(path)
        accuracy = model["test_accuracy"] if "record" in model else read_record(path.parent / RECORD).metrics["test_accuracy"]
        who = {"method": config.method, "test_accuracy": accuracy, "weights": "float32" if path.name == MODEL else "float16"}
        return self._measured(load_model(path), config, who, data_dir)

    @staticmethod
    def _measured(network: LNLNetwork, config: RunConfig, who: Found, data_dir: str | None) -> Found:
        named = {"color_var": config.color_var, "seed": config.seed, "config": config.to_dict()}
        return {"settings": SETTINGS, **who, **named, **measure(network, config, data_dir)}

    def line(self, found: Found) -> str:
        return ", ".join(f"{name} {one['information']['mean']:.3f} nats" for name, one in found["fresh"].items())


STUDIES = (FreshH(),)
