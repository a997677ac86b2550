"""Bronze is safe before Silver begins; whoever comes next brings Silver level, in a file and a lake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at

WRITER = Path(__file__).with_name("dying_writer.py")
POINTS = ["after_bronze_commit", "before_silver", "before_silver_commit"]


def die(where: str, point: str) -> None:
    root = str(WRITER.parents[2])
    died = subprocess.run(
        [sys.executable, str(WRITER), where],
        env={**os.environ, "LEDGERGUARD_CRASH_AT": point, "PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr


def level(books: Books) -> bool:
    (found,) = check_company(books.store, [entity_type("Invoice")], REALM).values()
    return all(each.passed for each in found if each.check.severe)


@pytest.mark.parametrize("point", POINTS)
def test_the_next_commit_makes_up_for_what_a_killed_one_left(path: Path, point: str) -> None:
    Books(store_at(path)).write("Invoice", {"1": {"TotalAmt": 1}, "9": {"TotalAmt": 9}})
    die(str(path), point)
    _made_up_for(Books(store_at(path)))


def test_a_sweep_makes_up_for_it_though_nothing_changed(path: Path) -> None:
    """Idle companies make no commit, so a sweep looks before it visits them."""
    Books(store_at(path)).write("Invoice", {"1": {"TotalAmt": 1}, "9": {"TotalAmt": 9}})
    die(str(path), POINTS[1])
    after = Books(store_at(path))
    after.store.catch_up([OTHER_REALM])
    assert not level(after)
    after.store.catch_up([OTHER_REALM, REALM])
    assert after.rows("invoice", "id") == [("1",), ("2",), ("9",)]
    assert level(after)
    assert after.store.followed(REALM)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[str]:
    with empty_lake(tmp_path / "lake") as url:
        yield url


# A lake takes its time, and nothing more is on disk at the other points: this one has begun Silver.
def test_in_a_lake_it_is_the_same(lake: str) -> None:
    def opened() -> Books:
        follower = SilverFollower()
        return Books(BronzeStore(lake_address(lake), Environment.SANDBOX, follower=follower))

    opened().write("Invoice", {"1": {"TotalAmt": 1}, "9": {"TotalAmt": 9}})
    die(lake, "before_silver_commit")
    after = opened()
    _made_up_for(after)
    after.write("Invoice", {"1": {"TotalAmt": 5}}, realm=OTHER_REALM)
    rebuild(after.store, ["Invoice"], realms=[OTHER_REALM])
    assert level(after)


def _made_up_for(after: Books) -> None:
    assert after.store.sql("SELECT count(*) FROM bronze.invoice").rows == [(4,)]
    assert after.rows("invoice", "id", "total_amt") == [("1", Decimal(1)), ("9", Decimal(9))]
    assert not level(after)
    after.commit("Invoice", [])
    assert after.rows("invoice", "id", "total_amt") == [
        ("1", Decimal(2)),
        ("2", Decimal(3)),
        ("9", Decimal(9)),
    ]
    assert level(after)
