"""An editor knows every key of a result, also of what is listed inside it."""

from __future__ import annotations

import json
from typing import get_type_hints

from ledgerguard_pipeline import BatchResult, EntityFreshness, EntityReport, StatusReport
from ledgerguard_pipeline.health.entity_status import EntityStatus
from ledgerguard_pipeline.ingestion.results import EntityResult, Reconciled, SyncResult
from ledgerguard_pipeline.result import Result
from ledgerguard_pipeline.values import Mode, RealmId


def declared(kind: type[Result]) -> set[str]:
    return {name for name in get_type_hints(kind) if not name.startswith("_")}


def batch() -> BatchResult:
    entry = EntityResult(RealmId("1"), "Invoice", Mode.CDC, fetched=2, written=1)
    return BatchResult.of(SyncResult((entry,), api_calls=1).to_json())


def test_entries_are_read_by_key_and_by_attribute() -> None:
    (entry,) = batch().results
    assert isinstance(entry, EntityReport)
    assert (entry.entity, entry["entity"], entry.written) == ("Invoice", "Invoice", 1)


def test_the_declared_keys_are_those_there_are() -> None:
    result = batch()
    assert declared(BatchResult) == set(result)
    assert declared(EntityReport) == set(result.results[0])
    status = EntityStatus("Invoice", None, 0, None, None)
    report = StatusReport.of({"entities": [status.to_json()]}, {"Invoice": None})
    assert declared(EntityFreshness) == set(report.entities[0])
    assert report.watermarks == {"Invoice": None}


def test_a_comparison_of_counts_is_an_entry_of_its_own() -> None:
    found = Reconciled(counted=2, held=1, missing=1, phantoms=0, walked=True)
    entry = EntityResult(RealmId("1"), "Invoice", Mode.RECONCILE, finding=found)
    (shown,) = BatchResult.of(SyncResult((entry,)).to_json()).results
    assert shown["reconciled"] == found.to_json()


def test_as_dict_is_plain_to_the_last_entry() -> None:
    plain = batch().as_dict()
    assert type(plain) is dict
    assert type(plain["results"][0]) is dict
    assert json.loads(json.dumps(plain)) == plain == batch()
