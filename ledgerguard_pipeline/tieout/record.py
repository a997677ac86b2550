"""A proof's result as the control plane keeps it for status, pages, metrics and alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ledgerguard_pipeline.control.company_state.tie_outs import (
    Books,
    ClassLine,
    DifferenceLine,
    DocumentRef,
    FigureLine,
    FindingLine,
    LevelLine,
    MonthLine,
)
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.tieout.differences import Difference, Level
from ledgerguard_pipeline.tieout.findings import Finding
from ledgerguard_pipeline.tieout.labels import ENTITY_OF
from ledgerguard_pipeline.tieout.proof import ProofResult

_ON_ACCOUNTS = frozenset({Level.TRIAL_BALANCE, Level.STATEMENTS, Level.ACCOUNT_BALANCES})
_NAMED = re.compile(r"([A-Z][\w ()]*?) \(id ([^\s()]+)\)")
"""How an explanation names a transaction: ``Invoice (id 72)``."""


def books_of(result: ProofResult) -> Books:
    """The result in short; unexplained differences first, then warnings, the largest first."""
    found = sorted(
        result.differences,
        key=lambda each: (
            not each.breaks,
            not each.warning,
            -each.difference.copy_abs(),
        ),
    )
    broken = result.unexplained
    return Books(
        state=result.state.value,
        checked_at=result.at,
        ends=result.ends,
        currency=result.currency,
        unexplained=len(broken),
        explained=len(found) - len(broken),
        amount=exact_sum(each.difference.copy_abs() for each in broken),
        accounts=len({each.account_id for each in map(line, broken) if each.account_id}),
        first_seen=min((each.first_seen for each in broken if each.first_seen), default=None),
        levels=tuple(_level_lines(result)),
        differences=tuple(map(line, found)),
        classes=tuple(_classes(result.differences)),
        findings=tuple(
            FindingLine(
                each.kind.value,
                each.text,
                each.kind.blocks,
                each.kind.passes,
                _levels(result, each),
            )
            for each in result.findings
        ),
        figures=tuple(
            FigureLine(each.name, each.day, _short(each.ours), _short(each.theirs))
            for each in result.figures
        ),
        months=tuple(
            MonthLine(each.month, _short(each.ours), _short(each.theirs)) for each in result.months
        ),
        metered_calls=result.metered_calls,
    )


def _level_lines(result: ProofResult) -> Iterator[LevelLine]:
    for level in Level:
        found = [each for each in result.differences if each.level is level]
        broken = sum(each.breaks for each in found)
        yield LevelLine(level.value, result.checked.get(level, 0), len(found), broken)


def _levels(result: ProofResult, finding: Finding) -> tuple[str, ...]:
    """The levels that met it; none where it concerns all of them."""
    met = [each.level for each in result.levels if each.finding == finding]
    return () if None in met else tuple(dict.fromkeys(each.value for each in met if each))


def _classes(found: Sequence[Difference]) -> Iterator[ClassLine]:
    amounts: dict[tuple[str, str], list[Decimal]] = {}
    for each in found:
        if not each.breaks:
            key = each.level.value, _kind(each)
            amounts.setdefault(key, []).append(each.difference.copy_abs())
    for (level, kind), values in sorted(amounts.items()):
        yield ClassLine(level, kind, len(values), _short(exact_sum(values)))


def _kind(each: Difference) -> str:
    return each.warning or each.kind.value


def line(each: Difference) -> DifferenceLine:
    """One difference for people, with the documents it is about."""
    account = None
    if each.level in _ON_ACCOUNTS or each.level is Level.POSTINGS:
        account = each.key.rpartition("/")[2]
    return DifferenceLine(
        level=each.level.value,
        period_end=each.period_end,
        key=each.key,
        name=each.name,
        ours=_short(each.ours),
        theirs=_short(each.theirs),
        difference=_short(each.difference),
        kind=_kind(each),
        explanation=each.explanation,
        message=each.message,
        first_seen=each.first_seen,
        account_id=account or None,
        documents=tuple(dict.fromkeys(_documents(each))),
    )


def _documents(each: Difference) -> Iterator[DocumentRef]:
    if each.level not in _ON_ACCOUNTS:
        of_account = each.level is Level.POSTINGS
        entity, _, id = (each.key.rpartition("/")[0] if of_account else each.key).rpartition("/")
        # A transaction of the journal is known by the word that reports have for its type.
        known = _entity(each.name) if each.level is Level.BALANCED else entity
        if known:
            yield DocumentRef(known, id, each.name)
    for label, id in _NAMED.findall(each.explanation):
        if label in ENTITY_OF:
            yield DocumentRef(ENTITY_OF[label], id, f"{label} (id {id})")


def _entity(name: str) -> str | None:
    """The entity type a name such as ``Bill Payment (Check) 12`` begins with."""
    fitting = [label for label in ENTITY_OF if name == label or name.startswith(f"{label} ")]
    return ENTITY_OF[max(fitting, key=len)] if fitting else None


def _short(value: Decimal) -> Decimal:
    """Without the zeros a column adds, and at least two decimals."""
    whole, _, decimals = format(value, "f").partition(".")
    return Decimal(f"{whole}.{decimals.rstrip('0').ljust(2, '0')}")
