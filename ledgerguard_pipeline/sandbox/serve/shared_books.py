"""Many companies that cost little: one set of small books, of which each has its own copy.

Rows never change after they were put into a table (an edit puts another one there), so companies
may hold the same rows; tables, ledger and sequences are each company's own. Ids and bytes are
therefore equal in all of them, which also proves that a reader keeps companies apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company

SHARED_NAME = "Shared Books of a Small Company"
_KEPT_DOCUMENTS = 3
_DOCUMENTS = (
    "Deposit",
    "Estimate",
    "BillPayment",
    "RefundReceipt",
    "CreditMemo",
    "VendorCredit",
    "Bill",
    "PurchaseOrder",
    "Purchase",
    "SalesReceipt",
    "JournalEntry",
    "Transfer",
    "CreditCardPayment",
    "TimeActivity",
    "InventoryAdjustment",
    "RecurringTransaction",
    "Attachable",
)
"""What is deleted down to a few, in an order that leaves no link to what is gone."""


def build_small_company(
    realm_id: str, seed: int, invoices: int, now: int | None = None
) -> SandboxCompany:
    """A company of some 460 objects besides its invoices, coherent as every other.

    It is made by deleting documents out of a usual one, so balances and links stay right. What
    was deleted leaves no grave: nobody reads this company before it is as small as this.
    """
    company = build_company(realm_id, seed, invoices, now, SHARED_NAME)
    at = max(row.updated for table in company.tables.values() for row in table.rows.values())
    for entity in _DOCUMENTS:
        for id in list(company.tables[entity].rows)[_KEPT_DOCUMENTS:]:
            edit(company, "delete", entity, id, at)
    for table in company.tables.values():
        table.graves.clear()
    return company


def share_books(template: SandboxCompany, realm_id: str, name: str, seed: int) -> SandboxCompany:
    """Another company with the books of ``template``, which must not be edited any more.

    Where the books name the company they name the new one.
    """
    company = SandboxCompany(realm_id, name, seed)
    for entity, table in template.tables.items():
        mine = copy(table)
        mine.rows = {row.id: row for row in _renamed(table.rows, name)}
        mine.graves = dict(table.graves)
        company.tables[entity] = mine
    company.ledger.accounts = dict(template.ledger.accounts)
    company.ledger.parties = dict(template.ledger.parties)
    company.ledger.account_moved = dict(template.ledger.account_moved)
    company.ledger.party_moved = dict(template.ledger.party_moved)
    company.chart = copy(template.chart)
    company.chart.parents = dict(template.chart.parents)
    company.chart.receivables = dict(template.chart.receivables)
    company.chart.payables = dict(template.chart.payables)
    company.chart.tax_accounts = dict(template.chart.tax_accounts)
    company.chart.items = dict(template.chart.items)
    company.chart.rates = dict(template.chart.rates)
    company.stock = template.stock.copied()
    company.ledger_only = list(template.ledger_only)
    company.pinned = template.pinned
    company.bulk = template.bulk
    company.continue_as(template)
    return company


def _renamed(rows: dict[str, Row], name: str) -> Iterator[Row]:
    old, new = SHARED_NAME.encode(), name.encode()
    for row in rows.values():
        if row.body is None or old not in row.body:
            yield row
        else:
            body = row.body.replace(old, new)
            yield Row(row.id, row.created, row.updated, row.sync_token, row.active, body)
