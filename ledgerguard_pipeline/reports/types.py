"""The reports there are, and what each can be asked. Source: Intuit's reference, by report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.reports.parameters import CHECKS

_DATES = frozenset({"start_date", "end_date", "date_macro"})
_BASIS = frozenset({"accounting_method"})
_PARTS = frozenset({"customer", "vendor", "class", "department", "item"})
_SORTED = frozenset({"sort_by", "sort_order"})
_DETAIL = _DATES | _SORTED | {"columns", "group_by"}
_CHANGED = frozenset(
    {"start_moddate", "end_moddate", "moddate_macro"}
    | {"start_createdate", "end_createdate", "createdate_macro"}
)
_LIST = _DETAIL | _CHANGED | {
    "transaction_type", "docnum", "arpaid", "appaid", "cleared", "bothamount", "payment_method",
    "name", "customer", "vendor", "department", "memo", "term", "source_account_type", "printed",
    "start_duedate", "end_duedate", "duedate_macro", "class", "account", "account_type",
}  # fmt: skip
_AGED = frozenset(
    {"report_date", "aging_method", "aging_period", "num_periods", "department", "date_macro"}
)
_AGED_DETAIL = _AGED | {"start_duedate", "end_duedate", "past_due", "term", "columns", "sort_by",
                        "sort_order"}  # fmt: skip
_AGED_SUMMARY = _AGED | {"customer", "sort_order", "qzurl"}
_STATEMENT = _DATES | _PARTS | {"summarize_column_by", "sort_order", "qzurl"}
_SALES = _DATES | _BASIS | _PARTS | {"summarize_column_by", "sort_order"}
_BALANCES = _BASIS | {
    "report_date",
    "date_macro",
    "department",
    "summarize_column_by",
    "sort_order",
}


@dataclass(frozen=True, slots=True)
class ReportType:
    """One report. ``needs`` must be given, unless a ``date_macro`` stands for the dates.

    ``divisible`` ones are lists of single transactions, which the windows of a longer window add up to.
    ``renamed`` is what Intuit calls one whose page in the reference has another name (empty: the same).
    """

    name: str
    takes: frozenset[str]
    needs: frozenset[str] = frozenset()
    divisible: bool = False
    renamed: str = ""

    @property
    def path(self) -> str:
        """Its name in the address that is asked, and in the ``ReportName`` of the answer."""
        return self.renamed or self.name

    @property
    def has_basis(self) -> bool:
        """Whether it can be had on cash basis as well; if so the basis is always sent."""
        return "accounting_method" in self.takes


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A report as it is asked for: the texts that are sent, and what they mean."""

    type: ReportType
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def start(self) -> date | None:
        """The first day of the window; None where a macro or Intuit chooses it."""
        return self._day("start_date")

    @property
    def end(self) -> date | None:
        """The last day of the window, or the day of an aging report."""
        return self._day("end_date") or self._day("report_date")

    @property
    def basis(self) -> str | None:
        """``Accrual`` or ``Cash``; None for reports that have one basis only."""
        return self.params.get("accounting_method")

    @property
    def divisible(self) -> bool:
        """Whether two halves of the window can be asked for instead."""
        return self.type.divisible and self.start is not None and self.start != self.end

    def within(self, start: date, end: date) -> ReportRequest:
        """The same report of another window."""
        window = {"start_date": start.isoformat(), "end_date": end.isoformat()}
        return ReportRequest(self.type, {**self.params, **window})

    def _day(self, name: str) -> date | None:
        text = self.params.get(name)
        return None if text is None else date.fromisoformat(text)


_BOTH = frozenset({"start_date", "end_date"})
_SPANS = ("date", "moddate", "createdate", "duedate", "svcdate")
"""Each is asked for by its first and last day, or by a macro."""
REPORTS: tuple[ReportType, ...] = (
    ReportType("TrialBalance", _DATES | _BASIS | {"sort_order", "summarize_column_by"}, _BOTH),
    ReportType("JournalReport", _DATES | _SORTED | {"columns"}, _BOTH, divisible=True),
    ReportType(
        "GeneralLedger",
        _DETAIL | _BASIS | _PARTS | {
            "account", "source_account", "account_type", "source_account_type",
            "summarize_column_by",
        },
        divisible=True,
    ),
    ReportType("ProfitAndLoss", _STATEMENT | _BASIS | {"adjusted_gain_loss"}),
    ReportType("BalanceSheet", _STATEMENT | _BASIS, _BOTH),
    ReportType("CashFlow", _STATEMENT - {"qzurl"}),
    ReportType("AgedReceivables", _AGED_SUMMARY),
    ReportType("AgedPayables", _AGED_SUMMARY | {"vendor"}),
    ReportType("TransactionList", _LIST | {"qzurl"}, divisible=True),
    ReportType("TransactionListWithSplits", _LIST, divisible=True),
    ReportType("TransactionListByCustomer", _LIST | {"qzurl"}, divisible=True),
    ReportType("TransactionListByVendor", _LIST | {"qzurl"}, divisible=True),
    ReportType("AgedReceivableDetail", _AGED_DETAIL | {"customer", "shipvia"}),
    ReportType("AgedPayableDetail", _AGED_DETAIL | _BASIS | {"vendor", "shipvia"}),
    ReportType("ProfitAndLossDetail", _DETAIL | _BASIS | _PARTS | {"account", "account_type", "employee", "payment_method", "adjusted_gain_loss"}),
    ReportType("AccountListDetail", _BOTH | _CHANGED | _SORTED | {"columns", "account_type", "account_status"}, renamed="AccountList"),
    ReportType("InventoryValuationSummary", frozenset({"report_date", "date_macro", "item", "qzurl", "summarize_column_by", "sort_order"})),
    ReportType("InventoryValuationDetail", _DETAIL | {"start_svcdate", "end_svcdate", "svcdate_macro"}, divisible=True),
    ReportType("CustomerBalance", _BALANCES | {"customer", "arpaid"}),
    ReportType("CustomerBalanceDetail", _AGED_DETAIL | _BASIS | {"customer", "arpaid", "summarize_column_by"}),
    ReportType("VendorBalance", _BALANCES | {"vendor", "appaid", "qzurl"}),
    ReportType("VendorBalanceDetail", _AGED_DETAIL | _BASIS | {"vendor", "appaid", "duedate_macro"}),
    ReportType("CustomerIncome", _SALES | {"term"}),
    ReportType("VendorExpenses", _SALES),
    ReportType("SalesByClassSummary", _SALES, renamed="ClassSales"),
    ReportType("SalesByCustomer", _SALES | {"qzurl"}, renamed="CustomerSales"),
    ReportType("SalesByDepartment", _SALES, renamed="DepartmentSales"),
    ReportType("SalesByProduct", _SALES | {"start_duedate", "end_duedate", "duedate_macro"}, renamed="ItemSales"),
    ReportType("TaxSummary", _DATES | _BASIS | {"agency_id", "sort_order"}, frozenset({"agency_id"})),
)  # fmt: skip
_BY_NAME = {name.casefold(): report for report in REPORTS for name in (report.name, report.path)}


def report_type(name: object) -> ReportType:
    """A report by either name, in any case and with or without hyphens (``trial-balance``).

    Raises:
        BadInputError: there is no such report.
    """
    key = str(name).strip().replace("-", "").replace("_", "").casefold()
    found = _BY_NAME.get(key)
    if found is None:
        near = get_close_matches(key, _BY_NAME, n=1)
        advice = (
            f" Did you mean {_BY_NAME[near[0]].name}?"
            if near
            else f" Known: {', '.join(sorted(each.name for each in REPORTS))}."
        )
        raise BadInputError(f"QuickBooks has no report {str(name)[:40]!r}.{advice}")
    return found


def report_request(name: object, parameters: Mapping[str, object]) -> ReportRequest:
    """A checked request; parameters that are None are left out, ``class_`` means ``class``.

    The basis is always sent where a report has one (accrual unless named), because Intuit's own
    default is a setting of the company.

    Raises:
        BadInputError: no such report or parameter, a value it does not take, or a date missing.
    """
    type_ = report_type(name)
    params: dict[str, str] = {}
    for given, value in parameters.items():
        key = given.removesuffix("_")
        if value is None:
            continue
        if key not in type_.takes:
            raise BadInputError(
                f"{type_.name} has no parameter {given!r}; it takes {', '.join(sorted(type_.takes))}."
            )
        params[key] = CHECKS[key](key, value)
    for kind in _SPANS:
        first, last, macro = params.get(f"start_{kind}"), params.get(f"end_{kind}"), f"{kind}_macro"
        dated = first or last or (params.get("report_date") if kind == "date" else None)
        if macro in params and dated:
            raise BadInputError(f"Ask {type_.name} for a {macro} or for dates, not for both.")
        if first and last and first > last:
            window = "window" if kind == "date" else f"span of start_{kind} and end_{kind}"
            raise BadInputError(
                f"The {window} of {type_.name} ends ({last}) before it starts ({first})."
            )
    missing = type_.needs - params.keys() - (_BOTH if "date_macro" in params else frozenset())
    if missing:
        raise BadInputError(f"{type_.name} needs {' and '.join(sorted(missing, reverse=True))}.")
    if type_.has_basis:
        params.setdefault("accounting_method", "Accrual")
    return ReportRequest(type_, params)
