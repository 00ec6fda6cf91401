"""What an import costs, and that a function may have the name of its file."""

import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

PACKAGES = ("datasets", "datasets.synthetic", "networks", "training", "evaluation", "experiments", "runs", "figures", "information")


def test_the_losses_load_nothing_but_torch() -> None:
    """In a process of its own: no images, files, progress bars, drawing, command line, cluster, fairness or erasure."""
    code = "import sys, torch; before = set(sys.modules); import lnl_core.losses; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign = {name for name in done.stdout.split() if not name.startswith("lnl_core")}
    assert {name.split(".")[0] for name in foreign} <= {"numpy", *sys.stdlib_module_names}
    assert "lnl_core.datasets.faces" not in done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_of_a_package_is_there_and_no_module_hides_it(name: str) -> None:
    package = import_module(f"lnl_core.{name}")
    for module in package._HOMES:
        import_module(f"lnl_core.{name}.{module}")
    for public in package.__all__:
        assert not isinstance(getattr(package, public), ModuleType), public
        assert public in dir(package)
    assert not [one for one in dir(package) if "." in one]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing
