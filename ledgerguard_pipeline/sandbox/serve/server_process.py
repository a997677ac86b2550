"""Running a sandbox: in a thread of this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from ledgerguard_pipeline.sandbox.api.grants import GrantBook
from ledgerguard_pipeline.sandbox.api.world import CLIENT_ID, CLIENT_SECRET, World
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline.sandbox.serve.shared_books import build_small_company, share_books
from ledgerguard_pipeline.sandbox.serve.web_server import WebServer
from ledgerguard_pipeline.sandbox.switches import Switches

FIRST_REALM = 9341453474484455
_STOP_SECONDS = 10
OWN_BOOKS = 20
"""More companies than this have small books of which all start with the same rows."""
_COPIED_INVOICES = 2_000
_LATELY_SECONDS = 300
_NAMES = ("Craig's Design & Landscaping Søn", "Müller Orgelbau", "O'Hara Coffee Roasters")


class Announcement(msgspec.Struct, kw_only=True):
    """The line a sandbox process writes to stdout once it answers."""

    base_url: str
    client_id: str
    client_secret: str
    realms: list[str]


def build_companies(
    count: int, *, seed: int, invoices: int, varied: bool = False
) -> list[SandboxCompany]:
    """Companies that differ in realm and name, the same for the same arguments.

    Up to ``OWN_BOOKS`` differ in their books too (``varied`` as for ``build_company``); of more
    than that each has the same small ones, so that a thousand fit in some hundred megabytes and are there in seconds.
    """
    if count > OWN_BOOKS:
        template = build_small_company(str(FIRST_REALM), seed, invoices)
        return [
            share_books(template, str(FIRST_REALM + index), f"Company {index + 1}", seed + index)
            for index in range(count)
        ]
    return [_own_books(index, seed + index, invoices, varied=varied) for index in range(count)]


def _own_books(index: int, seed: int, invoices: int, *, varied: bool) -> SandboxCompany:
    """The company of this number; small books that were made minutes ago are copied."""
    if invoices > _COPIED_INVOICES:
        return _made(index, seed, invoices, varied=varied)
    made = _made_lately(index, seed, invoices, int(time.time() // _LATELY_SECONDS), varied=varied)
    return share_books(made, made.realm_id, made.name, seed)


@lru_cache(maxsize=16)
def _made_lately(
    index: int,
    seed: int,
    invoices: int,
    moment: int,  # noqa: ARG001  # the history of books ends an hour before they are made
    *,
    varied: bool,
) -> SandboxCompany:
    return _made(index, seed, invoices, varied=varied)


def _made(index: int, seed: int, invoices: int, *, varied: bool) -> SandboxCompany:
    return build_company(
        realm_id=str(FIRST_REALM + index),
        seed=seed,
        invoices=invoices,
        name=_NAMES[index] if index < len(_NAMES) else f"{_NAMES[0]} {index + 1}",
        varied=varied,
    )


def listen(port: int = 0) -> socket.socket:
    """A listening loopback socket; port 0 takes a free one."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen(256)
    except OSError:
        bound.close()
        raise
    return bound


class SandboxServer(SandboxHandle):
    """A sandbox in a thread of this process, on a free port; for tests.

    ``switches`` are the start values, ``grants`` those of an earlier run. ``companies`` are built
    when none are given. The objects in ``world`` may be read directly; hold ``company.lock`` while
    doing so.
    """

    def __init__(
        self,
        companies: Iterable[SandboxCompany] | None = None,
        *,
        invoices: int = 60,
        seed: int = 1,
        varied: bool = False,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        redirect_uris: Iterable[str] | None = None,
        switches: Switches | None = None,
        grants: GrantBook | None = None,
        port: int = 0,
    ) -> None:
        if companies is None:
            companies = build_companies(1, seed=seed, invoices=invoices, varied=varied)
        self.world = World(
            companies,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=redirect_uris,
            switches=switches,
            grants=grants,
        )
        self._socket = listen(port)
        number = self._socket.getsockname()[1]
        super().__init__(
            f"http://127.0.0.1:{number}", client_id, client_secret, list(self.world.companies)
        )
        self._server = WebServer(self.world)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def start(self) -> Self:
        """Start answering; returns once the first answer came."""
        self._thread.start()
        self.health()
        return self

    def stop(self) -> None:
        """Close every connection and the port."""
        self.world.close()  # first, so that nobody waits for webhooks any more
        self._server.end()
        self._thread.join(_STOP_SECONDS)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class SandboxProcess(SandboxHandle):
    """A sandbox as a process of its own, which ends with this one.

    ``arguments`` are further options of ``python -m ledgerguard_pipeline.sandbox serve``.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        companies: int = 1,
        invoices: int = 500,
        seed: int = 1,
        latency_ms: float = 0.0,
        arguments: Sequence[str] = (),
    ) -> None:
        self._command = [
            *(sys.executable, "-m", "ledgerguard_pipeline.sandbox", "serve"),
            *("--port", str(port), "--companies", str(companies), "--invoices", str(invoices)),
            *("--seed", str(seed), "--latency-ms", str(latency_ms), "--until-stdin-closes"),
            *arguments,
        ]
        self._child: subprocess.Popen[str] | None = None
        super().__init__("", "", "", [])

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: it ended instead; its own words are on stderr.
        """
        self._child = subprocess.Popen(  # noqa: S603  # this product's own module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )
        said = _stream(self._child.stdout).readline()
        if not said:
            raise RuntimeError(f"the sandbox ended with exit code {self._child.wait()}")
        hello = msgspec.convert(json.loads(said), Announcement)
        super().__init__(hello.base_url, hello.client_id, hello.client_secret, hello.realms)
        return self

    def environment(self) -> dict[str, str]:
        """This process's variables, and where the child finds this package."""
        root = str(Path(__file__).resolve().parents[3])
        known = os.environ.get("PYTHONPATH")
        return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root}

    @property
    def pid(self) -> int:
        """The process id, for those who measure it."""
        if self._child is None:
            raise RuntimeError("the sandbox process is not running")
        return self._child.pid

    def stop(self) -> None:
        """End the process."""
        if self._child is None:
            return
        _stream(self._child.stdin).close()
        try:
            self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        _stream(self._child.stdout).close()
        self._child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("the sandbox process has no pipes")
    return stream
