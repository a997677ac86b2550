"""Post signed deliveries at a steady rate and note how long each answer took.

A delivery's time runs from the moment it was due, so a receiver that holds the others up does
not get away with it. The order comes as JSON on stdin, the figures go as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import uvloop

from ledgerguard_pipeline.webhooks.signature import sign


@dataclass
class Order:
    port: int
    path: str
    token: str
    realm: str
    rate: float
    seconds: float
    connections: int = 64


@dataclass
class Noted:
    times: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def request(order: Order, number: int) -> bytes:
    """One delivery of one event that no other delivery holds."""
    event = {
        "specversion": "1.0",
        "id": f"{number:08x}-7f2d-4b1c-9d0e-1f2a3b4c5d6e",
        "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
        "type": "qbo.invoice.updated.v1",
        "datacontenttype": "application/json",
        "time": "2026-11-20T10:00:00.000Z",
        "intuitentityid": str(number % 5_000 + 1),
        "intuitaccountid": order.realm,
        "data": {},
    }
    body = json.dumps([event]).encode()
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"intuit-signature: {sign(body, order.token)}\r\n\r\n"
    )
    return head.encode() + body


async def post_all(order: Order) -> Noted:
    requests = [request(order, number) for number in range(round(order.rate * order.seconds))]
    numbers, noted = itertools.count(), Noted()
    began = time.perf_counter() + 0.5

    async def post() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
        while (number := next(numbers)) < len(requests):
            due = began + number / order.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            try:
                writer.write(requests[number])
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                noted.statuses[int(head.split(b" ", 2)[1])] += 1
            except (OSError, asyncio.IncompleteReadError):
                noted.statuses[0] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", order.port)
            noted.times.append(time.perf_counter() - due)
        writer.close()

    await asyncio.gather(*(post() for _ in range(order.connections)))
    return noted


order = Order(**json.load(sys.stdin))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    found = runner.run(post_all(order))
print(json.dumps({"times": found.times, "statuses": found.statuses}))
