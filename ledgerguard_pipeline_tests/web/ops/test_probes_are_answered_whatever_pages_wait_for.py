"""A database that is away stops pages, and nobody ends the process for that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline_tests.web.conftest import Edge

THREADS = 40
"""As many as there are for all pages together (anyio's default)."""


class WaitingEdge(Edge):
    """Its control plane answers nobody before the test says so, and then with a failure."""

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge.settings, edge.connector)
        self.waiting = threading.Semaphore(0)
        self.over = threading.Event()

    @property
    def control(self) -> ControlPlane:
        self.waiting.release()
        self.over.wait()
        raise ControlUnavailable("The control plane is away.")


def status_of(port: int, path: str, method: str = "GET") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_process_says_that_it_lives_while_every_page_waits(edge: Edge) -> None:
    waiting = WaitingEdge(edge)
    sockets = listen("127.0.0.1", 0)
    port = int(sockets[0].getsockname()[1])
    with serving(create_app(waiting), sockets), ThreadPoolExecutor(THREADS) as visitors:
        try:
            pages = [visitors.submit(status_of, port, "/metrics") for _ in range(THREADS)]
            for _ in pages:
                assert waiting.waiting.acquire(timeout=60)
            assert status_of(port, "/healthz") == 200
            assert status_of(port, "/healthz", "HEAD") == 200
        finally:
            waiting.over.set()
        assert {page.result() for page in pages} == {503}
    for each in sockets:
        each.close()
