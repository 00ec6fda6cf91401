"""f, g and h: sizes, shapes, and what they compute."""

import copy
import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lnl_core import experiments
from lnl_core.config import preset
from lnl_core.datasets.container import Batch, BiasedImages, Features
from lnl_core.errors import ConfigError, DataError
from lnl_core.losses import bias_loss, confusion_loss, negative_conditional_entropy
from lnl_core.methods import METHODS as EVERY_METHOD, find
from lnl_core.networks import (
    Grayscale,
    LNLNetwork,
    MaxPool,
    NormalizedConv,
    PixelBiasHead,
    Standardize,
    build_network,
    digit_network,
    face_network,
    frozen_part,
    imagenet_weights,
    mobilenet_v2_network,
    parameter_count,
    read_weights,
    resnet18_network,
    untrained_bias_head,
    with_features,
)
from lnl_core.runs.run import run
from lnl_core.training import fit

METHODS = experiments.find("colored_mnist").methods


def random_images(size: int = 4) -> Tensor:
    return torch.rand(size, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> LNLNetwork:
    torch.manual_seed(0)
    return digit_network()


def test_networks_have_the_authors_parameter_counts(network: LNLNetwork) -> None:
    assert parameter_count(network.extractor) == 11_686
    assert parameter_count(network.label_head) == 56_074
    assert parameter_count(network.bias_head) == 34_872
    assert parameter_count(network) == 102_632


def test_parameter_counts_follow_from_the_layers(network: LNLNetwork) -> None:
    def conv(inputs: int, outputs: int, size: int) -> int:
        return outputs * (inputs * size * size + 1)

    assert parameter_count(network.extractor) == 2 * 3 + conv(3, 32, 5) + conv(32, 32, 3)
    assert parameter_count(network.label_head) == conv(32, 64, 3) + conv(64, 64, 3) + 64 * 10 + 10
    assert parameter_count(network.bias_head) == 3 * (conv(32, 32, 3) + 2 * 32 + conv(32, 8, 3))


def test_gray_network_has_no_further_parameters() -> None:
    assert parameter_count(digit_network(grayscale="luminance")) == 102_632


def test_shapes(network: LNLNetwork) -> None:
    features = network.extractor(random_images(4))
    assert features.shape == (4, 32, 14, 14)
    assert network.label_head(features).shape == (4, 10)
    assert network.bias_head(features).shape == (4, 8, 3, 14, 14)
    assert network(random_images(4)).shape == (4, 10)


def test_calling_the_network_is_g_of_f(network: LNLNetwork) -> None:
    network.eval()
    images = random_images()
    assert torch.equal(network(images), network.label_head(network.extractor(images)))


def test_no_batch_normalisation_follows_the_convolutions_of_f_and_g(network: LNLNetwork) -> None:
    norms = [
        module
        for part in (network.extractor, network.label_head)
        for module in part.modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    assert [norm.num_features for norm in norms] == [3]


@pytest.mark.parametrize("training", [True, False])
def test_pixel_head_equals_a_separate_network_per_channel(training: bool) -> None:
    torch.manual_seed(1)
    head = PixelBiasHead(features=4, classes=8, channels=3).double().train(training)
    first, norm, _, second = head.layers
    assert isinstance(first, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert isinstance(second, nn.Conv2d)
    assert first.bias is not None
    assert second.bias is not None
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    features = torch.randn(5, 4, 6, 6, dtype=torch.float64)
    together = head(features)
    for channel in range(3):
        alone = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1))
        of_first, of_second = slice(4 * channel, 4 * channel + 4), slice(8 * channel, 8 * channel + 8)
        alone.double().train(training).load_state_dict(
            {
                "0.weight": first.weight[of_first],
                "0.bias": first.bias[of_first],
                "1.weight": norm.weight[of_first],
                "1.bias": norm.bias[of_first],
                "1.running_mean": torch.zeros(4),
                "1.running_var": torch.ones(4),
                "1.num_batches_tracked": torch.tensor(0),
                "3.weight": second.weight[of_second],
                "3.bias": second.bias[of_second],
            }
        )
        assert torch.allclose(together[:, :, channel], alone(features), atol=1e-12)


def test_a_pixel_head_predicts_from_its_neighbourhood_only() -> None:
    head = PixelBiasHead().eval()
    features = torch.randn(1, 32, 14, 14, generator=torch.Generator().manual_seed(0))
    moved = features.clone()
    moved[:, :, 0, 0] += 10
    changed = (head(features) != head(moved)).flatten(1, 2).any(1)[0]
    assert changed[0, 0]
    assert not changed[3:].any()
    assert not changed[:, 3:].any()


@pytest.mark.parametrize("training", [True, False])
def test_the_first_layer_is_normalisation_and_convolution_in_one(network: LNLNetwork, training: bool) -> None:
    """The authors' (x - mean) / std of CIFAR-10, batch normalisation and 5x5 convolution: values, gradients, running statistics."""
    mean, std = (torch.tensor(values).view(3, 1, 1).double() for values in ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)))
    folded = copy.deepcopy(next(network.extractor.children())).double().train(training)
    assert isinstance(folded, NormalizedConv)
    generator = torch.Generator().manual_seed(3)
    for tensor in (folded.norm.weight.data, folded.norm.bias.data, folded.norm.running_mean):
        assert tensor is not None
        tensor.copy_(torch.randn(3, generator=generator))
    norm, conv = copy.deepcopy(folded.norm), copy.deepcopy(folded.conv)
    images = random_images().double()
    plain, ours = images.clone().requires_grad_(), images.clone().requires_grad_()

    expected, value = conv(norm((plain - mean) / std)), folded(ours)
    assert torch.allclose(value, expected, atol=1e-9)
    upstream = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    expected.backward(upstream)
    value.backward(upstream)
    pairs = ((norm.weight, folded.norm.weight), (norm.bias, folded.norm.bias), (conv.weight, folded.conv.weight), (plain, ours))
    for reference, gradient in pairs:
        assert reference.grad is not None
        assert gradient.grad is not None
        assert torch.allclose(gradient.grad, reference.grad, atol=1e-8)
    for name, buffer in norm.named_buffers():
        assert torch.allclose(folded.norm.get_buffer(name).double(), buffer.double(), atol=1e-12), name


@pytest.mark.parametrize("size", [(28, 28), (6, 2), (7, 8), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_max_pooling_is_torchs_with_and_without_gradient(size: tuple[int, int], dtype: torch.dtype) -> None:
    features = torch.randn(3, 5, *size, generator=torch.Generator().manual_seed(0)).sub(2).to(dtype)  # mostly below the padding's 0
    features[0, 0, 0, 0] = torch.inf
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = features.contiguous(memory_format=layout).requires_grad_()
        expected = torch.nn.functional.max_pool2d(laid, 3, stride=2, padding=1)
        with torch.no_grad():
            assert torch.equal(MaxPool()(laid), expected)
        (gradient,) = torch.autograd.grad(MaxPool()(laid).sum(), laid)
        assert torch.equal(gradient, torch.autograd.grad(expected.sum(), laid)[0])


def test_max_pooling_without_gradient_writes_into_nothing_it_was_given() -> None:
    features = torch.rand(2, 3, 4, 4)
    before = features.clone()
    with torch.no_grad():
        MaxPool()(features)
    assert torch.equal(features, before)


@pytest.mark.parametrize("size", [(28, 28), (6, 2), (7, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_max_pooling_of_what_is_positive(size: tuple[int, int], dtype: torch.dtype) -> None:
    features = torch.randn(3, 5, *size, generator=torch.Generator().manual_seed(0)).sub(2).to(dtype)
    features[0, 0] = -torch.inf
    features[1, 0, :2, :2] = torch.tensor([[torch.inf, 1e-39], [-0.0, 0.0]], dtype=dtype)
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = features.contiguous(memory_format=layout)
        expected = torch.nn.functional.max_pool2d(laid, 3, stride=2, padding=1).relu()
        assert torch.equal(MaxPool().positive(laid), expected)
        with torch.no_grad():
            assert torch.equal(MaxPool().positive(laid), expected)
            assert torch.equal(laid, features)


@pytest.mark.parametrize("kind", ["luminance", "lightness", "deviation"])
def test_grey_images_keep_the_memory_layout(kind: str) -> None:
    images = random_images()[:, :1].expand(-1, 3, -1, -1) if kind == "deviation" else random_images()
    for layout in (torch.contiguous_format, torch.channels_last):
        grey = Grayscale(kind)(images.contiguous(memory_format=layout))
        assert grey.is_contiguous(memory_format=layout)
        assert torch.equal(grey, grey[:, :1].expand_as(images))


def test_gray_network_sees_luminance_only() -> None:
    images = random_images()
    luminance = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
    grey = luminance.expand_as(images)
    for grayscale, blind in (("luminance", True), ("mean", False), ("lightness", False), (None, False)):
        torch.manual_seed(0)
        network = digit_network(grayscale=grayscale).eval()
        assert torch.allclose(network(images), network(grey), atol=1e-4) is blind


@pytest.mark.parametrize(
    ("kind", "expected"), [("luminance", 0.299 * 0.2 + 0.587 * 0.9 + 0.114 * 0.4), ("mean", 0.5), ("lightness", 0.55)]
)
def test_the_kinds_of_grey(kind: str, expected: float) -> None:
    image = torch.tensor((0.2, 0.9, 0.4)).view(1, 3, 1, 1)
    assert torch.allclose(Grayscale(kind)(image), torch.full((1, 3, 1, 1), expected))
    config = preset("smoke", "gray", grayscale=kind)
    first = next(part for part in build_network(config).extractor.modules() if isinstance(part, Grayscale))
    assert first.kind == kind
    assert (config.fingerprint() == preset("smoke", "gray").fingerprint()) is (kind == "luminance")


def test_divided_by_its_deviation_a_digit_has_no_colour_left() -> None:
    grey, color = random_images()[:, :1], torch.rand(len(random_images()), 3, 1, 1) * 0.9 + 0.05
    divided = Grayscale("deviation")(grey * color)
    assert torch.allclose(divided, Grayscale("deviation")(grey.expand_as(divided)), atol=1e-4)
    assert torch.allclose(divided.std(dim=(2, 3), correction=0), torch.ones(len(grey), 3), atol=1e-4)
    assert torch.allclose(Grayscale("deviation")(divided), divided, atol=1e-4), "twice is once"
    flat = torch.full((1, 3, 8, 8), 0.5)
    assert torch.equal(Grayscale("deviation")(flat), flat), "nothing is divided by 0"


def test_a_kind_of_grey_is_for_the_method_gray() -> None:
    with pytest.raises(ConfigError, match="grayscale belongs to method gray: leave it out of lnl"):
        preset("smoke", "lnl", grayscale="mean")


def test_weights_of_f_and_g_start_normal_with_variance_two_over_fan_out() -> None:
    network = build_network(preset("full", "lnl"))
    convolutions = [m for part in (network.extractor, network.label_head) for m in part.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 4
    for convolution in convolutions:
        fan_out = convolution.kernel_size[0] ** 2 * convolution.out_channels
        assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.06)


def test_weights_follow_the_seed_and_leave_the_callers_randomness_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = build_network(preset("full", "lnl", seed=3)).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(6)
    again = build_network(preset("full", "lnl", seed=3)).state_dict()
    other = build_network(preset("full", "lnl", seed=4)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["extractor.0.conv.weight"], other["extractor.0.conv.weight"])


def test_all_methods_start_from_the_same_weights() -> None:
    baseline, lnl = (build_network(preset("full", method)).state_dict() for method in ("baseline", "lnl"))
    assert all(torch.equal(baseline[name], lnl[name]) for name in baseline)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_method_gray_builds_a_gray_network(method: str) -> None:
    images = random_images()
    grey = (0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]).expand_as(images)
    network = build_network(preset("full", method)).eval()
    assert torch.allclose(network(images), network(grey), atol=1e-4) is (method == "gray")


def test_another_bias_head_can_be_given() -> None:
    head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 14 * 14, 4))
    network = digit_network(bias_head=head)
    assert network.bias_head(network.extractor(random_images(2))).shape == (2, 4)


def test_where_f_ends_changes_who_owns_a_layer_and_nothing_else() -> None:
    images = random_images()
    late, early = (build_network(preset("full", "lnl", extractor_convs=count)) for count in (2, 1))
    assert (parameter_count(early.extractor), parameter_count(early.label_head)) == (2_438, 65_322)
    assert early.extractor(images).shape == late.extractor(images).shape == (4, 32, 14, 14)
    assert torch.allclose(early(images), late(images), atol=1e-5)


# The networks for photographs


def sizes(network: LNLNetwork) -> tuple[int, int, int]:
    return parameter_count(network.extractor), parameter_count(network.label_head), parameter_count(network.bias_head)


@pytest.fixture(scope="module")
def resnet_state() -> dict[str, Tensor]:
    """Weights as torchvision saves them, for ten classes."""
    from torchvision.models import resnet18

    torch.manual_seed(4)
    state: dict[str, Tensor] = resnet18(num_classes=10).state_dict()
    return state


def photographs(size: int = 64, count: int = 4) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_resnet_has_the_parameters_of_its_parts() -> None:
    color, label = resnet18_network(2, 8), resnet18_network(2, 2, bias="label")
    assert sizes(color) == (2_782_784, 8_394_754, 1_827_096)
    assert sizes(label) == (2_782_784, 8_394_754, 514)
    # torchvision's ResNet-18 has 11,689,512, of which 513,000 are the linear layer to 1,000 classes.
    assert sum(sizes(label)[:2]) == 11_689_512 - 513_000 + 2 * 513
    assert sizes(color)[2] == (256 * 9 + 1) * 3 * 256 + 2 * 3 * 256 + (256 * 9 + 1) * 3 * 8


def test_the_label_head_holds_the_last_two_residual_blocks() -> None:
    from torchvision.models.resnet import BasicBlock

    network = resnet18_network(2, 2, bias="label")
    blocks = [sum(isinstance(module, BasicBlock) for module in part.modules()) for part in (network.extractor, network.label_head)]
    assert blocks == [6, 2]


@pytest.mark.parametrize("size", [64, 100, 224])
def test_resnet_shapes(size: int) -> None:
    network = resnet18_network(3, 8).eval()
    places = -(-size // 16)
    features = network.extractor(photographs(size, 2))
    assert features.shape == (2, 256, places, places)
    assert network.bias_head(features).shape == (2, 8, 3, places, places)
    assert network(photographs(size, 2)).shape == (2, 3)
    assert resnet18_network(2, 5, bias="label").bias_head(features).shape == (2, 5)


def test_resnet_equals_torchvisions(resnet_state: dict[str, Tensor], tmp_path: Path) -> None:
    from torchvision.models import resnet18

    torch.save(resnet_state, tmp_path / "weights.pth")
    network = resnet18_network(10, 8, weights=tmp_path / "weights.pth").eval()
    reference = resnet18(num_classes=10)
    reference.load_state_dict(resnet_state)
    network.label_head.fc.load_state_dict(reference.fc.state_dict())  # type: ignore[union-attr, operator]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        expected = reference.eval()((photographs() - mean) / std)
        assert torch.allclose(network(photographs()), expected, atol=1e-4)


def test_weights_come_from_safetensors_and_pth_alike_but_for_the_last_layer(
    resnet_state: dict[str, Tensor], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    save_file(resnet_state, str(tmp_path / "weights.safetensors"))
    without_counters = {name: value for name, value in resnet_state.items() if not name.endswith("num_batches_tracked")}
    torch.save(without_counters, tmp_path / "old.pth")
    for name in ("weights.safetensors", "old.pth"):
        network = resnet18_network(2, 8, weights=tmp_path / name)  # two classes, and the file has ten
        state = network.state_dict()
        assert torch.equal(state["extractor.conv1.weight"], resnet_state["conv1.weight"])
        assert torch.equal(state["label_head.layer4.1.bn2.weight"], resnet_state["layer4.1.bn2.weight"])
        assert state["label_head.fc.weight"].shape == (2, 512)
    random = resnet18_network(2, 8).state_dict()
    assert not torch.equal(random["extractor.conv1.weight"], resnet_state["conv1.weight"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.tensor([0.0, value]), "steps": torch.tensor(3)}, tmp_path / "weights.pth")
    with pytest.raises(DataError, match=r"holds a number that is infinite or none at all \(see layer\.weight\)"):
        read_weights(tmp_path / "weights.pth")


def test_weights_of_another_network_are_refused_in_one_sentence(resnet_state: dict[str, Tensor], tmp_path: Path) -> None:
    from torchvision.models import resnet34

    others = {
        "deeper": resnet34().state_dict(),  # holds every tensor of the ResNet-18, and more
        "ours": digit_network().state_dict(),
        "narrow": {**resnet_state, "conv1.weight": torch.zeros(32, 3, 7, 7)},
        "cut": {name: value for name, value in resnet_state.items() if not name.startswith("layer4")},
    }
    for name, state in others.items():
        torch.save(state, tmp_path / f"{name}.pth")
        with pytest.raises(
            DataError, match=r"holds the weights of another network than ResNet-18 \(see .*\): choose another file$"
        ):
            resnet18_network(2, 8, weights=tmp_path / f"{name}.pth")


class _Stranger:
    pass


def test_damaged_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.pth").write_bytes(b"no weights")
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    torch.save(_Stranger(), tmp_path / "pickle.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    for name, message in (
        ("absent.pth", "does not exist"),
        ("damaged.pth", "is no readable weights file"),
        ("damaged.safetensors", "is no readable weights file"),
        ("pickle.pth", "is no readable weights file"),
        ("list.pth", "does not hold a table of named tensors"),
    ):
        with pytest.raises(DataError, match=message) as error:
            resnet18_network(2, 8, weights=tmp_path / name)
        assert "\n" not in str(error.value)


def test_imagenet_weights_out_of_reach_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet18_Weights

    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(DataError, match=r"ImageNet weights cannot be downloaded .* or weights=None$"):
        resnet18_network(2, 8, weights="imagenet")


def test_an_unknown_bias_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown bias 'colour': choose 'color' or 'label'"):
        resnet18_network(2, 8, bias="colour")


# MobileNetV2


@pytest.fixture(scope="module")
def mobilenet_state() -> dict[str, Tensor]:
    """Random weights as torchvision saves them, for ten classes."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(5)
    state: dict[str, Tensor] = mobilenet_v2(num_classes=10).state_dict()
    return state


def saved(state: dict[str, Tensor], folder: Path, right: bool = True) -> Path:
    """A file named as torchvision names its own, by the first digits of its SHA-256 or by others."""
    torch.save(state, folder / "weights.pth")
    digits = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8] if right else "00000000"
    return (folder / "weights.pth").rename(folder / f"mobilenet_v2-{digits}.pth")


def test_mobilenet_has_the_parameters_of_its_parts_and_the_last_two_residual_blocks_in_g() -> None:
    from torchvision.models.mobilenetv2 import InvertedResidual

    color, label = mobilenet_v2_network(2, 8), mobilenet_v2_network(2, 2, bias="label")
    # torchvision's MobileNetV2 has 3,504,872, of which 1,281,000 are the linear layer to 1,000 classes.
    assert sum(sizes(label)[:2]) == 3_504_872 - 1_281_000 + 2 * 1_281
    assert sizes(color) == (1_017_792, 1_208_642, (160 * 9 + 1) * 480 + 2 * 480 + (160 * 9 + 1) * 24)
    assert sizes(label)[2] == 2 * 161
    parts = (color.extractor, color.label_head)
    assert [sum(isinstance(module, InvertedResidual) for module in part.modules()) for part in parts] == [15, 2]
    assert not any(isinstance(module, nn.Dropout) for module in color.modules())


@pytest.mark.parametrize("frozen", [0, 9, 15])
def test_mobilenet_equals_torchvisions_however_much_is_frozen(
    frozen: int, mobilenet_state: dict[str, Tensor], tmp_path: Path
) -> None:
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2_network(10, 8, weights=saved(mobilenet_state, tmp_path), frozen_blocks=frozen).eval()
    reference = mobilenet_v2(num_classes=10)
    reference.load_state_dict(mobilenet_state)
    network.label_head.fc.load_state_dict(reference.classifier[1].state_dict())  # type: ignore[union-attr, operator]
    with torch.no_grad():
        expected = reference.eval()(Standardize()(photographs(100, 2)))
        features = network.extractor(photographs(100, 2))
        assert torch.allclose(network.label_head(features), expected, atol=1e-4)
    assert features.shape == (2, 160, 4, 4)
    assert network.bias_head(features).shape == (2, 8, 3, 4, 4)


def test_the_last_layer_of_mobilenet_is_random(mobilenet_state: dict[str, Tensor], tmp_path: Path) -> None:
    path = saved(mobilenet_state, tmp_path)
    one, other = (mobilenet_v2_network(10, 8, weights=path).state_dict() for _ in range(2))
    differ = {name for name in one if name.startswith(("extractor", "label_head")) and not torch.equal(one[name], other[name])}
    assert differ == {"label_head.fc.weight"} | ({"label_head.fc.bias"} & differ)


def test_weights_with_a_wrong_hash_or_of_another_network_are_refused_in_one_sentence(
    mobilenet_state: dict[str, Tensor], resnet_state: dict[str, Tensor], tmp_path: Path
) -> None:
    said = r"is not the file that its name says \(its SHA-256 does not begin with 00000000\): get it again$"
    with pytest.raises(DataError, match=said):
        mobilenet_v2_network(2, 8, weights=saved(mobilenet_state, tmp_path, right=False))
    with pytest.raises(DataError, match=r"holds the weights of another network than MobileNetV2 \(see .*\): choose another file$"):
        mobilenet_v2_network(2, 8, weights=saved(resnet_state, tmp_path))
    with pytest.raises(DataError, match=r"holds the weights of another network than ResNet-18 \(see .*\): choose another file$"):
        resnet18_network(2, 8, weights=saved(mobilenet_state, tmp_path))
    with pytest.raises(ConfigError, match="frozen_blocks must lie between 0 and 15, got 16: f must have one to train"):
        mobilenet_v2_network(2, 8, frozen_blocks=16)


WRONG_FILE = r"is not the file that its name says .*b0353104"


def another_file_of_that_name(state: dict[str, Tensor], data_dir: Path) -> Path:
    """Weights that are not ImageNet's, where the data folder would have ImageNet's for MobileNetV2."""
    from torchvision.models import MobileNet_V2_Weights

    path = data_dir / "weights" / Path(MobileNet_V2_Weights.IMAGENET1K_V1.url).name
    path.parent.mkdir()
    torch.save(state, path)
    return path


def test_imagenet_weights_are_looked_for_in_the_folder_that_a_run_is_given(
    mobilenet_state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import MobileNet_V2_Weights

    another_file_of_that_name(mobilenet_state, tmp_path)
    config = preset("smoke", "lnl", experiment="dogs_cats", network="mobilenet_v2", weights="imagenet")
    with pytest.raises(DataError, match=WRONG_FILE):  # so it was this file that was looked at
        build_network(config, tmp_path)
    with pytest.raises(DataError, match=WRONG_FILE):
        run(config.with_options(source="synthetic"), tmp_path / "run", data_dir=tmp_path, device="cpu", progress=False)
    with pytest.raises(DataError, match=WRONG_FILE):
        imagenet_weights("mobilenet_v2", tmp_path)

    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(MobileNet_V2_Weights, "get_state_dict", offline)
    with pytest.raises(DataError, match="ImageNet weights cannot be downloaded"):
        build_network(config, tmp_path / "elsewhere")
    fresh = untrained_bias_head(config)  # an h that starts again needs no weights of f and g
    own = build_network(config.with_options(weights=None)).bias_head
    assert all(map(torch.equal, fresh.state_dict().values(), own.state_dict().values()))


def test_imagenet_weights_in_the_data_folder_are_taken_from_there_and_checked(
    mobilenet_state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import MobileNet_V2_Weights

    path = another_file_of_that_name(mobilenet_state, tmp_path)
    monkeypatch.setenv("LNL_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=WRONG_FILE):
        mobilenet_v2_network(2, 8, weights="imagenet")
    wanted: list[dict[str, Any]] = []

    def published(self: object, **how: Any) -> dict[str, Tensor]:
        wanted.append(how)
        return mobilenet_state

    path.unlink()
    monkeypatch.setattr(MobileNet_V2_Weights, "get_state_dict", published)
    network = mobilenet_v2_network(2, 8, weights="imagenet")
    assert torch.equal(network.state_dict()["extractor.block0.0.weight"], mobilenet_state["features.0.0.weight"])
    assert [how["check_hash"] for how in wanted] == [True]


# Frozen blocks


def image_data(count: int = 8) -> BiasedImages:
    images = (photographs(64, count) * 255).to(torch.uint8)
    labels = torch.arange(count) % 2
    return BiasedImages(images, labels, torch.randint(0, 8, (count, 3, 2, 2)), labels, classes=2)


def test_training_moves_nothing_of_frozen_blocks_not_even_their_statistics() -> None:
    network = mobilenet_v2_network(2, 8, frozen_blocks=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    changes: dict[str, Any] = {"network": "mobilenet_v2", "frozen_blocks": 4, "precision": "float32", "batch_size": 4}
    config = preset("smoke", "lnl", experiment="dogs_cats", **changes)
    fit(network, image_data(), config, progress=False)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in moved if name.startswith("extractor.frozen")}
    for name in ("extractor.block4.conv.0.0.weight", "extractor.block4.conv.0.1.running_mean", "label_head.fc.weight"):
        assert name in moved


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_trains_beside_frozen_blocks(method: str) -> None:
    changes: dict[str, Any] = {"network": "mobilenet_v2", "frozen_blocks": 15, "precision": "float32", "batch_size": 10}
    own = {"last_layer": {"unbiased_images": 20}, "jtt": {"first_epochs": 1}}.get(method, {})
    config = preset("smoke", method, experiment="faces", epochs=1, **changes, **own)
    images = (photographs(32, 20) * 255).to(torch.uint8)
    labels = torch.arange(20) % 2
    data = BiasedImages(images, labels, torch.arange(20) // 2 % 2, labels, classes=2, bias_classes=2)
    network = build_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fit(network, data, config, progress=False, unbiased=data)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in moved if name.startswith("extractor.frozen")}
    assert any(name.startswith("extractor.") for name in moved)


@pytest.mark.parametrize("method", ["lnl", "gray"])
def test_features_computed_once_train_the_same_network_as_images(method: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"network": "mobilenet_v2", "frozen_blocks": 4, "precision": "float32", "batch_size": 8}
    config = preset("smoke", method, experiment="dogs_cats", **changes)
    moved = []
    for once in (False, True):
        network = build_network(config)
        before = torch.cat([value.flatten() for value in network.label_head.parameters()]).detach().clone()
        data = with_features(network, image_data(), tmp_path) if once else image_data()
        fit(network, data, config, progress=False, device="cpu")  # one step: more would only amplify rounding
        moved.append(torch.cat([value.flatten() for value in network.label_head.parameters()]).detach() - before)
    assert float((moved[0] - moved[1]).norm()) < 0.01 * float(moved[0].norm())


def test_features_are_kept_under_a_name_that_weights_and_images_decide(tmp_path: Path) -> None:
    data = image_data()
    torch.manual_seed(0)
    network, other = mobilenet_v2_network(2, 8, frozen_blocks=2), mobilenet_v2_network(2, 8, frozen_blocks=2)
    found = with_features(network, data, tmp_path)
    assert isinstance(found, Features)
    frozen = frozen_part(network)
    assert frozen is not None
    images = data.batch(slice(None)).images
    assert torch.allclose(frozen(found.images), frozen(images), atol=1e-5)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    again = with_features(network, data, tmp_path)
    assert torch.equal(again.images, found.images)
    assert kept.stat().st_mtime_ns == written
    with_features(other, data, tmp_path)
    with_features(network, data.subset(slice(0, 4)), tmp_path)
    gray = mobilenet_v2_network(2, 8, frozen_blocks=2, grayscale="mean")
    gray.load_state_dict({name: value for name, value in network.state_dict().items() if "extractor" not in name}, strict=False)
    with_features(gray, data, tmp_path)
    assert len([*tmp_path.iterdir()]) == 4
    kept.write_bytes(b"damaged")
    assert torch.equal(with_features(network, data, tmp_path).images, found.images)
    assert with_features(network, found) is found
    plain = mobilenet_v2_network(2, 8)
    assert with_features(plain, data) is data


def test_features_that_cannot_be_kept_are_computed_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network, data = mobilenet_v2_network(2, 8, frozen_blocks=2), image_data()
    (tmp_path / "file").write_text("no folder")
    found = with_features(network, data, tmp_path / "file" / "cache")
    assert torch.equal(found.images, with_features(network, data, tmp_path).images)
    assert "cannot be kept in" in caplog.text
    assert "set LNL_CACHE_DIR" in caplog.text


def test_a_gray_resnet_sees_luminance_only() -> None:
    images = photographs(count=2)
    grey = (0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]).expand_as(images)
    for grayscale in ("luminance", None):
        network = resnet18_network(2, 8, grayscale=grayscale).eval()
        assert torch.allclose(network(images), network(grey), atol=1e-4) is (grayscale is not None)


def test_face_network_has_the_sizes_of_the_report() -> None:
    network = face_network()
    assert sizes(network) == (687_760, 1_806, 258)
    features = network.extractor(photographs(96, 2))
    assert features.shape == (2, 128)
    assert network(photographs(96, 2)).shape == (2, 14)
    assert network.bias_head(features).shape == (2, 2)
    convolutions = sum(9 * a * b + 2 * b for a, b in ((3, 16), (16, 32), (32, 64), (64, 128)))
    assert sizes(network)[0] == convolutions + 128 * 36 * 128 + 2 * 128
    assert face_network(5, 3, representation=16)(photographs(32, 2)).shape == (2, 5)


def test_standardizing_by_hand() -> None:
    images = photographs(32, 2)
    wanted = torch.stack([(images[:, c] - m) / s for c, (m, s) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))], 1)
    assert torch.allclose(Standardize()(images), wanted, atol=1e-6)


PHOTOGRAPHIC = {
    "color": lambda: resnet18_network(2, 8),
    "label": lambda: resnet18_network(2, 2, bias="label"),
    "mobile": lambda: mobilenet_v2_network(2, 2, bias="label"),
    "faces": lambda: face_network(2, 2),
}


@pytest.mark.parametrize("kind", PHOTOGRAPHIC)
@pytest.mark.parametrize("method", ["baseline", "lnl", "blind_eye_grl"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_reaches_f_g_and_h_in_channels_last_and_bf16(kind: str, method: str, precision: str) -> None:
    torch.manual_seed(0)
    network = PHOTOGRAPHIC[kind]().to(memory_format=torch.channels_last).train()
    labels = torch.tensor([0, 1, 0, 1])
    bias = torch.randint(0, 8, (4, 3, 4, 4)) if kind == "color" else 1 - labels
    images = photographs().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        losses = find(method).step(network, Batch(images, labels, bias), preset("full", method))
    assert all(math.isfinite(float(value)) for value in losses.values())
    for part in ("extractor", "label_head", "bias_head"):
        reached = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in getattr(network, part).parameters()]
        assert all(reached) is (part != "bias_head" or method != "baseline"), part


def test_the_losses_take_one_bias_label_an_image() -> None:
    """Logits (B, K) and labels (B,), by hand; both reductions are the mean, for there is one bias channel."""
    logits, bias = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]]), torch.tensor([1, 0])
    for reduction in ("mean", "sum"):
        assert bias_loss(logits, bias, reduction).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
        assert bias_loss(logits, torch.tensor([1, 255]), reduction).item() == pytest.approx(math.log(4 / 3))
    entropy = 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    assert negative_conditional_entropy(logits).item() == pytest.approx((entropy - math.log(2)) / 2)
    assert confusion_loss(logits).item() == pytest.approx((-0.5 * (math.log(0.25) + math.log(0.75)) + math.log(2)) / 2)
    assert confusion_loss(logits, torch.tensor([False, True])).item() == pytest.approx(math.log(2))
