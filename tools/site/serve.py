"""Serve the built site to the browser of this machine and open it: ``make serve``.

python -m tools.site.serve [PORT]
"""

import sys
import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.pipes import while_read

SITE = ROOT / "_build" / "html"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A line a file would bury the address."""


def server(site: Path = SITE, port: int = 8000) -> ThreadingHTTPServer:
    """A server of ``site`` for this machine alone; port 0 takes any that is free.

    Raises:
        FileNotFoundError: if the site has not been built.
        OSError: if the port is taken.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError("there is no site yet: run `make book` first")
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(site)))


def main(arguments: list[str]) -> int:
    try:
        port = int(arguments[0]) if arguments else 8000
        found = server(port=port)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, OverflowError, OSError):
        print(f"port {' '.join(arguments) or 8000} cannot be used: choose another with make serve PORT=8001", file=sys.stderr)
        return 2
    address = f"http://127.0.0.1:{found.server_port}/"
    print(f"the site is at {address} until you press Ctrl-C", flush=True)
    webbrowser.open(address)
    try:
        found.serve_forever()
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(while_read(lambda: main(sys.argv[1:])))
