"""The end of a soak: faults off, everything settled, one sweep, and then what Bronze is worth."""

from __future__ import annotations

import json
import resource
import time
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from benchmarks.goals import percentile
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.storage.schema import webhook_events
from ledgerguard_pipeline.control.webhook_queue.attempts import RETRY_SECONDS
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.soak import canary, outcome
from ledgerguard_pipeline_tests.soak.actions import Actions
from ledgerguard_pipeline_tests.soak.books import EVEN_LUCK, REALMS, ROLES
from ledgerguard_pipeline_tests.soak.first_load import FirstLoad
from ledgerguard_pipeline_tests.soak.journal import Journal
from ledgerguard_pipeline_tests.soak.outcome import Outcome, growth, leaking
from ledgerguard_pipeline_tests.soak.patience import outlast
from ledgerguard_pipeline_tests.soak.processes import Services
from ledgerguard_pipeline_tests.soak.truth import Difference, Wrong, compare, compared, doubled
from ledgerguard_pipeline_tests.soak.watch import Seen

_NEXT_TRY_SECONDS = RETRY_SECONDS[-2]
_SWEEPS = 3
_COOL_SECONDS = 20.0
_NATURAL_MINUTES = 20.0
_ACCESS_MINUTES = 40
"""Access tokens live for an hour, less the margin, and less what a stepped clock takes."""
_FLUSHES = 3
_GROWTH_MINUTES = 10.0
"""In less, all that grows is what first loads write."""
_NEWEST_ENTRIES = 60


class Ending:
    """Brings a soaked installation to rest and looks at what it holds."""

    def __init__(
        self,
        sandbox: SandboxServer,
        services: Services,
        installation: Installation,
        journal: Journal,
        found: Outcome,
    ) -> None:
        self._sandbox = sandbox
        self._services = services
        self._installation = installation
        self._journal = journal
        self._found = found
        self._at_rest = installation.control.now()

    def calm(self) -> None:
        """No faults any more, and no luck needed."""
        self._journal.note("phase", "faults off; what waits is settled")
        self._sandbox.clear_faults()
        self._sandbox.set(hazard=None, false_tombstones=[], rotate_after_seconds=86_400)
        self._services.step_clock(0)
        self._sandbox.set_webhooks(**EVEN_LUCK)

    def settle(self) -> None:
        """Wait until every delivery is acknowledged, every event settled and every run over.

        Faults are over, so whoever's try failed last is waited for until the next one.
        """
        for _ in range(_FLUSHES):
            if not self._sandbox.flush_webhooks(20).unacknowledged:
                break
        redriven = self._services.run("events", "redrive")
        self._journal.note("command", f"ledgerguard events redrive ended with {redriven}")
        quiet = outlast(
            lambda: self._due() + len(self._services.runs()) + self._services.unfinished()
        )
        self._at_rest = self._installation.control.now()
        if not quiet:
            self._journal.note(
                "problem",
                f"{self._due()} events are due and nobody takes them, "
                f"{self._services.unfinished()} runs did not end",
            )

    def sweep(self, *arguments: str) -> None:
        """A sync of everything from outside; again where a company was still being cooled down.

        A company whose grant ended fails every one of them: it is named, and the others are done.
        """
        code = None
        for _ in range(_SWEEPS):
            code = self._services.run("sync", *arguments, "--json", seconds=400)
            if code == 0 or self._dead():
                return
            self._journal.note("problem", f"ledgerguard sync {arguments} ended with {code}")
            time.sleep(_COOL_SECONDS)
        said = self._services.said("sync")[-1500:]
        self._found.judge(
            outcome.ENDED, [f"ledgerguard sync {' '.join(arguments)} ended with {code}: {said}"]
        )

    def judge(self, seen: Seen, first: FirstLoad, actions: Actions) -> None:
        """Fill the outcome; the order is that of its text."""
        dead = {company.realm_id for company in self._dead()}
        found, realms = self._found, [realm for realm in REALMS.values() if realm not in dead]
        self._journal.note("phase", "the last sweep")
        self.sweep()
        self._sandbox.set(false_tombstones=[])
        self._first_load(first)
        by_sweep = [
            each for each in compare(self._installation, self._sandbox, realms) if each.sweep
        ]
        found.figures["objects compared"] = compared(self._installation, self._sandbox, realms)
        found.differences("after a sweep", by_sweep)
        self._journal.note("phase", "a walk through everything")
        self.sweep("--full")
        by_walk = compare(self._installation, self._sandbox, realms)
        swept = {(each.realm, each.entity, each.id) for each in by_sweep}
        found.differences(
            "after a walk",
            [each for each in by_walk if (each.realm, each.entity, each.id) not in swept],
        )
        self._journal.note("phase", "what else can be checked")
        twice = doubled(self._installation)
        found.figures["doubled"] = len(twice)
        found.judge(outcome.DOUBLED, twice)
        self._check("bronze", "check")
        self._tokens(seen, actions)
        self._budget(seen)
        self._events(seen)
        self._silver()
        self._tie_out()
        self._sizes(seen)
        folders = (self._services.folder, *self._services.store_folders)
        secrets = [leak for each in folders for leak in canary.leaks(each, self._sandbox)]
        found.figures["secrets looked for"] = canary.issued(self._sandbox) + 2
        found.figures["secrets found"] = len(secrets)
        found.judge(outcome.SECRETS, secrets)
        self._journal.note("phase", "all is judged")
        self._first([*first.missing, *by_sweep, *by_walk])

    def _check(self, *arguments: str) -> None:
        code = self._services.run(*arguments, "--json")
        self._found.figures["ledgerguard " + " ".join(arguments)] = (
            "sound" if code == 0 else f"ended with {code}"
        )
        if code != 0:
            said = self._services.said(arguments[0])[-1500:]
            self._found.judge(outcome.DOUBLED, [f"ledgerguard {' '.join(arguments)}: {said}"])

    def _first_load(self, first: FirstLoad) -> None:
        self._found.figures["invoices looked up after the large company's first load"] = (
            first.looked_up
        )
        self._found.figures["of these, missing"] = len(first.missing)
        self._found.judge(outcome.PROMISES[Wrong.LOST], first.missing)
        if not first.looked_up:
            self._found.judge(outcome.ENDED, ["the large company was not loaded in time"])

    def _tokens(self, seen: Seen, actions: Actions) -> None:
        reasons = actions.expiries + seen.unauthorized
        if self._found.minutes >= _NATURAL_MINUTES:
            reasons += len(REALMS) * (1 + int(self._found.minutes) // _ACCESS_MINUTES)
        realms = [parse_realm(realm) for realm in REALMS.values()]
        lives = self._installation.control.tokens.lives(realms)
        stored = sum(life.version for life in lives.values()) - actions.connects
        self._found.figures["processes halted with fresh tokens in hand"] = actions.halted
        self._found.figures["expiries, and calls refused by a fault"] = reasons
        self._found.figures["refreshes stored"] = stored
        self._found.figures["refreshes stored per expiry"] = round(stored / max(reasons, 1), 2)
        self._found.figures["answers to a refresh that nobody lived to store"] = (
            seen.refreshed - stored
        )
        if stored > reasons:
            self._found.judge(
                outcome.REFRESHES, [f"{stored} refreshes were stored, and {reasons} had a reason"]
            )
        if seen.refreshed - stored > self._services.kills + actions.lost_answers:
            self._found.judge(
                outcome.REFRESHES,
                [f"{seen.refreshed} refreshes were answered, and {stored} of them were stored"],
            )
        dead = [
            f"{company.realm_id} ({ROLES[company.realm_id].value}) is {company.status.value}: "
            f"{company.last_error}"
            for company in self._dead()
        ]
        self._found.figures["companies connected"] = len(REALMS) - len(dead)
        self._found.judge(outcome.TOKENS, dead)

    def _dead(self) -> list[Company]:
        """Companies whose grant ended although nobody meant it to."""
        listed = self._installation.control.companies.list()
        return [each for each in listed if each.status is not ConnectionStatus.CONNECTED]

    def _budget(self, seen: Seen) -> None:
        settings = self._installation.settings
        allowed = {
            "per_minute": settings.ledgerguard_max_requests_per_minute,
            "per_second": settings.ledgerguard_max_requests_per_second,
            "batches_per_minute": settings.ledgerguard_max_batches_per_minute,
        }
        most = self._sandbox.stats()["most"]
        over = []
        if isinstance(most, dict):
            for name, limit in allowed.items():
                reached = max((each[name] for each in most.values()), default=0)
                self._found.figures[f"most calls {name.replace('_', ' ')}"] = (
                    f"{reached} of {limit}"
                )
                # Calls are counted as they arrive: those under way may come all at once.
                most_at_once = limit + settings.ledgerguard_max_concurrent_requests
                over += [f"{name}: {reached} calls, {limit} allowed"] * (reached > most_at_once)
        self._found.judge(outcome.POLITE, over)
        self._found.figures["calls"] = seen.calls
        self._found.figures["faults met"] = sum(seen.faults.values())

    def _events(self, seen: Seen) -> None:
        with self._installation.control.database.read() as connection:
            by_status = {
                str(status): int(count)
                for status, count in connection.execute(
                    select(webhook_events.c.status, func.count()).group_by(webhook_events.c.status)
                )
            }
            times = [
                (settled - received).total_seconds()
                for received, settled in connection.execute(
                    select(webhook_events.c.received_at, webhook_events.c.settled_at).where(
                        webhook_events.c.status == "done"
                    )
                )
                if isinstance(settled, datetime)
            ]
        sent = self._sandbox.webhooks()
        self._found.figures["events made"] = sent.events
        self._found.figures["events lost, doubled, reordered on the way"] = (
            f"{sent.lost}, {sent.duplicated}, {sent.reordered}"
        )
        self._found.figures["events stored"] = sum(by_status.values())
        self._found.figures["events by status"] = ", ".join(
            f"{count} {status}" for status, count in sorted(by_status.items())
        )
        if times:
            self._found.figures["event to row, p50"] = f"{percentile(times, 0.5):.1f} s"
            self._found.figures["event to row, p99"] = f"{percentile(times, 0.99):.1f} s"
        missing = sent.events - sent.lost - sum(by_status.values())
        unsettled = (
            [f"{missing} events were acknowledged and are not stored"] if missing > 0 else []
        )
        due = self._due(self._at_rest)
        unsettled += [f"{due} events were due and nobody took them"] if due else []
        self._found.judge(outcome.SETTLED, unsettled)
        self._found.figures["acknowledged events looked up in Bronze"] = seen.checked_events
        self._found.figures["acknowledged before they were stored"] = len(seen.too_early)
        self._found.judge(outcome.ACKNOWLEDGED, seen.too_early)

    def _silver(self) -> None:
        before = self._digests()
        code = self._services.run("silver", "rebuild", "--json")
        after = self._digests()
        wrong = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
        self._found.figures["Silver's tables compared with a rebuild"] = len(after)
        self._found.figures["of these, different"] = len(wrong)
        self._found.judge(outcome.SILVER, wrong if code == 0 else [f"rebuild ended with {code}"])

    def _digests(self) -> dict[str, tuple[object, ...]]:
        """Rows and their digest of every table of Silver's, but for when rows were written."""
        columns = self._installation.bronze.sql(
            "SELECT table_name, bool_or(column_name = 'silver_at') FROM duckdb_columns() "
            "WHERE schema_name = 'silver' AND table_name IN (SELECT table_name FROM "
            "duckdb_tables() WHERE schema_name = 'silver') GROUP BY ALL"
        ).rows
        selects = [
            f"SELECT '{name}', count(*), sum(hash(t)::HUGEINT) FROM (SELECT * "
            f'{"EXCLUDE (silver_at) " if dated else ""}FROM silver."{name}") t'
            for name, dated in columns
            if not str(name).startswith("_")
        ]
        if not selects:
            return {}
        rows = self._installation.bronze.sql(" UNION ALL ".join(selects)).rows
        return {str(row[0]): row[1:] for row in rows}

    def _tie_out(self) -> None:
        if len(self._installation.settings.kept_entities) < len(ENTITIES):
            self._found.figures["companies that tie out"] = "not asked: not all types are kept"
            return
        code = self._services.run("tieout", "--json", seconds=400)
        said = self._services.said("tieout")
        try:
            companies = json.loads(said[said.index("{") :])["companies"]
        except ValueError:
            companies = []
        tied = [each for each in companies if each["tied_out"]]
        self._found.figures["companies that tie out"] = f"{len(tied)} of {len(REALMS)}"
        if code != 0 or len(tied) != len(REALMS):
            wrong = [each for each in companies if not each["tied_out"]]
            self._found.judge(
                outcome.TIED_OUT,
                [json.dumps(each)[:1500] for each in wrong]
                or [f"ended with {code}: {said[-800:]}"],
            )

    def _sizes(self, seen: Seen) -> None:
        if self._found.minutes >= _GROWTH_MINUTES:
            self._found.figures |= growth(seen.samples)
        self._found.judge(outcome.FLAT, leaking(seen.samples))
        for who, name in (
            (resource.RUSAGE_SELF, "sandbox and soak"),
            (resource.RUSAGE_CHILDREN, "installation"),
        ):
            used = resource.getrusage(who)
            self._found.figures[f"processor seconds, {name}"] = round(used.ru_utime + used.ru_stime)
        self._found.figures["random kills survived"] = self._services.kills
        self._found.figures["processes that ended by themselves"] = len(self._services.deaths)

    def _due(self, now: datetime | None = None) -> int:
        """Events that somebody holds, or whose next try comes before the longest but one wait is over.

        Of ``now``, if it is past: whoever would have taken them later was stopped since.
        """
        soon = (now or self._installation.control.now()) + timedelta(seconds=_NEXT_TRY_SECONDS)
        backlog = or_(
            webhook_events.c.status == "leased",
            and_(webhook_events.c.status == "pending", webhook_events.c.due_at <= soon),
        )
        statement = select(func.count()).select_from(webhook_events).where(backlog)
        with self._installation.control.database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def _first(self, differences: list[Difference]) -> None:
        """All that happened to the first object that differs."""
        if not differences:
            return
        first = differences[0]
        entries = self._journal.about(first.realm, first.entity, first.id)
        self._found.first = [str(first)]
        self._found.first += [self._journal.line(entry) for entry in entries[-_NEWEST_ENTRIES:]]
        table = next(
            each.table
            for each in self._installation.settings.kept_entities
            if each.name == first.entity
        )
        rows = self._installation.bronze.sql(
            "SELECT loaded_at, state, source, sync_token, last_updated_at, load_id "
            f"FROM bronze.\"{table}\" WHERE realm_id = '{first.realm}' AND id = '{first.id}' "
            "ORDER BY loaded_at"
        )[1]
        self._found.first += [f"in Bronze: {' '.join(map(str, row))}" for row in rows]
