"""What a student's code can reach: nothing but its own folder, for a limited time. Each test runs on every way that works here."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings, strategies as st

from lnl_core.errors import ConfigError
from tools.course import sandbox, wire
from tools.course.sandbox import Limits, Sandbox, Stopped

QUICK = Limits(cell=5.0, call=1.0, wall=20.0, memory=1 << 30, disk=8 << 20, processes=16, reply=1 << 20)
WAYS = [way for way in ("namespaces", "bubblewrap") if not sandbox.trouble(way)]


@pytest.fixture(scope="module", params=WAYS)
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One process for all tests that do it no harm."""
    with Sandbox(request.param, QUICK) as made:
        yield made


def told(box: Sandbox, code: str, *answers: str) -> dict[str, Any]:
    reply = box.run(code, 0, list(answers), seconds=15.0)  # Matplotlib looks for fonts the first time
    assert reply["error"] is None, reply
    return {name: wire.decode(value) for name, value in reply["answers"].items()}


# Values as JSON

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=30)
@given(PLAIN)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    back = wire.decode(json.loads(json.dumps(wire.encode(value))))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "float16", "float32", "float64", "complex128", ">f4"])
def test_arrays_come_back(dtype: str) -> None:
    for array in (np.arange(6).reshape(2, 3).astype(dtype).T, np.zeros((0, 3), dtype), np.array(1).astype(dtype)):
        back = wire.decode(json.loads(json.dumps(wire.encode(array))))
        np.testing.assert_array_equal(back, array)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert type(wire.decode(wire.encode(np.float32(2)))) is np.float32
    assert type(wire.decode(wire.encode(np.float64(2)))) is np.float64


def test_text_of_numpys_is_text() -> None:
    back = wire.decode(json.loads(json.dumps(wire.encode({np.str_("lnl"): [np.str_("grl")]}))))
    assert back == {"lnl": ["grl"]}
    assert {type(one) for one in (*back, *back["lnl"])} == {str}


def test_tensors_come_back() -> None:
    tensor = torch.randn(3, 2, requires_grad=True)
    back = wire.decode(json.loads(json.dumps(wire.encode({"w": tensor}))))["w"]
    assert torch.equal(back, tensor.detach())
    with pytest.raises(wire.NotData, match="a tensor of torch"):
        wire.encode(torch.zeros(2, dtype=torch.bfloat16))


def test_what_could_run_code_is_not_handed_over() -> None:
    class Number(float):
        pass

    for value in (object(), Number(1), np.array([object()]), {1: {2: lambda: 0}}, np.array(["text"]), {1, 2}):
        with pytest.raises(wire.NotData, match="cannot be handed over"):
            wire.encode(value)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(wire.NotData, match="too many levels"):
        wire.encode(endless)


@pytest.mark.parametrize(
    "found",
    [
        {"is": "array", "dtype": "O", "shape": [1], "data": "AAAAAAAAAAA="},
        {"is": "array", "dtype": "i4,O", "shape": [1], "data": "AAAAAAAAAAA="},
        {"is": "array", "dtype": "<f8", "shape": [10**12], "data": "AAAAAAAAAAA="},
        {"is": "array", "dtype": "<f8", "shape": "3", "data": 5},
        {"is": "tensor", "dtype": "<f8", "shape": [-7], "data": "AA"},
        {"is": "dict", "items": [[[1], 2]]},
        {"is": "dict", "items": 3},
        {"is": "pickle", "data": "gASVAAAAAAAA"},
        {"without": "is"},
        {},
    ],
)
def test_a_forged_value_is_refused(found: Any) -> None:
    with pytest.raises(wire.NotData):
        wire.decode(found)


# Inside


def test_cells_share_names_and_hand_over_values_and_functions(box: Sandbox) -> None:
    reply = box.run("x = np_like = 3\ndef plus(a, b=1):\n    return a + b\nprint('said')", 4, ["x", "plus", "missing"])
    assert reply == {"error": None, "printed": "said\n", "answers": {"x": 3, "plus": {"is": "function", "handle": 0}}}
    assert box.call(0, [2], wire.encode({"b": 5})) == {"value": 7}
    assert box.call(0, wire.encode([np.arange(2)]), wire.encode({}))["value"] == wire.encode(np.arange(1, 3))
    failed = box.run("\nplus(1, '')", 5, [])["error"]
    assert failed["kinds"][0] == "TypeError"
    assert [line[:2] for line in failed["lines"]] == [[5, 2], [4, 3]]


def test_ipython_is_spoken(box: Sandbox) -> None:
    code = "%matplotlib inline\nhere = !echo out\nhere = list(here)\n"
    code += "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()\nexit()"
    assert told(box, code, "here") == {"here": ["out"]}
    assert told(box, "after = 1", "after") == {"after": 1}, "exit() ends no notebook"


def test_an_error_of_syntax_is_told_with_its_line(box: Sandbox) -> None:
    error = box.run("a = 1\ndef (", 3, [])["error"]
    assert (error["kinds"][0], error["message"], error["lines"]) == ("SyntaxError", "invalid syntax", [[3, 2, "def ("]])


def test_nothing_of_others_is_there(box: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "other.ipynb").write_text("secret")
    private = [str(tmp_path), str(Path(__file__).parent), str(Path(sandbox.__file__).parent / "grade.py")]
    code = f"""
import os
tests = [path for path in {private!r} if os.path.exists(path)]
try:
    names = sorted(os.listdir({str(Path(sandbox.__file__).parents[2])!r}))
except OSError:
    names = []
user, processes = os.getuid(), [int(p) for p in os.listdir("/proc") if p.isdigit()]
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
power = [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")]
environment = sorted(os.environ)
import socket
interfaces = [name for _, name in socket.if_nameindex()]
"""
    found = told(box, code, "tests", "names", "processes", "power", "environment", "interfaces")
    assert found["tests"] == []
    assert set(found["names"]) <= {"lnl_core", "tools", ".venv"}
    assert len(found["processes"]) < 6, "its own alone"
    assert found["power"] == [0, 0, 0, 0]
    assert not [name for name in found["environment"] if name.startswith(("PYTEST", "GITHUB", "SSH", "AWS"))]
    assert found["interfaces"] == ["lo"]


def test_nothing_but_its_folder_can_be_written_to(box: Sandbox) -> None:
    code = """
import os
wrote, packages = [], os.path.dirname(os.__file__)
for place in ("/", "/usr", "/etc", "/dev", "/proc/sys/kernel", "/root", packages, os.environ["PYTHONPATH"], os.getcwd()):
    try:
        with open(place + "/left-behind", "w") as file:
            file.write("x")
        wrote.append(place)
    except OSError:
        pass
try:
    open("/proc/sys/kernel/core_pattern", "w").write("x")
    wrote.append("core_pattern")
except OSError:
    pass
try:
    for n in range(9):
        open(f"big{n}", "wb").write(bytes(2 * 2**20))
    wrote.append("too much")
except OSError:
    for n in range(9):
        os.path.exists(f"big{n}") and os.remove(f"big{n}")
"""
    assert told(box, code, "wrote") == {"wrote": ["/student"]}


def test_no_new_namespace_brings_power_back(box: Sandbox) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
got = {name: libc.unshare(flag) for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000))}
got["mount tmpfs"] = libc.mount(b"tmpfs", b"/student", b"tmpfs", 0, b"")
got["remount"] = libc.mount(None, b"/usr", None, 32 | 4096, None)
got["ptrace 1"] = libc.ptrace(16, 1, 0, 0)
"""
    assert told(box, code, "got")["got"] == dict.fromkeys(("user", "mount", "net", "mount tmpfs", "remount", "ptrace 1"), -1)


def test_a_cell_that_does_not_end_costs_no_other(box: Sandbox) -> None:
    reply = box.run("while True:\n    try:\n        while True: pass\n    except Exception: pass", 0, [], seconds=0.3)
    assert reply["error"]["kinds"][0] == "TimeLimit"
    assert told(box, "still = 1", "still") == {"still": 1}


def test_a_call_that_does_not_end_costs_no_other(box: Sandbox) -> None:
    handle = box.run("def slow():\n    while True: pass\ndef fast(): return 1", 0, ["slow"])["answers"]["slow"]["handle"]
    assert box.call(handle, [], wire.encode({}))["error"]["kinds"][0] == "TimeLimit"
    assert told(box, "fast()") == {}


def test_memory_files_and_processes_have_limits(box: Sandbox) -> None:
    assert box.run("b = bytearray(4 * 2**30)", 0, [])["error"]["kinds"][0] == "MemoryError"
    code = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        count += 1
except BlockingIOError:
    pass
"""
    assert 0 < told(box, code, "count")["count"] < QUICK.processes
    assert box.run("import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)", 0, [])["error"]["kinds"][0] == "OSError"


def ended(code: str, way: str, limits: Limits = QUICK) -> str:
    with Sandbox(way, limits) as made:
        try:
            made.run(code, 0, [])
            made.run("1", 1, [])
        except Stopped as stopped:
            return stopped.why
    return "it went on"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os\nos._exit(0)", "ended in the middle"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "was killed"),
        ("import os\nos.write(4, b'x' * 2**21)\nos.write(5, b'x' * 2**21)", "answered more than it may|cannot be read"),
        (
            "import os\nfor n in range(3, 9):\n    try: os.write(n, b'[1, 2]' + bytes([10]))\n    except OSError: pass",
            "cannot be read",
        ),
    ],
    ids=["exit", "kill", "too-much", "forged"],
)
def test_a_process_that_ends_or_talks_nonsense_is_told_in_a_sentence(way: str, code: str, why: str) -> None:
    assert any(part in ended(code, way) for part in why.split("|"))


@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_swallows_everything_ends_with_its_wall_clock(way: str) -> None:
    code = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass"
    assert "longer than it may" in ended(code, way, Limits(cell=1.0, wall=2.0))


def running(mark: str, wanted: bool) -> bool:
    """Whether a process of this machine has ``mark`` in its command; waits a while for what is ``wanted``."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = any(mark in " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
        if found == wanted:
            break
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_running(way: str) -> None:
    mark = f"time.sleep({10**6 + os.getpid()})"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; {mark}'], start_new_session=True)"
    with Sandbox(way, QUICK) as made:
        assert made.run(code, 0, [])["error"] is None
        assert running(mark, True), "it does run, and from outside it is seen"
    assert not running(mark, False)


# Where there is none


def test_without_a_sandbox_nothing_runs_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "trouble", lambda way: "not here")
    with pytest.raises(ConfigError, match=r"would run here without a sandbox .*give UNSAFE=yes if you trust every submission"):
        sandbox.choose()
    assert sandbox.choose(unsafe=True) == "unsafe"


def test_unsafe_means_limits_only(tmp_path: Path) -> None:
    with Sandbox("unsafe", QUICK) as made:
        assert told(made, f"import os\nseen = os.path.exists({str(tmp_path)!r})", "seen") == {"seen": True}
        assert made.run("b = bytearray(4 * 2**30)", 0, [])["error"]["kinds"][0] == "MemoryError"


def test_a_course_that_students_could_read_is_refused(tmp_path: Path) -> None:
    sandbox.keep_apart(tmp_path)
    with pytest.raises(ConfigError, match="which students' code can read"):
        sandbox.keep_apart(Path(sys.prefix) / "assignments")
