"""A snapshot of a lake says what made it, by which a commit is known to be there."""

from __future__ import annotations

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import LakeConnections
from ledgerguard_pipeline.bronze.write import commit
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import (
    OTHER_REALM,
    REALM,
    after,
    load,
    record,
    reject,
)
from ledgerguard_pipeline_tests.lakes import lake_address

LATEST = (
    "SELECT author, commit_message, commit_extra_info FROM ledgerguard.snapshots() "
    "ORDER BY snapshot_id DESC LIMIT 1"
)
ODD = '{"Id":"2","Extra":1}'


@pytest.fixture
def lake(lake_url: str) -> BronzeStore:
    return BronzeStore(lake_address(lake_url), Environment.SANDBOX)


class Replacing:
    """A connection that executes another statement than the one it is given, where one is named."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, texts: dict[str, str]) -> None:
        self._connection = connection
        self._texts = texts

    def execute(self, text: str, *values: object) -> object:
        return self._connection.execute(self._texts.get(text, text), *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def replacing(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Statements by those they are executed for, of all connections from now on."""
    texts: dict[str, str] = {}
    real = LakeConnections.cursor
    monkeypatch.setattr(
        LakeConnections, "cursor", lambda *given, **named: Replacing(real(*given, **named), texts)
    )
    return texts


def test_a_snapshot_names_the_loads_but_not_their_company(lake: BronzeStore) -> None:
    lake.commit([load(record("1")), load(record("7"), entity="Bill")])
    [(author, message, first)] = lake.sql(LATEST).rows
    assert (author, message) == ("ledgerguard", "loads of Bill, Invoice")
    lake.commit([load(record("2"))])
    [(_, _, second)] = lake.sql(LATEST).rows
    assert first != second
    assert str(REALM) not in f"{first} {second}"


def test_a_commit_that_is_acknowledged_and_not_there_is_an_error(
    lake: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit([load(record("1"))])
    texts = replacing(monkeypatch)
    texts["COMMIT"] = "ROLLBACK"
    with pytest.raises(BronzeError, match="acknowledged a commit whose load records are not there"):
        lake.commit([load(record("2"))])
    texts.clear()
    lake.commit([load(record("2"))])
    assert lake.counts(REALM) == {"Invoice": 2}


def test_a_field_of_a_commit_that_failed_is_still_new(
    lake: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit([load(record("1", '{"Id":"1"}'), watermark=after(1))])

    def fail(name: str) -> None:
        if name == "before_bronze_commit":
            raise RuntimeError("on purpose")

    with monkeypatch.context() as failing:
        failing.setattr(commit, "crashpoint", fail)
        with pytest.raises(RuntimeError):
            lake.commit([load(record("2", ODD))])
    [outcome] = lake.commit([load(record("2", ODD))])
    assert outcome.new_fields == ("Extra",)
    [again] = lake.commit([load(record("3", ODD.replace("2", "3")))])
    assert again.new_fields == ()


def test_a_field_that_another_process_noted_is_not_new(lake: BronzeStore, lake_url: str) -> None:
    lake.commit([load(record("1", '{"Id":"1"}'), watermark=after(1))])
    other = BronzeStore(lake_address(lake_url), Environment.SANDBOX)
    [theirs] = other.commit([load(record("2", ODD), realm=OTHER_REALM, watermark=after(1))])
    assert theirs.written == 1
    [outcome] = lake.commit([load(record("2", ODD))])
    assert outcome.new_fields == ()


def test_a_watermark_never_goes_back(lake: BronzeStore) -> None:
    lake.commit([load(record("1"), watermark=after(9))])
    lake.commit([load(record("2"), watermark=after(1))])
    assert lake.watermarks(REALM) == {"Invoice": after(9)}


def test_two_loads_of_one_commit_into_empty_tables_see_each_other(lake: BronzeStore) -> None:
    lake.commit([load(id="empty")])  # makes the table
    bad = [reject("9")]
    first, second = lake.commit(
        [
            load(record("1"), id="first", rejects=bad, watermark=after(1)),
            load(record("1"), id="second", rejects=bad, watermark=after(2)),
        ]
    )
    assert (first.written, second.written, second.unchanged) == (1, 0, 1)
    assert lake.sql("SELECT count(*) FROM invoice").rows == [(1,)]
    assert lake.sql("SELECT id, load_id FROM _quarantine").rows == [("9", "first")]
    assert lake.quarantined(REALM) == {"Invoice": 1}
