"""Make the home that ``home_0_1_0.tar.xz`` holds, with version 0.1.0 itself: see README.md.

Runs with the code of 0.1.0, so it takes from the product only what it names by text below. What
the sandbox of 0.1.0 cannot do as Intuit does, the ``Edge`` in front of it adds to the bytes that
are served: another form by GET, rows cut short by change data capture, links signed anew.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import io
import json
import lzma
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HOME = Path(".ledgerguard")
TOKEN = "made-up-verifier-token"
SPARSE, BARE = "Customer", "Payment"

_SIGNATURE = re.compile(rb"Expires=[0-9]+&Signature=[0-9a-f]{40}")


class Edge:
    """Intuit's face before the sandbox: passes everything on and changes what is served."""

    def __init__(self, sandbox: str) -> None:
        self._sandbox = urlsplit(sandbox).netloc
        self.short: dict[bytes, bytes] = {}
        """Whole rows to the short ones that change data capture shows instead."""
        self.refresh_token = ""
        self._reads = 0
        edge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                edge.pass_on(self)

            def do_POST(self) -> None:
                edge.pass_on(self)

            def log_message(self, *arguments: object) -> None:
                """Nothing: the sandbox has a log of its own."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        kept = {
            name: value
            for name, value in asked.headers.items()
            if name.lower() not in ("host", "content-length", "accept-encoding", "connection")
        }
        with closing(http.client.HTTPConnection(self._sandbox, timeout=60)) as connection:
            connection.request(asked.command, asked.path, body or None, kept)
            answer = connection.getresponse()
            said = self._changed(asked.path, body, answer.read())
            asked.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "date"):
                    asked.send_header(name, value)
            asked.send_header("Content-Length", str(len(said)))
            asked.end_headers()
            asked.wfile.write(said)

    def _changed(self, path: str, asked: bytes, said: bytes) -> bytes:
        path = path.partition("?")[0]
        if path.endswith("/tokens/bearer") and said.startswith(b"{"):
            self.refresh_token = json.loads(said)["refresh_token"]
        self._reads += 1
        signed = hashlib.sha256(str(self._reads).encode()).hexdigest()[:40].encode()
        expires = str(int(time.time()) + 900).encode()
        said = _SIGNATURE.sub(b"Expires=%b&Signature=%b" % (expires, signed), said)
        if path.endswith("/cdc") or b"CDCQuery" in asked:
            for whole, short in self.short.items():
                said = said.replace(whole, short)
        match = re.fullmatch(r"/v3/company/[0-9]+/(invoice|item|vendor|customer)/[0-9]+", path)
        return said if match is None else read_form(match[1], said)


def read_form(kind: str, said: bytes) -> bytes:
    """The members that only a read by id has come, those that only a query has go."""
    more = {
        "invoice": b'"InvoiceLink":"https://connect.intuit.example/t/scs-v1-made-up",',
        "item": b'"DeferredRevenue":false,',
        "vendor": b'"BillRate":0,"CostRate":0,',
        "customer": b'"DefaultTaxCodeRef":{"value":"2"},',
    }[kind]
    said = re.sub(rb'"(ClientEntityId|V4IDPseudonym)":"[^"]*",', b"", said)
    return said.replace(b'"domain":', more + b'"domain":', 1)


class Story:
    """What happens to the company while 0.1.0 looks after it."""

    def __init__(self, sandbox: Any, edge: Edge) -> None:
        self.sandbox = sandbox
        self.edge = edge
        self.realm: str = sandbox.realm_id

    def tell(self) -> dict[str, list[str]]:
        """Do it all; returns the ids that README.md tells of, by what befell them."""
        self._query_only_members()
        self._connect()
        self._command("sync")  # the only run of Dagster, because its records are large
        doubled = [self._doubled(entity) for entity in ("Customer", "Item", "Vendor", "Invoice")]
        short = self._cut_short()
        # Most of an hour goes by, so that no overlap of a later sync brings these rows again.
        self.sandbox.set(clock_offset_seconds=0)
        self._sync()
        self.edge.short.clear()
        entity, _, id = doubled[-1].partition("/")
        self._event(entity, id, "emailed")  # the same version once more, by GET: it flips back
        for _ in range(3):
            self._sync("Attachable", full=True)
        self._parked()
        waiting = str(self.sandbox.edit("update", "Estimate", note="Not read yet")["id"])
        self._deliver(self._cloud_event("qbo.estimate.updated.v1", waiting))
        self._failed_refresh()
        return {"doubled": doubled, "short": short, "waiting": [f"Estimate/{waiting}"]}

    def _query_only_members(self) -> None:
        """Members that Intuit's queries show and its reads by id do not."""
        company = self.sandbox.world.companies[self.realm]
        with company.lock:
            for row in company.shelves["Customer"].rows.values():
                more = f'"ClientEntityId":"0","V4IDPseudonym":"0020{row.id:0>12}",'
                row.body = row.body.replace(b'"domain":', more.encode() + b'"domain":', 1)
                assert more.encode() in row.body

    def _connect(self) -> None:
        with self._installation() as installation:
            callback = urlsplit(self.sandbox.consent(installation.connector.begin()))
            installation.connector.complete(dict(parse_qsl(callback.query)))

    def _doubled(self, entity: str) -> str:
        """One edit, announced and read by GET, and then once more as change data capture has it."""
        id = str(self.sandbox.edit("update", entity, note="One edit")["id"])
        self._event(entity, id, "updated")
        self._sync()
        return f"{entity}/{id}"

    def _cut_short(self) -> list[str]:
        voided = str(self.sandbox.edit("void", "Invoice")["id"])
        sparse = str(self.sandbox.edit("update", SPARSE, note="Cut short")["id"])
        bare = str(self.sandbox.edit("update", BARE, note="Cut short")["id"])
        for entity, id, more, kept in (
            ("Invoice", voided, {"domain": "QBO", "status": "Voided"}, ()),
            (SPARSE, sparse, {"domain": "QBO", "sparse": True}, ("SyncToken", "DisplayName")),
            (BARE, bare, {"domain": "QBO"}, ("SyncToken",)),
        ):
            whole = self.sandbox.truth(entity).bodies()[id]
            document = json.loads(whole)
            moved = {"LastUpdatedTime": document["MetaData"]["LastUpdatedTime"]}
            short = {**more, "Id": id, **{name: document[name] for name in kept}, "MetaData": moved}
            self.edge.short[whole] = json.dumps(short, separators=(",", ":")).encode()
        self._sync()
        return [f"Invoice/{voided}", f"{SPARSE}/{sparse}", f"{BARE}/{bare}"]

    def _parked(self) -> None:
        """Events that 0.1.0 cannot read: a new version of a type, and an empty ``deletedid``."""
        invoice, customer = (
            next(iter(self.sandbox.truth(entity).rows)) for entity in ("Invoice", "Customer")
        )
        self._deliver(self._cloud_event("qbo.invoice.updated.v1.1", invoice))
        merge = self._cloud_event("qbo.customer.merged.v1", customer)
        self._deliver({**merge, "data": {"deletedid": ""}})

    def _failed_refresh(self) -> None:
        """The token endpoint is down for three syncs in a row."""
        self.sandbox.expire_tokens()
        self.sandbox.inject("error_503_html", endpoint="token", next=1_000)
        for _ in range(3):
            self._sync("Invoice", fails=True)
        self.sandbox.clear_faults()

    def _event(self, entity: str, id: str, word: str) -> None:
        """Deliver one event and act upon it, as the sensor and its run do."""
        self._deliver(self._cloud_event(f"qbo.{entity.lower()}.{word}.v1", id))
        lease = import_module("ledgerguard_pipeline.ingestion.event_lease").InboxLease
        with self._installation() as installation:
            realm = installation.control.companies.list()[0].realm_id
            inbox = installation.control.inbox
            assert inbox.lease("run", realms=[realm])
            with installation.service(realm).open_events(lease(inbox, "run")) as running:
                assert running.run().ok

    def _cloud_event(self, kind: str, id: str) -> dict[str, object]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return {
            "specversion": "1.0",
            "id": hashlib.sha256(f"{kind}/{id}/{now}".encode()).hexdigest()[:32],
            "source": "intuit.made-up",
            "type": kind,
            "time": now.replace("+00:00", "Z"),
            "intuitentityid": id,
            "intuitaccountid": self.realm,
        }

    def _deliver(self, event: dict[str, object]) -> None:
        """Post a signed delivery to the web edge of 0.1.0."""
        body = json.dumps([event]).encode()
        signed = hmac.new(TOKEN.encode(), body, hashlib.sha256).digest()
        serving = import_module("ledgerguard_pipeline.web.serving")
        app = import_module("ledgerguard_pipeline.web.app")
        with self._installation() as installation:
            sockets = serving.listen("127.0.0.1", 0)
            port = sockets[0].getsockname()[1]
            with serving.serving(app.create_app(installation), sockets):
                path = "/api/v1/webhooks/qbo"
                headers = {"intuit-signature": base64.b64encode(signed).decode()}
                with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                    connection.request("POST", path, body, headers)
                    assert connection.getresponse().status == 200

    @contextmanager
    def _installation(self) -> Iterator[Any]:
        settings = import_module("ledgerguard_pipeline.settings").load_settings()
        module = import_module("ledgerguard_pipeline.installation")
        with module.Installation.open(settings) as installation:
            yield installation

    def _sync(self, *names: str, full: bool = False, fails: bool = False) -> None:
        """What a run of Dagster does, without one."""
        entities = import_module("ledgerguard_pipeline.entities").entity_types(names or None)
        request = import_module("ledgerguard_pipeline.ingestion.request").SyncRequest
        with self._installation() as installation:
            realm = installation.control.companies.list()[0].realm_id
            with installation.service(realm).open_sync(request(realm, entities, full=full)) as sync:
                assert sync.run().ok is not fails

    def _command(self, *words: str) -> None:
        ledgerguard = str(Path(sys.executable).parent / "ledgerguard")
        done = subprocess.run([ledgerguard, *words, "--json"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2_000:]


def books(sandbox: Any, edge: Edge, told: dict[str, list[str]]) -> bytes:
    """The sandbox's books and its grant, as ``served.py`` serves them again."""
    (company,) = sandbox.world.companies.values()
    shelves = {
        entity: {
            "rows": [
                [row.id, row.created, row.updated, row.sync_token, row.active, text]
                for row in shelf.rows.values()
                for text in [shelf.body(row).decode()]
            ],
            "graves": [[grave.id, grave.updated] for grave in shelf.graves.values()],
        }
        for entity, shelf in company.shelves.items()
    }
    saved = {
        "realm_id": company.realm_id,
        "name": company.name,
        "seed": company.seed,
        "refresh_token": edge.refresh_token,
        "moment": time.time(),
        "told": told,
        "shelves": shelves,
    }
    return json.dumps(saved, ensure_ascii=False, separators=(",", ":")).encode()


def pack(output: Path) -> None:
    """The home without what only this machine needs, in a form that depends on its files alone."""
    for path in HOME.rglob("*"):
        if path.suffix in (".db", ".sqlite") and path.is_file():
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (
        lzma.open(output, "wb", preset=9 | lzma.PRESET_EXTREME) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(HOME.rglob("*")):
            if path.name.endswith(("-wal", "-shm", ".lock")):
                continue
            member = archive.gettarinfo(str(path), str(path.relative_to(HOME)))
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            content = io.BytesIO(path.read_bytes()) if path.is_file() else None
            archive.addfile(member, content)


def main() -> None:
    """Write ``home_0_1_0.tar.xz`` and ``books_0_1_0.json.xz`` into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output.absolute()
    process = import_module("ledgerguard_pipeline.sandbox.process")
    shutil.rmtree(HOME, ignore_errors=True)
    with process.SandboxServer(invoices=60) as sandbox, tempfile.TemporaryDirectory() as scratch:
        sandbox.set(gzip=False, clock_offset_seconds=-2_400)
        edge = Edge(sandbox.base_url)
        os.environ |= {
            "INTUIT_CLIENT_ID": sandbox.client_id,
            "INTUIT_CLIENT_SECRET": sandbox.client_secret,
            "INTUIT_BASE_URL": edge.url,
            "INTUIT_ENV": "sandbox",
            "INTUIT_WEBHOOK_VERIFIER_TOKEN": TOKEN,
            "LEDGERGUARD_HOME": str(HOME),
            "TMPDIR": scratch,
        }
        told = Story(sandbox, edge).tell()
        saved = books(sandbox, edge, told)
    with lzma.open(output / "books_0_1_0.json.xz", "wb", preset=9 | lzma.PRESET_EXTREME) as stream:
        stream.write(saved)
    pack(output / "home_0_1_0.tar.xz")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
