"""``ledgerguard events``: the queue of webhook events, and the deliveries they came in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.installed import installed, require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, say, table, write_json
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.plane import ControlPlane
    from ledgerguard_pipeline.control.webhook_queue.deliveries import StoredDelivery
    from ledgerguard_pipeline.control.webhook_queue.queue import Backlog, EventStatus, QueuedEvent

app = typer.Typer(
    help="List webhook events, queue them again, or take them out of the queue.",
    cls=Commands,
    **LOOK,
)

_STATUSES = ("pending", "leased", "done", "parked", "ignored")
_OUTCOMES = ("queued", "duplicate", "quarantined")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


Company = Annotated[str | None, typer.Option(help="Only events of this company (realm id).")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show, newest first.")]
_NUMBER = typer.Argument(min=1, max=2**63 - 1, help="Numbers of events as `list` shows them.")
Numbers = Annotated[list[int], _NUMBER]
Reason = Annotated[str, typer.Option(help="Reason, for anyone who looks later.")]


@app.command("list")
def list_events(
    status: Annotated[
        str | None, typer.Option(help=f"Only events with this status: {_listed(_STATUSES)}.")
    ] = None,
    company: Company = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List webhook events, newest first, and the state of the queue."""
    wanted = _status(status)
    realm = _realm(company)
    found: list[QueuedEvent] = []
    backlog: Backlog | None = None
    with _looked_at() as control:
        if control is not None:
            found = control.inbox.list(status=wanted, realm=realm, limit=limit)
            backlog = control.inbox.backlog(realm)
    counts = {} if backlog is None else {key.value: n for key, n in backlog.by_status.items()}
    depth = 0 if backlog is None else backlog.depth
    age = 0.0 if backlog is None else round(backlog.age_seconds, 1)
    if as_json:
        write_json(
            {
                "queue_depth": depth,
                "queue_age_seconds": age,
                "counts": counts,
                "events": [event_json(each) for each in found],
            }
        )
        return
    shown = ", ".join(f"{n:,} {name}" for name, n in sorted(counts.items())) or "none yet"
    oldest = f", the oldest for {age:,.0f} s" if depth else ""
    say(f"Events: {shown}; {depth:,} waiting{oldest}.")
    if found:
        columns = ("no", "received", "company", "entity", "id", "operation", "status", "tries",
                   "reason")  # fmt: skip
        console().print(
            table(
                columns,
                (
                    (
                        str(each.seq),
                        each.received_at,
                        each.event.realm_id or None,
                        each.event.entity or None,
                        each.event.object_id or None,
                        each.event.operation.value,
                        each.status.value,
                        each.attempts,
                        each.reason,
                    )
                    for each in found
                ),
                numeric=frozenset({"no", "tries"}),
            )
        )


@app.command("redrive")
def redrive(
    numbers: Annotated[list[int] | None, _NUMBER] = None,
    company: Company = None,
    ignored: Annotated[
        bool, typer.Option("--ignored", help="Take ignored events instead of parked ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Queue parked events again: those named, those of a company, or all."""
    from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus

    realm = _realm(company)
    statuses = [EventStatus.IGNORED if ignored else EventStatus.PARKED]
    from ledgerguard_pipeline.webhooks.parse import parse

    with _opened() as control:
        count = found = control.inbox.redrive(numbers or None, realm=realm, statuses=statuses)
        barred = control.inbox.not_served(statuses[0], realm, numbers or None)
        found += barred
        unread = known = 0
        if not ignored:
            reread = control.deliveries.reread(parse, realm, numbers or None)
            unread = control.inbox.unreadable(realm, numbers or None)
            count += reread.queued
            found += reread.parts + unread
            known = 0 if reread.queued else reread.parts
    if as_json:
        left = {"unreadable": unread, "not_connected": barred}
        write_json({"redriven": count} | {name: n for name, n in left.items() if n})
        return
    say(f"{counted(count, 'event')} {'is' if count == 1 else 'are'} queued again.")
    if known:
        say(
            f"{counted(known, 'part')} can be read now; what is announced there is known already "
            "or not kept here."
        )
    if barred:
        say(
            f"{counted(barred, 'event')} of companies that are not connected would wait in vain; "
            "connecting such a company brings what changed meanwhile."
        )
    if found < len(set(numbers or ())):
        status = statuses[0].value
        say(f"The others were not {status}; `ledgerguard events list` shows what they are.")
    if unread:
        say(
            f"{unread:,} cannot be read by this version either and stay parked; a sync brings what "
            "they were about, and `ledgerguard events dismiss` settles them."
        )


@app.command("dismiss")
def dismiss(
    numbers: Numbers,
    reason: Reason = "by hand",
    as_json: Json = False,
) -> None:
    """Settle parked events that nobody needs, such as test events and junk."""
    with _opened() as control:
        count = control.inbox.dismiss(numbers, f"dismissed: {reason}")
    if as_json:
        write_json({"dismissed": count})
    else:
        say(f"{count:,} of {len(set(numbers)):,} events were parked and are dismissed now.")


@app.command("park")
def park(
    numbers: Numbers,
    reason: Reason = "by hand",
    as_json: Json = False,
) -> None:
    """Take waiting events out of the queue until somebody queues them again."""
    with _opened() as control:
        count = control.inbox.park(numbers, f"parked: {reason}")
    if as_json:
        write_json({"parked": count})
    else:
        say(f"{count:,} of {len(set(numbers)):,} events were waiting and are parked now.")


@app.command("deliveries")
def list_deliveries(
    outcome: Annotated[
        str | None, typer.Option(help=f"Only those with this outcome: {_listed(_OUTCOMES)}.")
    ] = None,
    limit: Limit = 50,
    bodies: Annotated[
        bool, typer.Option("--bodies", help="With --json: the raw bodies as well, in base64.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the deliveries themselves: what came, when, and what became of it."""
    from ledgerguard_pipeline.control.webhook_queue.deliveries import DeliveryOutcome

    if outcome is not None and outcome not in _OUTCOMES:
        raise BadInputError(f"{outcome[:40]!r} is not an outcome; use {_listed(_OUTCOMES)}.")
    if bodies and not as_json:
        raise BadInputError("--bodies is for --json, which alone has room for them; use both.")
    wanted = None if outcome is None else DeliveryOutcome(outcome)
    found: list[StoredDelivery] = []
    with _looked_at() as control:
        if control is not None:
            found = control.deliveries.list(outcome=wanted, limit=limit)
    if as_json:
        write_json({"deliveries": [delivery_json(each, bodies=bodies) for each in found]})
        return
    if not found:
        say("No delivery is kept.")
        return
    console().print(
        table(
            ("received", "from", "shape", "outcome", "events", "new", "unreadable", "bytes"),
            (
                (
                    each.received_at,
                    each.client,
                    each.shape,
                    each.outcome.value,
                    each.events,
                    each.fresh_events,
                    each.unreadable,
                    len(each.body),
                )
                for each in found
            ),
            numeric=frozenset({"events", "new", "unreadable", "bytes"}),
        )
    )


def event_json(queued: QueuedEvent) -> dict[str, object]:
    """The JSON form of an event."""
    event = queued.event
    return {
        "no": queued.seq,
        "event_id": event.event_id,
        "realm_id": event.realm_id,
        "entity": event.entity,
        "id": event.object_id,
        "operation": event.operation.value,
        "absorbed_id": event.absorbed_id,
        "occurred_at": event.occurred_at,
        "received_at": queued.received_at,
        "status": queued.status.value,
        "attempts": queued.attempts,
        "due_at": queued.due_at,
        "settled_at": queued.settled_at,
        "reason": queued.reason,
        "delivery_id": queued.delivery_id,
    }


def delivery_json(delivery: StoredDelivery, *, bodies: bool) -> dict[str, object]:
    """The JSON form of a delivery."""
    import base64

    document: dict[str, object] = {
        "delivery_id": delivery.delivery_id,
        "received_at": delivery.received_at,
        "outcome": delivery.outcome.value,
        "shape": delivery.shape,
        "events": delivery.events,
        "fresh_events": delivery.fresh_events,
        "unreadable": delivery.unreadable,
        "client": delivery.client,
        "headers": dict(delivery.headers),
        "bytes": len(delivery.body),
    }
    if bodies:
        document["body"] = base64.b64encode(delivery.body).decode()
    return document


@contextmanager
def _opened() -> Iterator[ControlPlane]:
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.control.plane import ControlPlane

    settings = settings_here()
    require_installed(settings)
    with ControlPlane.open(settings) as control:
        yield control


@contextmanager
def _looked_at() -> Iterator[ControlPlane | None]:
    """The control plane, or None where there is none: looking must not create one."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    if not installed(settings_here()):
        yield None
        return
    with _opened() as control:
        yield control


def _realm(company: str | None) -> RealmId | None:
    return None if company is None else parse_realm(company)


def _status(name: str | None) -> EventStatus | None:
    from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus

    if name is None:
        return None
    if name not in _STATUSES:
        raise BadInputError(f"{name[:40]!r} is not a status; use {_listed(_STATUSES)}.")
    return EventStatus(name)
