"""Deliveries that are stored together do not share the failure of one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery, DeliveryOutcome, Receipt
from ledgerguard_pipeline.web.webhooks.group_writer import DeliveryWriter


def delivery(body: bytes) -> Delivery:
    return Delivery(body, {}, "127.0.0.1", "cloud_events")


def test_what_cannot_be_stored_fails_alone() -> None:
    begun, go = threading.Event(), threading.Event()
    groups: list[list[bytes]] = []

    def accept(batch: Sequence[Delivery]) -> list[Receipt]:
        groups.append([each.body for each in batch])
        begun.set()
        assert go.wait(20)
        if b"bad" in groups[-1]:
            raise ValueError("a text no database takes")
        return [Receipt(each.body.decode(), DeliveryOutcome.QUEUED, 1) for each in batch]

    writer = DeliveryWriter(accept)
    first = writer.submit(delivery(b"first"))
    assert begun.wait(20)
    waiting = [writer.submit(delivery(body)) for body in (b"good", b"bad", b"fine")]
    go.set()
    writer.close()

    assert groups[:2] == [[b"first"], [b"good", b"bad", b"fine"]]
    assert [each.result(0).delivery_id for each in (first, waiting[0], waiting[2])] == [
        "first", "good", "fine",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no database takes"):
        waiting[1].result(0)
