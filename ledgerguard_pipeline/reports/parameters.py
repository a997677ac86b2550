"""The parameters of reports, each with the values it takes.

Intuit: the pages of the single reports in the Accounting API reference. Enumerations are checked
here because Intuit answers a wrong value with an empty report as often as with a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime

from ledgerguard_pipeline.errors import BadInputError

_WORD = re.compile(r"[a-z][a-z0-9_]{1,40}", re.ASCII)
_ID = re.compile(r"[0-9]{1,20}", re.ASCII)
_TEXT_LIMIT = 200

Check = Callable[[str, object], str]


def day(name: str, value: object) -> str:
    """A date or an ISO text such as ``2026-10-31``.

    Raises:
        BadInputError: it is none.
    """
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    try:
        return date.fromisoformat(str(value).strip()).isoformat()
    except ValueError:
        raise _wrong(name, value, "write a date as in 2026-10-31") from None


def _one_of(*allowed: str) -> Check:
    by_key = {each.casefold(): each for each in allowed}

    def check(name: str, value: object) -> str:
        found = by_key.get(str(value).strip().casefold())
        if found is None:
            raise _wrong(name, value, f"it is one of {', '.join(allowed)}")
        return found

    return check


def _some(form: re.Pattern[str], advice: str) -> Check:
    """One or several, as a text with commas or as a list."""

    def check(name: str, value: object) -> str:
        several = isinstance(value, Iterable) and not isinstance(value, str)
        parts = value if several else str(value).split(",")
        found = [str(part).strip() for part in parts]  # type: ignore[attr-defined]  # as tested
        if not found or not all(form.fullmatch(part) for part in found):
            raise _wrong(name, value, advice)
        return ",".join(found)

    return check


def _number(name: str, value: object) -> str:
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", str(value), re.ASCII):
        raise _wrong(name, value, "it is a whole number")
    return str(value)


def _switch(name: str, value: object) -> str:
    text = str(value).casefold()
    if text not in ("true", "false"):
        raise _wrong(name, value, "it is true or false")
    return text


def _text(name: str, value: object) -> str:
    text = str(value).strip()
    if not text or len(text) > _TEXT_LIMIT or not text.isprintable():
        raise _wrong(name, value, "it is a short text")
    return text


def _wrong(name: str, value: object, advice: str) -> BadInputError:
    return BadInputError(f"{name}={str(value)[:40]!r} is not valid: {advice}.")


_ids = _some(_ID, "it is an id, or several with commas")
_columns = _some(_WORD, "it is a list of column keys such as tx_date,txn_type")
_moment = _text
_YES_NO = _one_of("Paid", "Unpaid", "All")

CHECKS: dict[str, Check] = {
    "accounting_method": _one_of("Accrual", "Cash"),
    "start_date": day,
    "end_date": day,
    "report_date": day,
    "start_duedate": day,
    "end_duedate": day,
    "date_macro": _text,
    "createdate_macro": _text,
    "duedate_macro": _text,
    "moddate_macro": _text,
    "svcdate_macro": _text,
    "start_moddate": day,
    "end_moddate": day,
    "start_createdate": day,
    "end_createdate": day,
    "start_svcdate": day,
    "end_svcdate": day,
    "summarize_column_by": _one_of(
        *("Total", "Days", "Week", "Month", "Quarter", "Year", "Customers", "Vendors"),
        *("Classes", "Departments", "Employees", "ProductsAndServices"),
    ),
    "sort_order": _one_of("ascend", "descend"),
    "sort_by": _some(_WORD, "it is the key of a column such as txn_type"),
    "columns": _columns,
    "customer": _ids,
    "vendor": _ids,
    "class": _some(re.compile(r"[0-9]{1,20}|NotSpecified", re.ASCII), "it is a class's id"),
    "department": _ids,
    "item": _ids,
    "account": _ids,
    "source_account": _ids,
    "term": _ids,
    "employee": _ids,
    "agency_id": _ids,
    "account_type": _text,
    "source_account_type": _text,
    "account_status": _one_of("Deleted", "Not_Deleted"),
    "transaction_type": _text,
    "group_by": _text,
    "docnum": _text,
    "name": _ids,
    "memo": _text,
    "payment_method": _text,
    "arpaid": _YES_NO,
    "appaid": _YES_NO,
    "cleared": _one_of("Cleared", "Uncleared", "Reconciled", "Deposited"),
    "printed": _text,
    "shipvia": _text,
    "bothamount": _text,
    "aging_method": _one_of("Report_Date", "Current"),
    "aging_period": _number,
    "num_periods": _number,
    "past_due": _number,
    "qzurl": _switch,
    "adjusted_gain_loss": _switch,
}
"""Every parameter by its name, with what makes its text, or refuses the value."""
