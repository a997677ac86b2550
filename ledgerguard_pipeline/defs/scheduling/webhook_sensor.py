"""From queued webhook events to runs: leased in the tick, acknowledged in the run.

A tick leases the due events of each company under a fresh batch id and asks for one run with
exactly the entities they concern. Nothing is settled here: whether Dagster really creates the run
is known only after the tick, and a lease nobody uses ends by itself. So no event depends on a
tick, a cursor or a run key being kept, and two ticks at once get different events.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache

import dagster as dg

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventInbox, EventStatus, QueuedEvent
from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.connected_companies import ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import (
    ReadPolicy,
    SweepPolicy,
    SweepTask,
    request_sweep,
    shards_of,
    sweeps_under_way,
)
from ledgerguard_pipeline.defs.jobs import Jobs, keys_of
from ledgerguard_pipeline.defs.keys import BATCH_TAG, REALM_TAG, TRIGGER_TAG, WEBHOOK_JOB
from ledgerguard_pipeline.defs.partitions import current_cell, known_realms
from ledgerguard_pipeline.defs.run_context import OpenControl
from ledgerguard_pipeline.defs.scheduling.event_wait import Workable, due_now
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import EntityType

LookForDue = Callable[[EventInbox, Workable], list[str]]

EVENTS_PER_RUN = 5_000
REALMS_PER_RUN = 500
"""Companies whose events one run takes; SQLite takes so many values in one statement."""
_NEVER_BEGAN = "its run ended before it began"
_NAMED = 20
TICK_SECONDS = 20.0
"""Dagster gives a tick sixty; the rest is due again in the next."""

KEPT_DAYS = 30
"""Settled events and the deliveries they came in are forgotten after this."""

TRIGGER = "webhook"

_COMING = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
)


def build_webhook_sensors(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    entities: Sequence[EntityType],
    companies: ListCompanies,
    opened: OpenControl,
    policy: ReadPolicy = SweepPolicy,
    *,
    look: LookForDue = due_now,
) -> list[dg.SensorDefinition]:
    """The sensor, or none where the installation keeps no entity that can be read by id.

    ``look`` returns the companies with something to do, of those it may; it may wait for one.
    """
    if jobs.webhooks is None:
        return []
    kept = {entity.name: entity for entity in entities}

    @dg.sensor(
        name=current_site().name("webhook_events"),
        jobs=[jobs.webhooks, jobs.fleet],
        # The daemon's loop takes five; asking for as much would skip every other round by a hair.
        minimum_interval_seconds=1,
        default_status=current_site().sensor_status,
        description="Brings changes that Intuit's webhooks announce into Bronze within seconds.",
    )
    @at_site
    def webhook_events(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        with opened() as control:
            today = _purge_daily(control, context.cursor)
            inbox = control.inbox
            _take_back(context.instance, inbox)
            busy = _attend_to_runs(context, inbox)
            connected: dict[str, Company] = {}

            @cache
            def workable() -> frozenset[str]:
                connected.update({str(company.realm_id): company for company in companies()})
                # A company is no cell before the new-company sensor has added it.
                return frozenset(connected.keys() & set(known_realms(context.instance)) - busy)

            ready = look(inbox, workable)
            if not ready:
                return dg.SensorResult(skip_reason=_waiting(inbox.due_realms()), cursor=today)
            chosen = policy()
            if len(ready) > chosen.above:
                requests = _coalesced(context.instance, inbox, kept, ready, chosen.shards)
            else:
                requests = []
                started = SYSTEM_CLOCK.monotonic()
                for realm in ready:
                    if SYSTEM_CLOCK.monotonic() - started > TICK_SECONDS:
                        break
                    requests += _requests(inbox, cells, kept, connected[realm])
        if not requests:
            return dg.SensorResult(skip_reason=_waiting(ready), cursor=today)
        return dg.SensorResult(run_requests=requests, cursor=today)

    return [webhook_events]


def _waiting(due: Sequence[str]) -> str:
    """Why nothing is asked for although events of these companies are due, if any are."""
    if not due:
        return "No event is due."
    more = f" and {len(due) - _NAMED} more" if len(due) > _NAMED else ""
    return (
        "Events wait for companies that are not connected, new, or still at their last run: "
        f"{', '.join(due[:_NAMED])}{more}."
    )


def _requests(
    inbox: EventInbox,
    cells: dg.MultiPartitionsDefinition,
    kept: dict[str, EntityType],
    company: Company,
) -> list[dg.RunRequest]:
    """Lease what is due for one company; the run that will have it, or none."""
    batch, realm_id = uuid.uuid4().hex, company.realm_id
    taken = _leased(inbox, batch, kept, [realm_id])
    if not taken:
        return []
    concerned = Counter(each.event.entity for each in taken)
    attempt = max(each.attempts for each in taken)
    return [
        dg.RunRequest(
            # Dagster never runs a key twice, also not after a failure.
            run_key=f"webhook:{batch}:{attempt}",
            job_name=current_site().name(WEBHOOK_JOB),
            partition_key=current_cell(cells, realm_id),
            asset_selection=keys_of([kept[name] for name in sorted(concerned)]),
            tags={
                **company_tags(company),
                TRIGGER_TAG: TRIGGER,
                BATCH_TAG: batch,
                # The sensor itself tries again, with whatever is due by then.
                "dagster/max_retries": "0",
                "ledgerguard/webhook_events": str(len(taken)),
                "ledgerguard/webhook_attempt": str(attempt),
                "ledgerguard/webhook_oldest": _oldest(taken),
            },
        )
    ]


def _coalesced(
    instance: dg.DagsterInstance,
    inbox: EventInbox,
    kept: dict[str, EntityType],
    ready: Sequence[str],
    shards: int,
) -> list[dg.RunRequest]:
    """Lease what is due for many companies: one run per shard, whatever their number.

    A shard whose last run is not done is left for a later tick; what comes meanwhile goes along.
    """
    busy = sweeps_under_way(instance)
    requests = []
    for shard in shards_of(SweepTask.EVENTS, shards):
        mine = [realm for realm in ready if shard.holds(realm)]
        if not mine or shard.name in busy:
            continue
        batch = uuid.uuid4().hex
        taken = _leased(inbox, batch, kept, mine[:REALMS_PER_RUN])
        if taken:
            attempt = max(each.attempts for each in taken)
            tags = {
                TRIGGER_TAG: TRIGGER,
                "dagster/max_retries": "0",
                "ledgerguard/webhook_events": str(len(taken)),
                "ledgerguard/webhook_attempt": str(attempt),
                "ledgerguard/webhook_oldest": _oldest(taken),
            }
            requests.append(
                request_sweep(
                    shard, f"webhook:{batch}:{attempt}", batch=batch, named=True, tags=tags
                )
            )
    return requests


def _leased(
    inbox: EventInbox, batch: str, kept: dict[str, EntityType], realms: Sequence[str]
) -> list[QueuedEvent]:
    """What is due for these companies, without types the installation does not keep."""
    leased = inbox.lease(batch, realms=realms, limit=EVENTS_PER_RUN)
    foreign = [each.seq for each in leased if each.event.entity not in kept]
    if foreign:
        inbox.ignore(batch, foreign, "LEDGERGUARD_ENTITIES leaves this entity type out")
    return [each for each in leased if each.event.entity in kept]


def _take_back(instance: dg.DagsterInstance, inbox: EventInbox) -> None:
    """End the leases of runs that Dagster calls over: nobody will settle those events any more.

    Runs end so whose launch was lost, and those somebody terminated. Events of a run that never began
    are not what ended it: they wait as in an outage, and only a run that had begun counts against them.
    What no run of this instance leased may be another instance's, and is due again when its lease ends.

    Decision 100 in docs/decisions.md.
    """
    leased = inbox.list(status=EventStatus.LEASED, limit=EVENTS_PER_RUN)
    batches = {each.lease_owner for each in leased if each.lease_owner}
    if not batches:
        return
    runs = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: sorted(batches)}))
    under_way = {each.dagster_run.tags[BATCH_TAG] for each in runs if not _is_over(each)}
    begun = {each.dagster_run.tags[BATCH_TAG] for each in runs if each.start_time is not None}
    for batch in {each.dagster_run.tags[BATCH_TAG] for each in runs} - under_way:
        if batch in begun:
            inbox.heartbeat(batch, 0.0)
        else:
            held = [each.seq for each in inbox.held(batch)]
            inbox.fail(batch, held, _NEVER_BEGAN, passing=True)


def _is_over(record: dg.RunRecord) -> bool:
    return record.dagster_run.is_finished


def _attend_to_runs(context: dg.SensorEvaluationContext, inbox: EventInbox) -> set[str]:
    """Companies whose last batch is still under way.

    A run that has not begun yet keeps its events. One that has begun holds them itself: if it let
    its lease end, its process is gone and Dagster does not know; it is reported as failed, since
    the company's next run would wait for it.
    """
    busy: set[str] = set()
    runs = context.instance.get_runs(
        dg.RunsFilter(
            tags={TRIGGER_TAG: TRIGGER, **current_site().run_tags},
            statuses=[*_COMING, dg.DagsterRunStatus.STARTED],
        )
    )
    for run in runs:
        batch = run.tags.get(BATCH_TAG, "")
        held = inbox.held(batch)
        # A sweep's run is for many companies; those whose events it still holds have to wait.
        realms = {run.tags[REALM_TAG]} if REALM_TAG in run.tags else _companies(held)
        if run.status in _COMING:
            inbox.heartbeat(batch)
            busy |= realms
        elif held and inbox.lapsed(batch):
            context.instance.report_run_failed(
                run, "Its process let the lease on its webhook events end: it is gone."
            )
        elif held:
            busy |= realms
    return busy


def _companies(held: Sequence[QueuedEvent]) -> set[str]:
    return {each.event.realm_id for each in held}


def _purge_daily(control: ControlPlane, cursor: str | None) -> str:
    """Forget what was settled long ago, once a day; the day is the sensor's cursor.

    Events that came while their company was being disconnected are settled along with it.
    """
    now = control.now()
    today = now.date().isoformat()
    if cursor != today:
        control.inbox.ignore_not_served()
        control.deliveries.purge(now - timedelta(days=KEPT_DAYS))
    return today


def _oldest(events: Sequence[QueuedEvent]) -> str:
    return min(each.received_at for each in events).isoformat()
