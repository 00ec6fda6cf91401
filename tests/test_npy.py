"""The reader of published ``.npy`` files: it reads every form they come in and runs nothing that a file names."""

import builtins
import io
import os
import pickle
import struct
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import every
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from lnl_core.datasets.readers.npy import read_arrays, read_names, read_numbers, read_records
from lnl_core.errors import DataError

ARRAYS: dict[str, NDArray[Any]] = {
    "train_image": np.random.default_rng(0).integers(0, 256, (20, 28, 28, 3), dtype=np.uint8),
    "train_label": np.arange(20, dtype=np.int64) % 10,
    "test_gray": np.linspace(0, 1, 7),
}


def write_pickled(path: Path, payload: bytes) -> Path:
    """A ``.npy`` file whose header announces one object and whose body is any pickle."""
    path.unlink(missing_ok=True)  # ext4 waits for the disk when a file is cut and written again, but not for a new one
    with path.open("wb") as stream:
        npy_format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
        stream.write(payload)
    return path


def pickled(value: Any, protocol: int = 4) -> bytes:
    holder = np.empty((), dtype=object)
    holder[()] = value
    return pickle.dumps(holder, protocol=protocol)


def python_2(arrays: dict[str, NDArray[Any]]) -> bytes:
    """The opcodes that numpy under Python 2 wrote: byte strings everywhere, and the module's old name."""

    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def of_dtype(code: bytes, order: bytes, flags: int = 0) -> bytes:
        made = b"cnumpy\ndtype\n(" + string(code) + number(0) + number(1) + b"tR"
        return made + b"(" + number(3) + string(order) + b"NNN" + number(-1) + number(-1) + number(flags) + b"tb"

    def array(shape: tuple[int, ...], dtype: bytes, data: bytes) -> bytes:
        made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + string(b"b") + b"tR"
        return made + b"(" + number(1) + b"(" + b"".join(map(number, shape)) + b"t" + dtype + b"I00\n" + data + b"tb"

    def entry(value: NDArray[Any]) -> bytes:
        code, order = value.dtype.str[1:].encode(), value.dtype.str[:1].encode()
        return array(value.shape, of_dtype(code, order), string(value.tobytes()))

    items = b"".join(string(name.encode()) + entry(value) for name, value in arrays.items())
    return b"\x80\x02" + array((), of_dtype(b"O8", b"|", flags=63), b"(l(d(" + items + b"u" + b"a") + b"."


def assert_read(path: Path) -> None:
    found = read_arrays(path)
    assert found.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert found[name].dtype == value.dtype
        assert np.array_equal(found[name], value)


# What is read


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickled_dictionary_of_arrays_in_every_protocol(protocol: int, tmp_path: Path) -> None:
    assert_read(write_pickled(tmp_path / "data.npy", pickled(ARRAYS, protocol)))


def test_dictionary_saved_by_numpy(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", ARRAYS)  # type: ignore[arg-type]
    assert_read(tmp_path / "data.npy")


def test_file_of_python_2(tmp_path: Path) -> None:
    path = write_pickled(tmp_path / "data.npy", python_2(ARRAYS))
    assert np.load(path, allow_pickle=True, encoding="latin1").item().keys() == ARRAYS.keys(), "control: numpy reads the file"
    assert_read(path)


def test_both_names_of_numpys_module(tmp_path: Path) -> None:
    text = pickled(ARRAYS, protocol=2)
    old = text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    new = old.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    assert old != new
    for payload in (old, new):
        assert_read(write_pickled(tmp_path / "data.npy", payload))


def test_keys_that_are_bytes_become_text(tmp_path: Path) -> None:
    found = read_arrays(write_pickled(tmp_path / "data.npy", pickled({b"train_label": np.arange(3)})))
    assert found["train_label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("order", ["C", "F"])
def test_plain_array_in_either_memory_order(order: Any, tmp_path: Path) -> None:
    value = np.arange(24, dtype=np.int32).reshape(2, 3, 4).copy(order=order)
    np.save(tmp_path / "plain.npy", value)
    assert np.array_equal(read_arrays(tmp_path / "plain.npy")["array"], value)


def test_arrays_in_fortran_order_inside_a_dictionary(tmp_path: Path) -> None:
    value = np.asfortranarray(np.arange(12).reshape(3, 4))
    found = read_arrays(write_pickled(tmp_path / "data.npy", pickled({"a": value}, protocol=2)))
    assert np.array_equal(found["a"], value)


# What is refused


class Runs:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def attacks(marker: Path) -> dict[str, Any]:
    """Values that leave ``marker`` behind when they are unpickled."""
    program = f"open({str(marker)!r}, 'w').close()"
    return {
        "os.system": Runs(os.system, f"touch {marker}"),
        "exec": Runs(exec, program),
        "eval": Runs(builtins.eval, f"exec({program!r})"),
        "subprocess": Runs(subprocess.call, ["touch", str(marker)]),
        "open": Runs(builtins.open, str(marker), "w"),
        "numpy": Runs(np.savetxt, str(marker), [0]),
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_that_a_file_names_is_run(tmp_path: Path) -> None:
    places: dict[str, Callable[[Any], Any]] = {
        "outermost": lambda attack: attack,
        "value": lambda attack: {"train_image": attack},
        "key": lambda attack: {attack: np.zeros(2)},
        "nested": lambda attack: {"train_image": {"inner": [attack]}},
        "in an object array": lambda attack: {"train_image": np.array([attack, 1], dtype=object)},
        "beside good arrays": lambda attack: {**ARRAYS, "train_image": attack},
    }

    def refused(name: str, place: str, protocol: int) -> None:
        marker = tmp_path / f"was-run-{name}-{place}-{protocol}"
        with pytest.raises(DataError, match=r"asks to run .*refused"):
            read_arrays(write_pickled(tmp_path / "bad.npy", pickled(places[place](attacks(marker)[name]), protocol)))
        assert not marker.exists()

    every(product(attacks(Path("unused")), places, (0, 2, 4)), refused)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npy"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", attacks(Path("unused")))
def test_control_the_attacks_work_on_the_plain_reader(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "was-run"
    np.load(write_pickled(tmp_path / "bad.npy", pickled({"train_image": attacks(marker)[name]})), allow_pickle=True)
    assert marker.exists()


@pytest.mark.parametrize(
    "value",
    [
        {"train_image": "text"},
        {"train_image": 3},
        {"train_image": None},
        {"train_image": [1, 2, 3]},
        {"train_image": {"inner": np.zeros(2)}},
        {"train_image": np.array([np.zeros(2), None], dtype=object)},
        {"train_image": np.array(["a", "b"])},
        {"train_image": np.array([b"a", b"b"])},
        {"train_image": np.zeros(2, dtype=[("a", "i4")])},
        {3: np.zeros(2)},
        {},
        [np.zeros(2)],
        "text",
        None,
    ],
    ids=repr,
)
def test_anything_but_numeric_arrays_by_name_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"refused|download it again"):
        read_arrays(write_pickled(tmp_path / "odd.npy", pickled(value)))


@pytest.mark.parametrize("module", ["numpy", "numpy.core.multiarray", "numpy._core.multiarray", "_codecs"])
def test_other_names_of_the_allowed_modules_are_refused(module: str, tmp_path: Path) -> None:
    for name in ("load", "fromfile", "ndarray.tofile", "lookup", "_reconstruct.__globals__"):
        payload = (
            b"\x80\x04" + b"".join(b"\x8c" + bytes([len(word)]) + word for word in (module.encode(), name.encode())) + b"\x93."
        )
        with pytest.raises(DataError, match="asks to run"):
            read_arrays(write_pickled(tmp_path / "odd.npy", payload))


def test_a_reference_to_something_outside_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.persistent_id = lambda value: "elsewhere" if isinstance(value, dict) else None  # type: ignore[method-assign, assignment, misc]
    pickler.dump({"a": 1})
    with pytest.raises(DataError, match="outside itself"):
        read_arrays(write_pickled(tmp_path / "odd.npy", stream.getvalue()))


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("kept", [0, 3, 8, 60, 200, 0.5, 0.99])
def test_a_file_cut_short_is_refused(plain: bool, kept: float, tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    np.save(path, ARRAYS["train_image"] if plain else ARRAYS)  # type: ignore[arg-type]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"cut\.npy cannot be read as a \.npy file"):
        read_arrays(path)


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04" + bytes(100), b"\x93NUMPY\x09\x00" + bytes(100)])
def test_a_file_that_is_no_npy_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as a \.npy file"):
        read_arrays(path)


def test_random_bytes_are_refused_and_nothing_else_happens(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        with pytest.raises(DataError):
            read_arrays(write_pickled(tmp_path / "noise.npy", rng.bytes(60)))


def test_altered_bytes_of_a_good_file_never_raise_anything_else(tmp_path: Path) -> None:
    """Every byte of the constructors altered in turn: a file reads or is refused, and no other exception escapes."""
    good = bytearray(pickled({"a": np.arange(3)}, protocol=2))
    for position in range(len(good)):
        for flip in (0x01, 0x20, 0xFF):
            changed = bytes(good[:position]) + bytes([good[position] ^ flip]) + bytes(good[position + 1 :])
            try:
                read_arrays(write_pickled(tmp_path / "altered.npy", changed))
            except DataError:
                continue


@pytest.mark.parametrize("where", ["array", "scalar"])
def test_a_data_type_that_lies_about_its_content_is_refused(where: str, tmp_path: Path) -> None:
    """numpy believes flags in a file: an object type that claims to be plain would turn bytes into pointers."""
    number = b"K\x01"
    lying = b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8K\x00K\x01tR(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = b"C\x08" + bytes(range(8))
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR(K\x01("
        + number
        + b"t"
        + lying
        + b"I00\n"
        + data
        + b"tb"
    )
    scalar = b"cnumpy.core.multiarray\nscalar\n(" + lying + data + b"tR"
    payload = b"\x80\x03}X\x01\x00\x00\x00a" + {"array": array, "scalar": scalar}[where] + b"s."
    with pytest.raises(DataError, match="not an array"):
        read_arrays(write_pickled(tmp_path / "odd.npy", payload))


def test_a_shape_larger_than_the_file_takes_no_memory(tmp_path: Path) -> None:
    payload = pickled({"a": np.zeros((3, 5), dtype=np.uint8)}, protocol=2).replace(
        b"K\x03K\x05", b"J\x00\x00\x00\x7fJ\x00\x00\x00\x7f"
    )
    with pytest.raises(DataError, match="cannot be read"):
        read_arrays(write_pickled(tmp_path / "large.npy", payload))


def test_a_file_cannot_change_the_reader(tmp_path: Path) -> None:
    """The opcode BUILD sets attributes: here on each of the six names, before a good file is read."""
    for module, name in (
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("_codecs", "encode"),
        ("numpy.core.multiarray", "_reconstruct"),
    ):
        for state in (b"}U\x04codeU\x02u1s", b"N}U\x08__init__Ns\x86", b"N}U\x0c__setstate__Ns\x86", b"N}U\x0c__defaults__Ns\x86"):
            payload = b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b."
            with pytest.raises(DataError):
                read_arrays(write_pickled(tmp_path / "odd.npy", payload))
    assert_read(write_pickled(tmp_path / "data.npy", pickled(ARRAYS, 2)))
    assert_read(write_pickled(tmp_path / "data.npy", python_2(ARRAYS)))


def test_arrays_that_were_read_can_be_written_to(tmp_path: Path) -> None:
    """Memory that cannot be written makes torch.from_numpy warn."""
    np.save(tmp_path / "plain.npy", np.zeros(3))
    for path in (tmp_path / "plain.npy", write_pickled(tmp_path / "data.npy", pickled({"array": np.zeros(3)}))):
        assert read_arrays(path)["array"].flags.writeable


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npy does not exist"):
        read_arrays(tmp_path / "none.npy")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_arrays(tmp_path)


def test_every_refusal_is_one_sentence(tmp_path: Path) -> None:
    cases = [pickled({"a": "text"}), pickled(Runs(os.getcwd)), b"", b"\x80\x04"]
    for payload in cases:
        with pytest.raises(DataError) as caught:
            read_arrays(write_pickled(tmp_path / "odd.npy", payload))
        assert "\n" not in str(caught.value)
        assert "odd.npy" in str(caught.value)


@pytest.mark.parametrize("attribute", ["__new__", "__init__", "__setstate__", "plain", "_allowed", "__call__", "value"])
def test_a_file_cannot_set_attributes_of_the_constructors(attribute: str, tmp_path: Path) -> None:
    """Setting ``__new__`` to None once made every later read fail until the process ended."""
    for module, name in (("_codecs", "encode"), ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy._core.multiarray", "scalar")):
        state = b"N}U" + bytes([len(attribute)]) + attribute.encode() + b"Ns\x86"
        payload = b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b."
        for read in (read_arrays, *OPTED):
            with pytest.raises(DataError):
                read(write_pickled(tmp_path / "odd.npy", payload))
    assert_read(write_pickled(tmp_path / "data.npy", pickled(ARRAYS, 2)))
    assert_read(write_pickled(tmp_path / "data.npy", python_2(ARRAYS)))


# What a caller may ask for besides arrays: numbers, records of numbers, names

NUMBERS = {"./dataset/test1/3687.jpg": np.int64(1), "./dataset/test1/2.jpg": 0, "c": 0.5, "d": np.float32(2), "e": np.array([3])}
RECORDS = {b"00/nm1_1950-1-1_1980.jpg": {"age": 30, "gender": np.float64(1)}, "b.jpg": {b"age": np.int64(7), "gender": 0}}
NAMES: list[Any] = [
    ["01/a.jpg", "02/b.jpg"],
    np.array(["01/a.jpg", "02/b.jpg"]),
    np.array([b"01/a.jpg", b"02/b.jpg"]),
    np.array(["01/a.jpg", "02/b.jpg"], dtype=object),
]
OPTED: tuple[Callable[[Path], Any], ...] = (read_numbers, read_records, read_names)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_numbers_by_name_or_number(protocol: int, tmp_path: Path) -> None:
    found = read_numbers(write_pickled(tmp_path / "data.npy", pickled(NUMBERS, protocol)))
    assert list(found.values()) == [1, 0, 0.5, 2.0, 3]
    assert all(type(value) in (int, float) for value in found.values())
    by_number = read_numbers(write_pickled(tmp_path / "data.npy", pickled({1: 0, 2.5: 1, np.int64(7): 1, b"x": 2}, protocol)))
    assert by_number == {1: 0, 2.5: 1, 7: 1, "x": 2}


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_records_of_numbers(protocol: int, tmp_path: Path) -> None:
    found = read_records(write_pickled(tmp_path / "data.npy", pickled(RECORDS, protocol)))
    assert found == {"00/nm1_1950-1-1_1980.jpg": {"age": 30, "gender": 1.0}, "b.jpg": {"age": 7, "gender": 0}}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("value", NAMES, ids=["list", "U", "S", "object"])
def test_names_in_lists_or_arrays(value: Any, protocol: int, tmp_path: Path) -> None:
    found = read_names(write_pickled(tmp_path / "data.npy", pickled({"train_list": value, "test_list": ["c.jpg"]}, protocol)))
    assert found == {"train_list": ["01/a.jpg", "02/b.jpg"], "test_list": ["c.jpg"]}
    np.save(tmp_path / "alone.npy", value)
    assert read_names(tmp_path / "alone.npy") == {"array": ["01/a.jpg", "02/b.jpg"]}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("read", OPTED)
def test_nothing_is_run_by_the_other_readers(read: Callable[[Path], Any], tmp_path: Path) -> None:
    places: dict[str, Callable[[Any], Any]] = {
        "outermost": lambda attack: attack,
        "value": lambda attack: {**NUMBERS, "a": attack},
        "key": lambda attack: {attack: 1},
        "nested": lambda attack: {"a": {"age": attack, "gender": 1}},
        "in a list": lambda attack: {"train_list": ["a", attack]},
        "in an object array": lambda attack: {"train_list": np.array(["a", attack], dtype=object)},
    }

    def refused(name: str, place: str, protocol: int) -> None:
        marker = tmp_path / f"was-run-{name}-{place}-{protocol}"
        with pytest.raises(DataError, match=r"asks to run .*refused"):
            read(write_pickled(tmp_path / "bad.npy", pickled(places[place](attacks(marker)[name]), protocol)))
        assert not marker.exists()

    every(product(attacks(Path("unused")), places, (0, 4)), refused)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npy"]


ODD: list[Any] = [
    {"a": None},
    {"a": 1j},
    {"a": np.zeros(2)},
    {"a": [1, 2]},
    {"a": {"inner": "text"}},
    {"a": {"inner": {"age": 3}}},
    {"a": {3: 4}},
    {"a": ["x", 1]},
    {"a": [["x"], ["y", "z"]]},
    {"a": np.array(["x", 1], dtype=object)},
    {None: 1},
    {(1, 2): 1},
    {3: ["x"]},
    {},
    [1],
    1,
    None,
]


@pytest.mark.parametrize("read", OPTED)
def test_the_other_readers_refuse_everything_else(read: Callable[[Path], Any], tmp_path: Path) -> None:
    def refused(value: Any) -> None:
        with pytest.raises(DataError, match=r"refused|download it again"):
            read(write_pickled(tmp_path / "odd.npy", pickled(value)))

    every(product(ODD), refused)


def test_each_reader_refuses_what_another_one_reads(tmp_path: Path) -> None:
    values = {read_arrays: ARRAYS, read_numbers: NUMBERS, read_records: RECORDS, read_names: {"a": NAMES[0]}}
    for reader, value in values.items():
        path = write_pickled(tmp_path / "data.npy", pickled(value))
        assert reader(path)
        for other in values.keys() - {reader}:
            with pytest.raises(DataError, match="refused"):
                other(path)


@pytest.mark.parametrize("read", OPTED)
def test_altered_or_cut_files_never_raise_anything_else(read: Callable[[Path], Any], tmp_path: Path) -> None:
    values: list[tuple[Any, Any]] = [
        (read_numbers, {"a": np.int64(1)}),
        (read_records, {"a": {"age": 1}}),
        (read_names, {"a": NAMES[1]}),
    ]
    good = pickled(next(value for reader, value in values if reader is read), protocol=2)
    for position in range(len(good)):
        flipped = (good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :] for flip in (0x01, 0xFF))
        for changed in (good[:position], *flipped):
            try:
                read(write_pickled(tmp_path / "altered.npy", changed))
            except DataError:
                continue
