"""The words of a message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.alerts.channels.message import CompanyNews, Message, Mood, Point, plain
from ledgerguard_pipeline.alerts.policy import (
    Alert,
    Notification,
)
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.health.rules import HealthState

RUNBOOK = "docs/runbook.md"
COMPANY_PATH = "/companies/{realm}"
"""The company's page of the web edge; a test holds both together."""

_NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Links:
    """Where a message points to; None where nobody said how to get there."""

    web: str | None
    dagster: str | None

    @classmethod
    def of(cls, settings: Settings) -> Links:
        """By default the web edge is where Intuit sends people."""
        return cls(settings.web_url, settings.ledgerguard_dagster_url)

    def page(self, realm: str) -> str | None:
        if self.web is None:
            return None
        return self.web + (COMPANY_PATH.format(realm=realm) if realm else "/")

    def run(self, run_id: str) -> str | None:
        return f"{self.dagster}/runs/{run_id}" if self.dagster and run_id else None


def company_news(realm: str, name: str, notification: Notification, links: Links) -> CompanyNews:
    """One company's part of a message."""
    return CompanyNews(
        realm_id=realm,
        name=plain(name, _NAME_LIMIT) if realm else "This installation",
        state=notification.state.value,
        new=tuple(_point(each, links) for each in notification.new),
        still=tuple(_point(each, links) for each in notification.still),
        over=tuple(_over(slot, text) for slot, text in notification.over),
        page=links.page(realm),
    )


def mood(notification: Notification) -> Mood:
    """Which way it went."""
    if notification.new:
        return Mood.PROBLEM
    return Mood.RECOVERED if notification.state is HealthState.HEALTHY else Mood.BETTER


def message_id(channel: str, environment: str, changes: Mapping[str, str]) -> str:
    """The same for every attempt to send the same, so that a receiver can drop repeats.

    ``changes`` tells for each company what it was sent before, what it is sent now, and since when
    that holds.
    """
    parts = [channel, environment, *(f"{realm}/{changes[realm]}" for realm in sorted(changes))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def trial_message(channel: str, environment: str, at: datetime) -> Message:
    """What ``ledgerguard alerts test`` sends."""
    note = "A test message of LedgerGuard: alerts reach this channel. There is nothing to do."
    digest = hashlib.sha256(f"{channel}\n{at.isoformat()}".encode()).hexdigest()[:32]
    return Message(digest, at, Mood.TEST, environment, note=note)


def _point(finding: Alert, links: Links) -> Point:
    return Point(
        kind=finding.kind,
        text=plain(finding.text),
        runbook=f"{RUNBOOK}#{finding.kind}",
        link=links.run(finding.run_id),
    )


def _over(slot: str, text: str) -> Point:
    kind = slot.partition(":")[0]
    # What to do about it is no longer of interest.
    fact = plain(text).partition(". ")[0].rstrip(".")
    return Point(kind=kind, text=f"{fact}.", runbook=f"{RUNBOOK}#{kind}")
