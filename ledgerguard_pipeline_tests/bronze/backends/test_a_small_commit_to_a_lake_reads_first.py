"""A small commit to a lake reads beside others and is alone while it writes, so that nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.writer_locks import conninfo
from ledgerguard_pipeline.bronze.write import commit
from ledgerguard_pipeline.bronze.write.transaction import Transaction
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, after, load, record
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address

FEW, MANY = 1, 1_001
TICK = timedelta(microseconds=1)


@pytest.fixture
def lake(lake_url: str) -> BronzeStore:
    return BronzeStore(lake_address(lake_url), Environment.SANDBOX)


@pytest.fixture
def new_lake(tmp_path: Path) -> Iterator[str]:
    """One in which nobody has committed by the machine's clock."""
    with empty_lake(tmp_path / "lake") as url:
        yield url


def test_what_others_commit_between_its_reads_and_its_writes_stands_beside_it(
    lake: BronzeStore, lake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both bring the first invoices, so both make the table."""
    lake.commit([load(entity="Term")])
    other = BronzeStore(lake_address(lake_url), Environment.SANDBOX)
    write = Transaction.write
    deeds: list[Callable[[], object]] = [
        lambda: other.commit([load(record("1"), realm=OTHER_REALM, id="theirs")])
    ]

    def write_after_them(mine: Transaction) -> None:
        if deeds:
            deeds.pop()()
        write(mine)

    monkeypatch.setattr(Transaction, "write", write_after_them)
    [outcome] = lake.commit([load(record("1"), watermark=after(1))])
    assert outcome.written == 1
    assert lake.counts(REALM) == {"Term": 0, "Invoice": 1}
    assert lake.counts(OTHER_REALM) == {"Term": 0, "Invoice": 1}
    assert lake.sql("SELECT count(*) FROM _loads WHERE entity = 'Invoice'").rows == [(2,)]
    assert lake.watermarks(REALM) == {"Invoice": after(1)}


@pytest.mark.parametrize("rows", [FEW, MANY])
def test_only_a_small_one_keeps_others_from_committing_while_it_writes(
    lake: BronzeStore, lake_url: str, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Writing the files of many rows takes longer than doing a COMMIT twice."""
    lake.commit([load(record("0"))])
    held: list[object] = []

    def look(name: str) -> None:
        if name == "before_bronze_commit":
            with psycopg.connect(conninfo(lake_address(lake_url))) as connection:
                found = connection.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
                ).fetchone()
                held.append(found)

    monkeypatch.setattr(commit, "crashpoint", look)
    lake.commit([load(*(record(str(number)) for number in range(1, rows + 1)))])
    company, everybody = 1, int(rows == FEW)
    assert held == [(company + everybody,)]
    assert lake.counts() == {"Invoice": rows + 1}


def test_loads_that_build_on_one_another_are_one_commit(lake: BronzeStore) -> None:
    """Of two loads of one entity type the second is decided when the first is written."""
    first = load(record("1", updated=1), record("2", updated=1), id="first")
    again = load(record("1", updated=1), record("2", updated=2), id="again")
    assert [each.written for each in lake.commit([first, again])] == [2, 1]
    assert lake.sql("SELECT count(*), count(DISTINCT id) FROM invoice").rows == [(3, 2)]


def test_a_commit_by_a_clock_that_is_behind_is_the_later_one(new_lake: str) -> None:
    """Of two versions the one committed later counts, whichever host's clock is ahead."""
    address = lake_address(new_lake)
    ahead = BronzeStore(address, Environment.SANDBOX, clock=FakeClock(after(600)))
    ahead.commit([load(record("1", updated=1)), load(record("1"), entity="Term")])
    behind = BronzeStore(address, Environment.SANDBOX, clock=FakeClock(after(10)))
    behind.commit([load(record("1", updated=2), id="later")])
    assert behind.sql("SELECT loaded_at FROM term").rows == [(after(600) + TICK,)]
    assert behind.sql("SELECT last_updated_at FROM invoice ORDER BY loaded_at").rows == [
        (after(1),),
        (after(2),),
    ]


def test_so_is_a_commit_after_those_of_a_release_that_did_not_name_their_time(
    new_lake: str,
) -> None:
    address = lake_address(new_lake)
    ahead = BronzeStore(address, Environment.SANDBOX, clock=FakeClock(after(600)))
    ahead.commit([load(record("1", updated=1))])
    with psycopg.connect(conninfo(address)) as connection:
        connection.execute(
            "UPDATE ducklake_snapshot_changes "
            "SET commit_extra_info = split_part(commit_extra_info, ' ', 1)"
        )
    behind = BronzeStore(address, Environment.SANDBOX, clock=FakeClock(after(10)))
    behind.commit([load(record("1", updated=2), id="later")])
    assert behind.sql("SELECT max(loaded_at) FROM invoice").rows == [(after(600) + TICK,)]
