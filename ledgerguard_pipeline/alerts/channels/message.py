"""Messages before any channel gives them its form.

Texts in here are data from outside (company names, Intuit's error texts): ``plain`` takes out
what could steer a terminal, a mail header or a chat, and every secret that can be recognised.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ledgerguard_pipeline.observability.redaction import redact

TEXT_LIMIT = 600
"""Characters of one sentence; an answer's body quoted in an error may be long."""
SHOWN_COMPANIES = 25
"""Companies listed in the text of a message about many; the JSON form has them all."""


class Mood(StrEnum):
    """Which way things went."""

    PROBLEM = "problem"
    BETTER = "better"
    """Something is over, something else is not."""
    RECOVERED = "recovered"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to know: what happened and what to do, where to read on, and the run if any."""

    kind: str
    text: str
    runbook: str
    link: str | None = None

    def to_json(self) -> dict[str, object]:
        return {"kind": self.kind, "text": self.text, "runbook": self.runbook, "link": self.link}

    def lines(self) -> list[str]:
        rest = [f"  Run: {self.link}"] if self.link else []
        return [f"- {self.text}", f"  Runbook: {self.runbook}", *rest]


@dataclass(frozen=True, slots=True)
class CompanyNews:
    """What changed for one company; ``realm_id`` is empty for the installation as a whole."""

    realm_id: str
    name: str
    state: str
    new: tuple[Point, ...] = ()
    still: tuple[Point, ...] = ()
    over: tuple[Point, ...] = ()
    page: str | None = None

    @property
    def who(self) -> str:
        return f"{self.name} (company {self.realm_id})" if self.realm_id else self.name

    @property
    def headline(self) -> str:
        """One line: the company and its state."""
        return f"{self.who} is {self.state}"

    def to_json(self) -> dict[str, object]:
        return {
            "realm_id": self.realm_id or None,
            "name": self.name,
            "state": self.state,
            "page": self.page,
            "new": [point.to_json() for point in self.new],
            "still": [point.to_json() for point in self.still],
            "over": [point.to_json() for point in self.over],
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``id`` is the same in every attempt to deliver it on a channel."""

    id: str
    at: datetime
    mood: Mood
    environment: str
    companies: tuple[CompanyNews, ...] = ()
    note: str = ""
    """Sent instead of companies, in a test."""

    @property
    def title(self) -> str:
        """One line that says it all."""
        if not self.companies:
            return self.note
        if len(self.companies) == 1:
            return self.companies[0].headline
        counts: dict[str, int] = {}
        for company in self.companies:
            counts[company.state] = counts.get(company.state, 0) + 1
        sent = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        return f"{len(self.companies)} companies changed: {sent}"

    def text(self) -> str:
        """The whole message for people, plain text, without the title."""
        if len(self.companies) == 1:
            return "\n".join([f"Environment: {self.environment}", *_detail(self.companies[0])])
        lines = [f"Environment: {self.environment}"]
        for company in self.companies[:SHOWN_COMPANIES]:
            lines.append(f"- {company.headline}")
            lines += [f"  {point.text}" for point in company.new[:1]]
            lines += [f"  {company.page}"] if company.page else []
        left = len(self.companies) - SHOWN_COMPANIES
        if left > 0:
            lines.append(f"and {left} more; `ledgerguard status` lists all of them.")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The form of the webhook channel."""
        return {
            "id": self.id,
            "at": self.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "kind": self.mood.value,
            "environment": self.environment,
            "title": self.title,
            "text": self.text(),
            "companies": [company.to_json() for company in self.companies],
        }


def plain(text: str, limit: int = TEXT_LIMIT) -> str:
    """One line without secrets and control characters, cut to ``limit`` characters."""
    line = " ".join(redact(text).split())
    clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _detail(company: CompanyNews) -> list[str]:
    lines: list[str] = []
    sections = (("New", company.new), ("Still open", company.still), ("Over", company.over))
    for heading, points in sections:
        if points:
            lines += ["", f"{heading}:"]
            for point in points:
                # What is over needs no remedy.
                lines += point.lines() if heading != "Over" else [f"- {point.text}"]
    if company.page:
        lines += ["", f"Company page: {company.page}"]
    return lines
