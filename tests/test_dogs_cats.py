"""Dogs and Cats in Kaggle's folder: drawn here in its format, and the real ones where they are at hand."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import requests
import torch
from PIL import Image

from lnl_core import experiments
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import IGNORE, BiasedImages, animals, dogs_cats
from lnl_core.datasets.dogs_cats import DOGS_CATS_SPLITS, measured_groups, unlabelled_test_images
from lnl_core.datasets.readers.dogs_cats_files import read_lists, read_test_labels, write_test_labels
from lnl_core.datasets.readers.photographs import centre_brightness, color_levels
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import predict
from lnl_core.experiments.dogs_cats import _first_half
from lnl_core.experiments.splits import load_data, load_unbiased
from lnl_core.networks import build_network
from lnl_core.runs.run import load_model, oracle_labels, run, save_model

REAL_DATA = os.environ.get("LNL_DATA_DIR")  # conftest.py hides it from the library, unless a test names it
has_real = pytest.mark.skipif(
    not (REAL_DATA and (Path(REAL_DATA) / "dogs-vs-cats" / "train").is_dir()), reason="needs Dogs vs. Cats in LNL_DATA_DIR"
)

# Bright and dark of each animal, and one of each in neither list; every image has a brightness of its own.
BRIGHT = ["cat.0.jpg", "cat.3.jpg", "dog.1.jpg", "dog.10.jpg", "dog.11.jpg"]
DARK = ["cat.1.jpg", "cat.10.jpg", "cat.12.jpg", "dog.0.jpg", "dog.2.jpg"]
OTHER = ["cat.7.jpg", "dog.7.jpg"]
LEVEL = {name: 150 + 7 * index for index, name in enumerate(BRIGHT)} | {
    name: 8 + 7 * index for index, name in enumerate(DARK + OTHER)
}
TEST_LABELS = {1: 0, 2: 1, 3: 1, 12: 0}


@pytest.fixture(autouse=True)
def _no_network_and_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise requests.ConnectionError("no network in tests")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)
    monkeypatch.setenv("LNL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Kaggle's folder with twelve training and four test images, the two lists, and the oracle's labels as published."""
    folder = tmp_path / "data" / "dogs-vs-cats"
    for part in ("train", "test1"):
        (folder / part).mkdir(parents=True)
    for name, level in LEVEL.items():
        Image.new("RGB", (70, 60), (level, level, level)).save(folder / "train" / name, quality=95)
    for number in TEST_LABELS:
        level = 20 * number
        Image.new("RGB", (60, 70), (level, level, level)).save(folder / "test1" / f"{number}.jpg", quality=95)
    (folder / "list_bright.txt").write_text("\n".join(BRIGHT) + "\n")
    (folder / "list_dark.txt").write_text("\n".join(DARK) + "\n")
    # 0 is a dog there
    oracle: Any = {f"./dataset/test1/{number}.jpg": np.int64(1 - label) for number, label in TEST_LABELS.items()}
    np.save(folder / "test_result.npy", oracle | {"./dataset/test1/99.jpg": np.int64(1)}, allow_pickle=True)
    return tmp_path / "data"


def load(split: str, data_dir: Path, **options: Any) -> BiasedImages:
    return dogs_cats(split, data_dir=data_dir, **{"size": 32, **options})


def found_names(data: BiasedImages) -> dict[str, tuple[int, int]]:
    """Label and group of each training image, recognised by its brightness."""
    names = {level: name for name, level in LEVEL.items()}
    levels = data.images.float().mean(dim=(1, 2, 3)).round().int().tolist()
    return {
        names[level]: (label, group) for level, label, group in zip(levels, data.labels.tolist(), data.group.tolist(), strict=True)
    }


def test_tb1_is_bright_dogs_and_dark_cats(data_dir: Path) -> None:
    assert found_names(load("tb1", data_dir)) == {
        "cat.1.jpg": (0, 0),
        "cat.10.jpg": (0, 0),
        "cat.12.jpg": (0, 0),
        "dog.1.jpg": (1, 1),
        "dog.10.jpg": (1, 1),
        "dog.11.jpg": (1, 1),
    }


def test_tb2_is_dark_dogs_and_bright_cats(data_dir: Path) -> None:
    expected = {"cat.0.jpg": (0, 1), "cat.3.jpg": (0, 1), "dog.0.jpg": (1, 0), "dog.2.jpg": (1, 0)}
    assert found_names(load("tb2", data_dir)) == expected


def test_train_is_all_labelled_images_and_says_which_are_in_no_list(data_dir: Path) -> None:
    found = found_names(load("train", data_dir))
    assert found.keys() == LEVEL.keys()
    for name, (label, group) in found.items():
        assert label == name.startswith("dog")
        assert group == (1 if name in BRIGHT else 0 if name in DARK else 2)


def test_other_is_what_neither_list_names(data_dir: Path) -> None:
    assert found_names(load("other", data_dir)) == {"cat.7.jpg": (0, 2), "dog.7.jpg": (1, 2)}
    for name in OTHER:
        (data_dir / "dogs-vs-cats" / "train" / name).unlink()
    with pytest.raises(DataError, match="every training image there is listed as bright or as dark"):
        load("other", data_dir)


# The coat as label, and exceptions


def animals_of(method: str = "baseline", **changes: Any) -> RunConfig:
    return preset("smoke", method, experiment="dogs_cats", **{"test_size": 40, **changes})


def pictures(data: BiasedImages) -> set[bytes]:
    return {image.numpy().tobytes() for image in data.images}


def kinds(data: BiasedImages) -> list[list[int]]:
    """How many of each label have each coat."""
    return [[int(((data.labels == label) & (data.group == coat)).sum()) for coat in range(2)] for label in range(2)]


def test_a_run_without_photographs_of_neither_coat_goes_on_and_says_so(
    data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = preset("smoke", "baseline", experiment="dogs_cats", source="kaggle", train_set="tb1", batch_size=4)
    assert "other_accuracy" in run(config, tmp_path / "all", data_dir=data_dir, progress=False).metrics
    for name in OTHER:
        (data_dir / "dogs-vs-cats" / "train" / name).unlink()
    record = run(config, tmp_path / "fewer", data_dir=data_dir, progress=False)
    assert {"other_accuracy", "opposite_accuracy"} & set(record.metrics) == {"opposite_accuracy"}
    assert "none is left for the split 'other'; the run is not measured on it" in caplog.text
    for name in (*BRIGHT, *DARK):
        (data_dir / "dogs-vs-cats" / "train" / name).unlink()
    with pytest.raises(DataError):
        run(config, tmp_path / "none", data_dir=data_dir, progress=False)


def test_one_coat_an_image_is_the_group_and_others_have_none(data_dir: Path) -> None:
    photographs = {"source": "kaggle", "bias_labels": "coat", "test_size": None}
    config = animals_of("group_dro", **photographs)
    for split in ("train", "opposite"):
        data = load_data(config, split, data_dir)
        assert torch.equal(data.bias, data.group)
    assert (load_data(config, "other", data_dir).bias == IGNORE).all()
    assert build_network(config).bias_head(torch.zeros(2, 64, 4, 4)).shape == (2, 2)
    assert preset("short", "group_dro", experiment="dogs_cats").bias_labels == "coat"
    assert preset("short", "lnl", experiment="dogs_cats").bias_labels == "levels"


def test_exceptions_join_the_training_set_and_the_other_half_is_tested() -> None:
    half = load_data(animals_of(exceptions=0.0), "opposite")
    for seed, count in ((0, 2), (1, 7), (2, 16)):
        config = animals_of(exceptions=count / 40, seed=seed, train_size=None)
        train, opposite = load_data(config, "train"), load_data(config, "opposite")
        assert pictures(opposite) == pictures(half), "the same half for every seed"
        (dark_cats, bright_cats), (dark_dogs, bright_dogs) = kinds(train)
        assert (bright_cats, dark_dogs) == (count // 2, count - count // 2)
        assert dark_cats + bright_dogs == len(load_data(animals_of(train_size=None, seed=seed), "train"))
        assert not pictures(train) & pictures(opposite)
    one, other = (pictures(load_data(animals_of(exceptions=0.2, seed=seed, train_size=None), "train")) for seed in (0, 1))
    assert one != other
    assert kinds(load_data(animals_of(exceptions=0.0, train_size=None), "train"))[0][1] == 0


def test_whoever_is_trained_on_unbiased_images_gets_the_exceptions_there_and_nowhere_else() -> None:
    config = animals_of("last_layer", exceptions=0.3, unbiased_images=24, train_size=None)
    unbiased, train = load_unbiased(config), load_data(config, "train")
    assert unbiased is not None
    assert kinds(unbiased) == [[6, 6], [6, 6]]
    assert kinds(train)[0][1] == kinds(train)[1][0] == 0
    assert not pictures(unbiased) & (pictures(train) | pictures(load_data(config, "opposite")))
    assert len(train) + 12 == len(load_data(animals_of(train_size=None), "train"))
    assert load_unbiased(animals_of("last_layer")) is None


def photographs_of(config: RunConfig, name: str, *rest: object, **options: object) -> BiasedImages:
    return animals(name, n={"tb1": 120, "tb2": 80}[name], size=64, seed=3)


def test_sizes_cut_neither_the_exceptions_nor_the_unbiased_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments.find("dogs_cats"), "photographs", photographs_of)
    changes: dict[str, Any] = {"source": "kaggle", "train_set": "tb1", "exceptions": 0.3}
    unbiased = load_unbiased(animals_of("last_layer", unbiased_images=24, **changes, train_size=None, test_size=10))
    assert unbiased is not None
    assert kinds(unbiased) == [[12, 12], [12, 12]]
    train = load_data(animals_of(**changes, train_size=20), "train")
    (dark_cats, bright_cats), (dark_dogs, bright_dogs) = kinds(train)
    assert (bright_cats, dark_dogs, dark_cats + bright_dogs) == (12, 12, 20)
    assert len(load_data(animals_of(**changes, test_size=10), "opposite")) == 10
    synthetic = load_data(animals_of(exceptions=0.3, train_size=20), "train")
    (_, bright_cats), (dark_dogs, _) = kinds(synthetic)
    assert (len(synthetic), bright_cats, dark_dogs) == (20 + 12, 6, 6), "12 of the 40 of the other set"


def test_too_few_exceptions_and_groups_without_any_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^exceptions 0\.02 of 40 photographs are 1, and each label needs one: raise exceptions$"):
        load_data(animals_of(exceptions=0.02), "train")
    data = load_data(animals_of(), "opposite")
    few = data.subset(torch.cat([torch.nonzero(data.labels == 0)[:, 0], torch.nonzero(data.labels == 1)[:3, 0]]))
    with pytest.raises(DataError, match=r"^4 dogs are wanted as exceptions and there are 1: lower exceptions$"):
        _first_half(few, 8, 0)
    with pytest.raises(DataError, match="last_layer needs 30 unbiased images and there are 8: lower unbiased_images or give more"):
        run(animals_of("last_layer", exceptions=0.1, unbiased_images=30), tmp_path / "a", progress=False)
    with pytest.raises(DataError, match="every label has images of one bias only, so nothing can be balanced"):
        run(animals_of("group_dro", exceptions=0.0), tmp_path / "b", progress=False)


def test_group_dro_and_last_layer_run_with_exceptions_on_frozen_features(tmp_path: Path) -> None:
    small: dict[str, Any] = {"network": "mobilenet_v2", "frozen_blocks": 15, "image_size": 64, "exceptions": 0.4}
    for method, own in (("group_dro", {}), ("last_layer", {"unbiased_images": 32})):
        record = run(animals_of(method, **small, **own), tmp_path / method, progress=False)
        assert record.profile == "custom"
        assert record.config["exceptions"] == 0.4
        assert "opposite_accuracy" in record.metrics
        assert [*(tmp_path / "cache").glob("features-*.safetensors")]


def test_test_images_have_the_oracles_labels_and_a_measured_group(data_dir: Path) -> None:
    data = load("test", data_dir)
    numbers = (data.images.float().mean(dim=(1, 2, 3)) / 20).round().int().tolist()
    assert dict(zip(numbers, data.labels.tolist(), strict=True)) == TEST_LABELS
    assert dict(zip(numbers, data.group.tolist(), strict=True)) == {1: 0, 2: 0, 3: 0, 12: 1}


@pytest.mark.parametrize("split", DOGS_CATS_SPLITS)
def test_the_container(split: str, data_dir: Path) -> None:
    data = load(split, data_dir, size=64)
    assert data.images.shape[1:] == (3, 64, 64)
    assert data.bias.shape == (len(data), 3, 4, 4)
    assert torch.equal(data.bias, color_levels(data.images, 4).long())
    assert (data.classes, data.bias_classes, data.source) == (2, 8, "kaggle-part")
    assert load(split, data_dir, places=16, size=64).bias.shape == (len(data), 3, 16, 16)
    assert load(split, data_dir, size=64, crop=False).images.shape == data.images.shape


def test_the_seed_orders_and_changes_nothing_else(data_dir: Path) -> None:
    first, again, other = (load("train", data_dir, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)
    assert found_names(first) == found_names(other)


def test_tb1_and_tb2_share_nothing(data_dir: Path) -> None:
    assert not found_names(load("tb1", data_dir)).keys() & found_names(load("tb2", data_dir)).keys()


# Labels


@pytest.mark.parametrize("form", ["npy", "csv", "numbers", "names", "numpy"])
def test_labels_come_in_several_forms(form: str, data_dir: Path, tmp_path: Path) -> None:
    flipped = {number: 1 - label for number, label in TEST_LABELS.items()}
    labels: Any = {"numbers": flipped, "names": {f"test/{number}.jpg": label for number, label in flipped.items()}}.get(form)
    if form == "npy":
        labels = tmp_path / "own.npy"
        np.save(labels, {f"{number}.jpg": label for number, label in flipped.items()}, allow_pickle=True)  # type: ignore[arg-type]
    elif form == "csv":
        labels = str(tmp_path / "own.csv")
        Path(labels).write_text("id,label\n" + "".join(f"{number},{label}\n" for number, label in flipped.items()))
    elif form == "numpy":
        labels = {np.int64(number): np.int64(label) for number, label in flipped.items()}
    assert read_test_labels(labels) == flipped
    theirs, ours = load("test", data_dir), load("test", data_dir, labels=labels)
    assert torch.equal(ours.labels, 1 - theirs.labels)


def test_the_csv_beside_it_does_when_the_npy_is_not_there(data_dir: Path) -> None:
    expected = load("test", data_dir)
    folder = data_dir / "dogs-vs-cats"
    (folder / "test_result.npy").unlink()
    (folder / "test_result.csv").write_text(
        "id,label\n" + "".join(f"{number},{1 - label}\n" for number, label in TEST_LABELS.items())
    )
    assert torch.equal(load("test", data_dir).labels, expected.labels)


@pytest.mark.parametrize("name", ["own.csv", "test_result.csv"])
def test_labels_that_were_written_are_read_back_whatever_the_file_is_called(name: str, tmp_path: Path) -> None:
    path = write_test_labels(tmp_path / name, {"1.jpg": 1, "2.jpg": 0})
    assert path.read_text() == "id,label\n1.jpg,dog\n2.jpg,cat\n"
    assert read_test_labels(path) == {1: 1, 2: 0}


def test_test_images_without_a_label_are_left_out(data_dir: Path) -> None:
    with pytest.warns(UserWarning, match=r"2 files in .*test1 have no label and were left out: 12\.jpg"):
        data = load("test", data_dir, labels={1: 0, 2: 1})
    assert sorted(data.labels.tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({1: 2}, "is not the number of an image and 0"),
        ({1: 0.5}, "is not the number of an image and 0"),
        ({"one.jpg": 1}, "is not the number of an image and 0"),
        ({77: 1}, "none of the 4 images"),
        ({1: 0, 3: 0}, "left without any dog"),
        ("none.npy", "does not exist"),
        ("none.csv", "cannot be read as a table"),
    ],
)
@pytest.mark.filterwarnings("ignore:2 files")
def test_labels_that_cannot_be(labels: Any, message: str, data_dir: Path) -> None:
    with pytest.raises(DataError, match=message):
        load("test", data_dir, labels=labels)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "id,label\n1,cow\n", "id,label\n1\n", "id,label\n1,\xff\n"])
def test_a_csv_that_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(DataError, match=r"odd\.csv cannot be read as a table"):
        read_test_labels(path)


def test_labels_are_for_test_images_only(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="for the test images only"):
        load("tb1", data_dir, labels={1: 0})


# Lists


def test_a_list_may_name_absent_images(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data_dir / "dogs-vs-cats" / "list_dark.txt").write_text("\n".join([*DARK, "cat.500.jpg", "cat.501.jpg"]))
    with caplog.at_level(logging.WARNING, logger="lnl_core"):
        assert len(load("tb1", data_dir)) == 6
    assert "tb1: 2 of 8 listed images are absent" in caplog.text


def test_lists_of_nothing_but_absent_images_are_refused(data_dir: Path) -> None:
    folder = data_dir / "dogs-vs-cats"
    (folder / "list_dark.txt").write_text("cat.500.jpg\ndog.501.jpg\n")
    (folder / "list_bright.txt").write_text("cat.502.jpg\ndog.503.jpg\n")
    with pytest.raises(DataError, match=r"none of the 2 images of tb1 is there"):
        load("tb1", data_dir)


def test_a_class_left_empty_is_refused(data_dir: Path) -> None:
    (data_dir / "dogs-vs-cats" / "list_dark.txt").write_text("dog.0.jpg\n")
    with pytest.raises(DataError, match="tb1 is left without any cat"):
        load("tb1", data_dir)
    for name in LEVEL:
        if name.startswith("dog"):
            (data_dir / "dogs-vs-cats" / "train" / name).unlink()
    with pytest.raises(DataError, match="train is left without any dog"):
        load("train", data_dir)


@pytest.mark.parametrize("content", [b"", b"cat.0.jpg\nfrog.1.jpg\n", b"<html>not found</html>", b"\xff\xfe\x00"])
def test_a_file_that_is_no_list_is_refused(content: bytes, data_dir: Path) -> None:
    (data_dir / "dogs-vs-cats" / "list_bright.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"list_bright\.txt (must list names|cannot be read)"):
        read_lists(data_dir)


def test_an_image_in_both_lists_is_refused(data_dir: Path) -> None:
    (data_dir / "dogs-vs-cats" / "list_dark.txt").write_text("cat.0.jpg\n")
    with pytest.raises(DataError, match=r"cat\.0\.jpg is listed both as bright and as dark"):
        read_lists(data_dir)


@pytest.mark.parametrize("name", ["list_bright.txt", "test_result.npy"])
def test_without_a_network_the_message_says_where_to_put_the_file(name: str, data_dir: Path) -> None:
    (data_dir / "dogs-vs-cats" / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is not in .*dogs-vs-cats and could not be downloaded: put the file there"):
        load("test" if name.endswith("npy") else "tb1", data_dir)


def test_a_download_that_breaks_off_is_no_crash(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "dogs-vs-cats" / "list_bright.txt").unlink()

    def answer(self: Any, address: str, target: Path, *_: Any) -> None:
        Path(target).write_bytes(b"cat.0")
        raise requests.exceptions.ChunkedEncodingError("broken off")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", answer)
    with pytest.raises(DataError, match=r"list_bright\.txt is not in .* could not be downloaded"):
        read_lists(data_dir)


def test_a_list_is_downloaded_once_and_checked_by_its_hash(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = read_lists(data_dir)
    path = data_dir / "dogs-vs-cats" / "list_bright.txt"
    content = path.read_bytes()
    path.unlink()
    asked: list[str] = []

    def answer(self: Any, address: str, target: Path, *_: Any) -> None:
        asked.append(address)
        Path(target).write_bytes(content)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", answer)
    with pytest.raises(DataError, match="is not the file as published"):
        read_lists(data_dir)
    from hashlib import sha256

    from lnl_core.datasets.readers.dogs_cats_files import _PUBLISHED

    monkeypatch.setitem(_PUBLISHED, "list_bright.txt", ("abc", sha256(content).hexdigest()))
    for _ in range(2):
        assert read_lists(data_dir)[0] == expected
    assert asked[1:] == [
        "https://raw.githubusercontent.com/feidfoe/learning-not-to-learn/abc/dataset/dogs_and_cats/list_bright.txt"
    ]


# Photographs


def test_files_with_other_names_and_damaged_ones_are_told_of(data_dir: Path) -> None:
    folder = data_dir / "dogs-vs-cats" / "train"
    (folder / "notes.txt").write_text("nothing")
    (folder / "cat.1.jpg").write_bytes(b"no image")
    with (
        pytest.warns(UserWarning, match=r"1 files in .*train are not named as cat\.0\.jpg: notes\.txt"),
        pytest.warns(UserWarning, match=r"1 of 6 files in .*train were left out: cat\.1\.jpg \(not an image\)"),
    ):
        data = load("tb1", data_dir)
    assert len(data) == 5


@pytest.mark.parametrize("deeper", [1, 2])
@pytest.mark.parametrize("split", DOGS_CATS_SPLITS)
def test_an_archive_unpacked_too_deep_is_read(split: str, deeper: int, data_dir: Path) -> None:
    expected = load(split, data_dir)
    for part in ("train", "test1"):
        for _ in range(deeper):
            flat = data_dir / "dogs-vs-cats" / part
            flat.rename(flat.with_name("moved"))
            flat.mkdir()
            (flat / "Thumbs.db").write_bytes(b"not ours")
            flat.with_name("moved").rename(flat / part)
    found = load(split, data_dir)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    names, _ = unlabelled_test_images(size=32, data_dir=data_dir)
    assert names == sorted(f"{number}.jpg" for number in TEST_LABELS)


@pytest.mark.parametrize("split", ["tb1", "train"])
def test_training_images_under_other_names_are_named(split: str, data_dir: Path) -> None:
    train = data_dir / "dogs-vs-cats" / "train"
    (train / "cats").mkdir()
    for path in list(train.glob("*.jpg")):
        path.rename(train / "cats" / path.name)
    message = r"none of the 12 files in .*train is named as cat\.0\.jpg \(the first is cats/cat\.0\.jpg\): put Kaggle's training"
    with pytest.raises(DataError, match=message):
        load(split, data_dir)


@pytest.mark.parametrize("split", DOGS_CATS_SPLITS)
def test_missing_photographs_are_refused(split: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the photographs are missing: unzip Kaggle's Dogs vs\. Cats into"):
        load(split, tmp_path)


def test_what_does_not_exist_is_refused(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="unknown split 'tb3': choose one of tb1, tb2, train, test"):
        load("tb3", data_dir)
    with pytest.raises(ConfigError, match="places must lie between 1 and"):
        load("tb1", data_dir, places=33)
    with pytest.raises(ConfigError, match="size must be"):
        load("tb1", data_dir, size=0)


# The oracle


def test_a_file_for_labels_that_nobody_would_read_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels\.npy would not be read as the table that it is: let its name end in \.csv"):
        oracle_labels(tmp_path / "nothing", tmp_path / "labels.npy")
    with pytest.raises(ConfigError, match="is a folder: name a file, such as"):
        oracle_labels(tmp_path / "nothing", tmp_path)


def test_an_oracle_labels_the_test_images_of_other_runs(data_dir: Path, tmp_path: Path) -> None:
    tiny: dict[str, Any] = {"experiment": "dogs_cats", "source": "kaggle", "batch_size": 4}
    config = preset("smoke", "baseline", train_set="train", **tiny)
    record = run(config, tmp_path / "oracle", data_dir=data_dir, progress=False)
    assert (record.data["train_size"], "opposite_accuracy" in record.metrics) == (12, False)
    labels = oracle_labels(tmp_path / "oracle", tmp_path / "mine.csv", data_dir)
    assert labels.keys() == {f"{number}.jpg" for number in TEST_LABELS}
    data = load("test", data_dir, size=64)
    numbers = (data.images.float().mean(dim=(1, 2, 3)) / 20).round().int().tolist()
    answers = dict(zip(numbers, predict(load_model(tmp_path / "oracle"), data).tolist(), strict=True))
    assert labels == {f"{number}.jpg": answers[number] for number in TEST_LABELS}
    assert read_test_labels(tmp_path / "mine.csv") == answers
    turned = {f"{number}.jpg": 1 - label for number, label in TEST_LABELS.items()}
    other = preset("smoke", "lnl", test_labels=str(write_test_labels(tmp_path / "turned.csv", turned)), **tiny)
    found = load_data(other, "test", data_dir)
    assert torch.equal(found.labels, 1 - load_data(preset("smoke", "lnl", **tiny), "test", data_dir).labels)
    run(other, tmp_path / "other", data_dir=data_dir, progress=False)
    with pytest.raises(ConfigError, match=r"an oracle is trained on all labelled dogs and cats .* this one on dogs_cats tb1"):
        oracle_labels(tmp_path / "other", tmp_path / "no.csv", data_dir)
    assert not (tmp_path / "no.csv").exists()
    synthetic = preset("smoke", "baseline", experiment="dogs_cats", train_set="train")
    save_model(build_network(synthetic), synthetic, tmp_path / "synthetic.safetensors")
    with pytest.raises(ConfigError, match="trained on photographs, this one on synthetic pictures"):
        oracle_labels(tmp_path / "synthetic.safetensors", tmp_path / "no.csv", data_dir)


# The real ones


@has_real
def test_the_real_part_at_hand(tmp_path: Path) -> None:
    data = {split: dogs_cats(split, data_dir=REAL_DATA, cache_dir=tmp_path) for split in DOGS_CATS_SPLITS}
    bright, dark = read_lists(REAL_DATA, cache_dir=tmp_path)
    files = [path.name for path in (Path(REAL_DATA or "") / "dogs-vs-cats" / "train").glob("*.jpg")]
    cats, dogs = ({name for name in files if name.startswith(animal)} for animal in ("cat", "dog"))
    assert data["tb1"].labels.bincount().tolist() == [len(cats & dark), len(dogs & bright)]
    assert data["tb2"].labels.bincount().tolist() == [len(cats & bright), len(dogs & dark)]
    assert torch.equal(data["tb1"].group, data["tb1"].labels)
    assert torch.equal(data["tb2"].group, 1 - data["tb2"].labels)
    listed = [len(set(files) & dark), len(set(files) & bright)]
    assert data["train"].group.bincount().tolist() == [*listed, len(files) - sum(listed)]
    assert data["test"].group.float().mean() == pytest.approx(0.5, abs=0.1)
    if len(files) == 2002:  # the part that the book's tables are made from
        assert data["tb1"].labels.bincount().tolist() == [388, 455]
        assert data["tb2"].labels.bincount().tolist() == [276, 284]
        assert data["train"].group.bincount().tolist() == [672, 731, 599]
        assert len(data["test"]) == 1001
        assert data["other"].labels.bincount().tolist() == [337, 262]


@has_real
def test_the_real_lists_have_the_papers_sizes(tmp_path: Path) -> None:
    bright, dark = read_lists(REAL_DATA, cache_dir=tmp_path)
    assert (len(bright), len(dark)) == (8385, 8400)
    dogs = {name for name in bright | dark if name.startswith("dog")}
    assert len(bright & dogs) + len(dark - dogs) == 10_047
    assert len(dark & dogs) + len(bright - dogs) == 6_738
    labels = read_test_labels(Path(REAL_DATA or "") / "dogs-vs-cats" / "test_result.npy")
    assert labels == read_test_labels(Path(REAL_DATA or "") / "dogs-vs-cats" / "test_result.csv")
    assert np.bincount(list(labels.values())).tolist() == [6226, 6274]
    by_eye = dict.fromkeys((1, 2, 3, 4, 12, 17, 18, 21), 1) | dict.fromkeys(range(5, 12), 0)  # dogs, cats
    assert {number: labels[number] for number in by_eye} == by_eye


@has_real
def test_the_measured_groups_agree_with_the_lists_as_documented(tmp_path: Path) -> None:
    data = dogs_cats("train", data_dir=REAL_DATA, cache_dir=tmp_path)
    listed = data.group < 2
    measured = measured_groups(data.images)
    agreement = [float((measured == group)[data.group == group].float().mean()) for group in (0, 1)]
    assert np.mean(agreement) == pytest.approx(0.78, abs=0.02)
    brightness = centre_brightness(data.images)
    assert brightness[listed & (data.group == 1)].mean() > brightness[listed & (data.group == 0)].mean() + 40
