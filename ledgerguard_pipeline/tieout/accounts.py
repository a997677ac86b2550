"""What has to be known of accounts to compare balances: their names, sides and currencies."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import RealmId

_RESULT = frozenset({"Revenue", "Expense"})


class _Currency(msgspec.Struct):
    value: str | None = None


class _Account(msgspec.Struct):
    FullyQualifiedName: str | None = None
    Name: str | None = None
    AcctNum: str | None = None
    Classification: str | None = None
    AccountSubType: str | None = None
    CurrencyRef: _Currency | None = None


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
    asset: bool = False
    debit_side: bool = True
    """Whether debits raise it: assets and expenses."""
    number: str = ""
    """In the chart of accounts, where numbers are used."""


def read_accounts(workspace: Workspace, realm: RealmId | str) -> dict[str, Account]:
    """The accounts of a company by id; empty where they were not loaded."""
    table = entity_type("Account").table
    with workspace.read() as view:
        if view is None or not view.has(table):
            return {}
        rows = view.connection.execute(
            f"SELECT id, payload FROM ({statements.newest(table, realm=True)}) "
            "WHERE payload IS NOT NULL",
            {"realm": str(realm)},
        ).fetchall()
    return {str(id): _account(str(id), str(payload)) for id, payload in rows}


def _account(id: str, payload: str) -> Account:
    try:
        found = _ACCOUNT.decode(payload)
    except msgspec.MsgspecError:
        found = _Account()
    return Account(
        id,
        found.FullyQualifiedName or found.Name or "",
        found.Classification in _RESULT,
        found.AccountSubType == "RetainedEarnings",
        found.CurrencyRef.value if found.CurrencyRef else None,
        found.Classification == "Asset",
        found.Classification in (None, "Asset", "Expense"),
        found.AcctNum or "",
    )
