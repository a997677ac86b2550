"""What is worth an alert, decided without I/O or clock.

A company's findings (health reasons, failing runs) become *alert states* that remember since
when something is there or gone. An alert fires only once its condition has settled, and is
resolved only when that has stayed away for a while; each relapse within six hours doubles it. So a connection that
flaps alerts once, not at every change. What a channel was sent last is compared with the
alert states: the difference is the notification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ledgerguard_pipeline.clock import Backoff
from ledgerguard_pipeline.health.rules import HealthState, Reason, ReasonKind


class AlertKind(StrEnum):
    """Subjects of alerts besides the reasons of a company's health."""

    RUN_FAILED = "run_failed"
    CHANNEL_FAILS = "channel_fails"


INSTALLATION = ""
"""Stands for the installation itself where a company's id is expected."""

DEAD = frozenset(
    {
        ReasonKind.DISCONNECTED,
        ReasonKind.NEEDS_REAUTH,
        ReasonKind.NO_TOKENS,
        ReasonKind.GRANT_ENDED,
        ReasonKind.KEY_MISSING,
        ReasonKind.ACCESS_DENIED,
        ReasonKind.COMPANY_UNAVAILABLE,
    }
)
"""No call is possible: everything else follows from it and is not worth a word."""

COMMON = frozenset(
    {
        ReasonKind.BRONZE_AWAY,
        ReasonKind.BRONZE_HELD,
        ReasonKind.BRONZE_UNUSABLE,
        ReasonKind.CALL_BUDGET,
        ReasonKind.CREDENTIALS_REJECTED,
        ReasonKind.MISCONFIGURED,
        ReasonKind.QUOTA_EXHAUSTED,
        ReasonKind.TOKENS_AT_RISK,
        ReasonKind.UNREADABLE_EVENTS,
    }
)
"""Concern the app or the installation, so all companies at once: sent once, not per company."""

_MINUTE = 60.0
_PATIENCE: dict[str, tuple[float, float]] = {
    # A failed run has its own alert, with a link; this is for syncs outside of Dagster.
    ReasonKind.SYNC_FAILED: (2 * _MINUTE, 5 * _MINUTE),
    ReasonKind.BRONZE_AWAY: (2 * _MINUTE, 5 * _MINUTE),
    ReasonKind.BRONZE_HELD: (2 * _MINUTE, 5 * _MINUTE),
    # The first load is under way, or the schedule is about to catch up after a restart.
    ReasonKind.REFRESH_FAILS: (5 * _MINUTE, 5 * _MINUTE),
    ReasonKind.NEVER_SYNCED: (30 * _MINUTE, 0.0),
    ReasonKind.SYNC_LATE: (3 * _MINUTE, 5 * _MINUTE),
    ReasonKind.WEBHOOK_LAG: (2 * _MINUTE, 5 * _MINUTE),
    # An ordinary cool-down lasts a minute and needs nobody.
    ReasonKind.THROTTLED: (15 * _MINUTE, 5 * _MINUTE),
    ReasonKind.CALLS_FAIL: (2 * _MINUTE, 5 * _MINUTE),
    ReasonKind.SLOW_ANSWERS: (10 * _MINUTE, 10 * _MINUTE),
    AlertKind.RUN_FAILED: (0.0, 0.0),
}
"""Seconds until a kind counts, and until it is over. Others are facts that do not flicker."""

RELAPSE_SECONDS = 6 * 3600.0
_FIRST_HOLD = 5 * _MINUTE
_LONGEST_HOLD = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong now.

    ``subject`` tells several of a kind apart (the job of a failed run), ``grade`` stages of one:
    a stage that was not sent yet is a notification. ``run_id`` is the Dagster run it came from.
    """

    kind: str
    state: HealthState
    text: str
    subject: str = ""
    grade: str = ""
    run_id: str = ""

    @property
    def slot(self) -> str:
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


@dataclass(frozen=True, slots=True)
class AlertState:
    """A finding and its history; ``on`` is what counts, ``present`` what was seen last.

    ``since`` is when ``present`` last changed, ``ended_at`` when it was last over.
    """

    finding: Alert
    present: bool
    since: datetime
    on: bool = False
    ended_at: datetime | None = None
    relapses: int = 0


AlertStates = Mapping[str, AlertState]
"""By slot."""


@dataclass(frozen=True, slots=True)
class SentPoint:
    """The alerts of one slot that a channel was sent; all grades since it last resolved."""

    text: str
    grades: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notification:
    """The difference between what is and what was sent; ``sent`` is the state afterwards."""

    state: HealthState
    new: tuple[Alert, ...]
    still: tuple[Alert, ...]
    over: tuple[tuple[str, str], ...]
    """Slot and text as it was sent."""
    sent: Mapping[str, SentPoint]


def findings_of(reasons: Iterable[Reason]) -> list[Alert]:
    """Health reasons as findings; several of one kind become one, as bad as the worst."""
    merged: dict[str, Alert] = {}
    for reason in reasons:
        if reason.kind is ReasonKind.FIRST_LOAD:
            continue  # nothing is wrong
        kind = reason.kind.value
        known = merged.get(kind)
        if known is None:
            merged[kind] = Alert(kind, reason.state, reason.text, grade=reason.grade)
        else:
            worse = _worst((known.state, reason.state)) is not known.state
            merged[kind] = Alert(
                kind,
                reason.state if worse else known.state,
                f"{known.text} {reason.text}",
                grade=reason.grade if worse else known.grade,
            )
    return list(merged.values())


def revise(
    alert_states: AlertStates, findings: Iterable[Alert], now: datetime
) -> dict[str, AlertState]:
    """The alert states after ``findings`` were seen at ``now``; equal ones if nothing changed."""
    current = {each.slot: each for each in findings}
    if any(each.kind in DEAD for each in current.values()):
        # Other problems will be found again, if they persist, once calls are possible.
        current = {slot: each for slot, each in current.items() if each.kind in DEAD}
        alert_states = {
            slot: alert_state
            for slot, alert_state in alert_states.items()
            if alert_state.finding.kind in DEAD
        }
    elif any(each.kind == AlertKind.RUN_FAILED for each in current.values()):
        # The run's own alert says the same and has a link.
        echo = alert_states.get(ReasonKind.SYNC_FAILED)
        if echo is None or not echo.on:
            current.pop(ReasonKind.SYNC_FAILED, None)
    revised: dict[str, AlertState] = {}
    for slot in [*alert_states, *(slot for slot in current if slot not in alert_states)]:
        alert_state = _revised(alert_states.get(slot), current.get(slot), now)
        if alert_state is not None:
            revised[slot] = alert_state
    return revised


def _revised(
    alert_state: AlertState | None, finding: Alert | None, now: datetime
) -> AlertState | None:
    if alert_state is None:
        if finding is None:
            return None
        alert_state = AlertState(finding, present=True, since=now)
    present = finding is not None
    if present != alert_state.present or alert_state.since > now:  # the clock was set back
        alert_state = replace(alert_state, present=present, since=now)
    # The words follow the facts only where they say something new: "12 minutes ago" would
    # otherwise be written anew with every look.
    if finding is not None and (
        not alert_state.on or _stage(finding) != _stage(alert_state.finding)
    ):
        alert_state = replace(alert_state, finding=finding)
    age = (now - alert_state.since).total_seconds()
    settle, hold = _PATIENCE.get(alert_state.finding.kind, (0.0, 0.0))
    if present and not alert_state.on and age >= settle:
        again = _again(alert_state, now)
        return replace(alert_state, on=True, relapses=alert_state.relapses + 1 if again else 0)
    if not present and alert_state.on and age >= _hold(hold, alert_state.relapses):
        return replace(alert_state, on=False, ended_at=now)
    if not present and not alert_state.on and not _again(alert_state, now):
        return None
    return alert_state


def _stage(finding: Alert) -> tuple[str, HealthState, str]:
    return finding.grade, finding.state, finding.run_id


def _again(alert_state: AlertState, now: datetime) -> bool:
    return alert_state.ended_at is not None and now - alert_state.ended_at <= timedelta(
        seconds=RELAPSE_SECONDS
    )


def _hold(first: float, relapses: int) -> float:
    if relapses == 0:
        return first
    return Backoff(max(first, _FIRST_HOLD), _LONGEST_HOLD).bound(relapses - 1)


def notification(alert_states: AlertStates, sent: Mapping[str, SentPoint]) -> Notification | None:
    """What a channel that got ``sent`` still lacks; None if nothing."""
    on = {slot: alert_state.finding for slot, alert_state in alert_states.items() if alert_state.on}
    dead = {slot: finding for slot, finding in on.items() if finding.kind in DEAD}
    # Also while a dead connection is back for a moment: other alerts wait until it ends.
    on = dead or on
    known = {slot for slot in on if slot in sent and on[slot].grade in sent[slot].grades}
    new = tuple(finding for slot, finding in on.items() if slot not in known)
    still = tuple(finding for slot, finding in on.items() if slot in known)
    over = () if dead else tuple((slot, sent[slot].text) for slot in sent if slot not in on)
    if not new and not over:
        return None
    after = {
        slot: SentPoint(
            finding.text,
            tuple(dict.fromkeys((*(sent[slot].grades if slot in sent else ()), finding.grade))),
        )
        for slot, finding in on.items()
    }
    return Notification(_worst(finding.state for finding in on.values()), new, still, over, after)


def _worst(states: Iterable[HealthState]) -> HealthState:
    order = list(HealthState)
    return max(states, key=order.index, default=HealthState.HEALTHY)
