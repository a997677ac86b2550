"""What every call executes gives the same on every store, and a failure leaves nothing behind."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import bindparam, delete, func, insert, select, text, update

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage import engines
from ledgerguard_pipeline.control.storage.engines import Prepared
from ledgerguard_pipeline.control.storage.schema import limiter_stamps as stamps
from ledgerguard_pipeline.errors import ControlUnavailable

_ADD = Prepared(insert(stamps))
_READ = Prepared(
    select(stamps.c.seq, stamps.c.at)
    .where(stamps.c.scope == bindparam("scope"), stamps.c.stream == 7)
    .order_by(stamps.c.seq)
)
_MOVE = Prepared(update(stamps).where(stamps.c.scope == bindparam("b_scope")))
_DROP = Prepared(delete(stamps).where(stamps.c.seq.in_([bindparam("one"), bindparam("other")])))


def test_rows_are_the_same_on_every_store(plane: ControlPlane) -> None:
    def row(seq: int, stream: int = 7, scope: str = "mine") -> dict[str, object]:
        return {"scope": scope, "stream": stream, "seq": seq, "at": 10**9 + seq}

    with plane.database.write("test") as connection:
        _ADD(connection, row(3))
        _ADD.each(connection, [row(1), row(2), row(9, stream=8), row(4, scope="theirs")])
        assert not _DROP(connection, {"other": 2, "one": 30})
        assert not _MOVE(connection, {"b_scope": "theirs", "at": 0.5})
    with plane.database.read() as connection:
        assert [tuple(found) for found in _READ(connection, {"scope": "mine"})] == [
            (1, 1_000_000_001.0),
            (3, 1_000_000_003.0),
        ]
        assert [tuple(found) for found in _READ(connection, {"scope": "theirs"})] == [(4, 0.5)]
        assert _READ(connection, {"scope": "nobody's"}) in ([], ())


def test_what_fails_is_written_by_nobody_and_the_next_write_works(plane: ControlPlane) -> None:
    stamp = {"scope": "mine", "stream": 7, "seq": 1, "at": 1.0}

    def write(times: int, error: Exception | None = None) -> int:
        with plane.database.write("test") as connection:
            for _ in range(times):
                _ADD(connection, stamp)
            if error is not None:
                raise error
            return int(connection.execute(select(func.count()).select_from(stamps)).scalar_one())

    for _ in range(2):
        with pytest.raises(ControlUnavailable):
            write(2)
        with pytest.raises(ZeroDivisionError):
            write(1, ZeroDivisionError())
    assert write(1) == 1


def test_a_file_that_was_locked_too_long_is_written_afterwards(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.0)
    with ControlPlane.open(settings) as plane:
        other = sqlite3.connect(Path(settings.ledgerguard_home, DATABASE_FILE))
        for durable in (True, False):
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ControlUnavailable), plane.database.write(None, durable=durable):
                raise AssertionError("somebody else writes")
            other.rollback()
            with plane.database.write(None, durable=durable) as connection:
                connection.execute(text("DELETE FROM limiter_stamps"))
        other.close()
