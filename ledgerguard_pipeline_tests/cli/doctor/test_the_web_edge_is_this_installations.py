from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.web_edge import web_port
from ledgerguard_pipeline.cli.home_lock import taken
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.tokens.keyring import Keyring
from ledgerguard_pipeline_tests.alerts.channels.receivers import serving


@contextmanager
def web_edge(monkeypatch: pytest.MonkeyPatch, ready: Mapping[str, object]) -> Iterator[int]:
    """Answers as one does, where Intuit sends people."""

    class Edge(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            answer = ready if self.path == "/readyz" else {"status": "ok"}
            self.wfile.write(json.dumps(answer, separators=(",", ":")).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Edge)
    with serving(server):
        port = server.server_port
        monkeypatch.setenv("INTUIT_REDIRECT_URI", f"http://127.0.0.1:{port}/callback")
        yield port


def test_that_of_the_sandbox_below_this_home_is_not(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_home = home / "sandbox"
    sandbox_home.mkdir(parents=True)
    with web_edge(monkeypatch, {}) as port:
        assert web_port(load_settings()).state is CheckState.GOOD, "it does not say whose it is"
        with taken(sandbox_home, {"web": port}, None):
            found = web_port(load_settings())
    assert found.state is CheckState.BROKEN
    assert "another installation" in found.text


def test_one_with_other_keys_is_not(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two installations of this machine, neither of which knows of the other."""
    elsewhere = tmp_path / "another home"
    for folder in (settings.ledgerguard_home, elsewhere):
        folder.mkdir(exist_ok=True)
    own = Keyring.open(settings)
    other = Keyring.open(settings.model_copy(update={"ledgerguard_home": elsewhere}))
    with web_edge(monkeypatch, {"installation": other.names()[0]}):
        assert web_port(load_settings()).state is CheckState.BROKEN, "here there are no keys yet"
        kept = own.names()[0]
        found = web_port(load_settings())
    assert found.state is CheckState.BROKEN
    assert "another installation" in found.text
    with web_edge(monkeypatch, {"installation": kept}):
        assert web_port(load_settings()).state is CheckState.GOOD
