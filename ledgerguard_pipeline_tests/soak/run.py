"""One soak from the first process to the outcome."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from ledgerguard_pipeline.auth.refresh_lease import LEASE_SECONDS
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline_tests.deploy.stack import Embedded
from ledgerguard_pipeline_tests.soak import startup
from ledgerguard_pipeline_tests.soak.actions import Actions
from ledgerguard_pipeline_tests.soak.books import SHORT_MINUTES, Role, serve_books, size_of
from ledgerguard_pipeline_tests.soak.celery import CeleryServices, RestartableStack
from ledgerguard_pipeline_tests.soak.ending import Ending
from ledgerguard_pipeline_tests.soak.first_load import end_first_load
from ledgerguard_pipeline_tests.soak.guarantees import (
    INSTANCE_FILE,
    REFRESH_LEASE_SECONDS,
    Guarantee,
    build,
)
from ledgerguard_pipeline_tests.soak.journal import Journal
from ledgerguard_pipeline_tests.soak.late_news import before_the_last_sweep
from ledgerguard_pipeline_tests.soak.leaps import Leaps
from ledgerguard_pipeline_tests.soak.leaps import variables as leaping
from ledgerguard_pipeline_tests.soak.memory import as_csv
from ledgerguard_pipeline_tests.soak.outcome import Outcome
from ledgerguard_pipeline_tests.soak.processes import Services, settings_of
from ledgerguard_pipeline_tests.soak.schedule import LONG_SECONDS, ON_CELERY, ROUND, schedule
from ledgerguard_pipeline_tests.soak.watch import Watch

_AT_ONCE = 96
"""Actions. Most of them wait, for a lock, a lease or a clock, and must not keep others from beginning."""
_ENDING_SECONDS = 150.0
_LONGEST_LOAD_SECONDS = 240.0
"""On a machine with much else to do the first load may outlast the schedule; it has to be met."""
_LOADED_SHARE = 1 / 4
"""Of the time; then the large company is loaded by a command, if no run has done it."""
_LONGEST_LOADED_SECONDS = 450.0
"""And no longer: until then each page brings a hundred events."""
_FULL_SECONDS = 60.0
_FULL_SHARE = 1 / 12


def soak(
    folder: Path,
    *,
    minutes: float,
    seed: int,
    in_minutes: float | None = None,
    on_celery: bool = False,
    without: Collection[Guarantee] = (),
    only: Collection[str] = (),
    loud: bool = True,
) -> Outcome:
    """Soak an installation made in ``folder``, which may be looked at afterwards.

    With ``only`` the other actions of the schedule are left out: to find out which it takes. With
    ``in_minutes`` so many pass in reality, and the wall clock leaps over the others.
    """
    started = time.monotonic()
    seconds, size = (in_minutes or minutes) * 60, size_of(minutes)
    in_a_hurry = minutes < SHORT_MINUTES
    steps = schedule(seed, seconds, ON_CELERY if on_celery else ROUND)
    steps = [step for step in steps if not only or step.action in only]
    found = Outcome(
        seed, minutes, "celery" if on_celery else "embedded", sorted(without), sorted(only)
    )
    found.in_minutes = in_minutes
    found.schedule = list(map(str, steps))
    with ExitStack() as closing:
        closing.enter_context(_ending_in_order())
        sandbox = closing.enter_context(serve_books(seed, size))
        leaps = closing.enter_context(Leaps(folder / "leapt", sandbox, minutes * 60, seconds))
        journal = Journal(loud=loud, now=sandbox.world.now)
        made = build(folder / "build", without, in_a_hurry=in_a_hurry)
        if seconds >= LONG_SECONDS:
            startup.add(made, startup.READ_OFTEN)
        variables = settings_of(folder, made, LEDGERGUARD_ENTITIES=",".join(size.kept))
        if in_minutes is not None:
            variables |= leaping(leaps.path, made)
        services: Services
        if on_celery:
            services = CeleryServices(
                closing.enter_context(RestartableStack(folder, sandbox, **variables))
            )
        else:
            services = Services(closing.enter_context(Embedded(folder, sandbox, **variables)))
            # As every command of the build does.
            shutil.copy2(made / INSTANCE_FILE, services.stack.environment["DAGSTER_HOME"])
        closing.callback(services.stop)
        services.start()
        clock = SYSTEM_CLOCK if in_minutes is None else leaps.clock
        installation = closing.enter_context(
            Installation.open(services.stack.settings, clock=clock)
        )
        actions = Actions(
            sandbox,
            services,
            journal,
            full_seconds=min(_FULL_SECONDS, seconds * _FULL_SHARE),
            lease_seconds=REFRESH_LEASE_SECONDS if in_a_hurry else LEASE_SECONDS,
        )
        watch = Watch(sandbox, services, installation, journal)
        watch.start()
        actions.connect(Role.THROTTLED)
        if any(step.action == "stall" for step in steps):
            actions.begin_stall()
        actions.uncount()
        services.start_daemon()
        for role in Role:
            if role is not Role.THROTTLED:
                actions.connect(role)
        journal.note("phase", f"{len(steps)} actions in {seconds:g} s, seed {seed}")
        began = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="action") as pool:
            loading = pool.submit(
                end_first_load,
                actions,
                installation,
                seed,
                min(seconds * _LOADED_SHARE, _LONGEST_LOADED_SECONDS),
            )
            leaps.begin(services, journal, actions.sending)
            under_way = []
            for step in steps:
                time.sleep(max(0.0, began + step.at - time.monotonic()))
                under_way.append(pool.submit(actions.carry_out, step))
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            wait([loading], _LONGEST_LOAD_SECONDS)
            wait(under_way, _ENDING_SECONDS)
            leaps.finish()
            late = sum(each.cancel() for each in under_way)
            actions.ending.set()
        ending = Ending(sandbox, services, installation, journal, found)
        ending.calm()
        actions.come_back()
        ending.settle()
        services.stop()
        before_the_last_sweep(actions, seed)
        watch.close()
        ending.judge(watch.seen, loading.result(), actions)
        found.figures["actions left out, because others took too long"] = late
        if in_minutes is not None:
            found.figures["leaps of the clock"] = leaps.made
            found.figures["of these, into a run under way"] = leaps.into_runs
        found.figures["seconds"] = round(time.monotonic() - started)
        found.deaths = list(services.deaths)
        (folder / "memory.csv").write_text(as_csv(watch.seen.samples), encoding="ascii")
        (folder / "journal.log").write_text(
            "\n".join(journal.line(entry) for entry in journal.entries()), encoding="utf-8"
        )
    return found


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM ends a soak as Ctrl-C does, so that none of its processes is left behind."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
