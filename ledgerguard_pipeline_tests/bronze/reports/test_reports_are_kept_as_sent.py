"""Reports in Bronze: bytes as sent, with what was asked, in the store's own transaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.report_table import KEPT
from ledgerguard_pipeline.bronze.reports import FetchedReport
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.values import Environment

REALM, OTHER = "9341453474484455", "9341453474484456"
AT = datetime(2026, 10, 31, 12, 0, 0, 123456, tzinfo=UTC)
BODY = '{"Header":{"ReportName":"TrialBalance"},"Rows":{},"x":"Ünïcödé \\ud83d 信託 1E+2"}'.encode()


def answer(body: bytes = BODY, *, cut: str | None = None, end: str = "2026-10-31") -> FetchedReport:
    return FetchedReport(
        report="TrialBalance",
        params={"start_date": "2026-01-01", "end_date": end, "accounting_method": "Accrual"},
        window_start=date(2026, 1, 1),
        window_end=date.fromisoformat(end),
        basis="Accrual",
        fetched_at=AT,
        report_time="2026-10-31T05:00:00-07:00",
        request_id="1-tid",
        payload=body,
        cells=3,
        cut=cut,
        run_id="run",
    )


def test_a_report_is_kept_byte_for_byte_with_what_was_asked(store: BronzeStore) -> None:
    (id,) = store.reports.save(REALM, [answer()])
    assert store.reports.payload(REALM, id) == BODY
    (kept,) = store.reports.list(REALM)
    assert kept.report_id == id
    assert kept.payload_sha256 == hashlib.sha256(BODY).hexdigest()
    assert json.loads(kept.params) == answer().params
    assert kept.params.startswith('{"accounting_method"')
    assert (kept.window_start, kept.window_end) == (date(2026, 1, 1), date(2026, 10, 31))
    assert (kept.report, kept.basis, kept.request_id) == ("TrialBalance", "Accrual", "1-tid")
    assert (kept.fetched_at, kept.report_time) == (AT, "2026-10-31T05:00:00-07:00")
    assert (kept.cut, kept.cut_reason, kept.cells, kept.run_id) == (False, None, 3, "run")


def test_reports_of_two_companies_are_kept_apart(store: BronzeStore) -> None:
    (id,) = store.reports.save(REALM, [answer()])
    store.reports.save(OTHER, [answer(b"{}")])
    assert [each.report_id for each in store.reports.list(REALM)] == [id]
    with pytest.raises(BadInputError, match="keeps no report"):
        store.reports.payload(OTHER, id)


def test_the_newest_whole_answers_and_every_cut_one_are_kept(store: BronzeStore) -> None:
    bodies = [f'{{"n":{number}}}'.encode() for number in range(KEPT + 2)]
    for body in bodies:
        store.reports.save(REALM, [answer(body), answer(body, cut="a row says so")])
    store.reports.save(REALM, [answer(b"[]", end="2026-09-30")])
    store.maintain()
    whole = [each for each in store.reports.list(REALM, "TrialBalance") if not each.cut]
    same = [each for each in whole if each.window_end == date(2026, 10, 31)]
    assert [store.reports.payload(REALM, each.report_id) for each in same] == bodies[-1:1:-1]
    assert len(whole) == KEPT + 1
    cut = [each for each in store.reports.list(REALM) if each.cut]
    assert len(cut) == len(bodies)
    assert {each.cut_reason for each in cut} == {"a row says so"}


MONTH_ENDS = {date(2026, 9, 30), date(2026, 10, 31)}


def nightly(day: date) -> list[FetchedReport]:
    """What a night asks about today, a few hours into the next day in UTC."""
    at = datetime(day.year, day.month, day.day, 4, 0, tzinfo=UTC) + timedelta(days=1)
    since, until = str(day - timedelta(days=1)), str(day + timedelta(days=1))
    asked: list[tuple[str, dict[str, str]]] = [
        ("TrialBalance", {"start_date": "2026-01-01", "end_date": str(day)}),
        ("AgedReceivables", {"report_date": str(day)}),
        (
            "TransactionList",
            {"start_date": "1990-01-01", "end_date": str(day)}
            | {"start_moddate": since, "end_moddate": until},
        ),
    ]
    return [
        replace(answer(), report=name, params=params, window_end=day, fetched_at=at)
        for name, params in asked
    ]


def test_what_is_asked_anew_every_night_is_one_question_and_month_ends_stay(
    store: BronzeStore,
) -> None:
    days = [date(2026, 9, 20) + timedelta(days=number) for number in range(45)]
    for day in days:
        store.reports.save(REALM, nightly(day))
    # Asked on another day: a question of its own.
    store.reports.save(REALM, [answer(end="2026-09-21"), answer(end="2026-09-22")])
    store.maintain()
    kept = store.reports.list(REALM)
    newest = days[-KEPT:]
    for name in ("TrialBalance", "AgedReceivables", "TransactionList"):
        ends = {each.window_end for each in kept if each.report == name}
        others = {
            "TrialBalance": {*MONTH_ENDS, date(2026, 9, 21), date(2026, 9, 22)},
            "AgedReceivables": MONTH_ENDS,
        }
        assert ends == {*newest, *others.get(name, set())}


def test_an_answer_that_a_difference_was_found_in_is_kept(store: BronzeStore) -> None:
    first, *rest = [date(2026, 10, 1) + timedelta(days=number) for number in range(10)]
    (named, *_) = store.reports.save(REALM, nightly(first))
    found = Difference(
        Level.TRIAL_BALANCE, first, "35", "Checking", Decimal(1), Decimal(2), report_id=named
    )
    TieOut(store.workspace).keep(REALM, Level.TRIAL_BALANCE, first, [found])
    for day in rest:
        store.reports.save(REALM, nightly(day))
    store.maintain()
    kept = [each.window_end for each in store.reports.list(REALM, "TrialBalance")]
    assert kept == [*rest[: -KEPT - 1 : -1], first]
    assert store.reports.payload(REALM, named) == BODY


def test_reports_are_asked_for_in_sql_and_copied_into_snapshots(
    store: BronzeStore, tmp_path: Path
) -> None:
    store.reports.save(REALM, [answer()])
    said = store.sql("SELECT report, payload_sha256 = sha256(payload) FROM bronze._reports")
    assert said.rows == [("TrialBalance", True)]
    copy = store.snapshot(tmp_path / "copy.duckdb")
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM bronze._reports").fetchone() == (1,)


def test_a_store_of_an_earlier_layout_gets_the_table_with_the_first_report(
    store: BronzeStore, path: Path
) -> None:
    store.reports.save(REALM, [answer()])
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE bronze.bronze._reports")
    assert store.reports.list(REALM) == []
    (id,) = store.reports.save(REALM, [answer()])
    assert store.reports.payload(REALM, id) == BODY


def test_a_store_of_layout_2_calls_the_digest_as_all_tables_do_from_its_next_commit(
    store: BronzeStore, path: Path
) -> None:
    store.reports.save(REALM, [answer()])
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET search_path = 'bronze.bronze'")
        connection.execute("ALTER TABLE _reports RENAME COLUMN payload_sha256 TO sha256")
        connection.execute("UPDATE _meta SET value = '2' WHERE key = 'schema_version'")
    opened = BronzeStore(path, Environment.SANDBOX)
    opened.reports.save(REALM, [answer(b"{}")])
    said = opened.sql("SELECT payload_sha256 = sha256(payload) FROM bronze._reports")
    assert said.rows == [(True,), (True,)]


def test_nothing_is_written_for_no_report(store: BronzeStore, path: Path) -> None:
    assert store.reports.save(REALM, []) == []
    assert not path.exists()
    assert store.reports.list(REALM) == []


def test_either_all_reports_of_a_call_are_kept_or_none(store: BronzeStore, path: Path) -> None:
    store.reports.save(REALM, [answer()])
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE bronze.bronze._reports ALTER cells SET DATA TYPE UTINYINT")
    too_many = replace(answer(), cells=300)
    with pytest.raises(Exception, match="300"):
        store.reports.save(REALM, [answer(b"{}"), too_many])
    assert len(store.reports.list(REALM)) == 1
