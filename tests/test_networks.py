"""f, g and h: sizes, shapes, and what they compute."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from lnl_core.config import METHODS, preset
from lnl_core.networks import LNLNetwork, NormalizedConv, PixelBiasHead, build_network, digit_network, parameter_count


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
    assert parameter_count(digit_network(grayscale=True)) == 102_632


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


def test_gray_network_sees_luminance_only() -> None:
    images = random_images()
    luminance = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
    grey = luminance.expand_as(images)
    for grayscale, blind in ((True, True), (False, False)):
        torch.manual_seed(0)
        network = digit_network(grayscale=grayscale).eval()
        assert torch.allclose(network(images), network(grey), atol=1e-4) is blind


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
