"""Comparisons made up for pages, status, metrics and alerts: green, red, and one that failed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from ledgerguard_pipeline.control.company_state.tie_outs import (
    BROKEN,
    NOT_COMPARED,
    TIED_OUT,
    Books,
    ClassLine,
    DifferenceLine,
    DocumentRef,
    FigureLine,
    FindingLine,
    MonthLine,
)

CLOSED = date(2026, 10, 31)
_MONTHS = (1200, 3400, -800, 2500, 4100, 0, 1900, -2300, 2800, 5200, 3100, 4400)


def months(*, differing: bool) -> tuple[MonthLine, ...]:
    found = []
    for at, value in enumerate(_MONTHS):
        number = 2025 * 12 + 10 + at
        ours = Decimal(f"{value}.25")
        theirs = ours + Decimal("1512.40") if differing and at == 8 else ours
        found.append(MonthLine(date(number // 12, number % 12 + 1, 1), ours, theirs))
    return tuple(found)


def tied_out(now: datetime) -> Books:
    """Everything agrees, with payroll explained."""
    income, assets = Decimal("26503.00"), Decimal("1234567.89")
    return Books(
        state=TIED_OUT,
        checked_at=now,
        ends=(CLOSED, now.date()),
        currency="USD",
        explained=18,
        classes=(ClassLine("L1", "payroll", 18, Decimal("54123.45")),),
        figures=(
            FigureLine("net_income", CLOSED, income, income),
            FigureLine("total_assets", CLOSED, assets, assets),
        ),
        months=months(differing=False),
        metered_calls=4,
    )


def broken(now: datetime) -> Books:
    """Three accounts differ, by 12.40 in all."""
    seen = now - timedelta(hours=6)
    income, assets = Decimal("26503.00"), Decimal("1234567.89")
    return Books(
        state=BROKEN,
        checked_at=now,
        ends=(CLOSED, now.date()),
        currency="USD",
        unexplained=3,
        accounts=3,
        amount=Decimal("12.40"),
        first_seen=seen,
        differences=tuple(
            _difference(number, amount, seen)
            for number, amount in enumerate(("6.20", "-6.00", "0.20"))
        ),
        figures=(
            FigureLine("net_income", CLOSED, income, income + Decimal("6.20")),
            FigureLine("total_assets", CLOSED, assets, assets),
        ),
        months=months(differing=True),
        metered_calls=9,
    )


def not_compared(now: datetime, text: str = "", *levels: str) -> Books:
    """Intuit refused a report, which these levels need (none: all)."""
    said = text or "QuickBooks does not show TrialBalance. Let an administrator connect it."
    return Books(
        state=NOT_COMPARED,
        checked_at=now,
        ends=(CLOSED,),
        findings=(FindingLine("not_permitted", said, levels=levels),),
        metered_calls=2,
    )


def _difference(number: int, amount: str, seen: datetime) -> DifferenceLine:
    ours = Decimal("371.19")
    return DifferenceLine(
        level="L3",
        period_end=CLOSED,
        name=f"Board of Equalization Payable {number}",
        ours=ours,
        theirs=ours - Decimal(amount),
        difference=Decimal(amount),
        kind="unexplained",
        explanation="Read again from QuickBooks: Invoice (id 72) 0.20.",
        message=f"Account 9{number}: journal {ours}, QuickBooks {ours - Decimal(amount)}.",
        first_seen=seen,
        account_id=f"9{number}",
        documents=(DocumentRef("Invoice", "72", "Invoice (id 72)"),),
    )
