"""Random maps: what they change and what they leave alone."""

from typing import Any

import pytest
import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.methods import find
from lnl_core.networks import build_network
from lnl_core.training.augment import move, random_maps, random_photographs
from lnl_core.training.loop import Training


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_strength_zero_changes_nothing(mini_train: BiasedImages) -> None:
    images = mini_train.batch(slice(0, 8)).images
    assert torch.allclose(random_maps(images, 0.0, seeded()), images, atol=1e-5)


def test_shapes_move_and_colours_stay(mini_train: BiasedImages) -> None:
    images = mini_train.batch(slice(0, 200)).images
    moved = random_maps(images, 1.0, seeded())
    assert moved.shape == images.shape
    assert ((moved - images).abs().amax(dim=(1, 2, 3)) > 0.05).float().mean() > 0.95
    before, after = images.sum(dim=(2, 3)), moved.sum(dim=(2, 3))
    ratio = (before / before.sum(1, keepdim=True)) - (after / after.sum(1, keepdim=True))
    assert ratio.abs().max() < 0.02  # the share of each channel
    assert moved.amax() <= images.amax() + 1e-5
    assert moved.amin() >= 0


def test_amounts_stay_in_their_ranges() -> None:
    """A dot near the rim moves by no more than turn, scale, shear and shift together allow, and some dots move far."""
    images = torch.zeros(500, 1, 28, 28)
    images[:, :, 13:15, 23:25] = 1.0
    moved = random_maps(images, 1.0, seeded())
    position = torch.arange(28.0)
    mass = moved.sum(dim=(1, 2, 3))
    column = (moved.sum(dim=(1, 2)) * position).sum(1) / mass
    row = (moved.sum(dim=(1, 3)) * position).sum(1) / mass
    assert (column - 23.5).abs().max() < 5.5
    assert (row - 13.5).abs().max() < 6.5
    assert (row - 13.5).abs().max() > 3
    assert abs(float(row.mean()) - 13.5) < 0.3


def test_elastic_maps_bend_and_do_not_move_the_whole() -> None:
    """Straight lines become curves; on average a line stays where it was, and the farther the larger the deviation."""
    images = torch.zeros(400, 1, 28, 28)
    images[..., 13:15] = 1.0
    position = torch.arange(28.0)

    def column(elastic: float) -> torch.Tensor:
        moved = random_maps(images, 0.0, seeded(), elastic)[:, 0, 6:22]  # rows that no displacement takes out of the image
        return (moved * position).sum(2) / moved.sum(2)  # where the line is in each row

    small, large = column(0.03), column(0.06)
    assert torch.allclose(column(0.0), torch.tensor(13.5), atol=1e-4)
    assert abs(float(large.mean()) - 13.5) < 0.1
    assert 0.03 * 14 * 0.5 < float(small.std()) < 0.03 * 14 * 1.1, "half widths of 14 pixels"
    assert 1.8 < float(large.std() / small.std()) < 2.2
    assert float(large.std(dim=1).mean()) > 0.3, "control: rows of one image move apart"


def test_elastic_maps_leave_the_affine_ones_as_they_were() -> None:
    from lnl_core.training.augment import random_amounts

    with_elastic, without = (random_amounts(6, 1.0, seeded(4), elastic) for elastic in (0.1, 0.0))
    assert torch.equal(with_elastic[:, :5], without)
    assert (with_elastic.shape, without.shape) == ((6, 55), (6, 5))


def test_the_generator_decides() -> None:
    images = torch.rand(4, 3, 28, 28, generator=seeded())
    assert torch.equal(random_maps(images, 1.0, seeded(1)), random_maps(images, 1.0, seeded(1)))
    assert not torch.equal(random_maps(images, 1.0, seeded(1)), random_maps(images, 1.0, seeded(2)))


@pytest.mark.parametrize("labels", [{"bias_labels": "pixel"}, {"bias_places": "foreground"}])
def test_labels_that_differ_between_places_cannot_follow(labels: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="augment moves the stroke and not its labels"):
        RunConfig(**{"bias_labels": "image", "bias_places": "everywhere", "augment": 1.0, **labels})
    assert preset("short", bias_places="everywhere", augment=1.0).augment == 1.0


def test_photographs_are_mirrored_half_of_the_time_and_have_no_empty_rim() -> None:
    images = torch.full((400, 1, 16, 16), 0.25)
    images[..., 8:] = 0.75
    assert torch.allclose(random_photographs(images, 0.0, seeded()).amin(), images.amin())
    moved = random_photographs(images, 1.0, seeded())
    assert float(moved.min()) > 0.24, "what comes in from outside is the picture's own reflection"
    assert float(move(images, torch.tensor([[0, 0, 0, 0.5, 0.0]]).expand(400, 5)).min()) == 0, "control: digits get zeros"
    right = moved[..., 12:].mean(dim=(1, 2, 3)) > moved[..., :4].mean(dim=(1, 2, 3))
    assert 0.4 < float(right.float().mean()) < 0.6


@pytest.mark.parametrize("channels_last", [False, True])
def test_changed_images_keep_the_memory_layout_of_the_training(channels_last: bool) -> None:
    from lnl_core.datasets import animals
    from lnl_core.training.augment import augment

    layout = torch.channels_last if channels_last else torch.contiguous_format
    on_digits: dict[str, Any] = {"bias_labels": "image", "bias_places": "everywhere", "augment": 1.0}
    for config, black in ((preset("demo", **on_digits), True), (preset("demo", experiment="dogs_cats", augment=0.5), False)):
        batch = animals("tb1", n=8).batch(slice(0, 8), channels_last=channels_last)
        augment(batch, config.with_options(channels_last=channels_last), seeded(), black=black, colors=not black)
        assert batch.images.is_contiguous(memory_format=layout)


def test_colour_labels_follow_the_photograph_and_labels_of_the_whole_image_stay() -> None:
    from lnl_core.datasets import animals, synthetic_faces
    from lnl_core.datasets.readers.photographs import color_levels
    from lnl_core.training.augment import augment, labels_are_colors

    config = preset("demo", experiment="dogs_cats")
    data = animals("tb1", n=16)
    batch = data.batch(slice(0, 16))
    before = batch.bias.clone()
    augment(batch, config, seeded(), black=False, colors=labels_are_colors(data))
    assert torch.equal(batch.bias, color_levels((batch.images * 255).round().to(torch.uint8), batch.bias.shape[-1]).long())
    assert not torch.equal(batch.bias, before)
    plain = animals("tb1", n=16).batch(slice(0, 16))
    plain.images = torch.full_like(plain.images, 32 / 255)  # the lowest value of level 1
    augment(plain, config.with_options(augment=1.0), seeded(), black=False, colors=True)
    assert set(plain.bias.flatten().tolist()) == {1}
    people = synthetic_faces("eb1", n=16)
    faces = people.batch(slice(0, 16))
    ages = faces.bias.clone()
    augment(faces, preset("demo", experiment="faces"), seeded(), black=False, colors=labels_are_colors(people))
    assert torch.equal(faces.bias, ages)


def test_digits_stand_on_black_and_photographs_do_not(few: BiasedImages) -> None:
    from lnl_core.datasets import animals, synthetic_faces
    from lnl_core.training.augment import on_black

    assert on_black(few)
    assert not on_black(animals("tb1", n=16))
    assert not on_black(synthetic_faces("eb1", n=16))
    table = BiasedImages(torch.zeros(4, 3), [0] * 4, [0] * 4, [0] * 4, classes=2, bias_classes=2)
    assert not on_black(table)


def of_textures(bias: torch.Tensor, classes: int) -> BiasedImages:
    """Photographs with labels of something else than their colour."""
    from lnl_core.datasets import animals

    data = animals("tb1", n=len(bias))
    return BiasedImages(data.images, data.labels, bias, data.group, classes=2, bias_classes=classes)


def training_of(data: BiasedImages, **changes: Any) -> Training:
    config = preset("smoke", "lnl", experiment="dogs_cats", **{"augment": 1.0, **changes})
    network = build_network(config)
    return Training(find("lnl"), network, data, config)


def test_labels_of_something_else_than_the_colour_stay_as_they_are() -> None:
    alike = torch.randint(0, 3, (32, 1, 1, 1), generator=seeded()).expand(32, 3, 4, 4).contiguous()
    batch = training_of(of_textures(alike, 3)).batch(torch.arange(32), seeded())
    assert torch.equal(batch.bias, alike)
    kept = training_of(of_textures(alike[:, 0, 0, 0], 3)).batch(torch.arange(32), seeded())
    assert torch.equal(kept.bias, alike[:, 0, 0, 0])


def test_labels_that_differ_from_place_to_place_and_are_no_colours_are_refused() -> None:
    differing = torch.randint(0, 3, (32, 3, 4, 4), generator=seeded())
    with pytest.raises(ConfigError, match=r"^augment and elastic move the images and not their bias labels"):
        training_of(of_textures(differing, 3))
    training_of(of_textures(differing, 3), **{"augment": 0.0})
