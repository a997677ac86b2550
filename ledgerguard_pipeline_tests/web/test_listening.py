from __future__ import annotations

import socket
from urllib.request import ProxyHandler, build_opener

import pytest

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline_tests.web.conftest import Edge

DIRECT = build_opener(ProxyHandler({}))


def test_a_taken_port_is_reported_before_anything_is_served() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(BadInputError, match=f"Port {port} on localhost"):
            listen("localhost", port)


def test_a_background_server_answers_and_is_gone_afterwards(edge: Edge) -> None:
    sockets = listen("localhost", 0)
    port = sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}/healthz"
    with serving(create_app(edge), sockets), DIRECT.open(address, timeout=10) as answer:
        assert answer.status == 200
    for each in sockets:
        each.close()

    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0
