"""Synthetic data: what the splits promise on every row, what the drawings depend on, and bad input."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lnl_core.datasets import BiasedImages, animals, synthetic_faces
from lnl_core.datasets.faces import JLU_SIZES, age_bin
from lnl_core.datasets.readers.face_tables import GENDER_NAMES
from lnl_core.datasets.synthetic import (
    AGE_BINS,
    ANIMAL_SPLITS,
    FACE_SPLITS,
    age_classes,
    animal_table,
    face_table,
)
from lnl_core.errors import ConfigError, DataError

MALE, FEMALE = GENDER_NAMES.index("male"), GENDER_NAMES.index("female")


def faces(split: str, seed: int = 0, n: int = 40, size: int = 32) -> BiasedImages:
    return synthetic_faces(split, n=n, size=size, seed=seed)


def beasts(split: str, seed: int = 0, n: int = 40, size: int = 32) -> BiasedImages:
    return animals(split, n=n, size=size, seed=seed)


Make = Callable[..., BiasedImages]
BOTH = pytest.mark.parametrize(("make", "split", "other"), [(beasts, "tb1", "tb2"), (faces, "eb1", "eb2")])


@BOTH
def test_the_seed_alone_decides_the_images(make: Make, split: str, other: str) -> None:
    first = make(split)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    again = make(split)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.bias, again.bias)
    for different in (make(split, seed=1), make(other)):
        assert not torch.equal(first.images, different.images)


@BOTH
def test_drawing_leaves_the_callers_randomness_alone(make: Make, split: str, other: str) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    make(split)
    assert torch.equal(state, torch.get_rng_state())


@BOTH
@pytest.mark.parametrize(("size", "n"), [(32, 2), (50, 33), (64, 5), (97, 2)])
def test_any_size_and_any_number(make: Make, split: str, other: str, size: int, n: int) -> None:
    data = make(split, size=size, n=n)
    assert data.images.shape == (n, 3, size, size)
    assert data.images.dtype == torch.uint8
    assert data.source == "synthetic"
    assert float(data.images.float().std()) > 20, "something is drawn"
    assert len(data.images.flatten(1).unique(dim=0)) == n, "no two images are the same"


@BOTH
def test_the_same_scenes_at_every_size(make: Make, split: str, other: str) -> None:
    small, large = (make(split, size=size, n=20).images.float() for size in (32, 96))
    shrunk = torch.nn.functional.avg_pool2d(large, 3)
    right = (small - shrunk).abs().mean(dim=(1, 2, 3))
    wrong = (small - shrunk.roll(1, 0)).abs().mean(dim=(1, 2, 3))
    assert bool((right < 0.3 * wrong).all())


def test_a_larger_set_is_drawn_with_the_same_random_numbers() -> None:
    """Cutting the table cuts the set: block after block, the last one drawn in full."""
    from lnl_core.datasets.synthetic.drawing import draw_blocks
    from lnl_core.datasets.synthetic.pictures import face_block

    ages, man = (torch.from_numpy(column) for column in face_table("test", 70))
    whole = draw_blocks(face_block, [ages, man], 32, [0])
    assert torch.equal(draw_blocks(face_block, [ages[:37], man[:37]], 32, [0]), whole[:37])


# What the splits promise


@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_of_the_animals_obeys_its_split(seed: int) -> None:
    for split, sign in (("tb1", 1), ("tb2", -1)):
        species, coat = animal_table(split, 2000, seed)
        assert np.array_equal(coat, species if sign == 1 else 1 - species)
        assert 0.45 < species.mean() < 0.55
    for split in ("unbiased", "test"):
        species, coat = animal_table(split, 2000, seed)
        assert abs(np.corrcoef(species, coat)[0, 1]) < 4 / np.sqrt(2000)
        assert {(a, b) for a, b in zip(species.tolist(), coat.tolist(), strict=True)} == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("seed", [0, 1])
def test_every_row_of_the_faces_obeys_its_split(seed: int) -> None:
    for split, young in (("eb1", FEMALE), ("eb2", MALE)):
        ages, gender = face_table(split, 2000, seed)
        assert ages[gender == young].min() >= 0
        assert ages[gender == young].max() < 30
        assert ages[gender == 1 - young].min() >= 40
        assert ages[gender == 1 - young].max() < 100
        assert gender.sum() == 1000
    ages, gender = face_table("bd", None, seed)
    assert np.bincount(gender).tolist() == list(JLU_SIZES["bd"])
    assert ages[gender == MALE].min() >= 40
    assert ages[gender == MALE].max() < 71
    assert ages[gender == FEMALE].min() >= 16
    assert ages[gender == FEMALE].max() < 36
    ages, gender = face_table("od", None, seed)
    assert np.bincount(gender).tolist() == list(JLU_SIZES["od"])
    assert ages.min() >= 16
    assert ages.max() < 72
    assert ages[gender == MALE].mean() > ages[gender == FEMALE].mean() + 3


def test_the_balanced_set_has_both_genders_equally_often_in_every_bin() -> None:
    ages, gender = face_table("ebd")
    assert len(ages) == sum(JLU_SIZES["ebd"])
    table = np.zeros((14, 2), int)
    np.add.at(table, (age_classes(ages, "fours"), gender), 1)
    assert np.array_equal(table[:, 0], table[:, 1])
    assert table.min() > 0
    ages, gender = face_table("ebd", 57)
    assert np.bincount(gender).tolist() == [29, 28]


def test_age_and_gender_are_independent_in_the_test_faces() -> None:
    ages, gender = face_table("test", 4000)
    assert not ((ages >= 30) & (ages < 40)).any()
    assert abs(np.corrcoef(ages, gender)[0, 1]) < 4 / np.sqrt(4000)
    assert abs(ages[gender == MALE].mean() - ages[gender == FEMALE].mean()) < 4 * ages.std() * 2 / np.sqrt(4000)


def test_the_columns_of_the_data_sets_are_those_of_the_tables() -> None:
    species, coat = animal_table("test", 40)
    data = animals("test", n=40, size=32, bias_labels="image")
    assert data.labels.tolist() == species.tolist()
    assert data.bias.tolist() == data.group.tolist() == coat.tolist()
    ages, genders = face_table("eb2", 40)
    gender, age = (synthetic_faces("eb2", n=40, size=32, learn=learn) for learn in ("gender", "age"))
    assert gender.labels.tolist() == age.bias.tolist() == genders.tolist()
    assert gender.bias.tolist() == age_bin(ages).tolist()
    assert age.labels.tolist() == (ages >= 40).astype(int).tolist()
    assert gender.group.tolist() == (ages >= 40).astype(int).tolist()
    assert age.group.tolist() == genders.tolist()
    assert (gender.classes, gender.bias_classes, age.classes, age.bias_classes) == (2, 12, 2, 2)
    assert torch.equal(gender.images, age.images), "the same faces, whichever is learnt"


def test_the_report_sets_come_in_fourteen_bins() -> None:
    for split in ("od", "bd", "ebd"):
        data = synthetic_faces(split, n=60, size=32, learn="age")
        assert (data.classes, data.bias_classes) == (14, 2)
        assert torch.equal(data.group, data.bias)


def test_bins_by_hand() -> None:
    ages = np.array([0, 9.9, 16, 19.9, 20, 39.9, 40, 71.9, 99.9])
    assert age_classes(ages, "halves").tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert age_classes(ages, "edges").tolist() == [0, 0, 0, 0, 1, 4, 5, 11, 11]
    assert age_classes(ages[2:8], "fours").tolist() == [0, 0, 1, 5, 6, 13]
    assert AGE_BINS == {"halves": 2, "edges": 12, "fours": 14}


# What the drawings depend on


def same_but(block_column: int) -> float:
    """Mean difference of pixels (0 to 255) between two drawings that differ in one column of the faces only."""
    from lnl_core.datasets.synthetic.drawing import draw_blocks
    from lnl_core.datasets.synthetic.pictures import face_block

    columns = [torch.full((32,), 20.0), torch.zeros(32)]
    changed = [column.clone() for column in columns]
    if block_column >= 0:
        changed[block_column] += (60.0, 1.0)[block_column]
    first, second = (draw_blocks(face_block, what, 48, [5]).float() for what in (columns, changed))
    return float((first - second).abs().mean())


def test_a_cue_changes_the_drawing_and_nothing_else_does() -> None:
    assert same_but(-1) == 0
    assert same_but(0) > 3
    assert same_but(1) > 3


def test_bright_coats_are_brighter_by_the_contrast_and_the_background_is_not() -> None:
    gaps = []
    for contrast in (0.0, 0.5, 1.0):
        data = animals("test", n=400, size=32, contrast=contrast)
        light = data.images.float().mean(dim=1)
        body, corner = light[:, 18:30, 13:19].mean(dim=(1, 2)), light[:, :6, :3].mean(dim=(1, 2))
        bright = data.group == 1
        gaps.append(float(body[bright].mean() - body[~bright].mean()))
    assert abs(gaps[0]) < 10
    assert gaps[1] > 35
    assert gaps[2] > gaps[1] + 25
    assert abs(corner[bright].mean() - corner[~bright].mean()) < 4 * corner.std() * 2 / 20


def test_there_is_a_colour_label_for_every_place_of_the_feature_map() -> None:
    assert animals("tb1", n=4, size=64).bias.shape == (4, 3, 4, 4)
    data = animals("tb1", n=4, size=50, places=5)
    assert torch.equal(data.bias, data.images[:, :, 5::10, 5::10] // 32)


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: animals("eb1"), "unknown split 'eb1': choose one of tb1, tb2, unbiased, test"),
        (lambda: synthetic_faces("tb1"), "unknown split 'tb1': choose one of eb1"),
        (lambda: animals("tb1", size=31), "size must be a whole number of at least 32 pixels, got 31"),
        (lambda: animals("tb1", n=1), "n must be a whole number of at least 2 images, got 1"),
        (lambda: animals("tb1", n=4, seed=-1), "seed must be a whole number of at least 0, got -1"),
        (lambda: animals("tb1", n=4, contrast=1.5), "contrast must lie between 0 and 1, got 1.5"),
        (lambda: animals("tb1", n=4, bias_labels="pixel"), "unknown bias_labels 'pixel': choose 'place' or 'image'"),
        (lambda: animals("tb1", n=4, places=65), "places must lie between 1 and the image's 64 pixels, got 65"),
        (lambda: synthetic_faces("eb1", learn="race"), "unknown task 'race' to learn: choose 'gender' or 'age'"),
        (lambda: synthetic_faces("eb1", n=4, age_bins="fives"), "unknown age_bins 'fives': choose one of halves, edges, fours"),
        (lambda: synthetic_faces("eb1", n=40, age_bins="fours"), "bins of four years hold ages from 16 to 71"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call: Callable[[], BiasedImages], message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as error:
        call()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_all_splits_can_be_drawn() -> None:
    for split in ANIMAL_SPLITS:
        assert len(animals(split, n=3, size=32)) == 3
    for split in FACE_SPLITS:
        assert len(synthetic_faces(split, n=3, size=32)) == 3
