"""Deadlines for connecting and for reading, on sockets that really keep silent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from ledgerguard_pipeline.errors import ServiceUnavailable
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import Transport
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock

SHORT, LONG = 0.1, 60.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that nobody serves: the kernel takes one connection for it, and no more."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(0)
        yield bound


@pytest.mark.parametrize("silent", ["connecting", "reading"])
def test_neither_a_connection_nor_an_answer_is_waited_for_without_end(
    listener: socket.socket, clock: DrivenClock, silent: str
) -> None:
    address = listener.getsockname()
    base = f"http://127.0.0.1:{address[1]}"
    timeouts = (SHORT, LONG) if silent == "connecting" else (LONG, SHORT)
    with ExitStack() as others:
        if silent == "connecting":
            for _ in range(4):
                other = others.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(address)
        hosts = Hosts.of(Environment.SANDBOX, base)
        with (
            Transport("id", hosts, clock, timeouts=timeouts) as session,
            pytest.raises(ServiceUnavailable, match=r"Timeout|in time"),
        ):
            session.exchange("GET", f"{base}/v3", headers={})
