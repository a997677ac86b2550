"""All rules as one statement: the legs of every document of a company, in home currency.

Each leg in another currency is rounded to the cent by itself. What then is left of a document
that balances in its own currency, and what moved between the rates of a document and its payment,
is realised gain or loss; a document that does not balance gets no such leg, so nothing hides there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from ledgerguard_pipeline.silver.books_tables import POSTINGS
from ledgerguard_pipeline.silver.layout import table_named
from ledgerguard_pipeline.silver.views.form import cents
from ledgerguard_pipeline.tieout.postings.banking import banking_rules
from ledgerguard_pipeline.tieout.postings.legs import CURRENCY, LEG, Rule
from ledgerguard_pipeline.tieout.postings.purchases import purchase_rules
from ledgerguard_pipeline.tieout.postings.sales import sales_rules

POSTING: dict[str, str] = {
    "Invoice": "invoice",
    "SalesReceipt": "sales_receipt",
    "CreditMemo": "credit_memo",
    "RefundReceipt": "refund_receipt",
    "Payment": "payment",
    "Bill": "bill",
    "VendorCredit": "vendor_credit",
    "BillPayment": "bill_payment",
    "Purchase": "purchase",
    "JournalEntry": "journal_entry",
    "Deposit": "deposit",
    "Transfer": "transfer",
    "CreditCardPayment": "credit_card_payment",
    "InventoryAdjustment": "inventory_adjustment",
}
"""Entity types that post, and their tables. An adjustment of stock says no value, so it has no legs."""
_HOME = cents("leg.foreign_amount", "coalesce(leg.rate, document.rate)")
_ORDER = "role, line_no, account_id, tax_rate_id, foreign_amount, amount"
_MONEY = "DECIMAL(38, 18)"


def all_rules() -> Iterator[Rule]:
    """Every rule, by entity type."""
    yield from sales_rules()
    yield from purchase_rules()
    yield from banking_rules()


def documents_sql() -> str:
    """The documents that post, without voided ones; ``rate`` is NULL in home currency."""
    return " UNION ALL ".join(
        f"SELECT '{entity}' AS entity, head.id AS txn_id, head.txn_date, {CURRENCY} AS currency, "
        f"CASE WHEN {CURRENCY} <> coalesce($home, {CURRENCY}) "
        "OR coalesce(head.exchange_rate, 1) <> 1 THEN coalesce(head.exchange_rate, 1) END AS rate, "
        f"head.loaded_at FROM {{{table}}} AS head WHERE head.realm_id = $realm "
        "AND head.state <> 'voided'"
        for entity, table in POSTING.items()
    )


def legs_sql(at: Callable[[str], str], present: Collection[str]) -> str:
    """The statement; binds ``realm`` and ``home``, reads ``role_account`` and ``tax_map``.

    ``at`` qualifies a table's name; tables that are not ``present`` count as empty.
    """
    names = ", ".join(LEG)
    legs = " UNION ALL ".join(rule.sql() for rule in all_rules())
    columns = ", ".join(
        f"CAST({_value(name)} AS {type_}) AS {name}" for name, type_ in POSTINGS.types.items()
    )
    text = f"""
document AS ({documents_sql()}),
leg AS ({legs}),
valued AS (
    SELECT {", ".join(f"leg.{name}" for name in LEG)}, document.rate AS document_rate,
        CAST(CASE WHEN coalesce(leg.rate, document.rate) IS NULL THEN leg.foreign_amount
            ELSE {_HOME} END AS {_MONEY}) AS amount
    FROM leg JOIN document USING (entity, txn_id)
    WHERE leg.foreign_amount <> 0
),
rest AS (
    SELECT entity, txn_id, -sum(amount) AS amount FROM valued WHERE document_rate IS NOT NULL
    GROUP BY entity, txn_id HAVING sum(foreign_amount) = 0 AND sum(amount) <> 0
),
every AS (
    SELECT {names}, amount FROM valued
    UNION ALL BY NAME
    SELECT entity, txn_id, 'fx' AS role, exchange.account_id,
        CAST(0 AS {_MONEY}) AS foreign_amount, CAST(rest.amount AS {_MONEY}) AS amount,
        rest.entity || '.fx' AS rule, 'guess' AS confidence
    FROM rest LEFT JOIN role_account AS exchange ON exchange.role = 'exchange'
)
SELECT {columns} FROM every JOIN document USING (entity, txn_id) WHERE every.amount <> 0
"""
    return _with_sources(text, at, present)


def _with_sources(text: str, at: Callable[[str], str], present: Collection[str]) -> str:
    """The statement, reading each table once: in a lake every scan asks the catalog."""
    names = sorted(set(re.findall(r"\{(\w+)\}", text)))
    words = set(re.findall(r"\w+", text))
    sources = []
    for name in names:
        columns = ", ".join(each.name for each in table_named()[name].columns if each.name in words)
        where = "" if name not in present else " WHERE realm_id = $realm"
        source = named(f"{{{name}}}", at, present)
        sources.append(
            f"of_{name} AS MATERIALIZED (SELECT {columns} FROM {source} AS source{where})"
        )
    whole = ",\n".join(sources)
    return f"WITH {whole},{text.format_map({name: f'of_{name}' for name in names})}"


def named(text: str, at: Callable[[str], str], present: Collection[str]) -> str:
    """A statement with its tables in place of their names in braces."""
    return text.format_map(_Names(at, present))


def _value(name: str) -> str:
    if name == "realm_id":
        return "$realm"
    if name == "leg_no":
        return f"row_number() OVER (PARTITION BY entity, txn_id ORDER BY {_ORDER}) - 1"
    return name


class _Names(dict[str, str]):
    """Tables by name, qualified; an empty one in place of those that are not there."""

    def __init__(self, at: Callable[[str], str], present: Collection[str]) -> None:
        super().__init__()
        self._at = at
        self._present = present

    def __missing__(self, name: str) -> str:
        table = table_named()[name]
        if name in self._present:
            return self._at(name)
        columns = ", ".join(
            f"CAST(NULL AS {each.kind.sql}) AS {each.name}" for each in table.columns
        )
        return f"(SELECT {columns} WHERE false)"
