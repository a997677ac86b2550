"""What the last comparison of a company's books with Intuit's reports means for its health."""

from __future__ import annotations

from ledgerguard_pipeline.control.company_state.tie_outs import BROKEN, NOT_COMPARED, BooksBrief
from ledgerguard_pipeline.health.reasons import HealthState, Reason, ReasonKind


def books_reasons(books: BooksBrief | None) -> list[Reason]:
    """Nothing where the books tie out, were never compared, or will be again by themselves."""
    if books is None:
        return []
    if books.state == BROKEN:
        text = (
            f"Tie-out broke: {extent(books)}. `ledgerguard tieout` compares again and lists what "
            "differs; `ledgerguard tieout --explain ACCOUNT` walks one account."
        )
        return [Reason(HealthState.DEGRADED, text, ReasonKind.BOOKS_DIFFER)]
    if books.state == NOT_COMPARED and books.finding is not None:
        text = f"The books could not be compared ({books.finding.name}). {books.finding.text}"
        return [Reason(HealthState.DEGRADED, text, ReasonKind.BOOKS_NOT_COMPARED)]
    return []


def extent(books: BooksBrief) -> str:
    """How much differs, and since when, as ``3 accounts, 12.40, first seen 2026-11-29 03:37``."""
    count, what = books.accounts or books.unexplained, "account" if books.accounts else "difference"
    amount = format(books.amount, "f") + (f" {books.currency}" if books.currency else "")
    since = (
        "" if books.first_seen is None else f", first seen {books.first_seen:%Y-%m-%d %H:%M} UTC"
    )
    return f"{count:,} {what}{'' if count == 1 else 's'}, {amount}{since}"


def books_line(books: BooksBrief | None) -> str:
    """One line for people on what is known of the books."""
    if books is None:
        return "never compared; `ledgerguard tieout` does"
    at = f"{books.checked_at:%Y-%m-%d %H:%M} UTC"
    if books.state == BROKEN:
        return f"do not tie out: {extent(books)}; checked {at}"
    if books.state == NOT_COMPARED:
        why = "" if books.finding is None else f" ({books.finding.name})"
        last = "never" if books.tied_out_at is None else f"{books.tied_out_at:%Y-%m-%d %H:%M} UTC"
        return f"could not be compared{why} {at}; tied out last: {last}"
    return f"tied out, checked {at}"
