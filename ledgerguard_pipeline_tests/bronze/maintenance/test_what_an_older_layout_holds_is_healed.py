"""A store of layout 1 is upgraded and healed in place, in a file and in a lake, kill or not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledgerguard_pipeline import crashpoints
from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.maintenance.healing import Healed
from ledgerguard_pipeline.bronze.statements import SCHEMA_VERSION
from ledgerguard_pipeline.values import Record
from ledgerguard_pipeline_tests.bronze.maintenance.older_layout import (
    QUERY_FORM,
    add_copy,
    leave_as_0_1_0_did,
    raw,
)
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, load, record


def rows(store: BronzeStore, table: str) -> Sequence[Sequence[object]]:
    return store.sql(f"SELECT realm_id, payload, source FROM {table} ORDER BY realm_id")[1]


def test_a_company_of_an_older_layout_is_healed_alone_and_once(store: BronzeStore) -> None:
    leave_as_0_1_0_did(store)
    healing = store.healing(REALM)
    assert not healing.done()
    assert {each.entity: (each.doubled, each.linked) for each in healing.flaws()} == {
        "Invoice": (2, 0),
        "Attachable": (2, 2),
    }
    assert healing.stored() == [Healed("Invoice", doubled=2), Healed("Attachable", 2, 2)]
    assert healing.mend([], complete=True) == []
    assert healing.done()
    assert not store.healing(OTHER_REALM).done()
    kept = rows(store, "invoice")
    assert [row for row in kept if row[0] == REALM] == [(REALM, QUERY_FORM, "query")]
    assert len([row for row in kept if row[0] == OTHER_REALM]) == 3, "its own sync heals it"
    assert len(rows(store, "attachable")) == 1
    for table in ("invoice", "attachable", "_set_aside"):
        wrong = "payload_sha256 <> sha256(payload) OR payload LIKE '%Signature=%'"
        assert store.sql(f"SELECT count(*) FROM {table} WHERE {wrong}")[1] == [(0,)]
    assert store.healing(REALM).stored() == []
    assert [each.set_aside for each in healing.flaws()] == [2, 2]
    assert all(each.sound for each in healing.flaws())
    assert store.commit([load(record("2", QUERY_FORM.replace('"1"', '"2"')))])[0].written == 1


def test_a_store_of_this_release_never_looks_for_what_older_ones_did(store: BronzeStore) -> None:
    store.commit([load(record("1"))])
    assert store.healing(REALM).done()
    assert store.healing(OTHER_REALM).done()


def test_the_layout_is_noted_so_that_older_programs_refuse_it(store: BronzeStore) -> None:
    leave_as_0_1_0_did(store)
    store.healing(REALM).stored()
    said = store.sql("SELECT value FROM _meta WHERE key = 'schema_version'")[1]
    assert said == [(str(SCHEMA_VERSION),)]


def test_a_crash_while_healing_leaves_everything_as_it_was(
    store: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_as_0_1_0_did(store)
    before = rows(store, "invoice")

    def crash(name: str) -> None:
        raise KeyboardInterrupt(name)

    monkeypatch.setattr("ledgerguard_pipeline.bronze.maintenance.healing_step.crashpoint", crash)
    with pytest.raises(KeyboardInterrupt):
        store.healing(REALM).stored()
    monkeypatch.undo()
    assert crashpoints.crashpoint is not crash
    assert sorted(map(str, rows(store, "invoice"))) == sorted(map(str, before))
    assert store.sql("SELECT count(*) FROM _set_aside")[1] == [(0,)]
    assert len(store.healing(REALM).stored()) == 2


def test_a_restated_version_is_kept_and_noted(store: BronzeStore) -> None:
    """Two values of one version, both read by query: a balance moved twice in a second."""
    other = QUERY_FORM.replace("1.00", "2.00")
    first: Record = record("1", QUERY_FORM)
    store.commit([load(first)])
    with raw(store) as bronze:
        add_copy(bronze, "invoice", QUERY_FORM, other, "query", 1)
    assert store.healing(REALM).stored() == []
    assert len(rows(store, "invoice")) == 2
    assert store.sql("SELECT id, why FROM _restatements")[1] == [("1", "restated")]
    assert all(each.sound for each in store.healing(REALM).flaws())
