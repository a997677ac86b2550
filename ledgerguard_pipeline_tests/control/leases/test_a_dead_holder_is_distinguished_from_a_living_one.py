from __future__ import annotations

import os

from ledgerguard_pipeline.control.leases.process_identity import (
    has_died,
    name_of,
    reachable,
    this_process,
)
from ledgerguard_pipeline_tests.control.leases.dead_process import dead_process


def test_only_a_process_that_could_be_seen_is_called_dead() -> None:
    assert has_died(dead_process())
    assert not has_died(this_process())
    machine, _, _ = this_process().partition(":")
    assert not has_died("another-machine:1:1")
    assert not has_died(f"{machine}:not-a-pid:1")
    assert has_died(f"{machine}:1:-1"), "the pid lives, but it is not the same process"


def test_only_the_very_process_is_reachable() -> None:
    me = name_of(os.getpid())
    assert me == this_process()
    assert reachable(me) == os.getpid()
    machine, _, rest = me.partition(":")
    assert reachable(f"{machine}:{os.getpid()}:1") is None, "the pid lives, as another process"
    for holder in (
        dead_process(),
        f"elsewhere:{rest}",
        f"{machine}:not-a-pid:1",
        f"{machine}:1:",
        "",
    ):
        assert reachable(holder) is None
