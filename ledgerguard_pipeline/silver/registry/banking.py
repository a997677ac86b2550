"""The chart of accounts, journal entries, and money that moves between own accounts."""

from __future__ import annotations

from ledgerguard_pipeline.silver.registry.forms import (
    DETAIL_TYPE,
    HEADER_CUSTOM_FIELDS,
    LINKS,
    NUMBERED,
    PARTY_TYPES,
    TAX_LINES,
    TRANSACTION,
)
from ledgerguard_pipeline.silver.registry.write import columns, date, flag, money, ref, text, whole
from ledgerguard_pipeline.silver.specs import Block, Child

_JE, _DL = "JournalEntryLineDetail", "DepositLineDetail"
_LINE = columns(
    text("Id", "Intuit's id of the line, unique within its document.", "line_id"),
    whole("LineNum", "Position as Intuit counts it; may be missing or repeat."),
    text("Description", "Description."),
    money("Amount", "Amount."),
)

BLOCKS = (
    Block(
        "JournalEntry",
        "One row per journal entry.",
        columns(
            TRANSACTION,
            flag("Adjustment", "Whether it is an adjusting entry."),
            money("TotalAmt", "Total; often 0 or missing, the lines count."),
            money("HomeTotalAmt", "Total in home currency."),
            text("GlobalTaxCalculation", "TaxExcluded, TaxInclusive or NotApplicable."),
        ),
        (
            Child(
                "line",
                "line_no",
                (NUMBERED,),
                columns(
                    _LINE,
                    DETAIL_TYPE,
                    text(f"{_JE}.PostingType", "Debit or Credit."),
                    ref(f"{_JE}.AccountRef", "Account."),
                    text(
                        f"{_JE}.Entity.Type",
                        "Customer, Vendor or Employee.",
                        "entity_type",
                        spelled=PARTY_TYPES,
                    ),
                    ref(f"{_JE}.Entity.EntityRef", "Whom the line is about."),
                    ref(f"{_JE}.ClassRef", "Class."),
                    ref(f"{_JE}.DepartmentRef", "Department (location)."),
                    ref(f"{_JE}.TaxCodeRef", "Tax code."),
                    ref(f"{_JE}.TaxRateRef", "Tax rate."),
                    text(f"{_JE}.TaxApplicableOn", "Sales or Purchase."),
                    money(f"{_JE}.TaxAmount", "Tax of the line."),
                    money(f"{_JE}.TaxInclusiveAmt", "Amount with tax."),
                    text(f"{_JE}.BillableStatus", "Billable, NotBillable or HasBeenBilled."),
                    ref(f"{_JE}.JournalCodeRef", "Journal (France)."),
                    ref("ProjectRef", "Project."),
                ),
                "One row per debit or credit.",
            ),
            TAX_LINES,
            LINKS,
            HEADER_CUSTOM_FIELDS,
        ),
    ),
    Block(
        "Deposit",
        "One row per bank deposit.",
        columns(
            TRANSACTION,
            ref("DepositToAccountRef", "Bank account."),
            money("TotalAmt", "Total of the lines less the cash back."),
            money("HomeTotalAmt", "Total in home currency."),
            ref("CashBack.AccountRef", "Account of the cash back.", "cash_back_account"),
            money("CashBack.Amount", "Cash taken out.", "cash_back_amount"),
            text("CashBack.Memo", "Memo of the cash back.", "cash_back_memo"),
            text("GlobalTaxCalculation", "TaxExcluded, TaxInclusive or NotApplicable."),
        ),
        (
            Child(
                "line",
                "line_no",
                (NUMBERED,),
                columns(
                    _LINE,
                    text("DetailType", "DepositLineDetail; missing on lines that only link."),
                    ref(f"{_DL}.AccountRef", "Account."),
                    ref(
                        f"{_DL}.Entity",
                        "Whom the money is from.",
                        "entity",
                        typed=True,
                        types=PARTY_TYPES,
                    ),
                    ref(f"{_DL}.PaymentMethodRef", "Way of paying."),
                    text(f"{_DL}.CheckNum", "Number of the check."),
                    ref(f"{_DL}.ClassRef", "Class."),
                    text(f"{_DL}.TxnType", "Type of transaction."),
                    ref(f"{_DL}.TaxCodeRef", "Tax code."),
                    text(f"{_DL}.TaxApplicableOn", "Sales or Purchase."),
                    ref("ProjectRef", "Project."),
                ),
                "One row per amount deposited.",
            ),
            TAX_LINES,
            LINKS,
            HEADER_CUSTOM_FIELDS,
        ),
    ),
    Block(
        "Transfer",
        "One row per transfer between own accounts.",
        columns(
            TRANSACTION,
            ref("FromAccountRef", "Account the money leaves."),
            ref("ToAccountRef", "Account the money goes to."),
            money("Amount", "Amount."),
            ref("ClassRef", "Class."),
        ),
    ),
    Block(
        "CreditCardPayment",
        "One row per payment of a credit card's balance.",
        columns(
            TRANSACTION,
            ref("CreditCardAccountRef", "Account of the card."),
            ref("BankAccountRef", "Bank account it is paid from."),
            money("Amount", "Amount."),
            ref("VendorRef", "Payee."),
            text("CheckNum", "Number of the check."),
            text("PrintStatus", "Whether the check is printed."),
            text("Memo", "Memo."),
        ),
    ),
    Block(
        "Account",
        "One row per account of the chart of accounts.",
        columns(
            text("Name", "Name."),
            text("FullyQualifiedName", "Name with those above it, `Parent:Child`."),
            text("AcctNum", "Account number, where numbers are on."),
            text("Description", "Description."),
            flag("Active", "False once made inactive."),
            flag("SubAccount", "Whether it lies below another account."),
            ref("ParentRef", "Account above."),
            text("Classification", "Asset, Liability, Equity, Revenue or Expense."),
            text("AccountType", "Type, such as Bank or Accounts Receivable."),
            text("AccountSubType", "Type in detail."),
            money("CurrentBalance", "Balance today, without what lies below."),
            money("CurrentBalanceWithSubAccounts", "Balance today with everything below."),
            ref("CurrencyRef", "Currency."),
            ref("TaxCodeRef", "Tax code."),
            flag("TaxAccount", "Whether it is an account of a tax agency."),
            text("TxnLocationType", "Place of transactions for VAT (France and others)."),
            ref("JournalCodeRef", "Journal (France)."),
            date("OpeningBalanceDate", "Day of the opening balance."),
        ),
        personal=("BankNum",),
        left_out=("OpeningBalance", "OnlineBankingEnabled", "FIName"),
    ),
)
