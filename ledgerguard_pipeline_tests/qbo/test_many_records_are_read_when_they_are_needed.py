"""`get_all_entities`: a loop keeps nothing, whoever counts keeps what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.qbo.records import Records
from ledgerguard_pipeline.values import Record, Source, State

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Company:
    """So many records, counting what is asked of it."""

    def __init__(self, count: int, *, fails_at: int | None = None) -> None:
        self.count, self.fails_at = count, fails_at
        self.questions = self.rows = 0

    def read(self) -> Iterator[Record]:
        self.questions += 1
        for at in range(self.count):
            if at == self.fails_at:
                self.fails_at = None
                raise ConnectionError("lost")
            self.rows += 1
            yield Record(str(at), "0", State.ACTIVE, NOW, NOW, b"{}", Source.QUERY, None, NOW)


def ids(records: Iterator[Record] | Records) -> list[str]:
    return [record.id for record in records]


def test_nothing_is_asked_before_it_is_needed() -> None:
    company = Company(5)
    records = Records(company.read)
    assert repr(records) == "<Records: not read yet>"
    assert company.questions == 0


def test_a_loop_reads_as_far_as_it_goes_and_keeps_nothing() -> None:
    company = Company(5)
    records = Records(company.read)
    for record in records:
        if record.id == "2":
            break
    assert company.rows == 3
    assert records._kept == []
    assert ids(iter(records)) == ["0", "1", "2", "3", "4"]
    assert company.questions == 2


def test_whoever_counts_has_them_all_and_asks_no_more() -> None:
    company = Company(5)
    records = Records(company.read)
    assert len(records) == 5
    assert ids(records) == ids(records) == ["0", "1", "2", "3", "4"]
    assert ids(reversed(records)) == ["4", "3", "2", "1", "0"]
    assert records[-1].id == "4"
    assert records[1] in records
    assert company.questions == 1


@pytest.mark.parametrize(
    "look, rows",
    [
        (bool, 1),
        (lambda records: records[0], 1),
        (lambda records: records[2], 3),
        (lambda records: records[1:3], 3),
        (lambda records: records[:2], 2),
        (lambda records: records[-1], 5),
        (lambda records: records[1:], 5),
        (lambda records: records[::-1], 5),
    ],
)  # fmt: skip
def test_a_look_reads_no_more_than_it_needs(look: Callable[[Records], object], rows: int) -> None:
    company = Company(5)
    records = Records(company.read)
    look(records)
    look(records)
    assert (company.questions, company.rows) == (1, rows)
    assert len(ids(records)) == 5
    assert company.questions == 1


def test_nothing_found_is_empty_and_false() -> None:
    records = Records(Company(0).read)
    assert not records
    assert len(records) == 0
    assert list(records) == []
    with pytest.raises(IndexError):
        records[0]


def test_a_failure_in_the_middle_loses_nothing_at_the_next_attempt() -> None:
    company = Company(5, fails_at=3)
    records = Records(company.read)
    with pytest.raises(ConnectionError):
        len(records)
    assert len(records) == 5
    assert ids(records) == ["0", "1", "2", "3", "4"]
