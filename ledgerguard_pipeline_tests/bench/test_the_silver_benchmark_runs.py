"""The benchmark of Silver at its smallest: both contenders fill the same tables. No times are judged."""

from __future__ import annotations

from benchmarks.silver import build, one_change


def test_both_contenders_write_every_invoice() -> None:
    task = build(100, runs=1)
    assert {line.name: [sample.rows for sample in line.samples] for line in task.lines} == {
        "msgspec with Decimal + pyarrow": [100],
        "this project": [100],
    }


def test_one_change_is_written_with_silver_and_without() -> None:
    task = one_change(50, runs=1)
    assert {line.name for line in task.lines} == {"Bronze alone", "Bronze and Silver"}
    assert all(sample.rows == 1 for line in task.lines for sample in line.samples)
