"""Colored MNIST to the letter of the paper's protocol, the container, and the digits it is painted on."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from lnl_core.datasets import COLOR_NAMES, IGNORE, MEAN_COLORS, BiasedImages, color_table, colored_mnist, digits
from lnl_core.datasets.colored_mnist import BIAS_PLACES, color_labels, nearest_mean_color, paint, resolve_source, sample_colors
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import data_information
from lnl_core.information import contingency_table, mutual_information

REAL_DATA = os.environ.get("LNL_DATA_DIR")  # conftest.py hides it from the library, unless a test names it
PALETTE = {
    "crimson": (220, 20, 60),
    "teal": (0, 128, 128),
    "lemon": (253, 233, 16),
    "bondi blue": (0, 149, 182),
    "carrot orange": (237, 145, 33),
    "strong violet": (145, 30, 188),
    "cyan": (70, 240, 240),
    "your pink": (250, 197, 187),
    "lime": (210, 245, 60),
    "maroon": (128, 0, 0),
}
VARIANCE = 0.03
TINY = 1e-10


def same(first: BiasedImages, second: BiasedImages) -> bool:
    pairs = ((first.images, second.images), (first.labels, second.labels), (first.bias, second.bias), (first.group, second.group))
    return all(torch.equal(one, other) for one, other in pairs)


def truncated_normal(mean: float, variance: float) -> Any:
    deviation = math.sqrt(variance)
    return stats.truncnorm(-mean / deviation, (1 - mean) / deviation, loc=mean, scale=deviation)


def dependence(labels: torch.Tensor, other: torch.Tensor) -> float:
    """p-value of a chi-square test of independence."""
    counts = contingency_table(labels.numpy(), other.numpy())
    return float(stats.chi2_contingency(counts[counts.sum(1) > 0][:, counts.sum(0) > 0]).pvalue)


# Colours


def test_mean_colours_are_the_published_ones() -> None:
    assert dict(zip(COLOR_NAMES, (MEAN_COLORS * 255).round().astype(int).tolist(), strict=True)) == {
        name: list(color) for name, color in PALETTE.items()
    }


@pytest.fixture(scope="module")
def drawn() -> NDArray[np.float64]:
    """(10, 4000, 3): 4,000 colours around each mean."""
    group = np.repeat(np.arange(10), 4000)
    return sample_colors(group, VARIANCE, np.random.default_rng(11)).reshape(10, 4000, 3)


@pytest.mark.parametrize("digit", range(10))
def test_each_channel_follows_the_truncated_normal(digit: int, drawn: NDArray[np.float64]) -> None:
    for channel in range(3):
        wanted = truncated_normal(MEAN_COLORS[digit, channel], VARIANCE)
        assert stats.kstest(drawn[digit, :, channel], wanted.cdf).pvalue > 1e-3


@pytest.mark.parametrize("digit", range(10))
def test_control_another_variance_or_clamping_would_be_noticed(digit: int, drawn: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(12)
    for channel in range(3):
        mean = MEAN_COLORS[digit, channel]
        wanted = truncated_normal(mean, VARIANCE)
        assert stats.kstest(drawn[digit, :, channel], truncated_normal(mean, VARIANCE**2).cdf).pvalue < TINY
        clamped = rng.normal(mean, math.sqrt(VARIANCE), 4000).clip(0, 1)
        if not 0.4 < mean < 0.6:  # in the middle, three deviations from either end, nothing is cut
            assert stats.kstest(clamped, wanted.cdf).pvalue < 1e-4


def test_channels_are_drawn_independently(drawn: NDArray[np.float64]) -> None:
    for digit in range(10):
        correlation = np.corrcoef(drawn[digit].T)[np.triu_indices(3, 1)]
        assert np.abs(correlation).max() < 0.06


@pytest.mark.parametrize("variance", [0.02, 0.05, 10.0])
def test_colours_lie_inside_the_open_interval(variance: float) -> None:
    colors = sample_colors(np.arange(10).repeat(500), variance, np.random.default_rng(0))
    assert colors.min() > 0
    assert colors.max() < 1


def test_without_variance_every_colour_is_the_published_mean() -> None:
    data = colored_mnist("train", 0, source="mini")
    wanted = torch.tensor(list(PALETTE.values()))[data.labels]
    brightest = digits.load_mini()[0].max()
    assert brightest == 255
    white = torch.full((10, 28, 28), 255, dtype=torch.uint8)
    assert torch.equal(paint(white, MEAN_COLORS)[:, :, 0, 0].long(), torch.tensor(list(PALETTE.values())))
    assert (data.images.amax(dim=(2, 3)).long() <= wanted).all()


@pytest.mark.parametrize("split", ["train", "trainval"])
def test_training_colours_are_drawn_around_the_mean_of_the_class(split: str) -> None:
    data = colored_mnist(split, VARIANCE, source="mini")
    assert torch.equal(data.group, data.labels)
    assert data.color is not None
    for digit in range(10):
        for channel in range(3):
            values = data.color[data.labels == digit, channel].numpy()
            assert stats.kstest(values, truncated_normal(MEAN_COLORS[digit, channel], VARIANCE).cdf).pvalue > 1e-4


@pytest.mark.parametrize("split", ["test", "validation"])
def test_test_colours_are_drawn_around_the_mean_of_the_group_with_the_same_variance(split: str) -> None:
    data = colored_mnist(split, VARIANCE, source="mini")
    assert data.color is not None
    for group in range(10):
        for channel in range(3):
            values = data.color[data.group == group, channel].numpy()
            assert stats.kstest(values, truncated_normal(MEAN_COLORS[group, channel], VARIANCE).cdf).pvalue > 1e-4
    assert stats.chisquare(np.bincount(data.group, minlength=10)).pvalue > 1e-3


@pytest.mark.parametrize("split", ["test", "validation"])
def test_no_test_colour_depends_on_the_digit(split: str) -> None:
    data = colored_mnist(split, VARIANCE, source="mini")
    _, seen = nearest_mean_color(data.images)
    assert dependence(data.labels, data.group) > 0.01
    assert dependence(data.labels, seen) > 0.01


@pytest.mark.parametrize("split", ["train", "trainval"])
def test_control_training_colours_do(split: str) -> None:
    data = colored_mnist(split, VARIANCE, source="mini")
    _, seen = nearest_mean_color(data.images)
    assert dependence(data.labels, data.group) < TINY
    assert dependence(data.labels, seen) < TINY


def test_any_split_can_be_painted_like_the_test_set() -> None:
    biased, unbiased = (colored_mnist("train", VARIANCE, source="mini", random_colors=choice) for choice in (False, True))
    assert torch.equal(biased.labels, unbiased.labels)
    assert dependence(unbiased.labels, unbiased.group) > 0.01
    painted_as_train = colored_mnist("test", VARIANCE, source="mini", random_colors=False)
    assert torch.equal(painted_as_train.group, painted_as_train.labels)


@pytest.mark.parametrize("mean_color", [0, 9])
def test_one_mean_colour_for_every_digit(mean_color: int) -> None:
    data = colored_mnist("test", VARIANCE, source="mini", mean_color=mean_color)
    assert (data.group == mean_color).all()
    assert data.color is not None
    for channel in range(3):
        wanted = truncated_normal(MEAN_COLORS[mean_color, channel], VARIANCE)
        assert stats.kstest(data.color[:, channel].numpy(), wanted.cdf).pvalue > 1e-3
    assert len(data.labels.unique()) == 10


# Images


def test_every_image_is_grey_times_colour_exactly() -> None:
    """floor(grey * level / 255) in whole numbers, for every grey value and every level."""
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).expand(256, -1, -1)
    levels = torch.arange(256, dtype=torch.float64)
    color = ((levels + 0.5) / 255)[:, None].expand(-1, 3).clamp(max=1)
    painted = paint(grey, color).long()
    wanted = grey[:, None].long() * levels.long()[:, None, None, None] // 255
    assert torch.equal(painted, wanted.expand(-1, 3, -1, -1))


def test_images_of_a_split_are_its_digits_times_its_colours(mini_test: BiasedImages) -> None:
    grey, labels = digits.load_mini()
    index = digits.split_indices(labels, "mini")["test"]
    assert mini_test.color is not None
    color = mini_test.color.double().numpy()
    exact = grey[index][:, None] * color[:, :, None, None]
    assert np.array_equal(mini_test.labels, labels[index])
    assert np.abs(mini_test.images.numpy() - exact).max() < 2  # two cuts to whole levels


def test_shapes_and_types(mini_test: BiasedImages) -> None:
    assert (mini_test.images.shape, mini_test.images.dtype) == ((1000, 3, 28, 28), torch.uint8)
    assert (mini_test.labels.shape, mini_test.labels.dtype) == ((1000,), torch.int64)
    assert (mini_test.bias.shape, mini_test.bias.dtype) == ((1000, 3, 14, 14), torch.int64)
    assert (mini_test.group.shape, mini_test.group.dtype) == ((1000,), torch.int64)
    assert mini_test.color is not None
    assert (mini_test.color.shape, mini_test.color.dtype) == ((1000, 3), torch.float32)
    assert mini_test.source == "mini"


# Bias labels


def test_bias_labels_equal_the_authors_loader_with_pil(mini_train: BiasedImages) -> None:
    """Nearest-neighbour 14x14 by PIL, // 32, and 255 where a channel is 0."""
    for image, bias in zip(mini_train.images[:200], mini_train.bias[:200], strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        small = np.asarray(picture.resize((14, 14), Image.Resampling.NEAREST)).astype(np.int64)
        wanted = np.where(small == 0, 255, small // 32).transpose(2, 0, 1)
        assert np.array_equal(bias, wanted)


def test_bias_labels_use_all_levels_and_leave_background_out(mini_train: BiasedImages) -> None:
    assert set(mini_train.bias.unique().tolist()) == {*range(8), IGNORE}
    assert 0.5 < (mini_train.bias == IGNORE).float().mean() < 0.9
    assert not (mini_train.bias[mini_train.images[:, :, 1::2, 1::2] > 0] == IGNORE).any()


def test_each_channel_has_its_own_background() -> None:
    """The authors mask a channel that is 0, so maroon has hardly a label in green and blue."""
    image = torch.tensor([128, 0, 31], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 28, 28)
    assert color_labels(image)[0, :, 0, 0].tolist() == [4, IGNORE, 0]


def test_image_labels_name_the_colour_at_every_place() -> None:
    data = colored_mnist("train", VARIANCE, source="mini", bias_labels="image", bias_places="everywhere")
    pixel = colored_mnist("train", VARIANCE, source="mini")
    assert torch.equal(data.images, pixel.images)
    assert data.color is not None
    assert (data.bias == data.bias[:, :, :1, :1]).all()
    assert int(data.bias.max()) <= 7
    levels = (data.color.double() * 255).floor().long() // 32
    assert (data.bias[:, :, 0, 0] != levels).sum() <= 3  # the container keeps colours in float32


def test_what_is_labelled_and_where_are_two_choices() -> None:
    options: dict[str, Any] = dict(color_var=VARIANCE, source="mini")
    image = {places: colored_mnist("train", **options, bias_labels="image", bias_places=places).bias for places in BIAS_PLACES}
    pixel = {places: colored_mnist("train", **options, bias_places=places).bias for places in ("foreground", "everywhere")}
    inside, outside = image["foreground"] != IGNORE, image["background"] != IGNORE
    assert torch.equal(inside, ~outside)
    assert 0.1 < inside.float().mean() < 0.4
    assert torch.equal(image["everywhere"][inside], image["foreground"][inside])
    assert torch.equal(image["everywhere"][outside], image["background"][outside])
    # A channel can be 0 on the stroke: such places are foreground of the image, not of the channel.
    assert (inside | (pixel["foreground"] == IGNORE)).all()
    assert torch.equal(pixel["everywhere"] * (pixel["foreground"] != IGNORE), pixel["foreground"] * (pixel["foreground"] != IGNORE))
    assert (pixel["everywhere"][pixel["foreground"] == IGNORE] == 0).all()


def test_colours_outside_are_clipped_on_request() -> None:
    drawn = {
        way: sample_colors(np.full(4000, 9), 0.05, np.random.default_rng(0), way) for way in ("redraw", "clip")
    }  # maroon: green and blue are 0
    assert (drawn["clip"] == 0).mean(axis=0)[1:] == pytest.approx([0.5, 0.5], abs=0.05)
    assert not ((drawn["redraw"] <= 0) | (drawn["redraw"] >= 1)).any()
    assert drawn["clip"].min() == 0
    with pytest.raises(ConfigError, match="unknown color_outside 'wrap': choose one of redraw, clip"):
        colored_mnist("train", VARIANCE, source="mini", color_outside="wrap")


# Exact table


@pytest.mark.parametrize("variance", [0.02, 0.05])
def test_colour_table_agrees_with_drawn_colours(variance: float) -> None:
    table = color_table(variance, levels=2)
    assert table.shape == (10, 8)
    assert table.sum() == pytest.approx(1)
    assert table.sum(axis=1) == pytest.approx(0.1)
    group = np.repeat(np.arange(10), 20_000)
    cell = (sample_colors(group, variance, np.random.default_rng(5)) * 2).astype(int) @ [4, 2, 1]
    counts = contingency_table(group, cell, n_b=8)
    assert np.abs(counts / counts.sum() - table).max() < 1e-3


def test_colour_says_less_about_the_digit_as_the_variance_grows() -> None:
    values = [mutual_information(color_table(variance)) for variance in (0, 0.02, 0.03, 0.05, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(math.log(10))


def test_information_of_the_data_agrees_with_the_splits(mini_train: BiasedImages, mini_test: BiasedImages) -> None:
    assert data_information(mini_train) == pytest.approx(math.log(10))
    assert data_information(mini_test) < 0.08  # (10 - 1)(10 - 1) / (2 * 1000) = 0.04 by chance alone
    assert data_information(mini_train, "color") > 5 * data_information(mini_test)


# Seeds


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_same_seed_same_bytes_other_seed_other_bytes(split: str) -> None:
    first, again, other = (colored_mnist(split, VARIANCE, source="mini", seed=seed) for seed in (3, 3, 4))
    assert same(first, again)
    assert not torch.equal(first.images, other.images)
    assert torch.equal(first.labels, other.labels), "which images a split holds never changes"


def test_global_random_state_plays_no_part() -> None:
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    first = colored_mnist("test", VARIANCE, source="mini")
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert same(first, colored_mnist("test", VARIANCE, source="mini"))


# Splits


def recovered_digits(data: BiasedImages, grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The index of the grey digit behind each image: divide by the brightest channel's colour and look for the nearest one."""
    assert data.color is not None
    channel = data.color.argmax(dim=1)
    rows = torch.arange(len(data))
    shape = data.images[rows, channel].float() / data.color[rows, channel, None, None]
    known = torch.from_numpy(grey).float().flatten(1)
    return torch.cdist(shape.flatten(1), known).argmin(dim=1).numpy()


def test_mini_splits_are_disjoint_and_cover_the_digits() -> None:
    grey, labels = digits.load_mini()
    found = []
    for split in ("train", "validation", "test"):
        data = colored_mnist(split, VARIANCE, source="mini")
        index = recovered_digits(data, grey)
        assert np.array_equal(labels[index], data.labels)
        found.append(index)
    everything = np.concatenate(found)
    assert len(everything) == 5000
    assert len(np.unique(everything)) == 5000


def test_trainval_is_train_and_validation_with_training_colours() -> None:
    grey, _ = digits.load_mini()
    both, train, validation = (
        recovered_digits(colored_mnist(split, VARIANCE, source="mini"), grey) for split in ("trainval", "train", "validation")
    )
    assert set(both) == {*train, *validation}
    assert len(both) == 4000


@pytest.mark.parametrize(("split", "size"), [("train", 3500), ("validation", 500), ("test", 1000), ("trainval", 4000)])
def test_mini_splits_have_equal_classes(split: str, size: int) -> None:
    data = colored_mnist(split, VARIANCE, source="mini")
    assert np.bincount(data.labels).tolist() == [size // 10] * 10


def test_the_first_images_of_a_split_hold_all_classes(mini_train: BiasedImages) -> None:
    """Small budgets take the first images, so the order must not be by class."""
    assert np.bincount(mini_train.labels[:500], minlength=10).min() > 25


def test_validation_takes_equally_many_of_each_class_of_mnist() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 60_000)
    parts = digits.split_indices(labels, "mnist")
    assert {name: len(index) for name, index in parts.items()} == {"validation": 5000, "train": 55_000}
    assert np.bincount(labels[parts["validation"]]).tolist() == [500] * 10
    assert len(np.union1d(parts["train"], parts["validation"])) == 60_000


# The full MNIST


@pytest.mark.skipif(REAL_DATA is None, reason="LNL_DATA_DIR names no folder with the full MNIST")
class TestFullMnist:
    def test_sizes(self) -> None:
        sizes = {
            split: len(colored_mnist(split, VARIANCE, data_dir=REAL_DATA)) for split in ("train", "validation", "trainval", "test")
        }
        assert sizes == {"train": 55_000, "validation": 5000, "trainval": 60_000, "test": 10_000}

    def test_digits_are_mnists_own(self) -> None:
        """Class counts of the published files."""
        _, labels = digits.load_mnist("train", REAL_DATA)
        assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        _, labels = digits.load_mnist("test", REAL_DATA)
        assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

    def test_auto_takes_the_full_set_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert REAL_DATA is not None
        monkeypatch.setenv("LNL_DATA_DIR", REAL_DATA)
        assert colored_mnist("validation", VARIANCE).source == "mnist"

    def test_colours_follow_the_protocol(self) -> None:
        train, test = (colored_mnist(split, VARIANCE, data_dir=REAL_DATA) for split in ("train", "test"))
        assert dependence(test.labels, test.group) > 0.01
        assert torch.equal(train.group, train.labels)
        assert test.color is not None
        wanted = truncated_normal(MEAN_COLORS[4, 1], VARIANCE)
        assert stats.kstest(test.color[test.group == 4, 1].numpy(), wanted.cdf).pvalue > 1e-3

    @pytest.mark.parametrize("harm", ["cut", "altered"])
    def test_a_damaged_file_is_named(self, harm: str, tmp_path: Path) -> None:
        assert REAL_DATA is not None
        raw = tmp_path / "mnist" / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in digits.MNIST_MD5:
            (raw / name).write_bytes((Path(REAL_DATA) / "mnist" / "MNIST" / "raw" / name).read_bytes())
        damaged = raw / "t10k-labels-idx1-ubyte"
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-1] if harm == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte is truncated or altered .*fetch it again"):
            colored_mnist("test", VARIANCE, data_dir=tmp_path)


def raw_folder(root: Path) -> Path:
    folder = root / "mnist" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    return folder


def no_network(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[str]:
    """Make torchvision's download fail; returns the list of folders it was asked to write to."""
    asked: list[str] = []

    def fail(root: str, *_: Any, **__: Any) -> None:
        asked.append(root)
        raise error

    monkeypatch.setattr("torchvision.datasets.MNIST", fail)
    return asked


@pytest.mark.parametrize("error", [RuntimeError("Error downloading train-images-idx3-ubyte.gz"), OSError("no route to host")])
def test_no_network_says_where_to_put_the_files(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = no_network(monkeypatch, error)
    with pytest.raises(DataError) as caught:
        colored_mnist("train", VARIANCE, data_dir=tmp_path / "new", source="mnist")
    message = str(caught.value)
    assert str(tmp_path / "new" / "mnist" / "MNIST" / "raw") in message
    assert "mini" in message
    assert "\n" not in message
    assert asked
    assert not (tmp_path / "new").exists(), "nothing half-written"


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08\x03", b"<html>proxy error</html>"])
def test_files_with_another_content_are_refused(content: bytes, tmp_path: Path) -> None:
    raw = raw_folder(tmp_path)
    for name in digits.MNIST_MD5:
        (raw / name).write_bytes(content)
    with pytest.raises(DataError, match="is truncated or altered"):
        colored_mnist("train", VARIANCE, data_dir=tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = raw_folder(tmp_path)
    for name in digits.MNIST_MD5:
        (raw / name).write_bytes(b"")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything, so chmod would not do
    with pytest.raises(DataError, match=r"cannot read .*train-images-idx3-ubyte \(Permission denied\): check its permissions"):
        colored_mnist("train", VARIANCE, data_dir=tmp_path)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path)
    for name in digits.MNIST_MD5:
        (raw / name).mkdir()
    with pytest.raises(DataError, match=r"cannot read .*train-images-idx3-ubyte"):
        colored_mnist("train", VARIANCE, data_dir=tmp_path)


def test_auto_is_mini_only_where_no_folder_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert colored_mnist("validation", VARIANCE).source == "mini"
    assert resolve_source("auto") == "mini"
    assert resolve_source("auto", tmp_path) == "mnist"
    assert resolve_source("mini", tmp_path) == "mini"


def test_auto_reports_a_named_folder_without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch, RuntimeError("no network"))
    with pytest.raises(DataError, match="could not be downloaded"):
        colored_mnist("test", VARIANCE, data_dir=tmp_path)


def test_a_missing_file_is_fetched_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = no_network(monkeypatch, RuntimeError("no network"))
    raw = raw_folder(tmp_path)
    for name in list(digits.MNIST_MD5)[1:]:
        (raw / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"the file train-images-idx3-ubyte is not in .*put the four unpacked MNIST files into"):
        colored_mnist("test", VARIANCE, data_dir=tmp_path)
    assert asked


# The authors' files


def write_authors_file(folder: Path, variance: str = "0.030", **changes: Any) -> Path:
    """A small file of the published layout: 40 training and 20 test images, last dimension colour."""
    path = folder / "colored_mnist" / f"mnist_10color_jitter_var_{variance}.npy"
    path.parent.mkdir()
    grey, labels = digits.load_mini()
    values: dict[str, Any] = {}
    for part, chosen in (("train", slice(0, 40)), ("test", slice(40, 60))):
        group = labels[chosen] if part == "train" else labels[chosen][::-1]
        values[f"{part}_image"] = paint(grey[chosen], MEAN_COLORS[group]).permute(0, 2, 3, 1).numpy()
        values[f"{part}_label"] = labels[chosen].astype(np.uint8)
    np.save(path, {**values, "test_gray": grey[40:60], **changes})  # type: ignore[arg-type]
    return path


def test_authors_file_is_read_in_its_published_layout(tmp_path: Path) -> None:
    write_authors_file(tmp_path)
    train, test = (colored_mnist(split, 0.03, data_dir=tmp_path, source="authors") for split in ("train", "test"))
    grey, labels = digits.load_mini()
    assert train.images.shape == (40, 3, 28, 28)
    assert torch.equal(train.images, paint(grey[:40], MEAN_COLORS[labels[:40]]))
    assert np.array_equal(train.labels, labels[:40])
    assert np.array_equal(test.labels, labels[40:60])
    assert np.array_equal(test.group, labels[40:60][::-1]), "recovered from the colours"
    assert torch.equal(train.bias, color_labels(train.images).long())
    assert train.source == "authors"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_image": np.zeros((40, 28, 28), dtype=np.uint8)}, r"must be uint8 of shape \(N, 28, 28, 3\)"),
        ({"train_image": np.zeros((40, 28, 28, 3), dtype=np.float32)}, r"must be uint8 of shape"),
        ({"train_label": np.full(40, 11)}, "labels out of range: expected 0..9, got values from 11 to 11"),
        ({"train_label": np.zeros(39, dtype=int)}, "one entry an image: expected 40, got 39"),
        ({"train_label": "text"}, "not a numeric array"),
    ],
)
def test_authors_files_that_are_odd_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_authors_file(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        colored_mnist("train", 0.03, data_dir=tmp_path, source="authors")


def test_authors_files_lack_what_they_lack(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"variances with three decimals, got 0\.0304"):
        colored_mnist("train", 0.0304, data_dir=tmp_path, source="authors")
    with pytest.raises(DataError, match=r"var_0\.025\.npy does not exist"):
        colored_mnist("train", 0.025, data_dir=tmp_path, source="authors")
    for options in ({"split": "validation"}, {"split": "test", "mean_color": 3}, {"split": "train", "random_colors": True}):
        with pytest.raises(ConfigError, match="the authors' files"):
            colored_mnist(**{"color_var": 0.03, "source": "authors", **options})  # type: ignore[arg-type]


# Bad arguments


@pytest.mark.parametrize("variance", [-0.01, math.nan, math.inf, "0.02", None, True])
def test_a_variance_that_is_none_is_refused(variance: Any) -> None:
    with pytest.raises(ConfigError, match="color_var must be a finite number that is not negative"):
        colored_mnist("train", variance, source="mini")
    with pytest.raises(ConfigError, match="color_var"):
        color_table(variance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev': choose one of train"),
        ({"source": "cifar"}, "unknown source 'cifar': choose one of auto"),
        ({"mean_color": 10}, "mean_color must be a digit from 0 to 9, got 10"),
        ({"bias_labels": "none"}, "unknown bias_labels 'none': choose one of pixel"),
        ({"bias_places": "edges"}, "unknown bias_places 'edges': choose one of foreground"),
        ({"bias_places": "background"}, "pixel labels of the background are all 0"),
    ],
)
def test_unknown_words_are_refused_with_the_known_ones(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        colored_mnist(**{"split": "train", "color_var": VARIANCE, "source": "mini", **options})


# The container

IMAGES = torch.zeros(4, 3, 6, 6, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 2, 9])
BIAS = torch.tensor([0, 7, 255, 3])


def test_container_takes_one_bias_label_an_image() -> None:
    data = BiasedImages(IMAGES, LABELS, BIAS, LABELS)
    assert data.bias.tolist() == [0, 7, 255, 3]
    assert data.bias.dtype == torch.int64
    assert len(data) == 4
    assert data.source == "user"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": IMAGES.float()}, "images must be uint8"),
        ({"images": IMAGES[0]}, r"of shape \(N, C, H, W\)"),
        ({"labels": LABELS[:3]}, "labels must have one entry an image: expected 4, got 3"),
        ({"bias": BIAS[:2]}, "bias must have one entry an image"),
        ({"group": torch.zeros(5, dtype=torch.int64)}, "group must have one entry an image"),
        ({"color": torch.zeros(1, 3)}, "color must have one entry an image"),
        ({"labels": torch.tensor([0, 1, 2, 10])}, "labels out of range: expected 0..9"),
        ({"labels": torch.tensor([-1, 1, 2, 3])}, "labels out of range"),
        ({"labels": LABELS.float()}, "labels must be whole numbers"),
        ({"bias": torch.tensor([0, 8, 1, 2])}, "bias out of range: expected 0..7"),
        ({"bias": torch.tensor([0, 256, 1, 2])}, "bias out of range"),
        ({"bias": torch.tensor([0, -1, 1, 255])}, "bias out of range"),
        ({"group": torch.tensor([0, -1, 1, 2])}, "group out of range"),
        ({"images": IMAGES[:0], "labels": LABELS[:0], "bias": BIAS[:0], "group": LABELS[:0]}, "the data set is empty"),
    ],
)
def test_container_refuses_what_does_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        BiasedImages(**{"images": IMAGES, "labels": LABELS, "bias": BIAS, "group": LABELS, **changes})


def test_a_batch_holds_images_between_zero_and_one(mini_test: BiasedImages) -> None:
    index = torch.tensor([5, 0, 7])
    batch = mini_test.batch(index)
    assert batch.images.dtype == torch.float32
    assert torch.equal(batch.images, mini_test.images[index].float() / 255)
    assert torch.equal(batch.labels, mini_test.labels[index])
    assert torch.equal(batch.bias, mini_test.bias[index])
    other = mini_test.batch(index, channels_last=True).images
    assert torch.equal(other, batch.images)
    assert other.is_contiguous(memory_format=torch.channels_last)


def test_a_subset_keeps_everything_together(mini_test: BiasedImages) -> None:
    index = torch.tensor([9, 3])
    part = mini_test.subset(index)
    assert torch.equal(part.images, mini_test.images[index])
    assert torch.equal(part.bias, mini_test.bias[index])
    assert torch.equal(part.group, mini_test.group[index])
    assert part.color is not None
    assert mini_test.color is not None
    assert torch.equal(part.color, mini_test.color[index])
    assert part.source == "mini"


def test_the_mini_digits_are_read_once_and_belong_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = digits.load_mini()
    monkeypatch.setattr(np, "loadtxt", None)
    images[:], labels[:] = 0, 0
    again, their_labels = digits.load_mini()
    assert again.any()
    assert np.bincount(their_labels).tolist() == [500] * 10
