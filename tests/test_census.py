"""Adult and German credit: the published formats, what is refused and how, features, splits, synthetic rows, and who moves."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import pytest
import torch
from test_methods import REACHES_F, assert_same, by_hand, gradients

from lnl_core.config import preset
from lnl_core.datasets import BiasedImages, adult, german, synthetic_census
from lnl_core.datasets.census import CENSUS_SPLITS, PROTECTED, YOUNG_TO, feature_names
from lnl_core.datasets.container import Batch
from lnl_core.datasets.readers import census_files
from lnl_core.datasets.readers.census_files import ADULT, GERMAN, PUBLISHED_MD5, read_census
from lnl_core.datasets.synthetic.census import synthetic_table
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import data_information
from lnl_core.experiments.census import ATTRIBUTES as NAMES
from lnl_core.methods import find
from lnl_core.methods.bias_balanced import Balance, counted_excess
from lnl_core.networks import build_network, census_network

ROWS = (
    "39, State-gov, 7751, Bachelors, 13, Never-married, Adm-clerical, Own-child, White, Male, 2174, 0, 40, United-States, <=50K",
    "50, ?, 83311, Bachelors, 13, Married-civ-spouse, ?, Husband, White, Male, 0, 0, 13, ?, >50K",
    "28, Private, 338409, Bachelors, 13, Married-civ-spouse, Prof-specialty, Wife, Black, Female, 0, 0, 40, Cuba, <=50K",
    "37, Private, 284582, Masters, 14, Divorced, Exec-managerial, Unmarried, White, Female, 0, 1902, 41, Hong, >50K",
)
CREDITS = (
    "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1",
    "A12 48 A32 A43 5951 A61 A73 2 A92 A101 2 A121 22 A143 A152 1 A173 1 A191 A201 2",
    "A14 12  A34 A46  2096 A61 A74 2 A94 A101 3 A121 25 A143 A152 1 A172 2 A191 A201 1",
    "A11 42 A32 A42 7882 A61 A74 2 A91 A103 4 A122 26 A143 A153 1 A173 2 A191 A201 2",
)


def write(folder: Path, train: str, test: str = "", credit: str = "") -> Path:
    """The files as UCI publishes them, with rows of our own: test labels end with a dot, below a line that is no row."""
    (folder / "uci").mkdir()
    (folder / "uci" / "adult.data").write_text(train + "\n")
    (folder / "uci" / "adult.test").write_text("|1x3 Cross validator\n" + test + "\n\n")
    (folder / "uci" / "german.data").write_text(credit + "\n")
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Ten rows of each kind in training, four in test."""
    tests = "\n".join(f"{row}." for row in ROWS)
    return write(tmp_path, "\n".join(ROWS * 10), tests, "\n".join(CREDITS * 10))


def test_adult_rows_are_read_as_published(tiny: Path) -> None:
    table = read_census("adult.test", tiny, check=False)
    assert len(table) == 4
    assert table.labels.tolist() == [0, 1, 0, 1], "the dot after a label is no part of it"
    assert table.columns["age"].tolist() == [39, 50, 28, 37], "the first line is no row"
    assert table.columns["sex"].tolist() == [1, 1, 0, 0]
    work = next(column for column in ADULT if column.name == "workclass")
    assert [work.categories[code] for code in table.columns["workclass"]] == ["State-gov", "?", "Private", "Private"]
    assert table.source == "user"


def test_german_rows_are_read_as_published(tiny: Path) -> None:
    table = read_census("german.data", tiny, check=False)
    assert len(table) == 40
    assert table.labels[:4].tolist() == [1, 0, 1, 0], "1 is a good credit, 2 a bad one"
    assert table.columns["amount"][:3].tolist() == [1169, 5951, 2096], "columns are separated by one blank or more"
    assert table.columns["purpose"][2] == GERMAN[3].categories.index("A46")


@pytest.mark.parametrize(
    ("name", "line", "row", "message"),
    [
        ("adult.data", 3, ROWS[0] + ", 7", "adult.data, line 3: expected 15 columns, got 16"),
        ("adult.data", 2, ROWS[0].rsplit(",", 1)[0], "adult.data, line 2: expected 15 columns, got 14"),
        (
            "adult.data",
            1,
            ROWS[0].replace("Bachelors", "Diploma"),
            "adult.data, line 1: unknown category 'Diploma' in column education",
        ),
        (
            "adult.data",
            4,
            ROWS[0].replace(" Male", " ?"),
            "adult.data, line 4: unknown category '?' in column sex: known are Female",
        ),
        ("adult.data", 4, ROWS[0].replace("39", "nan"), "adult.data, line 4: column age must be a whole number, got 'nan'"),
        ("adult.data", 4, ROWS[0].replace("<=50K", "50K"), "adult.data, line 4: unknown category '50K' in column label"),
        ("adult.test", 3, ROWS[1].replace("Husband", "Spouse") + ".", "adult.test, line 3: unknown category 'Spouse'"),
        (
            "german.data",
            2,
            CREDITS[0].replace("A93", "A99"),
            "german.data, line 2: unknown category 'A99' in column personal-status",
        ),
        ("german.data", 4, CREDITS[0].replace(" 1169", ""), "german.data, line 4: expected 21 columns, got 20"),
        ("german.data", 4, CREDITS[0][:-1] + "3", "german.data, line 4: unknown category '3' in column label"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(tiny: Path, name: str, line: int, row: str, message: str) -> None:
    path = tiny / "uci" / name
    lines = path.read_text().splitlines()
    lines[line - 1] = row
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as error:
        read_census(name, tiny, check=False)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_only_the_published_files_are_read_unless_asked_otherwise(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"adult\.data is not the file that UCI published .* check=False"):
        adult("train", data_dir=tiny)
    digest = hashlib.md5((tiny / "uci" / "adult.data").read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setitem(PUBLISHED_MD5, "adult.data", digest)
    assert adult("train", data_dir=tiny).source == "uci"


def test_a_missing_file_is_downloaded_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    content = "\n".join(CREDITS).encode()

    def answer(self: Any, address: str, target: Path, *_: Any) -> None:
        asked.append(address)
        Path(target).write_bytes(content)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", answer)
    with pytest.raises(DataError, match=r"as downloaded from https.* is not the file as published: put theirs into"):
        read_census("german.data", tmp_path)
    assert not [*(tmp_path / "uci").iterdir()]
    monkeypatch.setitem(PUBLISHED_MD5, "german.data", hashlib.md5(content, usedforsecurity=False).hexdigest())
    assert len(read_census("german.data", tmp_path)) == 4
    assert len(read_census("german.data", tmp_path)) == 4
    assert asked == ["https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data"] * 2


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)
    with pytest.raises(DataError, match=r"could not be downloaded: put the file there from https.*source 'synthetic'"):
        adult("train", data_dir=tmp_path)


def test_a_file_that_is_no_table_is_refused(tiny: Path) -> None:
    path = tiny / "uci" / "adult.data"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text file"):
        read_census("adult.data", tiny, check=False)
    path.write_text("|nothing\n\n")
    with pytest.raises(DataError, match="holds no rows"):
        read_census("adult.data", tiny, check=False)


# Features, splits, groups


def test_numbers_are_standardised_with_training_rows_only(tiny: Path) -> None:
    """A test file whose ages are all 100 must not move the mean that is taken out."""
    path = tiny / "uci" / "adult.test"
    path.write_text(path.read_text().replace("39,", "100,").replace("50,", "100,").replace("28,", "100,").replace("37,", "100,"))
    place = feature_names("adult", "sex").index("age")
    train, test = (adult(split, data_dir=tiny, check=False).images[:, place] for split in ("train", "test"))
    assert float(train.mean()) == pytest.approx(0, abs=1e-6)
    assert float(train.std(correction=0)) == pytest.approx(1, abs=1e-6)
    ages = np.array([39, 50, 28, 37])
    counts = [int((adult("train", data_dir=tiny, check=False).images[:, place] == value).sum()) for value in train.unique()]
    mean, deviation = np.average(np.sort(ages), weights=counts), np.sqrt(np.cov(np.sort(ages), fweights=counts, ddof=0))
    assert test.tolist() == pytest.approx([(100 - mean) / deviation] * 4, rel=1e-5)


def test_a_number_that_never_varies_is_no_division_by_zero(tiny: Path) -> None:
    path = tiny / "uci" / "adult.data"
    path.write_text("\n".join(row.replace(", 40, ", ", 41, ").replace(", 13, ?", ", 41, ?") for row in ROWS * 10))
    data = adult("train", data_dir=tiny, check=False)
    hours = data.images[:, feature_names("adult", "sex").index("hours-per-week")]
    assert torch.equal(hours, torch.zeros_like(hours))


def test_the_protected_attribute_and_the_sampling_weight_are_no_features(tiny: Path) -> None:
    names = feature_names("adult", "sex")
    assert not any(name.startswith(("sex", "fnlwgt")) for name in names)
    assert "relationship=Husband" in names, "a proxy that stays"
    data = adult("train", data_dir=tiny, check=False)
    assert data.images.shape[1] == len(names)
    told = adult("train", data_dir=tiny, check=False, with_protected=True)
    with_it = feature_names("adult", "sex", with_protected=True)
    assert torch.equal(told.images[:, with_it.index("sex=Male")].long(), told.bias)
    assert [name for name in with_it if name not in names] == ["sex=Female", "sex=Male"]
    assert not any(name.startswith("personal-status") for name in feature_names("german", "sex"))
    assert "age" not in feature_names("german", "age")


def test_groups_are_what_the_files_say(tiny: Path) -> None:
    test = adult("test", data_dir=tiny, check=False)
    assert (test.bias.tolist(), test.labels.tolist()) == ([1, 1, 0, 0], [0, 1, 0, 1])
    race = adult("test", protected="race", data_dir=tiny, check=False)
    assert (race.bias.tolist(), race.bias_classes) == ([0, 0, 4, 0], 5)
    parts = [german(split, protected=name, data_dir=tiny, check=False) for name in ("age", "sex") for split in CENSUS_SPLITS[2:]]
    for ages in parts[:2]:
        assert len(set(zip(ages.labels.tolist(), ages.bias.tolist(), strict=True))) == 4
        assert float(ages.bias.float().mean()) == pytest.approx(0.5), "67 and 26 are above 25; 22 and 25 are not"
    for sexes in parts[2:]:
        assert float(sexes.bias.float().mean()) == pytest.approx(0.75), "A91, A93 and A94 are men"
    assert YOUNG_TO == 25


def test_splits_are_disjoint_complete_and_stratified(tiny: Path) -> None:
    def ages(data: BiasedImages) -> list[float]:
        return sorted(data.images.sum(1).tolist())

    parts = {split: german(split, data_dir=tiny, check=False, seed=3) for split in CENSUS_SPLITS}
    assert {split: len(part) for split, part in parts.items()} == {"train": 20, "validation": 8, "trainval": 28, "test": 12}
    assert ages(parts["trainval"]) == pytest.approx(sorted(ages(parts["train"]) + ages(parts["validation"])))
    for part in parts.values():
        counts = torch.bincount(part.labels * 2 + part.bias)
        assert len(set(counts.tolist())) == 1, "the four kinds of rows are equally frequent in the file"
    again, other = (german("test", data_dir=tiny, check=False, seed=seed) for seed in (3, 4))
    assert torch.equal(again.images, parts["test"].images)
    assert len(other) == 12
    fixed = [adult(split, data_dir=tiny, check=False) for split in ("train", "validation", "trainval")]
    assert [len(part) for part in fixed] == [32, 8, 40]


def test_a_constant_attribute_or_label_is_one_sentence(tiny: Path) -> None:
    path = tiny / "uci" / "adult.data"
    path.write_text("\n".join(ROWS[:2] * 10))
    with pytest.raises(DataError, match=r"adult, train: everyone is 'Male': .* constant, so its information is 0"):
        adult("train", data_dir=tiny, check=False)
    path.write_text("\n".join((ROWS[0], ROWS[2]) * 10))
    with pytest.raises(DataError, match="all labels are the same"):
        adult("train", data_dir=tiny, check=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adult("dev"), "unknown split 'dev'"),
        (lambda: adult("train", protected="age"), "unknown protected attribute 'age' of adult: choose one of sex, race"),
        (lambda: german("train", protected="race"), "unknown protected attribute 'race' of german"),
        (lambda: synthetic_census("compas", "train"), "unknown census data set 'compas'"),
        (lambda: synthetic_census("adult", "train", n=3), "n must be a whole number of at least 20 rows"),
    ],
)
def test_unknown_words_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_the_configuration_knows_the_same_attributes() -> None:
    assert {name: tuple(attributes) for name, attributes in PROTECTED.items()} == NAMES


# The container and synthetic rows


def test_a_table_stands_in_the_place_of_images() -> None:
    rows, labels = torch.randn(6, 3), torch.tensor([0, 1] * 3)
    data = BiasedImages(rows, labels, labels, labels, classes=2, bias_classes=2)
    for index in (slice(0, 4), torch.tensor([3, 1])):
        batch = data.batch(index, channels_last=True)
        assert torch.equal(batch.images, rows[index]), "features are not divided by 255"
    assert torch.equal(data.subset(slice(2, 5)).images, rows[2:5])
    for bad in (float("nan"), float("inf")):
        wrong = rows.clone()
        wrong[4, 1] = bad
        with pytest.raises(DataError, match="the table of features holds NaN or infinite values"):
            BiasedImages(wrong, labels, labels, labels, classes=2, bias_classes=2)
    in_double = BiasedImages(rows.double().numpy(), labels.numpy(), labels[:, None], labels, classes=2, bias_classes=2)
    assert torch.equal(in_double.images, rows)
    assert torch.equal(in_double.labels, labels)
    assert torch.equal(in_double.bias, labels)
    with pytest.raises(DataError, match="the table of features holds NaN or infinite values"):
        BiasedImages(1e300 * rows.double(), labels, labels, labels, classes=2, bias_classes=2)


@pytest.mark.parametrize(("name", "protected"), [(name, one) for name, several in NAMES.items() for one in several])
def test_synthetic_rows_have_the_features_of_the_data_and_a_planted_bias(name: str, protected: str) -> None:
    train, test = (synthetic_census(name, split, protected=protected, n=400) for split in ("train", "test"))
    assert train.images.shape[1] == test.images.shape[1] == len(feature_names(name, protected))
    assert (train.source, train.bias_classes) == ("synthetic", len(PROTECTED[name][protected].groups))
    assert len(train) == pytest.approx(400, abs=4)
    assert data_information(train) > 0.01
    same, other = (synthetic_table(name, protected, 50, seed) for seed in (0, 1))
    again = synthetic_table(name, protected, 50, 0)
    assert all(np.array_equal(same.columns[column], again.columns[column]) for column in same.columns)
    assert not np.array_equal(same.labels, other.labels)


# Networks, who moves, and the prior


def test_the_network_fits_every_table() -> None:
    network = census_network(10, 2, 5, hidden=7, representation=3)
    features = network.extractor(torch.randn(4, 10))
    assert features.shape == (4, 3)
    assert (network.label_head(features).shape, network.bias_head(features).shape) == ((4, 2), (4, 5))
    for name, several in NAMES.items():
        for protected in several:
            built = build_network(preset("smoke", experiment="census", train_set=name, protected=protected))
            data = synthetic_census(name, "test", protected=protected, n=40)
            assert built.bias_head(built.extractor(data.batch(slice(0, 4)).images)).shape == (4, data.bias_classes)


@pytest.mark.parametrize("method", [method for method in REACHES_F if method not in ("baseline", "gray")])
def test_who_moves_on_a_table(method: str) -> None:
    weights: dict[str, Any] = {"mi_weight": 0.7, "adv_weight": 0.3, "confusion_weight": 0.4}
    config = preset("smoke", method, experiment="census")
    own = {name: value for name, value in weights.items() if config.unread(name) is None}
    config = config.with_options(**own)
    some = synthetic_census("adult", "train", n=40).batch(slice(0, 16))
    batch = Batch(some.images.double(), some.labels, some.bias)
    network = build_network(config).double()
    wanted = by_hand(network, batch, config)
    network.zero_grad()
    find(method).step(network, batch, config)
    assert_same(gradients(network), wanted)


def table_of(counts: list[list[int]]) -> BiasedImages:
    """So many rows of each bias class (row) and label (column)."""
    pairs = [(b, y) for b, line in enumerate(counts) for y, count in enumerate(line) for _ in range(count)]
    bias, labels = torch.tensor(pairs).T
    return BiasedImages(torch.zeros(len(pairs), 1), labels, bias, bias, classes=2, bias_classes=len(counts))


def test_the_prior_of_a_table_is_counted() -> None:
    data = table_of([[29, 9], [19, 39]])  # with one more each: 30, 10, 20, 40 of 100
    excess = counted_excess(data).exp()
    assert excess[0].tolist() == pytest.approx([0.75 / 0.5, 0.25 / 0.5])
    assert excess[-1].tolist() == pytest.approx([(1 / 3) / 0.5, (2 / 3) / 0.5])


def test_the_prior_of_a_table_needs_the_bias_of_every_example() -> None:
    data = table_of([[2, 2], [2, 2]])
    bias = torch.tensor([255, 0, 0, 0, 1, 1, 1, 1])
    without = BiasedImages(data.images, data.labels, bias, data.group, classes=2, bias_classes=2)
    with pytest.raises(DataError, match="1 of 8 images have no bias label, and the method needs one for each: leave them out"):
        counted_excess(without)


def test_balanced_draws_are_kamiran_and_calders_reweighing() -> None:
    """At tau = 1 the drawn rows have independent label and bias, with both frequencies as they were."""
    data = table_of([[2999, 999], [1999, 3999]])
    balance = Balance.of(data, preset("smoke", "bias_balanced", experiment="census", balance_power=1.0))
    drawn = torch.bincount(data.bias * 2 + data.labels, weights=balance.weights).view(2, 2)
    drawn = drawn / drawn.sum()
    expected = torch.outer(torch.tensor([0.4, 0.6]), torch.tensor([0.5, 0.5])).double()
    assert torch.allclose(drawn, expected, atol=1e-3)
    assert torch.allclose(balance.log_prior.exp(), torch.full_like(balance.log_prior, 0.5)), "nothing is left to correct"
    none = Balance.of(data, preset("smoke", "bias_balanced", experiment="census", balance_power=0.0))
    assert none.weights.unique().tolist() == [1.0]
    assert not torch.allclose(none.log_prior[0].exp(), torch.full((2,), 0.5), atol=0.1)


def test_the_addresses_and_hashes_belong_together() -> None:
    assert set(census_files._FOLDERS) == set(PUBLISHED_MD5)
    assert all(len(digest) == 32 for digest in PUBLISHED_MD5.values())
