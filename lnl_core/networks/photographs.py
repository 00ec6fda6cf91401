"""Networks for photographs: ResNet-18 and MobileNetV2 with the weights they start from, a small one for synthetic pictures."""

import hashlib
import re
from collections import OrderedDict
from http.client import HTTPException
from importlib import import_module
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor, nn

from lnl_core._files import user_path
from lnl_core.datasets.digits import data_folder
from lnl_core.errors import ConfigError, DataError
from lnl_core.networks.frozen import Frozen
from lnl_core.networks.parts import Grayscale, LNLNetwork, PixelBiasHead, Standardize


def resnet18_network(
    classes: int, bias_classes: int, *, bias: str = "color", weights: str | Path | None = None, grayscale: str | None = None
) -> LNLNetwork:
    """ResNet-18 for photographs, cut below its last two residual blocks (section 5.1).

    f: ImageNet's normalisation, the first convolution and pooling, the stages of 64, 128 and 256 channels (six residual blocks);
    features (B, 256, H/16, W/16), rounded up.
    g: the stage of 512 channels (the last two residual blocks), average over the places, linear.
    h: for colour :class:`PixelBiasHead`, two convolutions to a level of each channel at each place; for a label of the whole image,
    such as age or gender, the mean over the places and one fully connected layer.

    Args:
        classes: number of label classes.
        bias_classes: number of bias classes K, for colour the levels a channel.
        bias: "color" or "label".
        weights: "imagenet" for torchvision's weights, see :func:`imagenet_weights`; the path of a file, ``.safetensors`` or
            torchvision's ``.pth``; or ``None`` for random ones. The last linear layer is random in any case, as in the paper.
        grayscale: let f begin by making every image grey, the paper's "Gray" model; the kind of :class:`Grayscale`.

    Returns:
        A network for images (B, 3, H, W) in [0, 1] of 64 to 224 pixels a side. With 2 classes: f 2,782,784 parameters,
        g 8,394,754, h 1,827,096 (colour, 8 levels) or 514 (a label of 2 classes).

    Raises:
        ConfigError: an unknown bias.
        DataError: weights that cannot be had, cannot be read, or belong to another network.
    """
    from torchvision.models import resnet18

    bias_head = _photograph_bias_head(bias, 256, bias_classes)
    body = resnet18(num_classes=classes)
    if weights is not None:
        load_body(body, _state(weights, "resnet18"), str(weights))
    first = OrderedDict[str, nn.Module](gray=Grayscale(grayscale)) if grayscale else OrderedDict[str, nn.Module]()
    first["standardize"] = Standardize()
    stem = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
    extractor = nn.Sequential(first | {name: getattr(body, name) for name in stem})
    top = OrderedDict[str, nn.Module](layer4=body.layer4, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=body.fc)
    return LNLNetwork(extractor, nn.Sequential(top), bias_head)


MOBILENET_BLOCKS = 16
"""Blocks of MobileNetV2 in f: all but its last two inverted residual blocks and its last convolution."""


def mobilenet_v2_network(
    classes: int,
    bias_classes: int,
    *,
    bias: str = "color",
    weights: str | Path | None = None,
    grayscale: str | None = None,
    frozen_blocks: int = 0,
) -> LNLNetwork:
    """MobileNetV2 (Sandler et al. 2018) for photographs, cut below its last two residual blocks as the paper cuts ResNet-18.

    f: ImageNet's normalisation, the first convolution and fifteen inverted residual blocks; features (B, 160, H/32, W/32), rounded
    up.
    g: the last two inverted residual blocks, the last convolution to 1,280 channels, average over the places, linear. torchvision's
    dropout before the linear layer is left out, since what it drops is no function of the seed and the epoch.
    h: as of :func:`resnet18_network`, at the places of f.

    Args:
        classes, bias_classes, bias, weights, grayscale: as of :func:`resnet18_network`.
        frozen_blocks: how many of the 16 blocks of f, from the first convolution on, stay as they are, see
            :class:`lnl_core.networks.frozen.Frozen`.

    Returns:
        A network for images (B, 3, H, W) in [0, 1] of 64 to 224 pixels a side. With 2 classes: f 1,017,792 parameters, g 1,208,642,
        h 727,224 (colour, 8 levels) or 322 (a label of 2 classes).

    Raises:
        ConfigError: an unknown bias, or more frozen blocks than leave one to train in f.
        DataError: weights that cannot be had, cannot be read, or belong to another network.
    """
    from torchvision.models import mobilenet_v2

    if not 0 <= frozen_blocks < MOBILENET_BLOCKS:
        most = MOBILENET_BLOCKS - 1
        raise ConfigError(f"frozen_blocks must lie between 0 and {most}, got {frozen_blocks}: f must have one to train")
    bias_head = _photograph_bias_head(bias, 160, bias_classes)
    body = mobilenet_v2(num_classes=classes)
    if weights is not None:
        load_body(body, _state(weights, "mobilenet_v2"), str(weights), last="classifier.", network="MobileNetV2")
    layers = OrderedDict[str, nn.Module](gray=Grayscale(grayscale)) if grayscale else OrderedDict[str, nn.Module]()
    layers["standardize"] = Standardize()
    before = len(layers) + frozen_blocks
    layers |= {f"block{number}": body.features[number] for number in range(MOBILENET_BLOCKS)}
    if frozen_blocks:
        frozen = Frozen(nn.Sequential(OrderedDict(islice(layers.items(), before))))
        layers = OrderedDict[str, nn.Module](frozen=frozen) | OrderedDict(islice(layers.items(), before, None))
    top = OrderedDict[str, nn.Module](
        {f"block{number}": body.features[number] for number in range(MOBILENET_BLOCKS, len(body.features))}
    )
    top |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": body.classifier[-1]}
    return LNLNetwork(nn.Sequential(layers), nn.Sequential(top), bias_head)


def _photograph_bias_head(bias: str, features: int, classes: int) -> nn.Module:
    if bias not in ("color", "label"):
        raise ConfigError(f"unknown bias {bias!r}: choose 'color' or 'label'")
    if bias == "color":
        return PixelBiasHead(features=features, classes=classes)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, classes))


def small_cnn_network(classes: int, bias_classes: int, *, bias: str = "color", grayscale: str | None = None) -> LNLNetwork:
    """A small network for the synthetic pictures, so that their effect is seen in a minute without any pretrained weights. Ours.

    f: ImageNet's normalisation, three times (conv 3x3 of stride 2, batch normalisation, ReLU) with 16, 32 and 64 channels; features
    (B, 64, H/8, W/8), rounded up. g: one more such layer, average over the places, linear. h: as of :func:`resnet18_network`.

    Args:
        classes, bias_classes, bias, grayscale: as of :func:`resnet18_network`.

    Returns:
        A network for images (B, 3, H, W) in [0, 1]. With 2 classes: f 23,728 parameters, g 37,122.

    Raises:
        ConfigError: an unknown bias.
    """

    def halved(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]

    gray: list[nn.Module] = [Grayscale(grayscale)] if grayscale else []
    extractor = nn.Sequential(*gray, Standardize(), *halved(3, 16), *halved(16, 32), *halved(32, 64))
    label_head = nn.Sequential(*halved(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return LNLNetwork(extractor, label_head, _photograph_bias_head(bias, 64, bias_classes))


_PUBLISHED = {"resnet18": "ResNet18_Weights", "mobilenet_v2": "MobileNet_V2_Weights"}


def _published(network: str) -> Any:
    return getattr(import_module("torchvision.models"), _PUBLISHED[network]).IMAGENET1K_V1


def imagenet_file(network: str, data_dir: Path | str | None = None) -> Path | None:
    """The file that torchvision downloads for :func:`imagenet_weights`, if it lies under its name in the folder ``weights`` of the
    data folder (see :func:`lnl_core.datasets.digits.data_folder`), else ``None``."""
    path = data_folder(data_dir) / "weights" / PurePosixPath(_published(network).url).name
    return path if path.is_file() else None


def imagenet_weights(network: str = "resnet18", data_dir: Path | str | None = None) -> dict[str, Tensor]:
    """torchvision's ImageNet weights ("IMAGENET1K_V1") of "resnet18" or "mobilenet_v2".

    They are read from :func:`imagenet_file` if it is there, else from torch's cache (``torch.hub.get_dir()/checkpoints``), else
    downloaded once; the hash in its name is checked.

    Raises:
        DataError: if they are neither there nor reachable, or the file is another one.
    """
    there = imagenet_file(network, data_dir)
    if there is not None:
        return read_weights(there)
    try:
        state: dict[str, Tensor] = _published(network).get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DataError(
            f"torchvision's ImageNet weights cannot be downloaded ({error}): give the path of a file with them, or weights=None"
        ) from None
    return state


def _state(weights: str | Path, network: str) -> dict[str, Tensor]:
    return imagenet_weights(network) if weights == "imagenet" else read_weights(Path(weights))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a ``.pth`` file read without running any code in it.

    A name such as ``mobilenet_v2-b0353104.pth`` carries the first digits of the file's SHA-256, as torchvision names its files.

    Raises:
        DataError: if the file is missing, damaged, not the one that its name says, or holds something else, such as a NaN.
    """
    from safetensors.torch import load_file

    path = user_path(path)
    if not path.is_file():
        raise DataError(f"{path} does not exist: check the path of the weights file, or choose 'imagenet' or None")
    named = re.search(r"-([0-9a-f]{8,64})\.(?:pth|safetensors)$", path.name)
    if named and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(named[1]):
        raise DataError(f"{path} is not the file that its name says (its SHA-256 does not begin with {named[1]}): get it again")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can raise anything
        raise DataError(f"{path} is no readable weights file: it must be .safetensors or a .pth of tensors alone") from None
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise DataError(f"{path} does not hold a table of named tensors: save the network's state_dict() and nothing else")
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise DataError(f"{path} holds a number that is infinite or none at all (see {name}): get it again, or train it anew")
    return dict(state)


def load_body(
    body: nn.Module, state: dict[str, Tensor], source: str, *, last: str = "fc.", network: str = "ResNet-18"
) -> None:
    """Load all but the last linear layer into a torchvision network, in place.

    Args:
        body: the network.
        state: its tensors by name.
        source: where they come from, for the message.
        last: how the names of the last linear layer begin.
        network: what the network is called.

    Raises:
        DataError: naming the first tensor that is missing, superfluous or of another shape.
    """
    own = body.state_dict()
    state = {name: value for name, value in state.items() if not name.startswith(last)}
    for name in [*own, *state]:
        if name.startswith(last) or (name.endswith("num_batches_tracked") and name not in state):
            continue  # files of early torchvision have no such counters
        if name not in own or name not in state or own[name].shape != state[name].shape:
            raise DataError(f"{source} holds the weights of another network than {network} (see {name}): choose another file")
    body.load_state_dict(state, strict=False)
