"""environment.yml and pyproject.toml say the same, and so do the files around them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def required() -> list[Requirement]:
    """Every dependency of pyproject.toml, those of the extras too, but "faces", whose package holds back Pillow."""
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() for line in lines if name != "faces"]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras] if not line.startswith("lnl_core")]


def by_pip() -> list[str]:
    (lines,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    return list(lines)


def pins() -> dict[str, Version]:
    found: dict[str, Version] = {}
    for line in by_pip():
        if line != "--editable .[dev]":
            (specifier,) = Requirement(line).specifier
            assert specifier.operator == "=="
            found[canonicalize_name(Requirement(line).name)] = Version(specifier.version)
    return found


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    pinned = pins()
    for requirement in required():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is missing in environment.yml"
        assert requirement.specifier.contains(pinned[name], prereleases=True), f"{requirement}: {pinned[name]}"


def test_every_dependency_has_a_lower_bound() -> None:
    for requirement in required():
        assert any(part.operator == ">=" for part in requirement.specifier), f"{requirement.name} has no lower bound"


def test_what_a_host_provides_is_never_pinned() -> None:
    """Colab's numpy and torch must do: no upper bounds for what the library itself needs."""
    for line in PROJECT["dependencies"]:
        assert {part.operator for part in Requirement(line).specifier} == {">="}, line


def test_pins_are_plain_and_sorted() -> None:
    names = [line for line in by_pip() if "==" in line]
    assert names == sorted(names, key=lambda line: canonicalize_name(line.split("==")[0]))
    assert len(pins()) == len(names), "a package is pinned twice"
    assert all(version.local is None for version in pins().values()), "PyPI's plain builds only"
    assert by_pip()[0] == "--editable .[dev]"


def test_the_makefile_reads_every_pin() -> None:
    """The Makefile makes pip's constraints from environment.yml with sed, before any package is there to parse YAML."""
    (expression,) = re.findall(r"sed -n 's/(.*?)/\\1/p' environment.yml", (ROOT / "Makefile").read_text(encoding="utf-8"))
    pattern = expression.replace(r"\(", "(").replace(r"\)", ")").replace("$$", "$")
    read = [match[1] for line in (ROOT / "environment.yml").read_text().splitlines() if (match := re.match(pattern, line))]
    assert read == [line for line in by_pip() if "==" in line]


def test_the_same_python_everywhere() -> None:
    (python,) = [entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python")]
    assert python == "python>=3.11,<3.14"
    assert PROJECT["requires-python"] == ">=3.11"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_one_version() -> None:
    import lnl_core

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["version"] == lnl_core.__version__ == citation["version"]


def test_licences() -> None:
    assert "Permission is hereby granted, free of charge" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert PROJECT["license"] == "MIT"
