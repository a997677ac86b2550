"""How samples become figures: medians, and ratios taken round by round."""

from __future__ import annotations

import pytest

from benchmarks.figures import Role, Sample, Task, markdown, table


def sample(seconds: float, rows: int = 100, peak_mb: float = 50.0) -> Sample:
    return Sample(seconds, rows, 3, 4, 2, seconds + 1, peak_mb)


@pytest.fixture
def task() -> Task:
    task = Task("speed", "Title", "How.")
    task.line("floor", Role.FLOOR).samples += [sample(1.0), sample(2.0), sample(4.0)]
    task.line("ours", Role.OURS).samples += [sample(2.0), sample(4.0), sample(8.0)]
    task.line("reader", Role.EXTRACTS).samples += [sample(3.0), sample(6.0), sample(12.0)]
    task.line("loader", Role.LOADS).samples += [sample(40.0), sample(60.0)]
    return task


def test_a_machine_that_slows_down_leaves_the_ratios_alone(task: Task) -> None:
    floor, ours, reader, _ = task.lines
    assert ours.times_faster(floor) == pytest.approx(0.5)
    assert ours.times_faster(reader) == pytest.approx(1.5)


def test_fewer_rounds_are_compared_by_their_medians(task: Task) -> None:
    _, ours, _, loader = task.lines
    assert ours.times_faster(loader) == pytest.approx(50.0 / 4.0)


def test_the_best_rival_is_the_fastest_one_that_was_measured(task: Task) -> None:
    task.line("never ran", Role.LOADS)
    best, loader = task.best(Role.EXTRACTS, Role.LOADS), task.best(Role.LOADS)
    assert best is not None
    assert best.name == "reader"
    assert loader is not None
    assert loader.name == "loader"


def test_a_row_shows_median_range_rate_and_every_ratio(task: Task) -> None:
    ours = next(row for row in table(task) if row[0] == "ours")
    assert ours == (
        "ours", "4.00", "2.00-8.00 (3)", "100", "25", "3", "4", "2", "5.00", "50", "0.50", "1.50",
        "12.50",
    )  # fmt: skip


def test_without_rivals_their_columns_stay_empty() -> None:
    alone = Task("memory", "Title", "How.")
    alone.line("ours", Role.OURS).samples.append(sample(2.0))
    assert table(alone)[1][-3:] == ("", "", "")


def test_the_markdown_is_one_aligned_table(task: Task) -> None:
    lines = [line for line in markdown(task).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(task.lines)
    assert {line.count("|") for line in lines} == {len(table(task)[0]) + 1}
    assert len({len(line) for line in lines}) == 1
