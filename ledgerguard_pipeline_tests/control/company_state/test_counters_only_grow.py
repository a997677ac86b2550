from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.stores import OpenPlane


def test_steps_are_summed_by_name_and_label(plane: ControlPlane) -> None:
    plane.counters.add("calls", "ok")
    plane.counters.add("calls", "ok", 2.5)
    plane.counters.add("calls", "failed")
    plane.counters.add("pages", "ok")
    assert plane.counters.read("calls") == {"ok": 3.5, "failed": 1.0}
    assert plane.counters.read("unknown") == {}


def test_steps_within_a_transaction_that_fails_do_not_count(plane: ControlPlane) -> None:
    try:
        with plane.database.write("test") as connection:
            plane.counters.add_all(connection, "calls", {"a": 1, "b": 2})
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert plane.counters.read("calls") == {}
    with plane.database.write("test") as connection:
        plane.counters.add_all(connection, "calls", {"a": 1, "b": 2})
        plane.counters.add_all(connection, "calls", {})
    assert plane.counters.read("calls") == {"a": 1.0, "b": 2.0}


def test_environments_count_apart(plane: ControlPlane, open_plane: OpenPlane) -> None:
    plane.counters.add("calls", "ok")
    production = open_plane(clock=plane.clock, intuit_env=Environment.PRODUCTION)
    assert production.counters.read("calls") == {}


def test_no_step_is_lost_between_threads_that_count_in_any_order(open_plane: OpenPlane) -> None:
    planes = [open_plane(), open_plane()]
    labels = ["a", "b", "c", "d"]

    def count(each: int) -> None:
        plane = planes[each % 2]
        order = labels if each % 3 else labels[::-1]
        with plane.database.write(None, durable=False) as connection:
            plane.counters.add_all(connection, "calls", dict.fromkeys(order, 1.0))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    assert planes[0].counters.read("calls") == dict.fromkeys(labels, 80.0)
