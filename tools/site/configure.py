"""Write the address of the project into ``_config.yml`` and into every notebook.

python -m tools.site.configure [REPOSITORY] [REVISION]
"""

import subprocess
import sys
from pathlib import Path

from tools import ROOT
from tools.pipes import while_read
from tools.site.address import Address, AddressError, parse_address, write_address
from tools.site.notebooks import sync


def remote_address(root: Path) -> str:
    """The address of the clone's remote ``origin``, or nothing."""
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (subprocess.CalledProcessError, FileNotFoundError):
        return ""


def configure(root: Path, repository: str = "", revision: str = "") -> Address:
    """Write ``repository`` (default: the remote ``origin``; "none": no address) into the site and the notebooks.

    Raises:
        AddressError: if there is no address or it cannot be used; nothing is written then.
    """
    chosen = repository or remote_address(root)
    if not chosen:
        raise AddressError("this clone has no git remote 'origin': pass REPOSITORY=https://... (or REPOSITORY=none)")
    address = parse_address(chosen, revision or "main")
    write_address(root, address)
    sync(root, refresh=False)
    return address


def main() -> int:
    try:
        address = configure(ROOT, *sys.argv[1:3])
    except AddressError as error:
        print(error, file=sys.stderr)
        return 2
    if address.repository:
        print(f"the notebooks install lnl_core from {address.repository} at {address.revision}")
    else:
        print("the notebooks and the site name no address")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
