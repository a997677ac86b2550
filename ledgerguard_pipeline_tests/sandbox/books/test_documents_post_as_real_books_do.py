"""What documents of real books post, by hand: each rule with its debits and credits."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from ledgerguard_pipeline.sandbox.books.company import Chart
from ledgerguard_pipeline.sandbox.books.postings import postings
from ledgerguard_pipeline.sandbox.books.valuation.item_accounts import ItemAccounts
from ledgerguard_pipeline.sandbox.books.valuation.stock import StockRegister
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW, assert_coherent

CUSTOMER = {"CustomerRef": {"value": "c"}}
SERVICE = {"ItemRef": {"value": "service"}}


def chart() -> Chart:
    found = Chart("AR", "AP", "bank", "undeposited", "tax", "stock", "discounts", "gain")
    found.items = {
        "service": ItemAccounts("income", "cogs", "0"),
        "pump": ItemAccounts("product income", "stock", "5", "cogs"),
    }
    found.receivables, found.payables = {"EUR": "AR EUR"}, {"EUR": "AP EUR"}
    found.tax_accounts = {"state": "state payable", "city": "city payable"}
    return found


def sale(amount: str, item: str = "service") -> dict[str, Any]:
    return {
        "Amount": amount,
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {"ItemRef": {"value": item}, "Qty": "1"},
    }


def tax(rate: str, amount: str) -> dict[str, Any]:
    return {"Amount": amount, "TaxLineDetail": {"TaxRateRef": {"value": rate}}}


def cost(amount: str) -> dict[str, Any]:
    return {
        "Amount": amount,
        "DetailType": "AccountBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail": {"AccountRef": {"value": "expense"}},
    }


def posted(entity: str, doc: dict[str, Any], of: Chart | None = None) -> dict[str, Decimal]:
    """What each account is moved by; the legs balance."""
    found: dict[str, Decimal] = {}
    for leg in postings(entity, doc, of or chart()):
        found[leg.account] = found.get(leg.account, Decimal(0)) + leg.amount
    assert sum(found.values()) == 0
    return found


def amounts(**accounts: str) -> dict[str, Decimal]:
    return {name.replace("_", " "): Decimal(amount) for name, amount in accounts.items()}


DISCOUNT = {"Amount": "10.00", "DetailType": "DiscountLineDetail", "DiscountLineDetail": {}}


def test_a_discount_stands_against_the_income_of_an_invoice_and_of_a_credit_alike() -> None:
    doc = CUSTOMER | {"TotalAmt": "90.00", "Line": [sale("100.00"), DISCOUNT]}
    invoice = amounts(AR="90", income="-100", discounts="10")
    assert posted("Invoice", doc) == invoice
    assert posted("CreditMemo", doc) == {name: -amount for name, amount in invoice.items()}
    own = DISCOUNT | {"DiscountLineDetail": {"DiscountAccountRef": {"value": "promotions"}}}
    doc = CUSTOMER | {"TotalAmt": "90.00", "Line": [sale("100.00"), own]}
    assert posted("Invoice", doc) == amounts(AR="90", income="-100", promotions="10")


def test_a_bundle_posts_its_lines_and_neither_its_own_amount_nor_the_subtotal() -> None:
    bundle = {
        "Amount": "30.00",
        "DetailType": "GroupLineDetail",
        "GroupLineDetail": {"Line": [sale("10.00"), sale("20.00", "pump")]},
    }
    subtotal = {"Amount": "30.00", "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}
    doc = CUSTOMER | {"TotalAmt": "30.00", "Line": [bundle, subtotal]}
    expected = {"AR": Decimal(30), "income": Decimal(-10), "product income": Decimal(-20)}
    assert posted("Invoice", doc) == expected


def test_each_tax_component_goes_to_the_account_of_its_agency() -> None:
    detail = {"TotalTax": "9.10", "TaxLine": [tax("state", "7.10"), tax("city", "2.00")]}
    doc = CUSTOMER | {"TotalAmt": "109.10", "Line": [sale("100.00")], "TxnTaxDetail": detail}
    expected = amounts(AR="109.10", income="-100", state_payable="-7.10", city_payable="-2")
    assert posted("Invoice", doc) == expected


def test_tax_inside_a_price_is_split_off_it_and_recovered() -> None:
    line = cost("88.50")
    line["AccountBasedExpenseLineDetail"] |= {"TaxInclusiveAmt": "100.00"}
    doc = {
        "AccountRef": {"value": "bank"},
        "TotalAmt": "100.00",
        "GlobalTaxCalculation": "TaxInclusive",
        "Line": [line],
        "TxnTaxDetail": {"TotalTax": "11.50", "TaxLine": [tax("state", "11.50")]},
    }
    expected = amounts(bank="-100", expense="88.50", state_payable="11.50")
    assert posted("Purchase", doc) == expected
    assert posted("Purchase", doc | {"Credit": True}) == {k: -v for k, v in expected.items()}


def test_money_paid_down_on_an_invoice_is_in_the_bank_and_not_owed() -> None:
    doc = CUSTOMER | {
        "TotalAmt": "100.00",
        "Deposit": "25.00",
        "DepositToAccountRef": {"value": "bank"},
        "Line": [sale("100.00")],
    }
    assert posted("Invoice", doc) == amounts(AR="75", bank="25", income="-100")


def test_cash_taken_from_a_deposit_goes_to_the_account_it_names() -> None:
    line = {"Amount": "500.00", "DepositLineDetail": {"AccountRef": {"value": "income"}}}
    doc = {
        "DepositToAccountRef": {"value": "bank"},
        "TotalAmt": "460.00",
        "CashBack": {"AccountRef": {"value": "cash"}, "Amount": "40.00"},
        "Line": [line],
    }
    assert posted("Deposit", doc) == amounts(bank="460", cash="40", income="-500")


def test_a_payment_without_an_account_waits_in_undeposited_funds() -> None:
    doc = CUSTOMER | {"TotalAmt": "5.00", "Line": []}
    assert posted("Payment", doc) == amounts(undeposited="5", AR="-5")
    assert posted("Payment", doc | {"TotalAmt": "0"}) == {}


def test_a_payment_in_another_currency_clears_at_the_invoices_rate_and_realises_the_difference() -> (
    None
):
    of = chart()
    of.rates["Invoice", "7"] = Decimal("1.10")
    abroad = {"CurrencyRef": {"value": "EUR"}}
    line = {"Amount": "100.00", "LinkedTxn": [{"TxnType": "Invoice", "TxnId": "7"}]}
    payment = CUSTOMER | abroad | {
        "ExchangeRate": "1.25",
        "TotalAmt": "120.00",
        "DepositToAccountRef": {"value": "bank"},
        "Line": [line],
    }  # fmt: skip
    # 120 at 1.25 in the bank; 100 cleared at 1.10, the 20 too much stand at today's rate.
    expected = {"bank": Decimal("150.00"), "AR EUR": Decimal("-135.00"), "gain": Decimal("-15.00")}
    assert posted("Payment", payment, of) == expected
    invoice = (
        CUSTOMER | abroad | {"ExchangeRate": "1.10", "TotalAmt": "100.00", "Line": [sale("100.00")]}
    )
    assert posted("Invoice", invoice) == {"AR EUR": Decimal("110.00"), "income": Decimal("-110.00")}


def test_a_credit_of_another_rate_counts_against_the_invoice_it_is_used_for() -> None:
    of = chart()
    of.rates |= {("Invoice", "7"): Decimal("1.10"), ("CreditMemo", "8"): Decimal("1.20")}
    lines = [
        {"Amount": amount, "LinkedTxn": [{"TxnType": entity, "TxnId": id}]}
        for entity, id, amount in (("Invoice", "7", "100.00"), ("CreditMemo", "8", "30.00"))
    ]
    payment = CUSTOMER | {
        "CurrencyRef": {"value": "EUR"},
        "ExchangeRate": "1.25",
        "TotalAmt": "70.00",
        "DepositToAccountRef": {"value": "bank"},
        "Line": lines,
    }
    # 70 at 1.25 in the bank; 100 cleared at 1.10, 30 of the credit used up at 1.20.
    expected = {"bank": Decimal("87.50"), "AR EUR": Decimal("-74.00"), "gain": Decimal("-13.50")}
    assert posted("Payment", payment, of) == expected


def test_each_leg_is_rounded_to_cents_and_the_rest_is_exchange_loss() -> None:
    lines = [sale("0.33"), sale("0.33"), sale("0.34")]
    doc = CUSTOMER | {"CurrencyRef": {"value": "EUR"}, "ExchangeRate": "1.5", "TotalAmt": "1.00"}
    found = posted("Invoice", doc | {"Line": lines})
    # 0.495 is 0.50 twice and 0.51 once: a cent more than 1.50.
    assert found == {"AR EUR": Decimal("1.50"), "income": Decimal("-1.51"), "gain": Decimal("0.01")}


def test_a_journal_entry_on_receivables_moves_the_balance_of_the_customer_it_names() -> None:
    entity = {"Type": "Customer", "EntityRef": {"value": "c"}}
    detail = {"PostingType": "Debit", "AccountRef": {"value": "AR"}, "Entity": entity}
    other = {"PostingType": "Credit", "AccountRef": {"value": "income"}}
    doc = {
        "Line": [
            {"Amount": "4.00", "JournalEntryLineDetail": detail},
            {"Amount": "4.00", "JournalEntryLineDetail": other},
        ]
    }
    assert [leg.party for leg in postings("JournalEntry", doc, chart())] == [
        ("Customer", "c"),
        None,
    ]


def test_a_deposit_on_receivables_moves_the_balance_of_the_customer_it_names() -> None:
    ann = {"value": "c", "type": "CUSTOMER"}

    def line(account: str) -> dict[str, Any]:
        detail = {"AccountRef": {"value": account}, "Entity": ann}
        return {"Amount": "4.00", "DepositLineDetail": detail}

    lines = [line("AR"), line("income"), {"Amount": "1.00"}]
    doc = {"DepositToAccountRef": {"value": "bank"}, "TotalAmt": "9.00", "Line": lines}
    assert [leg.party for leg in postings("Deposit", doc, chart())] == [
        None,
        ("Customer", "c"),
        None,
        None,
    ]


def bill(date: str, units: str, amount: str) -> dict[str, Any]:
    detail = {"ItemRef": {"value": "pump"}, "Qty": units}
    return {
        "TxnDate": date,
        "Line": [{"Amount": amount, "ItemBasedExpenseLineDetail": detail}],
    }


def pumps(date: str, units: str) -> dict[str, Any]:
    detail = {"ItemRef": {"value": "pump"}, "Qty": units}
    line = {"Amount": "99", "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
    return {"TxnDate": date, "Line": [line]}


def test_goods_sold_cost_what_was_paid_first_and_an_earlier_sale_moves_later_ones() -> None:
    register, items = StockRegister(), chart().items
    key = ("Invoice", "9")
    register.change(("Bill", "1"), bill("2026-01-01", "2", "20.00"), items)
    register.change(("Bill", "2"), bill("2026-02-01", "2", "30.01"), items)
    register.change(key, pumps("2026-03-01", "3"), items)
    # Two at 10.00, one of the two that were 30.01 together.
    assert [(leg.account, leg.amount) for leg in register.costs(key)] == [
        ("cogs", Decimal("35.01")),
        ("stock", Decimal("-35.01")),
    ]
    moved = register.change(("Invoice", "8"), pumps("2026-02-15", "2"), items)
    # The older stock is gone, so the later sale takes 30.01 and one at the unit cost of 5.
    assert register.costs(("Invoice", "8"))[0].amount == Decimal("20.00")
    assert register.costs(key)[0].amount == Decimal("35.01")
    assert sum(leg.amount for leg in moved if leg.account == "cogs") == Decimal("20.00")
    register.change(("Invoice", "8"), None, items)
    assert register.costs(("Invoice", "8")) == []


@pytest.mark.parametrize("seed", range(4))
def test_debits_equal_credits_at_every_step_of_any_edits_of_varied_books(seed: int) -> None:
    company = build_company(invoices=10, now=NOW, varied=True, seed=seed + 1)
    assert_coherent(company)
    ids = list(company.stock.sales())
    for step in range(6):
        edit(company, "burst", "*", None, NOW + 60 + step, n=12, seed=seed)
        assert company.ledger.trial_balance() == 0
    entity, id = Random(seed).choice(ids)
    if id in company.tables[entity].rows:
        edit(company, "void" if seed % 2 else "delete", entity, id, NOW + 90)
    assert_coherent(company)
    assert company.ledger_only
    assert company.chart.rates
