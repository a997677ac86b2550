"""Build a whole company: coherent books for every entity type, the same for the same seed."""

from __future__ import annotations

import gc
import time
from random import Random

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, TRANSACTIONS, Desk
from ledgerguard_pipeline.sandbox.books.chart_of_accounts import open_accounts
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed import (
    banking,
    lists,
    parties,
    profile,
    sales_forms,
    spending,
)
from ledgerguard_pipeline.sandbox.seed.sales_run import SalesRun
from ledgerguard_pipeline.sandbox.seed.varied import write_varied

HISTORY = 548 * DAY
"""Seconds of history: about 18 months."""
_GRAVES = (
    "Invoice",
    "Payment",
    "Bill",
    "Purchase",
    "Estimate",
    "JournalEntry",
    "SalesReceipt",
    "Deposit",
    "Attachable",
)


def build_company(
    realm_id: str = "9341453474484455",
    seed: int = 1,
    invoices: int = 500,
    now: int | None = None,
    name: str = "Craig's Design & Landscaping Søn",
    *,
    varied: bool = False,
    history: int = HISTORY,
) -> SandboxCompany:
    """A company whose history ends an hour before ``now`` (epoch seconds, default: this moment).

    It holds exactly ``invoices`` live invoices, a fifth as many payments, and a modest fixed
    number of every other type. The same arguments give the same bytes. ``varied`` adds what many
    real books hold besides, some more invoices among it: see ``seed/varied.py``. ``history`` is how
    many seconds it has been in business.
    """
    end = int(time.time() if now is None else now) - 3_600
    company = SandboxCompany(realm_id, name, seed)
    desk = Desk(company, Random(seed), end - history, end)
    collecting = gc.isenabled()
    gc.disable()  # a million young rows would be walked again and again for no cycle
    try:
        _write_lists(desk)
        run = SalesRun(desk, invoices)
        run.fill(desk)
        _write_documents(desk, run)
        if varied:
            write_varied(desk)
        desk.settle()
        company.bulk = run
        company.pinned = _pinned(desk)
    finally:
        if collecting:
            gc.enable()
    return company


def _write_lists(desk: Desk) -> None:
    open_accounts(desk)
    lists.add_terms(desk)
    lists.add_taxes(desk)
    lists.add_segments(desk)
    lists.add_items(desk)
    parties.add_customers(desk)
    parties.add_vendors(desk)
    parties.add_employees(desk)


def _write_documents(desk: Desk, run: SalesRun) -> None:
    receipts = sales_forms.write_sales_receipts(desk, 90)
    banking.write_journal(desk)
    banking.write_deposits(desk, run, receipts)
    banking.write_moves(desk)
    sales_forms.write_other_forms(desk)
    sales_forms.write_hours(desk)
    sales_forms.write_templates(desk)
    spending.write_bills(desk)
    spending.write_purchases(desk)
    spending.write_orders_and_credits(desk)
    spending.write_stock_counts(desk)
    profile.write_company_info(desk)
    profile.write_preferences(desk)
    profile.write_budgets(desk)
    profile.write_rates(desk)
    profile.write_attachables(desk)
    for index, entity in enumerate(_GRAVES):
        for days in (2, 11, 26, 47, 200):
            sequence = "Attachable" if entity == "Attachable" else TRANSACTIONS
            desk.bury(entity, desk.company.new_id(sequence), desk.end - DAY * days - index * 600)


def _pinned(desk: Desk) -> dict[str, frozenset[str]]:
    """What rows rendered on demand, or the posting rules, refer to."""
    chart = desk.company.chart
    accounts = {
        chart.receivable,
        chart.payable,
        chart.checking,
        chart.undeposited,
        chart.sales_tax,
        chart.inventory,
    }
    for item in chart.items.values():
        accounts |= {item.income, item.cost} | ({item.cogs} if item.cogs else set())
    accounts |= {*chart.receivables.values(), *chart.payables.values()}
    accounts |= {*chart.tax_accounts.values(), chart.discounts, chart.exchange_gain}
    accounts |= {leg.account for entry in desk.company.ledger_only for leg in entry.legs}
    return {
        "Account": frozenset(accounts),
        "Item": frozenset(item["value"] for item in desk.services),
    }
