"""Messages to send."""

from __future__ import annotations

from datetime import UTC, datetime

from ledgerguard_pipeline.alerts.channels.message import CompanyNews, Message, Mood, Point

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
REALM = "9341453474484455"


def dead(name: str = "Craig's Design", realm_id: str = REALM) -> CompanyNews:
    point = Point(
        "needs_reauth", "Intuit no longer accepts its grant.", "docs/runbook.md#needs_reauth"
    )
    page = f"https://books.example.com/#company-{realm_id}"
    return CompanyNews(realm_id, name, "unhealthy", new=(point,), page=page)


def message(*companies: CompanyNews, mood: Mood = Mood.PROBLEM) -> Message:
    return Message("0" * 31 + "1", AT, mood, "production", companies or (dead(),))
