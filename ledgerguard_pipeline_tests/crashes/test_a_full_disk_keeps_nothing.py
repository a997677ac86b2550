"""A disk that is full in the middle of a write: nothing of it is kept, and it succeeds later."""

from __future__ import annotations

import os
from pathlib import Path

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record
from ledgerguard_pipeline_tests.bronze.write.crashing_writer import second_commit
from ledgerguard_pipeline_tests.conftest import OWN_PREFIXES
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect, delivery, event
from ledgerguard_pipeline_tests.crashes.deeds import EVENTS, store_at
from ledgerguard_pipeline_tests.crashes.stage import Mortals


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(OWN_PREFIXES)}


def test_a_load_that_no_longer_fits_is_refused_as_a_whole_and_repeated(
    home: Path, mortals: Mortals
) -> None:
    where = str(home / "quickbooks.duckdb")
    store = store_at(where)
    store.commit([load(record("1", '{"v":1}'))])
    before = store.sql("SELECT * FROM invoice ORDER BY ALL").rows
    ended = mortals.end_of("commit_on_a_full_disk", where, variables=_variables())
    assert ended == 0, mortals.last_words()
    assert store.sql("SELECT * FROM invoice ORDER BY ALL").rows == before
    assert store.watermarks(REALM) == {}
    second_commit(store)
    assert store.counts(REALM)["Invoice"] == 2_991


def test_a_delivery_that_no_longer_fits_is_refused_and_stored_later(
    home: Path, mortals: Mortals
) -> None:
    with ControlPlane.open(load_settings(ledgerguard_home=home)) as control:
        connect(control)
        ended = mortals.end_of("accept_on_a_full_disk", variables=_variables())
        assert ended == 0, mortals.last_words()
        assert control.inbox.list() == []
        assert control.deliveries.list() == []
        again = delivery([event(name) for name in EVENTS])
        assert control.deliveries.accept([again])[0].fresh == len(EVENTS)
        assert control.inbox.backlog().by_status == {EventStatus.PENDING: len(EVENTS)}
