"""What a report was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal

NAMES = (
    "TrialBalance",
    "JournalReport",
    "TransactionList",
    "GeneralLedger",
    "AgedReceivables",
    "AgedPayables",
    "BalanceSheet",
    "ProfitAndLoss",
    "CashFlow",
    "AccountList",
    "CustomerSales",
    "ItemSales",
    "DepartmentSales",
    "ClassSales",
)
"""As the addresses have them, which is not always what a page of Intuit's reference is called."""
_MACROS = ("This Fiscal Year-to-date", "This Month", "Last Month", "All", "Today")


@dataclass(frozen=True, slots=True)
class Asked:
    """A report with its window, both days included; ``dated`` is False where none was given."""

    name: str
    start: date
    end: date
    dated: bool
    basis: str
    params: dict[str, str]

    @property
    def days(self) -> int:
        """Days of the window."""
        return (self.end - self.start).days + 1

    def __getitem__(self, name: str) -> str:
        return self.params.get(name, "")

    def columns(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """The columns asked for, or the usual ones."""
        return tuple(self["columns"].split(",")) if self["columns"] else usual


def read(name: str, params: dict[str, str], today: date) -> Asked:
    """Check what was asked.

    Raises:
        Refusal: there is no such report, or a date or the basis is none.
    """
    if name not in NAMES:
        raise Refusal("500", "Unsupported Operation", f"Operation reports/{name} is not supported.")
    if "date_macro" in params and {"start_date", "end_date"} & params.keys():
        raise _invalid("date_macro", "cannot be combined with dates")
    basis = params.get("accounting_method", "Accrual")
    if basis not in ("Accrual", "Cash"):
        raise _invalid("accounting_method", basis)
    aged = name in ("AgedReceivables", "AgedPayables")
    if aged:
        end = _day(params, "report_date") or today
        return Asked(name, end, end, True, basis, params)
    macro = params.get("date_macro")
    if macro is not None:
        start, end = _macro(macro, today)
        return Asked(name, start, end, True, basis, params)
    given = {"start_date", "end_date"} & params.keys()
    end = _day(params, "end_date") or today
    start = _day(params, "start_date") or end.replace(month=1, day=1)
    if start > end:
        raise _invalid("start_date", f"{start} is after {end}")
    return Asked(name, start, end, bool(given), basis, params)


def _macro(macro: str, today: date) -> tuple[date, date]:
    first = today.replace(day=1)
    spans = {
        "This Fiscal Year-to-date": (today.replace(month=1, day=1), today),
        "This Month": (first, today),
        "Last Month": ((first - timedelta(days=1)).replace(day=1), first - timedelta(days=1)),
        "All": (date(1990, 1, 1), today),
        "Today": (today, today),
    }
    if macro not in spans:
        raise _invalid("date_macro", f"{macro}; there are {', '.join(_MACROS)}")
    return spans[macro]


def _day(params: dict[str, str], name: str) -> date | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(name, text) from None


def _invalid(name: str, value: str) -> Refusal:
    return Refusal("2020", "Invalid value", f"Invalid value for {name} : {value}")
