"""Whatever went wrong unseen, counting finds it and a walk repairs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ledgerguard_pipeline.bronze.read.company_counts import CompanyCounts, Held
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type, entity_types
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.ingestion.results import EntityResult, Reconciled, SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.first_loads import Loaded
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)

INVOICE, CUSTOMER, VENDOR = map(entity_type, ("Invoice", "Customer", "Vendor"))
TIME_ACTIVITY = entity_type("TimeActivity")
FEW = entity_types(["Invoice", "Customer", "Vendor", "TimeActivity", "Preferences"])


def _reconcile(installation: Installation, entities: tuple[EntityType, ...] = FEW) -> SyncResult:
    result = sync(installation, entities, reconcile=True)
    assert failures(result) == {}
    return result


def _of(result: SyncResult, entity: EntityType) -> EntityResult:
    (found,) = [each for each in result.results if each.entity == entity.name]
    return found


def _forget(installation: Installation, entity: EntityType, ids: list[str]) -> None:
    """Take rows out of the Bronze file behind everybody's back."""
    path = installation.settings.bronze_path
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f'DELETE FROM "{path.stem}".bronze."{entity.table}" WHERE list_contains(?, id)', [ids]
        )


def _long_ago() -> int:
    """Before everything change data capture still knows."""
    return int((datetime.now(UTC) - timedelta(days=90)).timestamp())


def test_a_quiet_company_costs_only_the_counts(loaded_company: Loaded) -> None:
    connected, sandbox = loaded_company
    sandbox.pop_log()
    result = _reconcile(connected, ENTITIES)
    assert [call.endpoint for call in sandbox.pop_log()] == ["batch", "batch"]
    assert result.api_calls == 2
    assert result.total_entities_written == 0
    assert {each.mode for each in result.results} == {Mode.RECONCILE}
    assert all(each.complete for each in result.results if each.finding is not None)
    uncounted = [each.entity for each in result.results if each.finding is None]
    assert uncounted == [
        entity.name for entity in ENTITIES if not (entity.countable and entity.queried)
    ]


def test_a_quiet_company_leaves_the_bronze_file_alone(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    before = connected.bronze.last_loads(realm_of(sandbox))
    _reconcile(connected)
    assert connected.bronze.last_loads(realm_of(sandbox)) == before


def test_a_deletion_older_than_change_data_capture_is_found(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    victims = sorted(stored(connected, INVOICE, realm_of(sandbox)))[:2]
    for victim in victims:
        sandbox.edit("delete", "Invoice", victim, at=_long_ago())
    sandbox.world.companies[realm_of(sandbox)].tables["Invoice"].graves.clear()
    sync(connected, FEW)
    assert differing(connected, sandbox, [INVOICE]) == {"Invoice": victims}
    found = _of(_reconcile(connected), INVOICE)
    assert found.finding == Reconciled(counted=58, held=60, missing=0, phantoms=2, walked=True)
    assert (found.expected, found.stored, found.complete) == (58, 58, True)
    assert differing(connected, sandbox, [INVOICE]) == {}
    after = states(connected, INVOICE, realm_of(sandbox))
    assert [after[victim] for victim in victims] == ["deleted", "deleted"]


def test_phantoms_are_buried_with_reconcile_as_their_source(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    victim = min(stored(connected, INVOICE, realm_of(sandbox)))
    sandbox.edit("delete", "Invoice", victim, at=_long_ago())
    sandbox.world.companies[realm_of(sandbox)].tables["Invoice"].graves.clear()
    _reconcile(connected)
    _, rows = connected.bronze.sql(
        f"SELECT source, request_id FROM bronze.invoice WHERE id = '{victim}' AND state = 'deleted'"
    )
    ((source, request_id),) = rows
    assert source == "reconcile"
    assert request_id in {call.tid for call in sandbox.pop_log()}


def test_a_deletion_of_a_type_without_change_data_capture_is_found(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    victim = min(stored(connected, TIME_ACTIVITY, realm_of(sandbox)))
    sandbox.edit("delete", "TimeActivity", victim)
    found = _of(_reconcile(connected), TIME_ACTIVITY)
    assert found.finding is not None
    assert (found.finding.missing, found.finding.phantoms) == (0, 1)
    assert states(connected, TIME_ACTIVITY, realm_of(sandbox))[victim] == "deleted"
    assert differing(connected, sandbox, FEW) == {}


def test_rows_lost_from_bronze_come_back(connected: Installation, sandbox: SandboxServer) -> None:
    sync(connected, FEW)
    lost = sorted(stored(connected, INVOICE, realm_of(sandbox)))[:3]
    _forget(connected, INVOICE, lost)
    sync(connected, FEW)
    assert differing(connected, sandbox, [INVOICE]) == {"Invoice": lost}
    found = _of(_reconcile(connected), INVOICE)
    assert found.finding == Reconciled(counted=60, held=57, missing=3, phantoms=0, walked=True)
    assert found.complete
    assert differing(connected, sandbox, FEW) == {}


def test_missing_and_phantom_rows_of_several_types_are_repaired_at_once(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    realm = realm_of(sandbox)
    first, second, *_, last = sorted(stored(connected, INVOICE, realm))
    _forget(connected, INVOICE, [first, second])
    sandbox.edit("delete", "Invoice", last)
    for _ in range(2):
        sandbox.edit("delete", "TimeActivity")
    _forget(connected, VENDOR, [min(stored(connected, VENDOR, realm))])
    result = _reconcile(connected)
    repaired = {
        each.entity: (each.finding.missing, each.finding.phantoms)
        for each in result.results
        if each.finding is not None and each.finding.walked
    }
    assert repaired == {"Invoice": (2, 0), "TimeActivity": (0, 2), "Vendor": (1, 0)}
    assert all(each.complete is not False for each in result.results)
    assert differing(connected, sandbox, [INVOICE, TIME_ACTIVITY, VENDOR]) == {}
    again = _reconcile(connected)
    assert again.api_calls == 1
    assert not any(each.finding is not None and each.finding.walked for each in again.results)


def test_what_merely_changed_since_the_last_sync_is_caught_up_without_a_walk(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    sandbox.edit("create", "Invoice")
    sandbox.edit("create", "Customer")
    sandbox.pop_log()
    result = _reconcile(connected)
    calls = [call for call in sandbox.pop_log() if call.endpoint != "token"]
    assert [call.endpoint for call in calls] == ["batch", "cdc", "batch", "query", "query"]
    assert all("count(*)" in call.target.lower() for call in calls[3:])
    for entity in (INVOICE, CUSTOMER):
        found = _of(result, entity)
        assert found.mode is Mode.CDC
        assert found.finding is not None
        assert (found.finding.missing, found.finding.phantoms, found.finding.walked) == (
            0,
            0,
            False,
        )
        assert found.complete
    assert differing(connected, sandbox, [INVOICE, CUSTOMER]) == {}


def test_a_reconcile_of_a_company_never_loaded_loads_it(
    connected: Installation, sandbox: SandboxServer
) -> None:
    result = _reconcile(connected, (INVOICE, CUSTOMER))
    assert differing(connected, sandbox, [INVOICE, CUSTOMER]) == {}
    found = _of(result, INVOICE)
    assert found.finding == Reconciled(counted=60, held=0, missing=60, phantoms=0, walked=True)
    assert connected.bronze.watermarks(realm_of(sandbox)).keys() == {"Invoice", "Customer"}


def test_books_that_change_during_the_walk_lose_nothing(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    _forget(connected, INVOICE, sorted(stored(connected, INVOICE, realm_of(sandbox)))[:5])
    sandbox.set(hazard={"entities": ["Invoice"], "update": 2, "delete": 2, "insert": 2, "pages": 2})
    _reconcile(connected)
    sandbox.set(hazard=None)
    sync(connected, FEW)
    assert differing(connected, sandbox, FEW) == {}


def test_a_quarantined_record_is_accounted_for_and_causes_no_walk_every_night(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, FEW)
    poisoned, lost = sorted(stored(connected, INVOICE, realm_of(sandbox)))[:2]
    _forget(connected, INVOICE, [poisoned, lost])
    sandbox.set(poison=[["Invoice", poisoned]])
    found = _of(_reconcile(connected), INVOICE)
    assert (found.quarantined, found.complete) == (1, True)
    assert differing(connected, sandbox, [INVOICE]) == {"Invoice": [poisoned]}
    sandbox.pop_log()
    assert _of(_reconcile(connected), INVOICE).mode is Mode.RECONCILE
    assert [call.endpoint for call in sandbox.pop_log()] == ["batch"]


@pytest.mark.parametrize("lost", [0, 1])
def test_the_answer_tells_what_was_found(
    connected: Installation, sandbox: SandboxServer, lost: int
) -> None:
    sync(connected, (VENDOR,))
    known = sorted(stored(connected, VENDOR, realm_of(sandbox)))
    if lost:
        _forget(connected, VENDOR, known[:lost])
    (entry,) = [each.to_json() for each in _reconcile(connected, (VENDOR,)).results]
    assert entry["reconciled"] == {
        "counted": len(known),
        "held": len(known) - lost,
        "missing": lost,
        "phantoms": 0,
        "walked": bool(lost),
    }


def _reasons(installation: Installation) -> list[list[str]]:
    """The kinds of reasons the company has, by each way to ask."""
    control, settings = installation.control, installation.settings
    judged = [
        *(each.health for each in read_statuses(control, settings)),
        *(each.health for each in read_summaries(control, settings)),
    ]
    return [[reason.kind.value for reason in health.reasons] for health in judged]


def test_what_cannot_be_repaired_is_a_reason_of_health_until_it_is(
    loaded_company: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected, _ = loaded_company
    assert _reasons(connected) == [[], []]
    counts, together = BronzeStore.counts, CompanyCounts.of

    def less(found: dict[str, int]) -> dict[str, int]:
        return {entity: rows - 1 for entity, rows in found.items()}

    def one_less(store: BronzeStore, realm_id: RealmId | None) -> dict[str, int]:
        return less(counts(store, realm_id))

    def one_less_together(shared: CompanyCounts, realm: str) -> Held:
        held = together(shared, realm)
        return replace(held, live=less(held.live))

    with monkeypatch.context() as miscounted:
        miscounted.setattr(BronzeStore, "counts", one_less)
        miscounted.setattr(CompanyCounts, "of", one_less_together)
        assert _of(_reconcile(connected, (INVOICE,)), INVOICE).complete is False
    assert _reasons(connected) == [["counts_differ"], ["counts_differ"]]
    _reconcile(connected, (INVOICE,))
    assert _reasons(connected) == [[], []]
