"""Everything an installation does with secrets, done once, for the tests beside this.

``python -m ...story PAGES BASE_URL REALM`` runs in a process of its own with DEBUG logs and
tracebacks switched on. What it prints is captured by the caller; every answer of the web edge is
written into PAGES. Masking by value is switched off here: no secret may get as far as needing it.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from ledgerguard_pipeline.observability import redaction


def _never(value: str | None, *, lasting: bool = False) -> None:
    """Takes the place of ``register_secret``, before any import below takes it by name."""


if __name__ == "__main__":  # the tests beside this import its words, and keep their masks
    redaction.register_secret = _never

from ledgerguard_pipeline.cli.app import run  # noqa: E402
from ledgerguard_pipeline.config.settings import load_settings  # noqa: E402
from ledgerguard_pipeline.installation import Installation  # noqa: E402
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle  # noqa: E402
from ledgerguard_pipeline.web.app import create_app  # noqa: E402
from ledgerguard_pipeline.web.serving import listen, serving  # noqa: E402
from ledgerguard_pipeline.webhooks.signature import sign  # noqa: E402

WRONG_SECRET = "cAnArY-wrong-client-secret-0123456789"
FORGED = "cAnArY-forged-admin-token-0123456789"


class Edge:
    """A browser that writes down whatever it is answered, headers included."""

    def __init__(self, port: int, pages: Path) -> None:
        self._port = port
        self._pages = pages
        self._cookies: dict[str, str] = {}

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        """The status and where it leads to."""
        connection = HTTPConnection("localhost", self._port, timeout=60)
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(
                method, path, body, {**sent, **({"Cookie": cookie} if cookie else {})}
            )
            answer = connection.getresponse()
            text = answer.read()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    pair = value.partition(";")[0].partition("=")
                    self._cookies[pair[0]] = pair[2]
            number = len(list(self._pages.iterdir()))
            found = f"{method} {urlsplit(path).path} {answer.status}\n".encode()
            # Only here does a state travel on purpose: to Intuit and back.
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in ("location", "set-cookie")
            ]
            page = found + repr(kept).encode() + b"\n" + text
            (self._pages / f"{number:03}.page").write_bytes(page)
            return answer.status, answer.getheader("location") or ""
        finally:
            connection.close()


def command(*arguments: str, expect: int = 0) -> None:
    code = run(list(arguments))
    if code != expect:
        raise RuntimeError(f"{arguments} ended with {code}, expected {expect}")


def connect(edge: Edge, sandbox: SandboxHandle) -> None:
    _, intuit = edge.ask("GET", "/api/v1/auth/connect")
    back = urlsplit(sandbox.consent(intuit))
    status, _ = edge.ask("GET", f"{back.path}?{back.query}")
    if status != 200:
        raise RuntimeError(f"the callback was answered {status}")
    edge.ask("GET", f"{back.path}?{back.query}")  # the same once more: refused


def visit(edge: Edge, admin: str, verifier: str) -> None:
    for path in ("/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/companies",
                 "/openapi.json", "/nowhere"):  # fmt: skip
        edge.ask("GET", path, Authorization=f"Bearer {admin}")
        edge.ask("GET", path, Host="books.example.com", Authorization=f"Bearer {FORGED}")
    forged = urlencode({"code": FORGED, "state": FORGED, "realmId": "9341453474484455"})
    edge.ask("GET", f"/api/v1/auth/callback?{forged}")
    body = b'[{"specversion":"1.0","id":"1","source":"x","type":"qbo.invoice.updated.v1"}]'
    for token in (verifier, FORGED):
        edge.ask("POST", "/api/v1/webhooks/qbo", body, intuit_signature=sign(body, token))
    edge.ask("POST", "/api/v1/webhooks/qbo", body, intuit_signature=verifier)


def refuse(sandbox: SandboxHandle, kind: str) -> None:
    """Whatever a sync asks for gets the fault, in a batch and beside."""
    for endpoint in ("batch_item", "batch", "query", "cdc", "read"):
        sandbox.inject(kind, probability=1.0, endpoint=endpoint)
    run(["sync", "--json", "--entity", "Invoice", "--entity", "Customer", "--full"])
    run(["status"])
    sandbox.clear_faults()


def fail_in_every_way(sandbox: SandboxHandle) -> None:
    """Each one with DEBUG logs, Dagster's events and a traceback where there is any."""
    sandbox.inject("application_error", next=4, endpoint="batch")
    sandbox.inject("error_503_html", next=1, endpoint="token")
    sandbox.expire_tokens()
    run(["sync", "--entity", "Invoice", "--full"])
    sandbox.clear_faults()
    refuse(sandbox, "stale_object")  # the fault names the person who edits
    sandbox.expire_tokens()
    os.environ["INTUIT_CLIENT_SECRET"], right = WRONG_SECRET, os.environ["INTUIT_CLIENT_SECRET"]
    command("sync", "--entity", "Invoice", expect=2)
    os.environ["INTUIT_CLIENT_SECRET"] = right
    try:
        with Installation.open(load_settings()) as installation:
            realm = installation.control.companies.list()[0].realm_id
            tokens = installation.control.tokens.load(realm)
            raise RuntimeError(f"the stored tokens are {tokens!r} of {installation.settings!r}")
    except RuntimeError:
        traceback.print_exc()
    sandbox.disconnect()
    command("sync", "--json", "--entity", "Invoice", expect=1)


def main(pages: Path, base_url: str, realm: str) -> None:
    environment = os.environ
    sandbox = SandboxHandle(
        base_url, environment["INTUIT_CLIENT_ID"], environment["INTUIT_CLIENT_SECRET"], [realm]
    )
    port = urlsplit(environment["INTUIT_REDIRECT_URI"]).port or 0
    command("doctor")
    with Installation.open(load_settings()) as installation:
        sockets: list[socket.socket] = listen("localhost", port)
        app = create_app(installation)
        edge = Edge(port, pages)
        with serving(app, sockets):
            connect(edge, sandbox)
            command("sync", "--entity", "Invoice", "--entity", "Customer")
            sandbox.set(rotate_after_seconds=0)
            sandbox.expire_tokens()
            command("sync", "--json", "--entity", "Invoice")
            command("keys", "rotate")
            command("keys", "list", "--json")
            fail_in_every_way(sandbox)
            visit(
                edge,
                environment["LEDGERGUARD_ADMIN_TOKEN"],
                environment["INTUIT_WEBHOOK_VERIFIER_TOKEN"],
            )
            connect(edge, sandbox)
            refuse(sandbox, "unauthorized")  # the fault names the token by its handle
            for arguments in (("status",), ("status", "--json"), ("companies", "--json"),
                              ("events", "list"), ("doctor",)):  # fmt: skip
                run(list(arguments))
            command("disconnect", realm)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
