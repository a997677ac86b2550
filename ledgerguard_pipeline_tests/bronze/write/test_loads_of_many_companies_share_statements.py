"""A commit of many companies costs the statements of one, and writes what each alone would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import duckdb

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.bronze.read.audit import audit
from ledgerguard_pipeline.bronze.read.audit_many import audit_many
from ledgerguard_pipeline.entities import DERIVED, DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.bronze.records import (
    OTHER_REALM,
    REALM,
    after,
    load,
    record,
    reject,
    tombstone,
)

TYPES = ("Invoice", "Customer", "Purchase")


class Counting:
    """A connection that counts statements; everything else is DuckDB's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, counted: list[str]) -> None:
        self._connection = connection
        self._counted = counted

    def cursor(self) -> Counting:
        return Counting(self._connection.cursor(), self._counted)

    def execute(self, statement: str, *values: object) -> duckdb.DuckDBPyConnection:
        self._counted.append(statement)
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def company(number: int) -> str:
    return str(int(REALM) + number)


def first_loads(realm: str) -> Iterator[Load]:
    for name in TYPES:
        yield load(
            *(record(str(id), updated=id) for id in range(3)),
            entity=name,
            realm=realm,
            id=f"{realm}-{name}",
            rejects=[reject("9")],
            watermark=after(60),
        )


def later_loads(realm: str) -> Iterator[Load]:
    yield load(
        record("1", updated=200),
        tombstone("2", updated=300, read=400),
        record("9", updated=5),
        realm=realm,
        id=f"{realm}-later",
        watermark=after(120),
    )


def contents(store: BronzeStore) -> list[object]:
    """Everything that does not name the commit itself."""
    versions = " UNION ALL ".join(
        f"SELECT '{name}', realm_id, id, state, payload, load_id FROM {name}"
        for name in ("invoice", "customer", "purchase")
    )
    loads = "realm_id, entity, load_id, fetched, written, deleted, unchanged, quarantined"
    asked = (
        versions,
        f"SELECT {loads} FROM _loads",
        "SELECT realm_id, entity, watermark, load_id FROM _watermarks",
        "SELECT realm_id, entity, id, resolved_at IS NULL, load_id FROM _quarantine",
        "SELECT DISTINCT entity, path, kind FROM _fields",
    )
    return [sorted(map(str, store.sql(statement).rows)) for statement in asked]


def test_ten_companies_take_the_statements_of_one(path: Path) -> None:
    counted: list[str] = []

    def connect(_file: Path, _read_only: bool) -> duckdb.DuckDBPyConnection:
        return cast("duckdb.DuckDBPyConnection", Counting(duckdb.connect(":memory:"), counted))

    store = BronzeStore(path, Environment.SANDBOX, connect=connect)

    def statements(*numbers: int) -> int:
        counted.clear()
        store.commit([each for number in numbers for each in first_loads(company(number))])
        return len(counted)

    statements(0)  # makes the tables
    assert statements(1) == statements(*range(2, 12))


def test_companies_together_are_stored_as_each_alone(tmp_path: Path) -> None:
    realms = [company(number) for number in range(4)]
    apart = BronzeStore(tmp_path / "apart.duckdb", Environment.SANDBOX)
    together = BronzeStore(tmp_path / "together.duckdb", Environment.SANDBOX)
    for loads in (first_loads, later_loads):
        for realm in realms:
            apart.commit([*loads(realm)])
        outcomes = together.commit([each for realm in realms for each in loads(realm)])
        assert [outcome.realm_id for outcome in outcomes] == [
            each.realm_id for realm in realms for each in loads(realm)
        ]
    assert contents(together) == contents(apart)


def test_two_loads_of_one_type_in_a_commit_are_written_one_after_the_other(
    store: BronzeStore,
) -> None:
    newer = record("1", updated=10)
    first, second, third = store.commit(
        [load(record("1"), id="a"), load(newer, id="b"), load(newer, id="c")]
    )
    assert (first.written, second.written, third.written, third.unchanged) == (1, 1, 0, 1)
    assert (first.live_delta, second.live_delta, second.updated) == (1, 0, 1)
    (row,) = store.sql("SELECT count(*), count(DISTINCT loaded_at) FROM invoice").rows
    assert row == (2, 2)


def test_audits_of_companies_together_are_those_of_each_alone(path: Path) -> None:
    store = BronzeStore(path, Environment.SANDBOX)
    realms = [RealmId(REALM), RealmId(OTHER_REALM)]
    cash = '{"Id":"1","SyncToken":"0","PaymentType":"Cash"}'
    store.commit([each for realm in realms for each in first_loads(realm)])
    store.commit(
        [*later_loads(REALM), load(record("1", cash, updated=9), entity="Purchase", id="cash")]
    )

    def double(session: object) -> bool:
        connection = getattr(session, "connection")  # noqa: B009
        connection.execute(
            "INSERT INTO bronze.customer SELECT * REPLACE (loaded_at + INTERVAL 1 SECOND "
            f"AS loaded_at) FROM bronze.customer WHERE realm_id = '{OTHER_REALM}'"
        )
        return True

    store.workspace.write(OTHER_REALM, double)
    every: list[EntityType | DerivedEntity] = [*map(entity_type, (*TYPES, "Vendor")), *DERIVED]
    found = audit_many(store.workspace, dict.fromkeys(realms, every))
    for realm in realms:
        alone = audit(store.workspace, realm, every)
        for name, expected in alone.items():
            one = found[realm][name]
            assert (one.stored, one.duplicates, one.quarantined, one.doubled) == (
                expected.stored,
                expected.duplicates,
                expected.quarantined,
                expected.doubled,
            ), name
    assert found[realms[1]]["Customer"].doubled == 3
    assert found[realms[0]]["Expense"].stored == 1
