"""A week of books whose webhooks get lost, doubled and out of order, through the real receiver.

Webhooks make Bronze quick, the schedules make it complete: what events announced is read at once, what
none announced comes with the day's sync, and what no sync can see with the week's reconciling.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    sync,
)

TOKEN = "made-up-verifier-token"
DAYS, SHIFTS, EDITS = 7, 2, 20
SHIFT_SECONDS = 86_400 // SHIFTS
LUCK = {"loss": 0.1, "duplicate": 0.1, "reorder": 0.1}
QUICK = {
    "ledgerguard_max_requests_per_minute": 100_000,
    "ledgerguard_max_requests_per_second": 10_000,
    "ledgerguard_max_batches_per_minute": 100_000,
}


class Calendar:
    """The machine's clock on another day; moved by whoever plays the week."""

    def __init__(self, shift: timedelta) -> None:
        self.shift = shift

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))


class Week:
    """One company, its installation with the real receiver, and what happens to them."""

    def __init__(self, sandbox: SandboxServer, installation: Installation, days: Calendar) -> None:
        self.sandbox = sandbox
        self.installation = installation
        self._days = days
        self._batches = 0

    def go_on(self, seconds: float) -> int:
        """Let time pass for the sandbox and the installation alike; epoch seconds before that."""
        before = int(self._days.now().timestamp())
        self._days.shift += timedelta(seconds=seconds)
        self.sandbox.set(clock_offset_seconds=self._days.shift.total_seconds())
        return before

    def work(self, rng: random.Random) -> None:
        """A shift of a bookkeeper; each edit at a moment of its own."""
        began = self.go_on(SHIFT_SECONDS)
        moments = sorted(rng.sample(range(began + 60, began + SHIFT_SECONDS - 60), EDITS + 2))
        for moment in moments[2:]:
            self.sandbox.edit("burst", "*", n=1, at=moment)
        self.sandbox.edit("email", "Estimate", at=moments[-1] + 10)
        self.sandbox.edit("delete", "TimeActivity", at=moments[-1] + 20)

    def drain(self) -> None:
        """What sensor and run do: lease what is due, act upon it, acknowledge it."""
        inbox = self.installation.control.inbox
        for realm in inbox.due_realms():
            self._batches += 1
            batch = f"batch-{self._batches}"
            inbox.lease(batch, realms=[realm])
            service = self.installation.service(realm_of(self.sandbox))
            with service.open_events(InboxLease(inbox, batch)) as running:
                assert failures(running.run()) == {}

    def versions(self) -> list[tuple[object, ...]]:
        """Entity, id, source, state and digest of everything ever stored."""
        loaded = self.installation.bronze.counts(realm_of(self.sandbox))
        selects = [
            f"SELECT '{each.name}', id, source, state, payload_sha256 FROM bronze.\"{each.table}\""
            for each in ENTITIES
            if each.name in loaded
        ]
        return list(self.installation.bronze.sql(" UNION ALL ".join(selects))[1])


@contextmanager
def a_week(home: Path) -> Iterator[Week]:
    """Everything is ready on a Monday a week ago."""
    days = Calendar(-timedelta(days=DAYS))
    monday = days.now().timestamp()
    company = build_company(invoices=60, now=int(monday))
    switches = Switches(limits=False, clock_offset_seconds=days.shift.total_seconds())
    with SandboxServer([company], switches=switches) as sandbox:
        settings = load_settings(
            ledgerguard_home=home,
            intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret,
            intuit_base_url=sandbox.base_url,
            intuit_webhook_verifier_token=TOKEN,
            **QUICK,
        )
        sockets = listen("localhost", 0)
        with (
            Installation.open(settings, clock=days) as installation,
            serving(create_app(installation), sockets),
        ):
            connect(installation, sandbox)
            port = sockets[0].getsockname()[1]
            # Held: sent shift by shift, in small deliveries, so that the order gets lost in time.
            sandbox.send_webhooks(
                f"http://127.0.0.1:{port}{WEBHOOK_PATH}", TOKEN, held=True, most_events=6, **LUCK
            )
            yield Week(sandbox, installation, days)


def test_a_week_of_lost_doubled_and_reordered_events_ends_equal_to_the_truth(home: Path) -> None:
    rng = random.Random(7)
    with a_week(home) as week:
        sandbox, installation = week.sandbox, week.installation
        assert failures(sync(installation)) == {}
        assert differing(installation, sandbox) == {}
        for day in range(DAYS):
            # An app is moved from one shape to the other while its webhooks go on.
            sandbox.set_webhooks(shape="legacy" if day < 3 else "cloudevents")
            for shift in range(SHIFTS):
                week.work(rng)
                # The last deliveries of every other day come after that day's sync.
                if day % 2 == 0 or shift < SHIFTS - 1:
                    assert sandbox.flush_webhooks().unacknowledged == 0
                    week.drain()
            assert failures(sync(installation)) == {}
        reported = sandbox.flush_webhooks()
        week.drain()

        fates = {"lost": reported.lost, "doubled": reported.duplicated, "moved": reported.reordered}
        assert all(0.05 < count / reported.events < 0.15 for count in fates.values()), (
            reported,
            fates,
        )
        assert (reported.waiting, reported.unacknowledged) == (0, 0)
        handled = installation.control.inbox.backlog().by_status
        assert handled == {EventStatus.DONE: reported.events - reported.lost}

        assert failures(sync(installation, reconcile=True)) == {}
        assert differing(installation, sandbox) == {}
        versions = week.versions()
        sources = Counter(version[2] for version in versions)
        # Events are quick; balances that move by themselves, and what was lost, come by changes.
        assert min(sources["webhook"], sources["cdc"]) > 100
        repeated = Counter((entity, id, state, digest) for entity, id, _, state, digest in versions)
        # Every edit moves a time, so the same bytes never come back.
        assert [version for version, count in repeated.items() if count > 1] == []
