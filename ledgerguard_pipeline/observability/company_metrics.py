"""Each company's health for Prometheus: one state, and the figures behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

STATES = ("healthy", "loading", "disconnected", "degraded", "unhealthy")


@dataclass(frozen=True, slots=True)
class BooksFigure:
    """The last comparison of a company's books; ``state`` is one of ``BOOKS_STATES``."""

    state: str
    age_seconds: float
    unexplained: int
    amount: float
    calls_today: int


BOOKS_STATES = ("tied_out", "broken", "not_compared")


@dataclass(frozen=True, slots=True)
class CompanyFigure:
    """The figures of one company. Ages and remaining times are in seconds; None if unknown.

    ``tokens_left`` is by kind: access, refresh, grant; negative once it has ended.
    """

    realm_id: str
    health: str
    sync_age: float | None
    late_entities: int
    failed_entities: int
    tokens_left: Mapping[str, float]
    metered_calls: int
    forecast_calls: int
    recent_calls: int
    failed_calls: int
    cooling_seconds: float
    quota_exhausted: bool
    quarantined: int
    queue_age_seconds: float
    parked_events: int
    books: BooksFigure | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """Metered reads of all companies this month against the budget."""

    used: int
    budget: int
    forecast: int


_Value = Callable[[CompanyFigure], float | None]

_PER_COMPANY: tuple[tuple[str, str, _Value], ...] = (
    (
        "ledgerguard_company_sync_age_seconds",
        "Since any entity was last brought up to date; left out before the first time.",
        lambda each: each.sync_age,
    ),
    (
        "ledgerguard_company_late_entities",
        "Entity types of a connected company whose data is older than their schedule promises.",
        lambda each: each.late_entities,
    ),
    (
        "ledgerguard_company_failed_entities",
        "Entity types of a connected company whose last attempt failed.",
        lambda each: each.failed_entities,
    ),
    (
        "ledgerguard_company_metered_reads_month",
        "Metered reads of this calendar month (UTC).",
        lambda each: each.metered_calls,
    ),
    (
        "ledgerguard_company_metered_reads_forecast",
        "Metered reads by the end of the month if every day is like the last 24 hours.",
        lambda each: each.forecast_calls,
    ),
    (
        "ledgerguard_company_recent_calls",
        "Calls of the last half to whole hour.",
        lambda each: each.recent_calls,
    ),
    (
        "ledgerguard_company_recent_failed_calls",
        "Those of them without answer, with a server error or without access.",
        lambda each: each.failed_calls,
    ),
    (
        "ledgerguard_company_cooling_seconds",
        "How long calls still pause after a 429.",
        lambda each: each.cooling_seconds,
    ),
    (
        "ledgerguard_company_quota_exhausted",
        "1 while Intuit refuses every call for lack of quota.",
        lambda each: float(each.quota_exhausted),
    ),
    (
        "ledgerguard_company_quarantined_records",
        "Records that could not be stored.",
        lambda each: each.quarantined,
    ),
    (
        "ledgerguard_company_webhook_queue_age_seconds",
        "How long the company's oldest webhook event has been waiting while it is connected.",
        lambda each: each.queue_age_seconds,
    ),
    (
        "ledgerguard_company_parked_events",
        "Webhook events somebody has to look at.",
        lambda each: each.parked_events,
    ),
    (
        "ledgerguard_company_books_age_seconds",
        "Since the books were compared with Intuit's reports; left out before the first time.",
        lambda each: None if each.books is None else each.books.age_seconds,
    ),
    (
        "ledgerguard_company_books_differences",
        "Differences without an explanation at the last comparison.",
        lambda each: None if each.books is None else each.books.unexplained,
    ),
    (
        "ledgerguard_company_books_difference_amount",
        "Their sum in home currency, each without its sign, rounded as all of Prometheus' numbers.",
        lambda each: None if each.books is None else each.books.amount,
    ),
    (
        "ledgerguard_company_books_calls_today",
        "Metered reads of comparisons today (UTC).",
        lambda each: None if each.books is None else each.books.calls_today,
    ),
)


def company_metrics(
    companies: Sequence[CompanyFigure], budget: BudgetFigure | None
) -> Iterator[Metric]:
    """A gauge per figure and company, and the budget of all of them."""
    health = GaugeMetricFamily(
        "ledgerguard_company_health",
        "1 for the state a company is in, 0 for the others.",
        labels=["realm", "state"],
    )
    for each in companies:
        for state in STATES:
            health.add_metric([each.realm_id, state], float(each.health == state))
    yield health
    info = GaugeMetricFamily(
        "ledgerguard_company_info",
        "1; names a company, for queries that join it by realm.",
        labels=["realm", "name"],
    )
    for each in companies:
        info.add_metric([each.realm_id, each.name], 1.0)
    yield info
    yield _books(companies)
    for name, meaning, value in _PER_COMPANY:
        gauge = GaugeMetricFamily(name, meaning, labels=["realm"])
        for each in companies:
            figure = value(each)
            if figure is not None:
                gauge.add_metric([each.realm_id], figure)
        yield gauge
    tokens = GaugeMetricFamily(
        "ledgerguard_token_remaining_seconds",
        "Until the access token, the refresh token or the whole grant ends; negative after.",
        labels=["realm", "token"],
    )
    for each in companies:
        for kind, seconds in each.tokens_left.items():
            tokens.add_metric([each.realm_id, kind], seconds)
    yield tokens
    if budget is not None:
        yield from _budget(budget)


def _books(companies: Sequence[CompanyFigure]) -> Metric:
    books = GaugeMetricFamily(
        "ledgerguard_company_books",
        "1 for the result of the last comparison with Intuit's reports, 0 for the others.",
        labels=["realm", "state"],
    )
    for each in companies:
        if each.books is not None:
            for state in BOOKS_STATES:
                books.add_metric([each.realm_id, state], float(each.books.state == state))
    return books


def _budget(budget: BudgetFigure) -> Iterator[Metric]:
    for name, meaning, value in (
        ("limit", "Metered reads a month that all companies may use together.", budget.budget),
        ("used", "Metered reads of all companies this calendar month (UTC).", budget.used),
        ("forecast", "The same by the end of the month, at the last day's rate.", budget.forecast),
    ):
        yield GaugeMetricFamily(f"ledgerguard_call_budget_{name}", meaning, value=value)
    yield GaugeMetricFamily(
        "ledgerguard_call_budget_used_ratio",
        "1 when the budget is used up; calls slow down from 0.8, optional work stops at 0.95.",
        value=budget.used / budget.budget,
    )
