"""`make serve`: the site on this machine, or a sentence that says what to do."""

from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from tools.site import serve


def test_the_site_is_served(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the book", encoding="utf-8")
    with serve.server(tmp_path, port=0) as found:
        assert isinstance(found, ThreadingHTTPServer)
        Thread(target=found.serve_forever, daemon=True).start()
        assert found.server_address[0] == "127.0.0.1", "nobody else can reach it"
        with urlopen(f"http://127.0.0.1:{found.server_port}/", timeout=10) as answer:
            assert answer.read() == b"the book"
        found.shutdown()


def test_without_a_site_it_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run `make book` first"):
        serve.server(tmp_path)


def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(serve, "server", lambda port: ThreadingHTTPServer(("127.0.0.1", port), serve._Quiet))
    assert serve.main(["words"]) == serve.main(["99999999"]) == 2
    assert capsys.readouterr().err.count("choose another with make serve PORT=8001") == 2
