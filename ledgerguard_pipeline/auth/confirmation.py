"""When Intuit is asked again about a grant that it refused. Pure: no I/O, no clock.

It refuses living grants too during some of its outages (its OAuth 2.0 FAQ). Most of them are over within
the hour, so a company is asked about then, and a last time when a day has nearly passed. What got no
answer does not count.

Decision 105 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens.sql_store import RefreshAttempt

REFUSED_AGAIN = "Intuit refused this grant once more"
"""Noted beside the attempt of the first question, so that only the last one is left."""

_PAUSE = timedelta(minutes=50)
"""The next hourly look is then the one that asks."""

_LAST_AFTER = timedelta(hours=20)
"""So the last question is never the one that is asked an hour later."""


class Question(StrEnum):
    """Which question is due."""

    FIRST = "first"
    LAST = "last"
    """A refusal is believed."""


def question_due(company: Company, noted: RefreshAttempt | None, now: datetime) -> Question | None:
    """The question that may be asked now; None where there is none, or not yet."""
    if company.status is not ConnectionStatus.NEEDS_REAUTH or noted is None:
        return None
    if now - noted.started_at < _PAUSE:
        return None
    if company.error_at is None or now - company.error_at >= _LAST_AFTER:
        return Question.LAST
    return None if noted.reason == REFUSED_AGAIN else Question.FIRST


def proves_little(company: Company, now: datetime) -> bool:
    """Whether the first question about a living grant, whose calls alone are refused, is left out.

    The token endpoint would say yes again and again. Only where calls worked a moment before an
    outage may be what refuses them.
    """
    return company.last_success_at is None or now - company.last_success_at >= _PAUSE
