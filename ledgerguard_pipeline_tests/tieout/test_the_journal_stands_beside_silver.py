"""The journal shares a schema with Silver, and works in a file and in a lake alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.reports.journal import JournalLeg, JournalTransaction
from ledgerguard_pipeline.storage import DuckDBStorage
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.tieout.journal_store import JournalStore, LoadedPart
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import load, record
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address

REALM = "9341453474484455"
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
AT = datetime(2026, 2, 1, tzinfo=UTC)


def part(amount: str, day: str = "2026-01-05", id: str = "7") -> LoadedPart:
    value, nothing = Decimal(amount), Decimal(0)
    legs = [
        JournalLeg("1", "Checking", value, nothing, "memo", ""),
        JournalLeg("2", "Sales", nothing, value, "memo", ""),
    ]
    return LoadedPart(
        "report", FIRST, LAST, [JournalTransaction("Invoice", id, day, "1", "9", legs)]
    )


@pytest.fixture(params=["file", "lake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BronzeStore]:
    if request.param == "file":
        yield DuckDBStorage(tmp_path / "books.duckdb", "sandbox", silver=False)
        return
    with empty_lake(tmp_path) as url:
        yield BronzeStore(lake_address(url), Environment.SANDBOX)


def test_a_span_is_replaced_and_the_rest_stays(store: BronzeStore) -> None:
    journal = JournalStore(store.workspace)
    assert journal.sums(REALM, LAST) == []
    assert journal.windows(REALM) == []
    awkward = "12345678901234567.890000000000000001"
    assert journal.replace(REALM, FIRST, LAST, [part(awkward)], AT) == 2
    journal.replace("1", FIRST, LAST, [part("5")], AT)
    february = date(2026, 2, 28)
    journal.replace(REALM, date(2026, 2, 1), february, [], AT)
    sums = {each.account_id: each.amount for each in journal.sums(REALM, february)}
    assert sums == {"1": Decimal(awkward), "2": Decimal(awkward).copy_negate()}
    journal.replace(REALM, FIRST, LAST, [part("1.10"), part("0.20", id="8")], AT)
    sums = {each.account_id: each.amount for each in journal.sums(REALM, LAST)}
    assert sums == {"1": Decimal("1.3"), "2": Decimal("-1.3")}
    assert journal.count(REALM) == (4, 2)
    assert [(each.start, each.end) for each in journal.windows(REALM)] == [
        (FIRST, LAST),
        (date(2026, 2, 1), february),
    ]
    assert journal.unbalanced(REALM) == []


def test_differences_are_replaced_and_keep_when_they_were_first_seen(store: BronzeStore) -> None:
    tie_out = TieOut(store.workspace)
    assert tie_out.read(REALM) == []
    one = Difference(Level.TRIAL_BALANCE, LAST, "1", "Checking", Decimal("1.01"), Decimal(1))
    (first,) = tie_out.keep(REALM, Level.TRIAL_BALANCE, LAST, [one])
    (again,) = tie_out.keep(REALM, Level.TRIAL_BALANCE, LAST, [one])
    assert again.first_seen == first.first_seen
    (kept,) = tie_out.read(REALM)
    assert (kept.key, kept.difference, kept.kind) == ("1", Decimal("0.01"), one.kind)
    tie_out.keep(REALM, Level.TRIAL_BALANCE, LAST, [])
    assert tie_out.read(REALM) == []


def test_a_difference_no_column_holds_is_refused_and_what_was_known_stays(
    store: BronzeStore,
) -> None:
    tie_out = TieOut(store.workspace)
    one = Difference(Level.TRIAL_BALANCE, LAST, "1", "Checking", Decimal("1.01"), Decimal(1))
    tie_out.keep(REALM, Level.TRIAL_BALANCE, LAST, [one])
    for amount in ("1e-19", "1e21"):
        with pytest.raises(BronzeError, match="what was known stays"):
            tie_out.keep(REALM, Level.TRIAL_BALANCE, LAST, [replace(one, theirs=Decimal(amount))])
    (kept,) = tie_out.read(REALM)
    assert kept.difference == Decimal("0.01")


def test_a_date_outside_the_window_stands_inside_it_and_is_kept_as_sent(tmp_path: Path) -> None:
    store = DuckDBStorage(tmp_path / "books.duckdb", "sandbox", silver=False)
    journal = JournalStore(store.workspace)
    journal.replace(REALM, FIRST, LAST, [part("1", "2025-12-24"), part("2", "", "8")], AT)
    rows = store.sql("SELECT DISTINCT txn_date, posted_on FROM silver.journal ORDER BY ALL").rows
    assert rows == [(date(2025, 12, 24), FIRST), (None, LAST)]
    journal.replace(REALM, FIRST, LAST, [], AT)
    assert journal.count(REALM) == (0, 0)


def test_an_amount_no_column_holds_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    journal = JournalStore(DuckDBStorage(tmp_path / "b.duckdb", "sandbox", silver=False).workspace)
    journal.replace(REALM, FIRST, LAST, [part("1")], AT)
    for amount in ("1e-19", "1e21"):
        with pytest.raises(BronzeError, match="the journal was left as it is"):
            journal.replace(REALM, FIRST, LAST, [part(amount)], AT)
    assert journal.count(REALM) == (2, 1)


def test_silver_is_laid_out_although_the_journal_made_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "books.duckdb"
    without = DuckDBStorage(file, "sandbox", silver=False)
    JournalStore(without.workspace).replace(REALM, FIRST, LAST, [part("1")], AT)
    store = DuckDBStorage(file, "sandbox")
    store.commit([load(record("7"))])
    assert store.sql("SELECT id FROM silver.invoice").rows == [("7",)]
    assert store.sql("SELECT count(*) FROM silver.journal").rows == [(2,)]
