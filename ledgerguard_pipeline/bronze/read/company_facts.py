"""What has to be known of a company to read its reports: its fiscal year and its currencies."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import duckdb
import msgspec

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.entities import entity_type

T = TypeVar("T")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """``fiscal_month`` is the first month of the fiscal year, 1 to 12."""

    fiscal_month: int = 1
    multicurrency: bool = False
    home_currency: str | None = None
    loaded: bool = False
    """Whether Bronze holds CompanyInfo and Preferences; without both some of these are guesses."""
    closed_until: date | None = None
    """The last day of the books that were closed; None where nothing was."""

    def fiscal_year(self, day: date) -> date:
        """The first day of the fiscal year that a day belongs to."""
        year = day.year if day.month >= self.fiscal_month else day.year - 1
        return date(year, self.fiscal_month, 1)


class _Currency(msgspec.Struct):
    value: str | None = None


class _CurrencyPrefs(msgspec.Struct):
    MultiCurrencyEnabled: bool | None = None
    HomeCurrency: _Currency | None = None


class _AccountingPrefs(msgspec.Struct):
    BookCloseDate: str | None = None
    FirstMonthOfFiscalYear: str | int | None = None


class _Preferences(msgspec.Struct):
    CurrencyPrefs: _CurrencyPrefs | None = None
    AccountingInfoPrefs: _AccountingPrefs | None = None


class _CompanyInfo(msgspec.Struct):
    FiscalYearStartMonth: str | int | None = None


# Made here and not at first use: msgspec 0.22 crashes where several threads use a type first.
# Not strict: a flag in quotes is read as everywhere, and does not hide the currency beside it.
_COMPANY = msgspec.json.Decoder(_CompanyInfo, strict=False)
_PREFERENCES = msgspec.json.Decoder(_Preferences, strict=False)


def read_facts(
    connection: duckdb.DuckDBPyConnection, present: Collection[str], realm: str
) -> CompanyFacts:
    """The facts as CompanyInfo and Preferences tell them; what they leave out is the usual."""
    info = _payload(connection, present, "CompanyInfo", realm)
    prefs = _payload(connection, present, "Preferences", realm)
    company = _decoded(info, _COMPANY) or _CompanyInfo()
    settings = _decoded(prefs, _PREFERENCES) or _Preferences()
    currency = settings.CurrencyPrefs or _CurrencyPrefs()
    accounting = settings.AccountingInfoPrefs or _AccountingPrefs()
    said = (company.FiscalYearStartMonth, accounting.FirstMonthOfFiscalYear)
    return CompanyFacts(
        next((month for month in map(_month, said) if month is not None), 1),
        bool(currency.MultiCurrencyEnabled),
        currency.HomeCurrency.value if currency.HomeCurrency else None,
        info is not None and prefs is not None,
        _day(accounting.BookCloseDate),
    )


def _month(said: str | int | None) -> int | None:
    """1 to 12; None where no month is named."""
    text = "" if said is None else str(said).strip().casefold()
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= 12 else None


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text[:10])
    except ValueError:
        return None


def _payload(
    connection: duckdb.DuckDBPyConnection, present: Collection[str], entity: str, realm: str
) -> str | None:
    table = entity_type(entity).table
    if table not in present:
        return None
    rows = statements.current(table, realm=True)
    row = connection.execute(f"SELECT payload FROM ({rows}) LIMIT 1", {"realm": realm}).fetchone()
    return None if row is None else str(row[0])


def _decoded(payload: str | None, decoder: msgspec.json.Decoder[T]) -> T | None:
    if payload is None:
        return None
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError:
        return None
