"""All metrics for Prometheus in one place: names, units and meaning.

Figures are gathered from the control plane and Bronze when they are asked for, not counted in a
process: so they are the same whichever process answers, and survive every restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ledgerguard_pipeline.observability.company_metrics import (
    BudgetFigure,
    CompanyFigure,
    company_metrics,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class CallFigure:
    """HTTP calls of one kind; ``status`` is 0 where no answer came."""

    realm_id: str
    entity: str
    status: int
    calls: int
    metered: int


@dataclass(frozen=True, slots=True)
class RowFigure:
    """Rows of all loads of one entity type of one company, by what became of them."""

    realm_id: str
    entity: str
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Latency:
    """A histogram: counts per upper bound (not added up), and the sum of all seconds."""

    counts: Mapping[float, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is exported. ``rows`` is None where Bronze could not be looked at."""

    deliveries: Mapping[str, float]
    old_tokens: Mapping[str, float]
    events: Mapping[str, int]
    queue_depth: int
    queue_age_seconds: float
    latency: Latency
    latency_bounds: Sequence[float]
    connected: Mapping[str, bool]
    calls: Sequence[CallFigure]
    refreshes: Mapping[str, int]
    rows: Sequence[RowFigure] | None
    companies: Sequence[CompanyFigure] = ()
    budget: BudgetFigure | None = None


def exposition(figures: Figures) -> bytes:
    """The text Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FiguresCollector(figures))
    return generate_latest(registry)


class _FiguresCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _webhooks(self._figures)
        yield from _queue(self._figures)
        yield from _calls(self._figures)
        yield from _rows(self._figures)
        yield from company_metrics(self._figures.companies, self._figures.budget)


def _webhooks(figures: Figures) -> Iterator[Metric]:
    deliveries = _counter(
        "ledgerguard_webhook_deliveries",
        "Requests to the webhook endpoint by outcome; queued, duplicate and quarantined ones are "
        "stored, all others were refused.",
        ("outcome",),
    )
    for outcome, count in sorted(figures.deliveries.items()):
        deliveries.add_metric([outcome], count)
    yield deliveries
    forged = _counter(
        "ledgerguard_webhook_verification_failures", "Deliveries with a missing or wrong signature."
    )
    forged.add_metric([], figures.deliveries.get("bad_signature", 0.0))
    yield forged
    old = _counter(
        "ledgerguard_webhook_old_token",
        "Deliveries signed with a verifier token that is not the newest one.",
    )
    old.add_metric([], sum(figures.old_tokens.values()))
    yield old


def _queue(figures: Figures) -> Iterator[Metric]:
    events = GaugeMetricFamily(
        "ledgerguard_webhook_events", "Webhook events kept, by status.", labels=["status"]
    )
    for status, count in sorted(figures.events.items()):
        events.add_metric([status], count)
    yield events
    yield GaugeMetricFamily(
        "ledgerguard_webhook_queue_depth",
        "Events that still have to reach Bronze, of companies that are connected.",
        value=figures.queue_depth,
    )
    yield GaugeMetricFamily(
        "ledgerguard_webhook_queue_age_seconds",
        "How long the oldest of them has been waiting.",
        value=figures.queue_age_seconds,
    )
    buckets: list[tuple[str, float]] = []
    total = 0.0
    for bound in (*figures.latency_bounds, float("inf")):
        total += figures.latency.counts.get(bound, 0.0)
        buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
    yield HistogramMetricFamily(
        "ledgerguard_event_to_bronze_seconds",
        "From a delivery's arrival to its objects being durable in Bronze.",
        buckets=buckets,
        sum_value=figures.latency.seconds,
    )


def _calls(figures: Figures) -> Iterator[Metric]:
    connected = GaugeMetricFamily(
        "ledgerguard_company_connected", "1 while the company may be called.", labels=["realm"]
    )
    for realm_id, is_connected in sorted(figures.connected.items()):
        connected.add_metric([realm_id], float(is_connected))
    yield connected
    calls = _counter(
        "ledgerguard_api_calls",
        "HTTP calls to the Accounting API; status 0 means that no answer came.",
        ("realm", "entity", "status"),
    )
    metered = _counter("ledgerguard_api_metered_reads", "Reads as Intuit meters them.", ("realm",))
    throttled = _counter("ledgerguard_api_throttled", "Calls Intuit answered with 429.", ("realm",))
    for (realm_id, entity, status), count in _summed(
        ((each.realm_id, each.entity, str(each.status)), each.calls) for each in figures.calls
    ).items():
        calls.add_metric([realm_id, entity, status], count)
    for (realm_id,), count in _summed(
        ((each.realm_id,), each.metered) for each in figures.calls
    ).items():
        metered.add_metric([realm_id], count)
    for (realm_id,), count in _summed(
        ((each.realm_id,), each.calls if each.status == 429 else 0) for each in figures.calls
    ).items():
        throttled.add_metric([realm_id], count)
    yield from (calls, metered, throttled)
    refreshes = _counter(
        "ledgerguard_token_refreshes", "Grants renewed since the company was connected.", ("realm",)
    )
    for realm_id, count in sorted(figures.refreshes.items()):
        refreshes.add_metric([realm_id], count)
    yield refreshes


def _rows(figures: Figures) -> Iterator[Metric]:
    if figures.rows is None:
        return
    rows = _counter(
        "ledgerguard_rows",
        "Objects read, by what became of them in Bronze.",
        ("realm", "entity", "outcome"),
    )
    for each in figures.rows:
        for outcome, count in each.outcomes.items():
            rows.add_metric([each.realm_id, each.entity, outcome], count)
    yield rows


def _counter(name: str, meaning: str, labels: Sequence[str] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, labels=list(labels))


def _summed(
    figures: Iterable[tuple[tuple[str, ...], int]],
) -> dict[tuple[str, ...], int]:
    totals: dict[tuple[str, ...], int] = {}
    for key, count in figures:
        totals[key] = totals.get(key, 0) + count
    return dict(sorted(totals.items()))
