"""What a page shows of a company's books: whether they tie out, both figures, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.control.company_state.tie_outs import (
    BROKEN,
    NOT_COMPARED,
    TIED_OUT,
    Books,
    DifferenceLine,
)
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.quickbooks_links import account_link, document_link
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline.web.company_pages.dagster_links import DagsterLinks
from ledgerguard_pipeline.web.company_pages.month_chart import MonthChart, amount_text, month_chart

SHOWN = 20
"""Differences on the page; ``ledgerguard tieout --json`` and ``silver.tie_out`` have all."""
WARNINGS_SHOWN = 5

_STATES = {
    TIED_OUT: ("healthy", "Tied out"),
    BROKEN: ("unhealthy", "Does not tie out"),
    NOT_COMPARED: ("degraded", "Not compared"),
}
_FIGURES = {"net_income": "Net income, fiscal year to date", "total_assets": "Total assets"}
_TABLES = {entity.name: entity.table for entity in ENTITIES}


@dataclass(frozen=True, slots=True)
class Link:
    """Where something can be looked at; ``hidden`` is said to those who hear the page."""

    text: str
    address: str
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure by both; ``equal`` to the last digit."""

    name: str
    day: str
    theirs: str
    ours: str
    equal: bool


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One difference and where to look."""

    name: str
    level: str
    day: str
    ours: str
    theirs: str
    difference: str
    first_seen: datetime | None
    explanation: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Explained differences of one level and class."""

    level: str
    kind: str
    count: int
    amount: str


@dataclass(frozen=True, slots=True)
class BooksView:
    """The section; ``mark`` is one of the states of health, for its form and colour."""

    mark: str
    state: str
    checked_at: datetime
    tied_out_at: datetime | None
    days: str
    currency: str
    unexplained: int
    amount: str
    first_seen: datetime | None
    findings: Sequence[str]
    warnings: Sequence[str]
    """The largest differences that break no proof, and yet somebody may want to look at."""
    figures: Sequence[FigureRow]
    differences: Sequence[DifferenceRow]
    classes: Sequence[ClassRow]
    chart: MonthChart | None
    calls: int
    calls_today: int
    left_out: str | None


def books_view(
    books: Books | None,
    environment: Environment,
    realm: str,
    now: datetime,
    dagster: DagsterLinks | None,
) -> BooksView | None:
    """The section; None before the first comparison."""
    if books is None:
        return None
    mark, state = _STATES.get(books.state, ("degraded", books.state))
    broken = [each for each in books.differences if each.kind == "unexplained"][:SHOWN]
    return BooksView(
        mark=mark,
        state=state,
        checked_at=books.checked_at,
        tied_out_at=books.tied_out_at,
        days=" and ".join(f"{each:%-d %b %Y}" for each in books.ends),
        currency=books.currency or "",
        unexplained=books.unexplained,
        amount=amount_text(books.amount),
        first_seen=books.first_seen,
        findings=[each.text for each in books.findings],
        warnings=[each.message for each in books.differences if each.warns][:WARNINGS_SHOWN],
        figures=[
            FigureRow(
                _FIGURES.get(each.name, each.name),
                f"{each.day:%-d %b %Y}",
                "-" if each.theirs is None else amount_text(each.theirs),
                "-" if each.ours is None else amount_text(each.ours),
                each.ours == each.theirs,
            )
            for each in sorted(books.figures, key=lambda one: (one.name, one.day))
        ],
        differences=[_row(each, environment, realm, dagster) for each in broken],
        classes=[
            ClassRow(each.level, each.kind.replace("_", " "), each.count, amount_text(each.amount))
            for each in books.classes
        ],
        chart=month_chart(books.months),
        calls=books.metered_calls,
        calls_today=books.calls_on(now.date()),
        left_out=books.left_out,
    )


def _row(
    each: DifferenceLine, environment: Environment, realm: str, dagster: DagsterLinks | None
) -> DifferenceRow:
    return DifferenceRow(
        name=each.name or f"Account {each.account_id}",
        level=each.level,
        day=f"{each.period_end:%-d %b %Y}",
        ours=amount_text(each.ours),
        theirs=amount_text(each.theirs),
        difference=amount_text(each.difference),
        first_seen=each.first_seen,
        explanation=each.explanation,
        links=tuple(_links(each, environment, realm, dagster)),
    )


def _links(
    each: DifferenceLine, environment: Environment, realm: str, dagster: DagsterLinks | None
) -> Iterator[Link]:
    for document in each.documents:
        address = document_link(environment, realm, document.entity, document.id)
        if address is not None:
            yield Link(f"{document.label} in QuickBooks", address)
        table = _TABLES.get(document.entity)
        if dagster is not None and table is not None:
            yield Link(f"Versions of {document.entity} in Bronze", dagster.asset(table))
    if each.account_id is not None:
        address = account_link(environment, realm, each.account_id)
        yield Link("Register in QuickBooks", address, f" of {each.name}")
