"""What a process is about when it is killed. Each deed opens everything itself and would end in order."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ledgerguard_pipeline.auth.key_rotation import rotate_keys
from ledgerguard_pipeline.auth.token_migration import move_tokens
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.reports import FetchedReport
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.bronze_url import Address, parse_bronze_url
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import BronzeError, ControlUnavailable
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.values import Environment, parse_realm
from ledgerguard_pipeline_tests.auth.conftest import REALM, oauth_of
from ledgerguard_pipeline_tests.auth.consents import callback, connector_of
from ledgerguard_pipeline_tests.bronze.write.crashing_writer import second_commit
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.silver.books import Books

EVENTS = ("first", "second")
REPORT = b'{"Header":{"ReportName":"TrialBalance"},"Rows":{}}'


def store_at(where: str, *, silver: bool = False) -> BronzeStore:
    """The Bronze store at a path, or in the lake of a URL."""
    address: Address = parse_bronze_url(where) if ":" in where else Path(where)
    follower = SilverFollower() if silver else None
    return BronzeStore(address, Environment.SANDBOX, follower=follower)


def plane(clock: Clock = SYSTEM_CLOCK, *, moving: bool = False) -> ControlPlane:
    """The control plane that the environment names."""
    return ControlPlane.open(load_settings(), clock=clock, moving_tokens=moving)


def refresh(base_url: str) -> None:
    with plane() as control:
        TokenProvider(control, oauth_of(base_url)).current(REALM)


def confirm(base_url: str) -> None:
    """Ask again for a grant that was refused, when that is due."""
    with plane(FakeClock(datetime.now(UTC) + timedelta(hours=2))) as control:
        TokenProvider(control, oauth_of(base_url)).confirm(REALM)


def connect(base_url: str) -> None:
    with plane() as control:
        connector = connector_of(control, oauth_of(base_url), base_url)
        connector.complete(callback(connector))


def disconnect(base_url: str) -> None:
    with plane() as control:
        connector_of(control, oauth_of(base_url), base_url).disconnect(REALM)


def rotate() -> None:
    with plane() as control:
        rotate_keys(control)


def move(to: str) -> None:
    with plane(moving=True) as control:
        move_tokens(control, to_redis=to == "redis")


def accept() -> None:
    with plane() as control:
        control.deliveries.accept([delivery([event(name) for name in EVENTS])])


def act_upon(realm: str, batch: str) -> None:
    """What a run does with a batch of leased events."""
    with Installation.open(load_settings()) as installation:
        lease = InboxLease(installation.control.inbox, batch)
        with installation.service(parse_realm(realm)).open_events(lease) as running:
            running.run()


def commit(where: str) -> None:
    second_commit(store_at(where))


def write_silver(where: str) -> None:
    books = Books(store_at(where, silver=True))
    books.later(10)
    books.write("Invoice", {"1": {"TotalAmt": 2}, "2": {"TotalAmt": 3}})


def heal(where: str) -> None:
    store_at(where).healing(REALM).stored()


def keep_report(where: str) -> None:
    store_at(where).reports.save(REALM, [report()])


def move_bronze(where: str, to: str) -> None:
    store_at(to).import_file(Path(where))


def commit_on_a_full_disk(where: str) -> None:
    """The file may grow a little and no further, as where a disk is nearly full."""
    store = store_at(where)
    with _full_disk(Path(where)), pytest.raises(BronzeError):
        second_commit(store)


def accept_on_a_full_disk() -> None:
    """The same for the control database, which grows in its log."""
    with plane() as control:
        file = control.database.url.database
        assert file is not None
        # Larger than whatever room is left in pages that exist already.
        large = delivery([event(name) for name in EVENTS], body=b" " * 3_000_000)
        with _full_disk(Path(f"{file}-wal")), pytest.raises(ControlUnavailable):
            control.deliveries.accept([large])


@contextmanager
def _full_disk(file: Path) -> Iterator[None]:
    """No file of this process may become larger than this one is now, but for a little."""
    size = file.stat().st_size if file.exists() else 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8_192, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def report() -> FetchedReport:
    """A report as the client hands it over."""
    return FetchedReport(
        report="TrialBalance",
        params={"start_date": "2026-01-01", "end_date": "2026-10-31"},
        window_start=date(2026, 1, 1),
        window_end=date(2026, 10, 31),
        basis="Accrual",
        fetched_at=datetime(2026, 10, 31, 12, tzinfo=UTC),
        report_time=None,
        request_id="1-tid",
        payload=REPORT,
        cells=3,
        cut=None,
        run_id="run",
    )


DEEDS: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (
        *(refresh, confirm, connect, disconnect, rotate, move),
        *(accept, act_upon),
        *(commit, write_silver, heal, keep_report, move_bronze),
        *(commit_on_a_full_disk, accept_on_a_full_disk),
    )
}
