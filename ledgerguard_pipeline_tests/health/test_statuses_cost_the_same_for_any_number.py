"""Five hundred companies take as many statements as one, and none of them opens a secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, event, insert, select

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import (
    call_counts,
    call_slots,
    companies,
    sync_marks,
    tokens,
)
from ledgerguard_pipeline.control.tokens.keyring import Keyring
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.values import Environment, Mode, RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import queue

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MANY = 500


def realm_of(number: int) -> RealmId:
    return RealmId(f"{9_341_453_474_480_000 + number}")


def add(plane: ControlPlane, number: int) -> None:
    realm = realm_of(number)
    plane.companies.put(
        Company(realm, Environment.SANDBOX, f"Company {number}", ConnectionStatus.CONNECTED, NOW)
    )
    plane.tokens.replace(
        realm,
        Tokens(
            SecretStr("access"),
            SecretStr("refresh"),
            NOW + timedelta(hours=1),
            NOW + timedelta(days=100),
            None,
        ),
        None,
    )
    plane.calls.record(realm, entity="Bill", purpose="query", status=200)
    plane.sync_states.committed(
        realm, [Committed(each.name, Mode.CDC, "load", 3, 0, NOW) for each in ENTITIES]
    )


def repeat(plane: ControlPlane, times: int) -> None:
    """Copy the rows of the first company; its tokens do not open elsewhere, and need not."""
    with plane.database.write("repeat") as connection:
        for table in (companies, tokens, call_counts, call_slots, sync_marks):
            first = connection.execute(
                select(table).where(table.c.realm_id == realm_of(0))
            ).mappings()
            rows = [dict(row) for row in first]
            copies = [
                row | {"realm_id": realm_of(number)} for number in range(1, times) for row in rows
            ]
            connection.execute(insert(table), copies)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are executed inside the block."""
    seen: list[str] = []

    def note(*arguments: object) -> None:
        if not str(arguments[2]).startswith("BEGIN"):
            seen.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_the_number_of_statements_does_not_grow(
    plane: ControlPlane, store_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(plane, 0)
    with counted() as for_one:
        assert len(read_statuses(plane, store_settings)) == 1
    repeat(plane, MANY)
    queue(plane, "a", "b", realm=realm_of(7))
    plane.limiter.cool_down(realm_of(8), 60)

    def refuse(*_: object) -> str:
        raise AssertionError("a secret was opened")

    monkeypatch.setattr(Keyring, "unseal", refuse)
    with counted() as for_many:
        found = {each.company.realm_id: each for each in read_statuses(plane, store_settings)}
    assert len(for_many) == len(for_one) <= 16
    assert len(found) == MANY
    assert found[realm_of(7)].facts.webhook_depth == 2
    assert found[realm_of(8)].health.state is HealthState.DEGRADED
    assert found[realm_of(9)].health.state is HealthState.HEALTHY
    assert found[realm_of(9)].rows == 3 * len(ENTITIES)
    assert found[realm_of(9)].calls.all_companies == MANY


def test_some_companies_can_be_asked_for(plane: ControlPlane, store_settings: Settings) -> None:
    for number in range(3):
        add(plane, number)
    (found,) = read_statuses(plane, store_settings, realms=[realm_of(1)])
    assert found.company.realm_id == realm_of(1)
    assert found.calls.month_to_date == 1
    assert found.calls.all_companies == 3
