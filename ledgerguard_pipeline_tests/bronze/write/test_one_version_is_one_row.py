"""A version is company, id, LastUpdatedTime and SyncToken: it has one row unless it says why not."""

from __future__ import annotations

import msgspec
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.loads import LoadOutcome
from ledgerguard_pipeline.bronze.read.audit import audit
from ledgerguard_pipeline.bronze.write.differences import Difference, difference
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.members import SIGNED_LINKS
from ledgerguard_pipeline.values import RealmId, Record, Source
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record, tombstone

INVOICE = entity_type("Invoice")
PLAIN = (
    '{"Id":"1","SyncToken":"0","CustomerRef":{"value":"7","name":"Amy"},"TotalAmt":10.00,'
    '"Line":[{"Id":"1","SalesItemLineDetail":{"ItemRef":{"value":"3","name":"Rock"}}}]}'
)
RENAMED = PLAIN.replace("Amy", "Amy's Shop").replace("Rock", "Stone")
RESTATED = PLAIN.replace("10.00", "9.00")
WIDER = PLAIN.replace('"TotalAmt"', '"IsProject":false,"TotalAmt"')
OTHER_ORDER = (
    '{"TotalAmt":10.00, "Id":"1","SyncToken":"0","CustomerRef":{"name":"Amy","value":"7"},'
    '"Line":[{"Id":"1","SalesItemLineDetail":{"ItemRef":{"value":"3","name":"Rock"}}}]}'
)


def put(store: BronzeStore, *records: Record) -> LoadOutcome:
    (outcome,) = store.commit([load(*records)])
    return outcome


def rows(store: BronzeStore) -> list[object]:
    return [row[0] for row in store.sql("SELECT payload FROM invoice ORDER BY loaded_at")[1]]


def doubled(store: BronzeStore) -> int:
    return audit(store.workspace, RealmId(REALM), [INVOICE])["Invoice"].doubled


@pytest.mark.parametrize(
    "held, incoming, how",
    [
        (PLAIN, PLAIN, Difference.SAME),
        (PLAIN, OTHER_ORDER, Difference.SAME),
        (PLAIN, RENAMED, Difference.RENAMED),
        (PLAIN, PLAIN.replace(',"name":"Amy"', ""), Difference.RENAMED),
        (PLAIN, RESTATED, Difference.RESTATED),
        (PLAIN, RESTATED.replace("Amy", "Bob"), Difference.RESTATED),
        (PLAIN, PLAIN.replace('"SyncToken":"0"', '"SyncToken":"1"'), Difference.RESTATED),
        (PLAIN, WIDER, Difference.WIDENED),
        (WIDER, PLAIN, Difference.NARROWED),
        (WIDER, PLAIN.replace('"TotalAmt"', '"InvoiceLink":"x","TotalAmt"'), Difference.NARROWED),
        ('{"name":"Amy"}', '{"name":"Bob"}', Difference.RESTATED),
        ("{", "}", Difference.RESTATED),
    ],
)
def test_what_differs_between_two_payloads_of_a_version_is_named(
    held: str, incoming: str, how: Difference
) -> None:
    assert difference(held.encode(), incoming.encode()) is how


def test_a_difference_of_names_is_stored_and_counted_apart_from_updates(
    store: BronzeStore,
) -> None:
    put(store, record("1", PLAIN))
    outcome = put(store, record("1", RENAMED, read=200))
    assert (outcome.written, outcome.updated, outcome.renamed) == (1, 0, 1)
    assert rows(store) == [PLAIN, RENAMED]
    assert doubled(store) == 0
    assert store.sql("SELECT entity, id, why FROM _restatements")[1] == [
        ("Invoice", "1", "renamed")
    ]
    outcome = put(store, record("1", RESTATED, updated=60, token="1", read=300))
    assert (outcome.written, outcome.updated, outcome.renamed) == (1, 1, 0)


@pytest.mark.parametrize("payload", [RESTATED, WIDER])
def test_other_values_and_more_members_of_a_version_are_stored_with_the_reason(
    store: BronzeStore, payload: str
) -> None:
    put(store, record("1", PLAIN))
    outcome = put(store, record("1", payload, read=200))
    assert (outcome.written, outcome.updated, outcome.renamed) == (1, 1, 0)
    assert rows(store) == [PLAIN, payload]
    assert doubled(store) == 0


def test_a_form_with_fewer_members_or_in_another_order_makes_no_row(store: BronzeStore) -> None:
    put(store, record("1", WIDER))
    assert put(store, record("1", PLAIN, read=200)).unchanged == 1
    assert put(store, record("1", OTHER_ORDER, read=300)).unchanged == 1
    assert rows(store) == [WIDER]


def test_change_data_capture_never_makes_a_second_row_of_a_version(store: BronzeStore) -> None:
    put(store, record("1", PLAIN))
    for payload in (WIDER, RESTATED, RENAMED):
        seen = msgspec.structs.replace(record("1", payload, read=200), source=Source.CDC)
        assert put(store, seen).unchanged == 1
    both = [record("2", PLAIN), msgspec.structs.replace(record("2", WIDER), source=Source.CDC)]
    assert put(store, *both).written == 1
    assert rows(store) == [PLAIN, PLAIN]


def test_a_row_that_is_not_whole_is_quarantined_and_never_stored(store: BronzeStore) -> None:
    put(store, record("1", PLAIN))
    part = msgspec.structs.replace(record("1", "{}", updated=60, read=200), whole=False)
    assert put(store, part).quarantined == 1
    assert rows(store) == [PLAIN]


def test_a_newer_row_that_lacks_what_its_type_always_has_does_not_replace_a_whole_one(
    store: BronzeStore,
) -> None:
    put(store, record("1", PLAIN))
    shorter = '{"Id":"1","SyncToken":"1","TotalAmt":10.00}'
    assert put(store, record("1", shorter, updated=60, token="1", read=200)).quarantined == 1
    assert rows(store) == [PLAIN]
    assert put(store, record("1", RESTATED, updated=90, token="2", read=300)).written == 1
    assert store.quarantined(REALM) == {}


def test_an_object_that_comes_back_as_it_was_doubles_nothing(store: BronzeStore) -> None:
    put(store, record("1", PLAIN))
    put(store, tombstone("1", updated=50, read=150))
    assert put(store, record("1", PLAIN, read=200)).written == 1
    assert rows(store) == [PLAIN, None, PLAIN]
    assert doubled(store) == 0


@pytest.mark.parametrize("name", SIGNED_LINKS)
def test_signed_links_are_not_stored_and_make_no_rows(store: BronzeStore, name: str) -> None:
    sent = (
        '{"Id":"1","SyncToken":"0","Note":"say \\"TempDownloadUri\\":\\"https://x\\"",'
        f'"{name}":"https://files.example.com/a?Signature=%s","Size":10}}'
    )
    for number in range(3):
        put(store, record("1", sent % f"secret{number}", read=100 + number))
    assert rows(store) == [
        sent.replace("https://files.example.com/a?Signature=%s", "left out: a signed link")
    ]
