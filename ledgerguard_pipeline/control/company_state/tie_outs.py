"""What the last comparison of each company's books with Intuit's reports found.

Kept here besides ``silver.tie_out`` because status, pages, metrics and alerts never open Bronze. One row
a company, with at most ``LISTED`` differences; ``silver.tie_out`` has all.

Decision 73 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import or_, select

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import companies, tie_outs
from ledgerguard_pipeline.values import Environment, RealmId

LISTED = 50
"""Differences kept for people to look at; their number and sum are of all."""
WARNINGS = frozenset({"guess", "rounding", "old_balance"})
"""Kinds of differences that break no proof, and yet somebody may want to look at each."""
_DAYS = 31
TIED_OUT, BROKEN, NOT_COMPARED = "tied_out", "broken", "not_compared"


class DocumentRef(msgspec.Struct, frozen=True):
    """A document that a difference is about."""

    entity: str
    id: str
    label: str


class DifferenceLine(msgspec.Struct, frozen=True):
    """One difference as people see it; ``account_id`` is None where it is about no account."""

    level: str
    period_end: date
    name: str
    ours: Decimal
    theirs: Decimal
    difference: Decimal
    kind: str
    explanation: str
    message: str
    first_seen: datetime | None = None
    account_id: str | None = None
    key: str = ""
    """Of the row in ``silver.tie_out``."""
    documents: tuple[DocumentRef, ...] = ()

    @property
    def warns(self) -> bool:
        """Whether it breaks no proof, and yet somebody may want to look at it."""
        return self.kind in WARNINGS


class LevelLine(msgspec.Struct, frozen=True):
    """One level of a comparison: how much it compared, and how much of that differs.

    ``checked`` counts what the level is about: transactions, accounts, documents or parties.
    ``differences`` are all that are known, ``unexplained`` those of them that break the proof.
    """

    level: str
    checked: int
    differences: int
    unexplained: int


class FindingLine(msgspec.Struct, frozen=True):
    """What kept something from being compared."""

    name: str
    text: str
    blocks: bool = True
    """Whether nothing may be called equal while it lasts."""
    passing: bool = False
    """Whether it may go away by itself."""
    levels: tuple[str, ...] = ()
    """The levels it kept from being compared; none where it was all of them."""


class ClassLine(msgspec.Struct, frozen=True):
    """Differences of a level that have one explanation: how many, and what they come to."""

    level: str
    kind: str
    count: int
    amount: Decimal

    @property
    def warns(self) -> bool:
        """Whether somebody may want to look at them."""
        return self.kind in WARNINGS


class FigureLine(msgspec.Struct, frozen=True):
    """One figure of the books on a day, by us and by Intuit; None where nobody said it."""

    name: str
    day: date
    ours: Decimal | None
    theirs: Decimal | None


class MonthLine(msgspec.Struct, frozen=True):
    """One month: net income by us and by Intuit; None where Intuit was not asked."""

    month: date
    ours: Decimal
    theirs: Decimal | None


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """The last comparison of a company. ``amount`` is the sum of the unexplained differences."""

    state: str
    checked_at: datetime
    tied_out_at: datetime | None = None
    """When everything agreed last."""
    ends: tuple[date, ...] = ()
    currency: str | None = None
    unexplained: int = 0
    explained: int = 0
    amount: Decimal = Decimal(0)
    accounts: int = 0
    """Accounts with unexplained differences."""
    first_seen: datetime | None = None
    """Since when the oldest of the unexplained differences is known."""
    levels: tuple[LevelLine, ...] = ()
    differences: tuple[DifferenceLine, ...] = ()
    findings: tuple[FindingLine, ...] = ()
    classes: tuple[ClassLine, ...] = ()
    """The explained ones, added up without their signs."""
    figures: tuple[FigureLine, ...] = ()
    months: tuple[MonthLine, ...] = ()
    metered_calls: int = 0
    """Of this comparison."""
    calls_by_day: Mapping[str, int] = {}  # a field of a struct, copied for each
    """Metered calls of comparisons by UTC day, newest ``31``."""
    left_out: str | None = None
    """Why the comparison after this one was left out."""

    def calls_on(self, day: date) -> int:
        """Metered calls of all comparisons of a day (UTC)."""
        return self.calls_by_day.get(day.isoformat(), 0)


class BooksBrief(msgspec.Struct, frozen=True, kw_only=True):
    """The same in short, for health and figures of very many companies.

    ``finding`` is the first that keeps books from being compared and does not go away by itself.
    """

    state: str
    checked_at: datetime
    tied_out_at: datetime | None = None
    unexplained: int = 0
    accounts: int = 0
    amount: Decimal = Decimal(0)
    currency: str | None = None
    first_seen: datetime | None = None
    finding: FindingLine | None = None
    metered_calls: int = 0
    day: date | None = None
    day_calls: int = 0
    left_out: str | None = None

    def calls_on(self, day: date) -> int:
        """Metered calls of comparisons of a day (UTC)."""
        return self.day_calls if day == self.day else 0


_BOOKS = msgspec.json.Decoder(Books)
_BRIEF = msgspec.json.Decoder(BooksBrief)


class TieOuts:
    """The comparisons of the environment the plane was opened for."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment
        self._mine = tie_outs.c.environment == environment.value

    def compared(self, realm: RealmId, books: Books) -> Books:
        """Put a comparison in place of the one before; what days had cost stays."""
        known = self.read(realm)
        calls = dict(known.calls_by_day) if known else {}
        today = books.checked_at.date().isoformat()
        calls[today] = calls.get(today, 0) + books.metered_calls
        last = books.checked_at if books.state == TIED_OUT else known and known.tied_out_at
        kept = msgspec.structs.replace(
            books,
            tied_out_at=last,
            differences=books.differences[:LISTED],
            calls_by_day=dict(sorted(calls.items())[-_DAYS:]),
        )
        self._write(realm, kept)
        return kept

    def left_out(self, realm: RealmId, why: str) -> None:
        """Note that a comparison was left out; what is known stays. Nothing where none was made."""
        known = self.read(realm)
        if known is not None and known.left_out != why:
            self._write(realm, msgspec.structs.replace(known, left_out=why))

    def read(self, realm: RealmId) -> Books | None:
        """The last comparison of a company; None if there was none."""
        statement = select(tie_outs.c.summary).where(self._mine, tie_outs.c.realm_id == realm)
        with self._database.read() as connection:
            found = connection.execute(statement).scalar_one_or_none()
        return None if found is None else _BOOKS.decode(found)

    def briefs(self, realms: Sequence[RealmId] | None = None) -> Mapping[RealmId, BooksBrief]:
        """By company, of some companies or of all, in one statement; those never compared lack."""
        statement = select(tie_outs.c.realm_id, tie_outs.c.brief).where(self._mine)
        if realms is not None:
            statement = statement.where(tie_outs.c.realm_id.in_(realms))
        with self._database.read() as connection:
            rows = connection.execute(statement).fetchall()
        return {RealmId(row.realm_id): _BRIEF.decode(row.brief) for row in rows}

    def hindered(self) -> Mapping[RealmId, Sequence[FindingLine]]:
        """What keeps companies from being compared, as the last comparison of each found it.

        Not of those that were disconnected: they are not compared any more. One statement.
        """
        statement = (
            select(tie_outs.c.realm_id, tie_outs.c.summary)
            .join(companies, companies.c.realm_id == tie_outs.c.realm_id)
            .where(
                self._mine,
                companies.c.environment == tie_outs.c.environment,
                companies.c.status != ConnectionStatus.DISCONNECTED.value,
                # Few have any, and a summary is long.
                tie_outs.c.summary.contains('"blocks":true'),
            )
            .order_by(tie_outs.c.realm_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).fetchall()
        found = {RealmId(row.realm_id): _BOOKS.decode(row.summary).findings for row in rows}
        return {realm: [each for each in mine if each.blocks] for realm, mine in found.items()}

    def remarkable(self) -> Mapping[RealmId, Books]:
        """The last comparisons that found anything to show, of companies that were not disconnected.

        One statement, which leaves out who ties out without a warning.
        """
        warned = (tie_outs.c.summary.contains(f'"kind":"{kind}"') for kind in sorted(WARNINGS))
        statement = (
            select(tie_outs.c.realm_id, tie_outs.c.summary)
            .join(companies, companies.c.realm_id == tie_outs.c.realm_id)
            .where(
                self._mine,
                companies.c.environment == tie_outs.c.environment,
                companies.c.status != ConnectionStatus.DISCONNECTED.value,
                or_(~tie_outs.c.brief.contains(f'"state":"{TIED_OUT}"'), *warned),
            )
            .order_by(tie_outs.c.realm_id)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).fetchall()
        return {RealmId(row.realm_id): _BOOKS.decode(row.summary) for row in rows}

    def _write(self, realm: RealmId, books: Books) -> None:
        values = {
            "environment": self._environment.value,
            "realm_id": realm,
            "brief": msgspec.json.encode(_brief(books)).decode(),
            "summary": msgspec.json.encode(books).decode(),
        }
        with self._database.write(f"tie_outs:{self._environment.value}:{realm}") as connection:
            connection.execute(self._database.upsert(tie_outs, tuple(values)), values)


def _brief(books: Books) -> BooksBrief:
    newest = max(books.calls_by_day, default=None)
    lasting = (each for each in books.findings if each.blocks and not each.passing)
    return BooksBrief(
        state=books.state,
        checked_at=books.checked_at,
        tied_out_at=books.tied_out_at,
        unexplained=books.unexplained,
        accounts=books.accounts,
        amount=books.amount,
        currency=books.currency,
        first_seen=books.first_seen,
        finding=next(lasting, None),
        metered_calls=books.metered_calls,
        day=None if newest is None else date.fromisoformat(newest),
        day_calls=0 if newest is None else books.calls_by_day[newest],
        left_out=books.left_out,
    )
