"""The public address of the project: one setting in ``_config.yml`` that fills badges, install cells and buttons.

``make configure`` writes it there and passes it on to every notebook; ``make sync`` reads it back. Without an address nothing
that would need one is shown.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import yaml

from lnl_core._files import write_atomically

BEGIN = "# >>> address: written by `make configure`"
END = "# <<< address"
_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\n.*?^{re.escape(END)}$", re.MULTILINE | re.DOTALL)
_BUTTON = re.compile(r"^(\s+use_repository_button:).*$", re.MULTILINE)
_REVISION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/+-]*")
_SCP = re.compile(r"[\w.-]+@([\w.-]+):(?!/)(.+)")

COLAB = "https://colab.research.google.com"
_NO_BADGE = "*To run this page yourself, type `make lab` in a copy of the project.*"


class AddressError(ValueError):
    """An address or revision that cannot be written into the notebooks."""


@dataclass(frozen=True)
class Address:
    """A git address and the revision that notebooks install; an empty repository means that there is none."""

    repository: str = ""
    revision: str = ""

    @property
    def github(self) -> str:
        """``owner/name`` if this is a GitHub address, else nothing."""
        parts = urlsplit(self.repository)
        return parts.path.strip("/").removesuffix(".git") if parts.hostname == "github.com" else ""

    @property
    def page(self) -> str:
        """The address of the repository's web page, where it surely has one: GitHub and GitLab."""
        known = re.match(r"https://(github|gitlab)\.com/", self.repository)
        return self.repository.removesuffix(".git") if known else ""

    def badge(self, notebook: str) -> str:
        """The text of the badge cell of ``notebook`` (its name without suffix)."""
        if not self.github:
            return _NO_BADGE
        target = f"{COLAB}/github/{self.github}/blob/{quote(self.revision)}/notebooks/{notebook}.ipynb"
        return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target})"

    def install_cell(self) -> str:
        """The code of the install cell, the same in every notebook."""
        return _INSTALL.format(repository=self.repository, revision=self.revision)

    def config_block(self) -> str:
        lines = [BEGIN, "repository:", f'  url: "{self.repository}"', f'  branch: "{self.revision}"']
        if self.github:
            lines += ["launch_buttons:", f'  colab_url: "{COLAB}"']
        return "\n".join([*lines, END])


_INSTALL = """# Installs lnl_core where it is missing, as on Colab, beside what the machine has; elsewhere it does nothing.
import importlib.util

REPOSITORY = "{repository}"
REVISION = "{revision}"

if importlib.util.find_spec("lnl_core") is None:
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    if not REPOSITORY:
        raise ModuleNotFoundError("lnl_core is not installed and this notebook names no address to fetch it from: use `make lab`")
    pip = [sys.executable, "-m", "pip"]
    installed = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        keep = Path(folder, "keep.txt")
        keep.write_text(installed)
        wanted = f"git+{{REPOSITORY}}@{{REVISION}}"
        done = subprocess.run([*pip, "install", "--constraint", str(keep), wanted], capture_output=True, text=True)
    if done.returncode:
        report = done.stdout[-2000:] + done.stderr[-2000:]
        raise RuntimeError(f"pip could not add lnl_core from {{REPOSITORY}} to this machine's packages:\\n{{report}}")
    importlib.invalidate_caches()"""


def parse_address(repository: str, revision: str = "main") -> Address:
    """A checked address; ``git@host:path`` becomes https, "none" and nothing become the empty address.

    Raises:
        AddressError: for a folder, a password in the address, an unknown scheme, or a revision that git would not take.
    """
    text = repository.strip().rstrip("/")
    if text in ("", "none"):
        return Address()
    scp = _SCP.fullmatch(text)
    if scp:
        text = f"https://{scp[1]}/{scp[2]}"
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http", "file"):
        raise AddressError(f"{text} is not an address that others can reach: pass REPOSITORY=https://... (or REPOSITORY=none)")
    if parts.username or parts.password:
        raise AddressError("the address holds a user name or password: pass it without, as REPOSITORY=https://host/owner/name")
    if re.search(r"[\s\"'\\{}<>@#?]", text):
        raise AddressError(f"{text} holds characters that an address cannot have: pass REPOSITORY=https://host/owner/name")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise AddressError(f"{revision!r} is not a branch, tag or commit: pass REVISION=main, for example")
    if parts.hostname == "github.com":
        text = text.removesuffix(".git")
        if not re.fullmatch(r"/[\w.-]+/[\w.-]+", urlsplit(text).path):
            raise AddressError(f"{text} does not name a GitHub repository: pass REPOSITORY=https://github.com/owner/name")
    return Address(text, revision)


def _parse_block(block: str) -> Address:
    repository = yaml.safe_load(block)["repository"]
    return Address(repository["url"], repository["branch"])


def read_address(root: Path) -> Address:
    """The address that ``_config.yml`` under ``root`` holds now."""
    found = _BLOCK.search((root / "_config.yml").read_text(encoding="utf-8"))
    if found is None:
        raise AddressError(f"_config.yml has lost the lines from '{BEGIN}' to '{END}': restore them from git")
    return _parse_block(found[0])


def for_site(config: str) -> str:
    """The text of ``_config.yml`` as the site gets it: the theme stumbles over an address that is no web page."""
    found = _BLOCK.search(config)
    return config if found is None or _parse_block(found[0]).page else _BLOCK.sub(lambda _: Address().config_block(), config)


def write_address(root: Path, address: Address) -> None:
    """Put ``address`` into ``_config.yml`` under ``root``, with the buttons that it allows."""
    path = root / "_config.yml"
    read_address(root)
    text = _BLOCK.sub(lambda _: address.config_block(), path.read_text(encoding="utf-8"))
    changed = _BUTTON.sub(rf"\1 {'true' if address.page else 'false'}", text)
    write_atomically(path, lambda temporary: temporary.write_text(changed, encoding="utf-8"))
