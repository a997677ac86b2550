"""The form of a posting rule: which rows of Silver make a leg, on which account, with which sign.

A rule is a SELECT of the columns of ``LEG``; debits are positive, in the document's currency. In
it ``head`` is the document, ``line`` a row below it. Tables are written as ``{invoice}`` and get
their qualified names when the rules are put together.
"""

from __future__ import annotations

from dataclasses import dataclass

LEG = (
    *("entity", "txn_id", "line_no", "role", "account_id", "party_type", "party_id", "class_id"),
    *("department_id", "item_id", "tax_rate_id", "foreign_amount", "rate", "rule", "confidence"),
)
"""``rate`` is the exchange rate where it is not the document's own."""
ZERO = "CAST(0 AS DECIMAL(38, 18))"
SURE, GUESS = "'sure'", "'guess'"
CURRENCY = "coalesce(head.currency_id, $home, '')"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as SQL, how sure it is, and what has to be joined for both."""

    sql: str
    confidence: str = SURE
    join: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A leg of each document of an entity type, or of each of its rows.

    Its text may name any table of Silver; one that is not there yet counts as empty.
    """

    entity: str
    role: str
    account: Account
    amount: str
    source: str
    where: str = "true"
    party: tuple[str, str] = ("NULL", "NULL")
    line_no: str = "NULL"
    segment: str = "NULL"
    department: str = "head.department_id"
    item: str = "NULL"
    learned: str = "NULL"
    rate: str = "NULL"
    confidence: str | None = None

    def sql(self) -> str:
        """The SELECT, with names of tables in braces."""
        kind, id = self.party
        values = (
            f"'{self.entity}'",
            "head.id",
            f"CAST({self.line_no} AS BIGINT)",
            f"'{self.role}'",
            self.account.sql,
            kind,
            id,
            self.segment,
            self.department,
            self.item,
            self.learned,
            f"CAST({self.amount} AS DECIMAL(38, 18))",
            f"CAST({self.rate} AS DECIMAL(38, 18))",
            f"'{self.entity}.{self.role}'",
            self.confidence or self.account.confidence,
        )
        listed = ", ".join(f"{value} AS {name}" for name, value in zip(LEG, values, strict=True))
        return (
            f"SELECT {listed} FROM {self.source} {self.account.join} "
            f"WHERE head.realm_id = $realm AND head.state <> 'voided' AND ({self.where})"
        )


def of_company(table: str, column: str, alias: str = "line") -> str:
    """A join of the rows below the document."""
    return (
        f"JOIN {{{table}}} AS {alias} ON {alias}.realm_id = head.realm_id "
        f"AND {alias}.{column} = head.id"
    )


def by_role(role: str, named: str | None = None, *, any_currency: bool = False) -> Account:
    """The account a document names, else the one the company has for this purpose."""
    alias = f"{role}_account"
    currency = "'*'" if any_currency else CURRENCY
    join = (
        f"LEFT JOIN role_account AS {alias} ON {alias}.role = '{role}' "
        f"AND {alias}.currency_id = {currency}"
    )
    usual = f"coalesce({alias}.confidence, {GUESS})"
    if named is None:
        return Account(f"{alias}.account_id", usual, join)
    return Account(
        f"coalesce({named}, {alias}.account_id)",
        f"CASE WHEN {named} IS NULL THEN {usual} ELSE {SURE} END",
        join,
    )


def learned(key: str, side: str) -> Account:
    """The account that the journal has shown for a tax rate."""
    join = f"LEFT JOIN tax_map ON tax_map.tax_rate_id = {key} AND tax_map.side = '{side}'"
    return Account("tax_map.account_id", "'learned'", join)
