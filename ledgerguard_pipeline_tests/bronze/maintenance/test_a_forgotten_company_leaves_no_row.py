from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import duckdb

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.maintenance.forgetting import delete_company
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.bronze.records import REALM, after, load, record, reject, step

OTHER = RealmId("9999")


class Listening:
    """A connection that remembers what it was asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.asked: list[str] = []

    def execute(self, statement: str, *values: Any) -> duckdb.DuckDBPyConnection:
        self.asked.append(statement)
        return self._connection.execute(statement, *values)


def rows_by_company(session: OpenStore) -> dict[str, set[str]]:
    """The tables of Bronze in which each company has rows, as DuckDB itself lists them."""
    found: dict[str, set[str]] = {}
    tables = session.connection.execute(
        "SELECT table_name FROM information_schema.columns "
        "WHERE table_catalog = ? AND column_name = 'realm_id' AND table_schema = 'bronze'",
        [session.catalog],
    ).fetchall()
    for (table,) in tables:
        asked = session.connection.execute(
            f'SELECT DISTINCT realm_id FROM "{session.catalog}".bronze."{table}"'
        )
        for (realm,) in asked.fetchall():
            found.setdefault(str(realm), set()).add(str(table))
    return found


def test_a_forgotten_company_leaves_no_row_in_any_table(store: BronzeStore) -> None:
    for realm in (REALM, OTHER):
        store.commit(
            [load(record("1"), realm=realm, id=realm, rejects=[reject("2")], watermark=after(0))]
        )
        store.commit([load(record("3"), realm=realm, id=f"{realm}-walk", walk=step(done=True))])
    seen: list[dict[str, set[str]]] = []
    asked: list[str] = []

    def forget(session: OpenStore, _: object) -> None:
        seen.append(rows_by_company(session))
        listening = Listening(session.connection)
        delete_company(replace(session, connection=listening), REALM)  # type: ignore[arg-type]  # as one
        seen.append(rows_by_company(session))
        if session.lake:
            asked.extend(listening.asked)

    store.beside(forget)

    before, after_it = seen[-2:]
    assert {"invoice", "_loads", "_quarantine", "_watermarks", "_walks"} <= before[str(REALM)]
    assert after_it == {str(OTHER): before[str(OTHER)], "": {"_fields"}}
    assert not [each for each in asked if "information_schema" in each], "statistics of all tables"


def test_another_companys_commit_does_not_keep_it_from_being_forgotten(
    store: BronzeStore,
) -> None:
    """DuckLake refuses a deletion beside an insertion; nobody comes in between."""
    for realm in (REALM, OTHER):
        store.commit([load(record("1"), realm=realm, id=realm, watermark=after(0))])
    attempts: list[int] = []

    def forget(session: OpenStore, _: object) -> None:
        attempts.append(len(attempts))

        def committing() -> AbstractContextManager[None]:
            if session.lake and len(attempts) == 1:
                attempts.append(0)
                other = load(record("2"), realm=OTHER, id="meanwhile", watermark=after(1))
                BronzeStore(store.address, store.environment).commit([other])
            return session.committing()

        delete_company(replace(session, committing=committing), RealmId(REALM))

    store.beside(forget, REALM)
    assert store.count("Invoice", REALM) == 0
    assert max(attempts) == 0, "at once"


def test_fields_that_it_was_the_first_to_show_are_not_new_to_others(store: BronzeStore) -> None:
    for realm in (REALM, OTHER):
        store.commit([load(record("1", '{"Id":"1","Memo":"x"}'), realm=realm, watermark=after(1))])
    forgotten: list[str] = []
    store.beside(lambda session, _: forgotten.extend(delete_company(session, RealmId(REALM))))
    odd = record("2", '{"Id":"2","Memo":"y","Extra":1}', updated=5)
    [outcome] = BronzeStore(store.address, store.environment).commit([load(odd, realm=OTHER)])
    assert outcome.new_fields == ("Extra",)
