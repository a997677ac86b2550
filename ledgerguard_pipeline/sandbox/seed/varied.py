"""What many real books hold besides: discounts, bundles, taxes of several agencies, other
currencies, cash back, money paid down, goods sold from stock, and what no entity shows.

Written after everything else, so the objects of the plain company keep their ids and bytes.
"""

from __future__ import annotations

from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, PEOPLE, TRANSACTIONS, Desk, Ref, ref
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.ledger import Posting
from ledgerguard_pipeline.sandbox.books.ledger_only import LedgerOnly
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.seed.varied_lines import (
    EUR,
    bought,
    bundle,
    discount,
    expense,
    form,
    sold,
    subtotal,
    taxed,
)

_ACCOUNTS = (
    ("discounts", "Discounts given", "Revenue", "Income", "DiscountsRefundsGiven"),
    ("arizona", "Arizona Dept. of Revenue Payable", "Liability", "Other Current Liability", "SalesTaxPayable"),
    ("receivable_eur", "Accounts Receivable (A/R) - EUR", "Asset", "Accounts Receivable", "AccountsReceivable"),
    ("payable_eur", "Accounts Payable (A/P) - EUR", "Liability", "Accounts Payable", "AccountsPayable"),
    ("bank_eur", "Konto - EUR", "Asset", "Bank", "Checking"),
    ("exchange", "Exchange Gain or Loss", "Expense", "Other Expense", "ExchangeGainOrLoss"),
    ("wages", "Payroll Expenses", "Expense", "Expense", "PayrollExpenses"),
    ("payroll", "Payroll Liabilities", "Liability", "Other Current Liability", "PayrollTaxPayable"),
)  # fmt: skip
_EUROS = ("receivable_eur", "payable_eur", "bank_eur")
_ROUNDS = 9
"""Each kind of document is written so often, two months apart."""


def write_varied(desk: Desk) -> None:
    """Add all of it, between the start and the end of the company's history."""
    _open_accounts(desk)
    customer, vendor = _foreigners(desk)
    for index in range(_ROUNDS):
        at = desk.moment(index, _ROUNDS, 41)
        buyer = desk.buyers[(index * 11 + 3) % len(desk.buyers)]
        _sales(desk, index, at, buyer)
        _stock(desk, index, at + 3_600, buyer)
        _abroad(desk, index, at + 7_200, customer, vendor)
        _bank(desk, index, at + 10_800, buyer)
        _ledger_only(desk, index, at + 14_400)


def _open_accounts(desk: Desk) -> None:
    chart = desk.company.chart
    for role, name, classification, kind, subtype in _ACCOUNTS:
        id = desk.company.new_id("Account")
        desk.accounts[role] = ref(id, name)
        doc: Doc = {
            "Name": name,
            "SubAccount": False,
            "FullyQualifiedName": name,
            "Active": True,
            "Classification": classification,
            "AccountType": kind,
            "AccountSubType": subtype,
            "CurrencyRef": EUR if role in _EUROS else {"value": "USD"},
        }
        desk.wait("Account", id, doc, desk.start + 900, updated=desk.start + 900, token=0)
    at = {role: desk.accounts[role]["value"] for role, *_ in _ACCOUNTS}
    chart.discounts, chart.exchange_gain = at["discounts"], at["exchange"]
    chart.receivables["EUR"], chart.payables["EUR"] = at["receivable_eur"], at["payable_eur"]
    chart.tax_accounts |= {"1": at["arizona"], "2": at["arizona"], "3": chart.sales_tax}


def _foreigners(desk: Desk) -> tuple[Ref, Ref]:
    """A customer and a vendor who deal in euros. Their balances are kept in home currency."""
    found = []
    for entity, name in (("Customer", "Gärtnerei Öhm GmbH"), ("Vendor", "Éts. Dubois SARL")):
        id = desk.company.new_id(PEOPLE)
        doc: Doc = {
            "CurrencyRef": EUR,
            "DisplayName": name,
            "CompanyName": name,
            "PrintOnCheckName": name,
            "Active": True,
            **({"FullyQualifiedName": name, "Job": False} if entity == "Customer" else {}),
        }
        desk.wait(entity, id, doc, desk.start + DAY, updated=desk.start + DAY, token=0)
        found.append(ref(id, name))
    return found[0], found[1]


def _sales(desk: Desk, index: int, at: int, buyer: Ref) -> None:
    """A discount, a bundle, two agencies' taxes, money paid down, a credit with all of it."""
    lines, cents = sold(desk, index, 2)
    off = cents // 10
    tax, tax_cents = taxed(cents - off, (("1", "7.1"), ("2", "2")))
    doc = form(desk, index, at, "V", buyer, [*lines, subtotal(cents), discount(desk, off)])
    desk.transact("Invoice", _owed(doc, cents - off + tax_cents, tax), at)
    pack, worth = bundle(desk, index)
    tax, tax_cents = taxed(worth, (("3", "8"),))
    down = worth // 4
    doc = form(desk, index, at, "W", buyer, [pack, subtotal(worth)])
    doc |= {"Deposit": money(down), "DepositToAccountRef": desk.accounts["checking"]}
    desk.transact("Invoice", _owed(doc, worth + tax_cents, tax, down), at + 60)
    lines, cents = sold(desk, index + 40, 1)
    off = cents // 20
    tax, tax_cents = taxed(cents - off, (("3", "8"),))
    doc = form(desk, index, at, "VC", buyer, [*lines, subtotal(cents), discount(desk, off)])
    doc = _owed(doc, cents - off + tax_cents, tax)
    doc |= {"RemainingCredit": doc["TotalAmt"]}
    desk.transact("CreditMemo", doc, at + 120)


def _owed(doc: Doc, cents: int, tax: Doc, down: int = 0) -> Doc:
    return doc | {
        "TxnTaxDetail": tax,
        "TotalAmt": money(cents),
        "Balance": money(cents - down),
    }


def _stock(desk: Desk, index: int, at: int, buyer: Ref) -> None:
    """Goods bought at a price that changes and sold again; every third time more than a layer."""
    items = desk.stock[:2]
    lines, cents = bought(items, units=4, cents=1_000 + index * 37)
    tax, tax_cents = taxed(cents, (("3", "8"),))
    bill: Doc = {
        "DocNumber": f"VB{index}",
        "TxnDate": day_text(at),
        "DueDate": day_text(at, 30),
        "CurrencyRef": {"value": "USD"},
        "GlobalTaxCalculation": "TaxInclusive",
        "LinkedTxn": [],
        "Line": lines,
        "TxnTaxDetail": tax,
        "VendorRef": desk.suppliers[index % len(desk.suppliers)],
        "APAccountRef": desk.accounts["payable"],
        "TotalAmt": money(cents + tax_cents),
        "Balance": money(cents + tax_cents),
    }
    desk.transact("Bill", bill, at)
    lines, cents = sold(desk, index, 2, items=items, units=3 + 2 * (index % 3))
    doc = form(desk, index, at, "VS", buyer, [*lines, subtotal(cents)])
    desk.transact("Invoice", _owed(doc, cents, {"TotalTax": ZERO}), at + 60)


def _abroad(desk: Desk, index: int, at: int, customer: Ref, vendor: Ref) -> None:
    """An invoice and a bill in euros; two in three are paid later, at another rate."""
    rates = [Num(f"1.{1_000 + (index * 137 + step * 61) % 900}") for step in (0, 1)]
    abroad: Doc = {"CurrencyRef": EUR, "ExchangeRate": rates[0]}
    lines, cents = sold(desk, index + 80, 3)
    doc = form(desk, index, at, "VE", customer, [*lines, subtotal(cents)]) | abroad
    invoice = _owed(doc, cents, {"TotalTax": ZERO})
    cost_lines, cost = expense(desk, index)
    bill: Doc = {
        "DocNumber": f"VF{index}",
        "TxnDate": day_text(at),
        "DueDate": day_text(at, 30),
        **abroad,
        "LinkedTxn": [],
        "Line": cost_lines,
        "VendorRef": vendor,
        "APAccountRef": desk.accounts["payable_eur"],
        "TotalAmt": money(cost),
        "Balance": money(cost),
    }
    invoice_id, bill_id = (desk.company.new_id(TRANSACTIONS) for _ in range(2))
    if index % 3 == 2:
        desk.transact("Invoice", invoice, at, id=invoice_id)
        desk.transact("Bill", bill, at, id=bill_id)
        return
    paid_at = min(at + DAY * 20, desk.end - 60 * index)
    payment_id, bill_payment_id = (desk.company.new_id(TRANSACTIONS) for _ in range(2))
    settled: Doc = {"Balance": ZERO}
    invoice |= settled | {"LinkedTxn": [{"TxnId": payment_id, "TxnType": "Payment"}]}
    bill |= settled | {"LinkedTxn": [{"TxnId": bill_payment_id, "TxnType": "BillPaymentCheck"}]}
    desk.transact("Invoice", invoice, at, id=invoice_id, token=1, updated=paid_at)
    desk.transact("Bill", bill, at, id=bill_id, token=1, updated=paid_at)
    paid: Doc = {"TxnDate": day_text(paid_at), "CurrencyRef": EUR, "ExchangeRate": rates[1]}
    desk.transact(
        "Payment",
        {
            "CustomerRef": customer,
            "DepositToAccountRef": desk.accounts["bank_eur"],
            "UnappliedAmt": ZERO,
            "TotalAmt": money(cents),
            "ProcessPayment": False,
            **paid,
            "Line": [_link(cents, invoice_id, "Invoice")],
            "LinkedTxn": [],
        },
        paid_at,
        id=payment_id,
    )
    desk.transact(
        "BillPayment",
        {
            "VendorRef": vendor,
            "PayType": "Check",
            "CheckPayment": {"BankAccountRef": desk.accounts["bank_eur"], "PrintStatus": "NotSet"},
            "TotalAmt": money(cost),
            **paid,
            "Line": [_link(cost, bill_id, "Bill")],
        },
        paid_at,
        id=bill_payment_id,
    )


def _link(cents: int, id: str, entity: str) -> Doc:
    return {"Amount": money(cents), "LinkedTxn": [{"TxnId": id, "TxnType": entity}]}


def _bank(desk: Desk, index: int, at: int, buyer: Ref) -> None:
    """A deposit of which some was taken in cash and some a customer had owed, and a purchase with
    tax inside its price.
    """
    whole, owed, back = 50_000 + index * 1_111, 7_500 + index, 4_000 + index
    line: Doc = {
        "Id": "1",
        "Amount": money(whole),
        "DetailType": "DepositLineDetail",
        "DepositLineDetail": {"AccountRef": desk.accounts["opening"]},
    }
    # As captured: deposits have the type of whom they name in capitals, entries as it is spelled.
    paid: Doc = {
        "Id": "2",
        "Amount": money(owed),
        "DetailType": "DepositLineDetail",
        "DepositLineDetail": {
            "Entity": buyer | {"type": "CUSTOMER"},
            "AccountRef": desk.accounts["receivable"],
        },
    }
    doc: Doc = {
        "DepositToAccountRef": desk.accounts["savings"],
        "TxnDate": day_text(at),
        "CurrencyRef": {"value": "USD"},
        "CashBack": {
            "AccountRef": desk.accounts["cash"],
            "Amount": money(back),
            "Memo": "Petty cash",
        },
        "TotalAmt": money(whole + owed - back),
        "Line": [line, paid],
    }
    desk.transact("Deposit", doc, at)
    # 100 at 13 % inclusive: 88.50 and 11.50.
    inclusive: Doc = {
        "AccountRef": desk.accounts["checking"],
        "PaymentType": "Cash",
        "TxnDate": day_text(at),
        "CurrencyRef": {"value": "USD"},
        "GlobalTaxCalculation": "TaxInclusive",
        "TotalAmt": money(10_000),
        "PurchaseEx": {"any": []},
        "CustomField": [],
        "Line": [
            {
                "Id": "1",
                "Amount": money(8_850),
                "DetailType": "AccountBasedExpenseLineDetail",
                "AccountBasedExpenseLineDetail": {
                    "AccountRef": desk.expenses[index % len(desk.expenses)],
                    "TaxInclusiveAmt": money(10_000),
                    "BillableStatus": "NotBillable",
                    "TaxCodeRef": {"value": "TAX"},
                },
            }
        ],
        "TxnTaxDetail": {
            "TotalTax": money(1_150),
            "TaxLine": [
                {
                    "Amount": money(1_150),
                    "DetailType": "TaxLineDetail",
                    "TaxLineDetail": {
                        "TaxRateRef": {"value": "3"},
                        "PercentBased": True,
                        "TaxPercent": Num("13"),
                        "NetAmountTaxable": money(8_850),
                    },
                }
            ],
        },
    }
    desk.transact("Purchase", inclusive, at + 60)


def _ledger_only(desk: Desk, index: int, at: int) -> None:
    """A payroll check and a payment of sales tax; at first what the stock was worth."""
    wages, withheld, tax = 300_000 + index * 1_234, 61_000 + index * 77, 2_500 + index * 5
    account = {role: at_["value"] for role, at_ in desk.accounts.items()}
    found = [
        ("Payroll Check", "DD", "Pay period", [("wages", wages), ("payroll", -withheld), ("checking", withheld - wages)]),
        ("Sales Tax Payment", "", "Q payment", [("sales_tax", tax), ("checking", -tax)]),
    ]  # fmt: skip
    if index == 0:
        found.append(
            ("Inventory Starting Value", "START", "Opening inventory and value",
             [("inventory", 12_345), ("opening", -12_345)])
        )  # fmt: skip
    for label, number, memo, legs in found:
        entry = LedgerOnly(
            label,
            desk.company.new_id(TRANSACTIONS),
            day_text(at),
            at,
            number,
            memo,
            tuple(Posting(account[role], _dollars(cents)) for role, cents in legs),
        )
        desk.company.ledger_only.append(entry)
        desk.company.ledger.post(entry.legs, at)


def _dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
