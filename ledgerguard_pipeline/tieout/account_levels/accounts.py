"""What has to be known of accounts to compare balances: their names, sides and currencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import RealmId

_RESULT = frozenset({"Revenue", "Expense"})
_OF_BALANCE_SHEET = frozenset({"Asset", "Liability", "Equity"})


class _Currency(msgspec.Struct):
    value: str | None = None


class _Account(msgspec.Struct):
    FullyQualifiedName: str | None = None
    Name: str | None = None
    AcctNum: str | None = None
    Classification: str | None = None
    AccountSubType: str | None = None
    CurrencyRef: _Currency | None = None
    CurrentBalance: msgspec.Raw = msgspec.Raw()


_ACCOUNT = msgspec.json.Decoder(_Account)
"""Made here and not at first use: msgspec 0.22 crashes where several threads use a type first."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as Bronze holds it, deleted ones too."""

    id: str
    name: str
    result: bool
    """Whether it is one of income or expense, which a fiscal year starts anew."""
    retained: bool
    currency: str | None
    exchange: bool = False
    """Whether it takes gains and losses of exchange rates."""
    asset: bool = False
    debit_side: bool = True
    """Whether debits raise it: assets and expenses."""
    number: str = ""
    """In the chart of accounts, where numbers are used."""
    balance: Decimal | None = None
    """What its row says it stands at, debits positive; None of income, expenses, Retained Earnings
    and deleted ones, whose rows say nothing, and where it is no number."""
    read_at: datetime | None = None
    """When its row was read from QuickBooks."""
    alive: bool = True
    """Whether QuickBooks still has it; others were deleted or merged."""


def retained_earnings(accounts: Mapping[str, Account]) -> str | None:
    """The account that takes the years before: of several the oldest, which QuickBooks made.

    People may make more of that type, and merge the first one into another.
    """
    found = [each for each in accounts.values() if each.retained]
    oldest = min(found, key=lambda each: (not each.alive, len(each.id), each.id), default=None)
    return None if oldest is None else oldest.id


def read_accounts(workspace: Workspace, realm: RealmId | str) -> dict[str, Account]:
    """The accounts of a company by id; empty where they were not loaded."""
    table = entity_type("Account").table
    with workspace.read() as view:
        if view is None or not view.has(table):
            return {}
        rows = view.connection.execute(
            f"SELECT id, payload, state NOT IN {statements.GONE}, fetched_at FROM ({statements.newest(table, realm=True)}) "
            "WHERE payload IS NOT NULL",
            {"realm": str(realm)},
        ).fetchall()
    return {
        str(id): _account(str(id), str(payload), read_at, alive=alive)
        for id, payload, alive, read_at in rows
    }


def _account(id: str, payload: str, read_at: datetime, *, alive: bool) -> Account:
    try:
        found = _ACCOUNT.decode(payload)
    except msgspec.MsgspecError:
        found = _Account()
    retained = found.AccountSubType == "RetainedEarnings"
    stands = alive and not retained and found.Classification in _OF_BALANCE_SHEET
    return Account(
        id,
        found.FullyQualifiedName or found.Name or "",
        found.Classification in _RESULT,
        retained,
        found.CurrencyRef.value if found.CurrencyRef else None,
        found.AccountSubType == "ExchangeGainOrLoss",
        found.Classification == "Asset",
        found.Classification in (None, "Asset", "Expense"),
        found.AcctNum or "",
        _number(bytes(found.CurrentBalance)) if stands else None,
        read_at,
        alive,
    )


def _number(text: bytes) -> Decimal | None:
    """The exact value of a number, which may stand in quotes."""
    try:
        found = Decimal(text.decode().strip().strip('"'))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
