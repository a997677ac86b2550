"""The product reads what the sandbox sends, although the two share no code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.webhooks.events import OPERATIONS
from ledgerguard_pipeline.webhooks.parse import parse
from ledgerguard_pipeline.webhooks.signature import Verifier
from ledgerguard_pipeline_tests.sandbox.caller import NOW, REALM, calling
from ledgerguard_pipeline_tests.sandbox.webhooks.receiver import TOKEN, Receiver


class Seen(NamedTuple):
    realm: str
    entity: str
    id: str
    operation: str
    absorbed: str | None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as ready:
        yield ready


def _edited(sandbox: SandboxServer) -> None:
    """Every kind of edit, always the same."""
    survivor, loser = sorted(sandbox.truth("Customer").rows, key=int)[-2:]
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    sandbox.edit("email", "Estimate")
    for kind in ("update", "void", "delete"):
        sandbox.edit(kind, "Invoice")
    sandbox.edit("update", "CompanyCurrency")
    sandbox.edit("burst", "*", n=30)


def _seen(receiver: Receiver, shape: str) -> list[Seen]:
    first = len(receiver.posted)
    with calling(build_company(REALM, invoices=30, now=NOW)) as caller:
        caller.server.send_webhooks(receiver.url, TOKEN, held=True, shape=shape, most_events=10_000)
        _edited(caller.server)
        caller.server.flush_webhooks()
    (posted,) = receiver.posted[first:]
    verifier = Verifier([TOKEN])
    assert verifier.matching(posted.body, posted.headers["intuit-signature"]) == 0
    delivered = parse(posted.body)
    assert delivered.shape == shape
    assert delivered.unreadable == []
    assert all(event.entity_type is not None for event in delivered.events)
    assert all(event.occurred_at is not None for event in delivered.events)
    return [
        Seen(event.realm_id, event.entity, event.object_id, event.operation, event.absorbed_id)
        for event in delivered.events
    ]


def test_both_shapes_of_the_same_edits_are_the_same_events(receiver: Receiver) -> None:
    first = _seen(receiver, "cloudevents")
    assert {each.operation for each in first} >= {"Create", "Update", "Delete", "Void", "Emailed"}
    assert next(each for each in first if each.absorbed is not None).operation == "Merge"
    assert first == _seen(receiver, "legacy")


def test_the_registry_expects_events_of_the_types_that_have_them() -> None:
    assert {entity.name for entity in ENTITIES if entity.webhook} == OPERATIONS.keys()
