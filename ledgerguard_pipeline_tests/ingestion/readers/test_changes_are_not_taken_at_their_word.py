"""An answer of change data capture is believed only as far as it proves itself.

Real Intuit was seen to report living objects as deleted; the sandbox never does, so the client
is replaced here by one that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import pytest

from ledgerguard_pipeline.capabilities import Capabilities, OwnMemory
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import NotFound, PoisonPage, QBOAPIError, RequestRejected
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.cdc import (
    EntityChanges,
    NotByChanges,
    Outcome,
    read_changes,
)
from ledgerguard_pipeline.ingestion.readers.shared_changes import SharedChanges
from ledgerguard_pipeline.qbo.answers.batch_with_changes import BatchWithChanges
from ledgerguard_pipeline.qbo.answers.cdc import ChangeGroup, Changes
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Mode, RealmId, Record, Source, State

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALL = entity_types(["Invoice", "Customer", "Vendor", "Bill"])


def record(id: str, *, state: State = State.ACTIVE, source: Source = Source.CDC) -> Record:
    gone = state.gone
    return Record(
        id=id,
        sync_token=None if gone else "1",
        state=state,
        created_at=None,
        last_updated_at=NOW,
        payload=None if gone else b"{}",
        source=source,
        request_id="t",
        fetched_at=NOW,
    )


@dataclass
class Books:
    """A client over given changes per entity name; notes what it was asked."""

    live: dict[str, list[str]] = field(default_factory=dict)
    graves: dict[str, list[str]] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    refuses: dict[str, QBOAPIError] = field(default_factory=dict)
    cap: int = 1000
    asked: list[list[str]] = field(default_factory=list)
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(OwnMemory(), RealmId("1"))
    )

    @property
    def custom_fields(self) -> Books:
        return self

    def asked_of(self, entity: EntityType) -> bool:  # noqa: ARG002
        return False

    def changes(self, entities: Sequence[EntityType], since: datetime) -> Changes:  # noqa: ARG002
        self.asked.append([entity.name for entity in entities])
        for entity in entities:
            if entity.name in self.refuses:
                raise self.refuses[entity.name]
        left = self.cap
        groups: dict[str, ChangeGroup] = {}
        for entity in entities:
            rows = [record(id) for id in self.live.get(entity.name, [])][:left]
            left -= len(rows)
            gone = [record(id, state=State.DELETED) for id in self.graves.get(entity.name, [])][
                :left
            ]
            left -= len(gone)
            groups[entity.name] = ChangeGroup(entity, rows, gone, [])
        return Changes(groups, NOW, "t", left <= 0)

    def batch_with_changes(
        self,
        queries: Sequence[tuple[EntityType, Query]],
        entities: Sequence[EntityType],
        since: datetime,
    ) -> BatchWithChanges:
        pages: list[Page | int | QBOAPIError] = []
        for entity, _ in queries:
            rows = [record(id, source=Source.QUERY) for id in self.live.get(entity.name, [])]
            pages.append(Page(entity, rows, [], len(rows), NOW, "q", 0))
        changes = self.changes(entities, since)
        self.asked.clear()
        return BatchWithChanges(pages, changes)

    def query_page(self, entity: EntityType, query: Query) -> Page:
        (ids,) = (item.value for item in query.where if item.name == "Id")
        found = [
            record(id, source=Source.QUERY) for id in cast("Sequence[str]", ids) if id in self.alive
        ]
        return Page(entity, found, [], len(found), NOW, "q", 0)

    def get_entity(self, entity: str, id: str) -> Record:
        if id not in self.alive:
            raise NotFound("gone", entity=entity, fault_code="610")
        return record(id, source=Source.READ)

    def query_batch(self, queries: Sequence[tuple[EntityType, Query]]) -> list[Page | QBOAPIError]:
        return [self.query_page(entity, query) for entity, query in queries]

    def read(self) -> dict[str, Outcome]:
        return read_changes(cast("QBOClient", self), ALL, NOW)


def trusted(outcome: Outcome) -> dict[str, State]:
    assert isinstance(outcome, EntityChanges)
    return {item.id: item.state for item in outcome.records}


def test_a_tombstone_of_a_living_object_brings_the_object_instead() -> None:
    books = Books(graves={"Invoice": ["7", "8"]}, alive={"7"})
    assert trusted(books.read()["Invoice"]) == {"7": State.ACTIVE, "8": State.DELETED}


def test_an_object_that_is_both_alive_and_buried_is_settled_by_a_read() -> None:
    dead = Books(live={"Invoice": ["7"]}, graves={"Invoice": ["7"]})
    assert trusted(dead.read()["Invoice"]) == {"7": State.DELETED}
    living = Books(live={"Invoice": ["7"]}, graves={"Invoice": ["7"]}, alive={"7"})
    assert trusted(living.read()["Invoice"]) == {"7": State.ACTIVE}


def test_a_full_answer_is_asked_again_in_parts_until_each_proves_complete() -> None:
    live = {"Invoice": [f"i{n}" for n in range(600)], "Customer": [f"c{n}" for n in range(450)]}
    books = Books(live=live, graves={"Vendor": ["v1"]})
    outcomes = books.read()
    assert len(trusted(outcomes["Invoice"])) == 600
    assert len(trusted(outcomes["Customer"])) == 450
    assert trusted(outcomes["Vendor"]) == {"v1": State.DELETED}


@pytest.mark.parametrize("rows, believed", [(999, True), (1000, False)])
def test_a_batch_that_may_have_been_cut_is_asked_again_apart(rows: int, believed: bool) -> None:
    """Intuit says of no answer that it was cut: one that is exactly full may have been."""
    invoice, time = entity_types(["Invoice", "TimeActivity"])
    live = {"Invoice": [f"i{n}" for n in range(400)]}
    books = Books(live=live | {"TimeActivity": [f"t{n}" for n in range(rows - 400)]})
    plans = [
        EntityPlan(invoice, Mode.CDC, since=NOW),
        EntityPlan(time, Mode.QUERY, since=NOW),
    ]
    with ThreadPoolExecutor(1) as pool:
        shared = SharedChanges(cast("QBOClient", books), plans, pool)
        shared.begin()
        page = shared.pages["TimeActivity"].result(20).page
        outcome = shared.changes["Invoice"].result(20)
    assert (page is not None) is believed
    assert books.asked == ([] if believed else [["Invoice"]])
    assert len(trusted(outcome)) == 400


def test_a_type_that_fills_an_answer_alone_is_left_to_a_query() -> None:
    books = Books(live={"Invoice": [str(n) for n in range(1000)]}, graves={"Bill": ["b"]})
    outcomes = books.read()
    assert isinstance(outcomes["Invoice"], NotByChanges)
    assert trusted(outcomes["Bill"]) == {"b": State.DELETED}


@pytest.mark.parametrize("kind", [PoisonPage, RequestRejected])
def test_the_type_that_fails_the_whole_call_is_found_and_only_it_falls_back(
    kind: type[QBOAPIError],
) -> None:
    books = Books(live={"Bill": ["b"]}, refuses={"Customer": kind("no")})
    outcomes = books.read()
    assert isinstance(outcomes["Customer"], NotByChanges)
    assert trusted(outcomes["Bill"]) == {"b": State.ACTIVE}
    assert {name for name, found in outcomes.items() if isinstance(found, NotByChanges)} == {
        "Customer"
    }


def test_a_quiet_company_costs_one_call() -> None:
    books = Books()
    books.read()
    assert books.asked == [[entity.name for entity in ALL]]
