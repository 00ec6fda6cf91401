"""Every file that is read: with a byte-order mark it is the same; cut short, or with null or text for a number, one sentence."""

import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import every
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lnl_core._files import write_json
from lnl_core.config import preset
from lnl_core.datasets.readers.census_files import read_census
from lnl_core.datasets.readers.dogs_cats_files import read_lists, read_test_labels
from lnl_core.datasets.readers.face_cleaning import _read_estimates
from lnl_core.errors import LNLError, RecordError
from lnl_core.methods.jlu import read_updates
from lnl_core.networks import build_network, digit_network
from lnl_core.runs.comparison import paper_numbers, results_table
from lnl_core.runs.records import published_models, read_record, read_record_lines
from lnl_core.runs.run import load_model, model_config, read_history, save_model
from tools import ROOT
from tools.studies.leakage import FOLDER, read_leakage

RESULTS = ROOT / "results"
RECORD = next((RESULTS / "runs").glob("colored_mnist-baseline-*.json"))
LEAKAGE = next((RESULTS / "leakage").glob("colored_mnist-*.json"))
LINES = (RESULTS / "fairness" / "german-age-logistic.jsonl").read_text(encoding="utf-8").splitlines()[:2]
ROW = "A11 6 A34 A43 1169 A65 A75 4 A93 A101 4 A121 67 A143 A152 2 A173 1 A192 A201 1\n"


def _folder(place: Path, *parts: str) -> Path:
    folder = place.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def record(place: Path, content: bytes) -> Any:
    (place / "record.json").write_bytes(content)
    return read_record(place / "record.json")


def lines(place: Path, content: bytes) -> Any:
    (place / "records.jsonl").write_bytes(content)
    return read_record_lines(place / "records.jsonl")


def history(place: Path, content: bytes) -> Any:
    (place / "metrics.jsonl").write_bytes(content)
    return read_history(place)


def updates(place: Path, content: bytes) -> Any:
    (place / "updates.jsonl").write_bytes(content)
    return read_updates(place)


def paper(place: Path, content: bytes) -> Any:
    (place / "paper.json").write_bytes(content)
    return paper_numbers(folder=place), results_table(records=[], folder=place)


def models(place: Path, content: bytes) -> Any:
    (_folder(place, "models") / "one.json").write_bytes(content)
    return published_models(place)


def measured(place: Path, content: bytes) -> Any:
    (_folder(place, *FOLDER.parts) / LEAKAGE.name).write_bytes(content)
    return read_leakage(place)


def names(place: Path, content: bytes) -> Any:
    folder = _folder(place, "dogs-vs-cats")
    (folder / "list_bright.txt").write_bytes(content)
    (folder / "list_dark.txt").write_text("cat.5.jpg\n", encoding="utf-8")
    return read_lists(place, cache_dir=place)


def labels(place: Path, content: bytes) -> Any:
    (place / "labels.csv").write_bytes(content)
    return read_test_labels(place / "labels.csv")


def estimates(place: Path, content: bytes) -> Any:
    (place / "estimates.jsonl").write_bytes(content)
    return _read_estimates(place / "estimates.jsonl", "mine")


def census(place: Path, content: bytes) -> Any:
    (_folder(place, "uci") / "german.data").write_bytes(content)
    table = read_census("german.data", place, check=False)
    return {name: cells.tolist() for name, cells in table.columns.items()}


IN_LINES = ("metrics.jsonl", "updates.jsonl", "list of names", "csv of labels", "estimates", "UCI table")
"""Where a file that is cut between two lines is a shorter file."""
MODEL = next((RESULTS / "models").glob("*.json"))
READERS: dict[str, tuple[Callable[[Path, bytes], Any], bytes]] = {
    "record": (record, RECORD.read_bytes()),
    "fairness records": (lines, "".join(f"{line}\n" for line in LINES).encode()),
    "metrics.jsonl": (history, b'{"epoch": 1, "label_loss": 2.5}\n{"epoch": 2, "label_loss": 1.5}\n'),
    "updates.jsonl": (updates, b'{"step": 1, "turn": "main"}\n{"step": 2, "turn": "main"}\n'),
    "paper.json": (paper, (RESULTS / "paper.json").read_bytes()),
    "model JSON": (models, MODEL.read_bytes()),
    "leakage": (measured, LEAKAGE.read_bytes()),
    "list of names": (names, b"cat.0.jpg\r\ndog.1.jpg\r\ndog.2.jpg"),
    "csv of labels": (labels, b"id,label\r\n1,cat\r\n2.jpg,1\r\n"),
    "estimates": (estimates, b'"mine"\n["a.jpg", 30.0, 1]\n["b.jpg", null, 0]\n'),
    "UCI table": (census, (ROW + ROW).encode()),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_byte_order_mark_changes_nothing(kind: str, tmp_path: Path) -> None:
    read, content = READERS[kind]
    expected = read(_folder(tmp_path, "plain"), content)
    found = read(_folder(tmp_path, "marked"), b"\xef\xbb\xbf" + content)
    assert str(found).replace("marked", "plain") == str(expected)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_such_file_is_one_sentence(kind: str, tmp_path: Path) -> None:
    def refused(content: bytes) -> None:
        with pytest.raises(LNLError) as caught:
            READERS[kind][0](tmp_path, content)
        assert "\n" not in str(caught.value)

    every(product([b"\xff\xfe{\x00}\x00", b"\x80\x81\n", b"[[[[" * 50_000, b"null\n", b'"a"\n', b"3\n", b"[1]"]), refused)


@pytest.mark.parametrize("kind", READERS)
def test_a_file_cut_short_is_one_sentence_or_its_whole_lines(kind: str, tmp_path: Path) -> None:
    read, content = READERS[kind]
    for share in (0.2, 0.5, 0.8, 0.97):
        try:
            read(tmp_path, content[: int(share * len(content))])
        except LNLError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert kind in IN_LINES, "half of it must not pass for the whole"


TABLES = ("config", "metrics", "data", "provenance")
WRONG: list[Any] = [None, "0.5", [0.5], {}, True]


def changed(content: bytes, path: tuple[Any, ...], value: Any) -> bytes:
    """The JSON with another value at a place of its tables and lists."""
    found = json.loads(content)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("record", ("metrics", "test_accuracy")),
        ("record", ("seed",)),
        ("model JSON", ("test_accuracy",)),
        ("model JSON", ("color_var",)),
        ("model JSON", ("confusion_by_color",)),
        ("model JSON", ("confusion_by_color", 3)),
        ("leakage", ("test_accuracy",)),
        ("leakage", ("seed",)),
        ("leakage", ("entropy",)),
        ("leakage", ("probes",)),
        ("leakage", ("code_length",)),
        ("paper.json", ("experiments", "colored_mnist", "results", 0, "value")),
        ("paper.json", ("experiments", "colored_mnist", "results", 0, "setting", "color_var")),
        ("paper.json", ("experiments", "colored_mnist", "results")),
        ("paper.json", ("experiments",)),
    ],
)
def test_what_is_no_number_is_one_sentence_with_the_file_and_the_remedy(kind: str, path: tuple[Any, ...], tmp_path: Path) -> None:
    read, content = READERS[kind]

    def refused(value: Any) -> None:
        if path[-1] == "color_var" and isinstance(value, str) and kind == "paper.json":
            return  # settings may be words
        if path[-1] == "experiments" and value == {}:
            return  # an experiment may have no published number
        with pytest.raises(LNLError, match=r"\.json .*: (delete it and run|restore it from the repository)"):
            read(tmp_path, changed(content, path, value))

    every(product([*WRONG, float("nan"), float("inf")]), refused)


@pytest.mark.parametrize("field", sorted({"experiment", "method", "setting", "profile", "selection", *TABLES}))
def test_a_record_with_another_type_in_a_field_names_the_field(field: str, tmp_path: Path) -> None:
    def refused(value: Any) -> None:
        if isinstance(value, str) and field in ("experiment", "method", "profile", "selection"):
            return
        if value == {}:
            return  # an empty table is one
        with pytest.raises(RecordError, match=rf"record\.json has .* for {field}: delete it and run again"):
            record(tmp_path, changed(READERS["record"][1], (field,), value))

    every(product(WRONG), refused)


@pytest.mark.parametrize("value", ['"high"', "[1]", "{}"])
def test_a_history_with_text_for_a_number_names_the_line(value: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"metrics\.jsonl, line 2, is no table of numbers"):
        history(tmp_path, b'{"epoch": 1}\n{"epoch": ' + value.encode() + b"}\n")


@pytest.mark.parametrize("cell", ["6.5", "", "sixty", "9" * 400, "null", "\u0666", "-6"])
def test_a_number_of_a_table_that_is_none_names_line_and_column(cell: str, tmp_path: Path) -> None:
    wrong = ROW + ROW.replace("A11 6 ", f"A11 {cell} ")
    with pytest.raises(LNLError, match=r"german\.data, line 2: (column duration must be a whole number|expected 21 columns)"):
        census(tmp_path, wrong.encode())


@pytest.mark.parametrize("row", ["3,", "3", ",cat", "3,null", "3,1.5", "three,1", "3,2", "3,cow"])
def test_a_label_that_is_none_is_one_sentence_with_the_file(row: str, tmp_path: Path) -> None:
    with pytest.raises(LNLError, match=r"labels\.csv"):
        labels(tmp_path, f"id,label\n1,cat\n{row}\n".encode())


@pytest.mark.parametrize("field", ["seed", "epochs", "lr", "color_var", "network", "batch_size", "bias_labels"])
def test_a_model_whose_header_holds_something_else_is_refused(field: str, tmp_path: Path) -> None:
    config = preset("smoke", "baseline")
    path = save_model(build_network(config), config, tmp_path / "model.safetensors")
    with safe_open(str(path), framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    load_model(path)  # control: as it was saved, it is read

    def refused(value: Any) -> None:
        if field == "network" and value is None:
            return
        changed = {**metadata, "config": json.dumps({**json.loads(metadata["config"]), field: value})}
        save_file(tensors, str(tmp_path / "changed.safetensors"), metadata=changed)
        for read in (model_config, load_model):
            with pytest.raises(RecordError, match="has a header that this version of lnl_core cannot read"):
                read(tmp_path / "changed.safetensors")

    every(product([None, "0.5", [1], {}, 10**400]), refused)


@pytest.mark.parametrize("config", ["null", "[]", "{", "3", '"text"', "[" * 100_000])
def test_a_model_whose_header_is_no_configuration_is_refused(config: str, tmp_path: Path) -> None:
    metadata = {"format": "lnl_core model 1", "config": config}
    save_file({"a": torch.zeros(1)}, str(tmp_path / "m.safetensors"), metadata)
    with pytest.raises(RecordError, match="has a header that this version of lnl_core cannot read"):
        load_model(tmp_path / "m.safetensors")


def test_all_records_of_the_project_are_read() -> None:
    folders = ("runs", "ablations", "retrained", "figure_4_groups", "limit/records")
    paths = [path for folder in folders for path in (RESULTS / folder).glob("*.json")]
    assert len(paths) > 200
    assert all(np.isfinite(list(read_record(path).metrics.values())).all() for path in paths)
    assert all(read_record_lines(path) for path in (RESULTS / "fairness").glob("*.jsonl"))
    assert published_models(RESULTS)


def test_lists_of_names_without_a_last_line_break_keep_their_last_name(tmp_path: Path) -> None:
    bright, _ = names(tmp_path, b"cat.0.jpg\ndog.2.jpg")
    assert bright == {"cat.0.jpg", "dog.2.jpg"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    before = os.umask(0o022)
    try:
        model = save_model(digit_network(), preset("smoke", "baseline"), tmp_path / "model.safetensors")
    finally:
        os.umask(before)
    assert model.stat().st_mode & 0o777 == 0o644, "safetensors writes a file for its owner alone"


def test_a_model_of_a_method_that_is_not_there_says_which(tmp_path: Path) -> None:
    """Its weights are sound: a plug-in is not named."""
    path = save_model(digit_network(), preset("smoke", "baseline"), tmp_path / "model.safetensors")
    tensors, metadata = load_file(path), {"format": "lnl_core model 1"}
    config = preset("smoke", "baseline").to_dict() | {"method": "witness"}
    save_file(tensors, str(path), metadata={**metadata, "config": json.dumps(config)})
    with pytest.raises(RecordError, match=r"unknown method 'witness'.*LNL_PLUGINS"):
        load_model(path)
