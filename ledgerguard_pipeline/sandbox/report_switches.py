"""How the sandbox's reports look and fail; the truth differs between releases and is not all known."""

from __future__ import annotations

from typing import Literal

import msgspec


class ReportSwitches(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The defaults are the service of 2026, or the likelier behaviour where it is unknown."""

    shape: Literal["modern", "old"] = "modern"
    """``old``: the service before July 2026. ``modern``: columns carry keys, metadata stands on
    every row, no rows between transactions, and a header says so."""
    zeros: Literal["blank", "text"] = "blank"
    """How a zero is written: ``""`` or as a number (``0.00``, in journals ``.00``)."""
    order: Literal["books", "shuffled"] = "books"
    """``shuffled``: rows beside each other change places from one answer to the next."""
    language: Literal["en", "fr"] = "en"
    """Of titles and of types of transactions."""
    header_ids: Literal["sound", "child", "none"] = "sound"
    """Ids of the account sections of a GeneralLedger: right, or as captured in 2020 (that of the
    first child), or none at all."""
    cell_limit: int = 400_000
    """Rows end where these cells are full."""
    cut: Literal["row", "header", "summary", "silent", "fault"] = "row"
    """How an answer over the limit shows it: a row, an option of the header or the last summary
    says that more data cannot be displayed, nothing says so, or 400 / 10100."""
    cut_at: Literal["cell", "transaction"] = "cell"
    """``cell``: anywhere, so also in the middle of a transaction."""
    slow_beyond_days: int | None = None
    """A longer window takes too long: 504."""
    void_rows: Literal["shown", "left_out"] = "shown"
    """Whether a JournalReport shows transactions without amounts."""
    roll: Literal["yearly", "never"] = "yearly"
    """Whether a TrialBalance restarts income and expenses each fiscal year, with Retained Earnings
    holding the years before."""
    revaluation: Literal["none", "row", "account"] = "none"
    """Whether TrialBalance, BalanceSheet and ProfitAndLoss value accounts in other currencies at the
    day's rate (a twentieth above the books), and where the gain stands, which has no transaction:
    in a row that names no account, or on the account of exchange gains."""
    rest: Literal["exchange", "header"] = "exchange"
    """Which leg of a document in another currency has the cents that rounding left: one on the account
    of exchange gains, or the first."""
    cost_delay_seconds: float = 0.0
    """Cost legs of a sale appear so long after the sale was written."""
    denied: frozenset[str] = frozenset()
    """Reports this user may not see: 400 / 5020."""
    empty: frozenset[str] = frozenset()
    """Reports that say there is no data, whatever the books hold."""
    without_body: frozenset[str] = frozenset()
    """Reports that are answered 200 with nothing in it."""
    written_locally: frozenset[str] = frozenset()
    """Reports with dates and amounts as people write them (31/10/2026, 1.234,50), as none was captured."""
    undated: frozenset[str] = frozenset()
    """Reports whose columns do not say which days they are of."""
    dropped_legs: frozenset[tuple[str, str]] = frozenset()
    """(type, id) of transactions of which every report loses the last leg."""
    lost: frozenset[tuple[str, str]] = frozenset()
    """(type, id) of transactions whose rows a JournalReport loses, while its total counts them."""
    hidden: frozenset[tuple[str, str]] = frozenset()
    """(type, id) of transactions no report shows."""
