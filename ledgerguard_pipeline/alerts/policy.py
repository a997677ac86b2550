"""What is worth telling, decided without I/O or clock.

A company's findings (health reasons, failing runs) become *signs* that remember since when
something is there or gone. A sign counts only once it has settled, and is over only when it has
stayed away for a while; each relapse within six hours doubles that while. So a connection that
flaps is told about once, not at every turn. What a channel was told last is compared with the
signs: the difference is the news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ledgerguard_pipeline.health.rules import HealthState, Reason, ReasonKind


class AlertKind(StrEnum):
    """What an alert is about besides the reasons of a company's health."""

    RUN_FAILED = "run_failed"


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
        ReasonKind.BRONZE_UNUSABLE,
        ReasonKind.CALL_BUDGET,
        ReasonKind.CREDENTIALS_REJECTED,
        ReasonKind.MISCONFIGURED,
        ReasonKind.QUOTA_EXHAUSTED,
        ReasonKind.TOKENS_AT_RISK,
        ReasonKind.UNREADABLE_EVENTS,
    }
)
"""Concern the app or the installation, so all companies at once: told once, not per company."""

_MINUTE = 60.0
_PATIENCE: dict[str, tuple[float, float]] = {
    # A failed run is told by its own alert, with a link; this is for syncs outside of Dagster.
    ReasonKind.SYNC_FAILED: (2 * _MINUTE, 5 * _MINUTE),
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
class Finding:
    """One thing that is wrong now.

    ``subject`` tells several of a kind apart (the job of a failed run), ``grade`` stages of one:
    a stage that was not told yet is news. ``run_id`` is the Dagster run it came from.
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
class Sign:
    """A finding and its history; ``on`` is what counts, ``present`` what was seen last.

    ``since`` is when ``present`` last changed, ``ended_at`` when it was last over.
    """

    finding: Finding
    present: bool
    since: datetime
    on: bool = False
    ended_at: datetime | None = None
    relapses: int = 0


Signs = Mapping[str, Sign]
"""By slot."""


@dataclass(frozen=True, slots=True)
class ToldPoint:
    """What a channel was told of one slot; all grades since it was last over."""

    text: str
    grades: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class News:
    """The difference between what is and what was told; ``told`` is the state after telling."""

    state: HealthState
    new: tuple[Finding, ...]
    still: tuple[Finding, ...]
    over: tuple[tuple[str, str], ...]
    """Slot and text as it was told."""
    told: Mapping[str, ToldPoint]


def findings_of(reasons: Iterable[Reason]) -> list[Finding]:
    """Health reasons as findings; several of one kind become one, as bad as the worst."""
    merged: dict[str, Finding] = {}
    for reason in reasons:
        kind = reason.kind.value
        known = merged.get(kind)
        if known is None:
            merged[kind] = Finding(kind, reason.state, reason.text, grade=reason.grade)
        else:
            worse = _worst((known.state, reason.state)) is not known.state
            merged[kind] = Finding(
                kind,
                reason.state if worse else known.state,
                f"{known.text} {reason.text}",
                grade=reason.grade if worse else known.grade,
            )
    return list(merged.values())


def revise(signs: Signs, findings: Iterable[Finding], now: datetime) -> dict[str, Sign]:
    """The signs after ``findings`` were seen at ``now``; equal ones if nothing changed."""
    current = {each.slot: each for each in findings}
    if any(each.kind in DEAD for each in current.values()):
        # What else was wrong will be found again, if it is, once calls are possible.
        current = {slot: each for slot, each in current.items() if each.kind in DEAD}
        signs = {slot: sign for slot, sign in signs.items() if sign.finding.kind in DEAD}
    elif any(each.kind == AlertKind.RUN_FAILED for each in current.values()):
        # The run's own alert says the same and has a link.
        echo = signs.get(ReasonKind.SYNC_FAILED)
        if echo is None or not echo.on:
            current.pop(ReasonKind.SYNC_FAILED, None)
    revised: dict[str, Sign] = {}
    for slot in [*signs, *(slot for slot in current if slot not in signs)]:
        sign = _revised(signs.get(slot), current.get(slot), now)
        if sign is not None:
            revised[slot] = sign
    return revised


def _revised(sign: Sign | None, finding: Finding | None, now: datetime) -> Sign | None:
    if sign is None:
        if finding is None:
            return None
        sign = Sign(finding, present=True, since=now)
    present = finding is not None
    if present != sign.present:
        sign = replace(sign, present=present, since=now)
    # The words follow the facts only where they say something new: "12 minutes ago" would
    # otherwise be written anew with every look.
    if finding is not None and (not sign.on or _stage(finding) != _stage(sign.finding)):
        sign = replace(sign, finding=finding)
    age = (now - sign.since).total_seconds()
    settle, hold = _PATIENCE.get(sign.finding.kind, (0.0, 0.0))
    if present and not sign.on and age >= settle:
        again = _again(sign, now)
        return replace(sign, on=True, relapses=sign.relapses + 1 if again else 0)
    if not present and sign.on and age >= _hold(hold, sign.relapses):
        return replace(sign, on=False, ended_at=now)
    if not present and not sign.on and not _again(sign, now):
        return None
    return sign


def _stage(finding: Finding) -> tuple[str, HealthState, str]:
    return finding.grade, finding.state, finding.run_id


def _again(sign: Sign, now: datetime) -> bool:
    return sign.ended_at is not None and now - sign.ended_at <= timedelta(seconds=RELAPSE_SECONDS)


def _hold(first: float, relapses: int) -> float:
    if relapses == 0:
        return first
    return min(max(first, _FIRST_HOLD) * float(1 << min(relapses - 1, 16)), _LONGEST_HOLD)


def news(signs: Signs, told: Mapping[str, ToldPoint]) -> News | None:
    """What a channel that knows ``told`` has to hear; None if nothing."""
    on = {slot: sign.finding for slot, sign in signs.items() if sign.on}
    dead = {slot: finding for slot, finding in on.items() if finding.kind in DEAD}
    # Also while a dead connection is back for a moment: what else there is waits for its end.
    on = dead or on
    known = {slot for slot in on if slot in told and on[slot].grade in told[slot].grades}
    new = tuple(finding for slot, finding in on.items() if slot not in known)
    still = tuple(finding for slot, finding in on.items() if slot in known)
    over = () if dead else tuple((slot, told[slot].text) for slot in told if slot not in on)
    if not new and not over:
        return None
    after = {
        slot: ToldPoint(
            finding.text,
            tuple(dict.fromkeys((*(told[slot].grades if slot in told else ()), finding.grade))),
        )
        for slot, finding in on.items()
    }
    return News(_worst(finding.state for finding in on.values()), new, still, over, after)


def _worst(states: Iterable[HealthState]) -> HealthState:
    order = list(HealthState)
    return max(states, key=order.index, default=HealthState.HEALTHY)
