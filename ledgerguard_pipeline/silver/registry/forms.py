"""What many types share: the columns of transactions and sales forms, lines, taxes, links."""

from __future__ import annotations

from dataclasses import replace

from ledgerguard_pipeline.silver.registry.write import (
    Columns,
    address,
    columns,
    date,
    flag,
    money,
    number,
    one_of,
    ref,
    text,
    time,
    whole,
)
from ledgerguard_pipeline.silver.specs import Child, Source

HEADER_LEFT_OUT = (
    *("Id", "SyncToken", "MetaData", "domain", "sparse", "status"),
    "Line[].CustomExtensions",
    "Line[].GroupLineDetail.Line[].CustomExtensions",
)
"""Bronze's own columns say it (``id``, ``sync_token``, ``state``, times), or it says nothing. The form
of custom extensions is not documented."""


PARTY_TYPES = ("Customer", "Vendor", "Employee")
"""Whom a document may be about, as reference tables and ``dim_party`` spell it."""


def wrapping(path: str) -> tuple[str, ...]:
    """What stands beside the value of a list of named values and only says how it was wrapped."""
    names = ("name", "nil", "declaredType", "scope", "globalScope", "typeSubstituted")
    return tuple(f"{path}[].{name}" for name in names)


TRANSACTION = columns(
    text("DocNumber", "Number on the form."),
    date("TxnDate", "Date of the transaction in the books."),
    ref("CurrencyRef", "Currency of the amounts."),
    number("ExchangeRate", "Home currency per unit of the transaction's currency."),
    text("PrivateNote", "Memo that the other side does not see."),
    ref("DepartmentRef", "Department (location)."),
    text("TxnStatus", "Status of the transaction."),
    text("TransactionLocationType", "Place of the transaction for VAT (France and others)."),
    text("TxnSource", "Program that made it."),
    ref("RecurDataRef", "Recurring template that made it."),
    ref("ProjectRef", "Project."),
    ref("TxnTaxDetail.TxnTaxCodeRef", "Tax code of the whole document."),
    money("TxnTaxDetail.TotalTax", "Tax in total."),
)
"""The first columns of every transaction."""

SALES = columns(
    ref("CustomerRef", "Customer."),
    text("CustomerMemo.value", "Message to the customer.", "customer_memo"),
    text("BillEmail.Address", "E-mail address the form goes to.", "bill_email"),
    text("BillEmailCc.Address", "E-mail address a copy goes to.", "bill_email_cc"),
    text("BillEmailBcc.Address", "E-mail address a blind copy goes to.", "bill_email_bcc"),
    address("BillAddr", "Billing address."),
    address("ShipAddr", "Shipping address."),
    flag("FreeFormAddress", "Whether addresses are free text."),
    ref("ClassRef", "Class of the whole document."),
    ref("SalesTermRef", "Payment term."),
    date("DueDate", "Day the payment is due."),
    ref("ShipMethodRef", "Way of shipping."),
    date("ShipDate", "Day of shipping."),
    text("TrackingNum", "Tracking number."),
    text("GlobalTaxCalculation", "TaxExcluded, TaxInclusive or NotApplicable."),
    flag("ApplyTaxAfterDiscount", "Whether the discount lowers the taxed amount."),
    ref("TaxExemptionRef", "Reason the customer is exempt from tax."),
    money("TotalAmt", "Total with tax."),
    money("HomeTotalAmt", "Total in home currency."),
    money("Balance", "What is open."),
    money("HomeBalance", "What is open, in home currency."),
    text("PrintStatus", "NotSet, NeedToPrint or PrintComplete."),
    text("EmailStatus", "NotSet, NeedToSend or EmailSent."),
    text("DeliveryInfo.DeliveryType", "How it was delivered."),
    time("DeliveryInfo.DeliveryTime", "When it was delivered."),
    ref("ARAccountRef", "Receivable account."),
)

_DETAILS = frozenset(
    {
        "PaymentLineDetail",
        "DiscountLineDetail",
        "TaxLineDetail",
        "SalesItemLineDetail",
        "ItemBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail",
        "ReimburseLineDetail",
        "DepositLineDetail",
        "PurchaseOrderItemLineDetail",
        "SalesOrderItemLineDetail",
        "ItemReceiptLineDetail",
        "JournalEntryLineDetail",
        "DescriptionOnly",
        "DescriptionLineDetail",
        "SubTotalLineDetail",
        "GroupLineDetail",
        "ItemAdjustmentLineDetail",
        "TDSLineDetail",
    }
)
"""Every kind of line of the API's schema (``LineDetailTypeEnum``)."""

_LINE = columns(
    text("Id", "Intuit's id of the line, unique within its document.", "line_id"),
    whole("LineNum", "Position as Intuit counts it; may be missing or repeat."),
    text("Description", "Description."),
    money("Amount", "Amount; sub-totals and bundles repeat what other lines hold."),
)
DETAIL_TYPE = one_of("DetailType", "Which kind of line it is.", _DETAILS)
_PROJECT = ref("ProjectRef", "Project.")
NUMBERED = Source("Line")
IN_BUNDLES = Source("Line[].GroupLineDetail.Line")

_SI, _DI, _GR = "SalesItemLineDetail", "DiscountLineDetail", "GroupLineDetail"
_RE, _DE, _ST = "ReimburseLineDetail", "DescriptionLineDetail", "SubTotalLineDetail"
_AB, _IB = "AccountBasedExpenseLineDetail", "ItemBasedExpenseLineDetail"

SALES_LINES = Child(
    "line",
    "line_no",
    (NUMBERED, IN_BUNDLES),
    columns(
        _LINE,
        DETAIL_TYPE,
        ref(f"{_SI}.ItemRef|{_RE}.ItemRef", "Product or service; SHIPPING_ITEM_ID is no item."),
        ref(f"{_SI}.ClassRef|{_DI}.ClassRef|{_RE}.ClassRef", "Class."),
        number(f"{_SI}.UnitPrice|{_RE}.UnitPrice", "Price of one."),
        number(f"{_SI}.Qty|{_RE}.Qty", "Quantity."),
        number(f"{_SI}.RatePercent|{_RE}.RatePercent", "Rate where the price is a percentage."),
        ref(f"{_SI}.TaxCodeRef|{_DI}.TaxCodeRef|{_RE}.TaxCodeRef|{_DE}.TaxCodeRef", "Tax code."),
        date(
            f"{_SI}.ServiceDate|{_DI}.ServiceDate|{_GR}.ServiceDate|{_DE}.ServiceDate"
            f"|{_ST}.ServiceDate",
            "Day of the service.",
        ),
        ref(f"{_SI}.ItemAccountRef|{_RE}.ItemAccountRef", "Income account of the line."),
        money(f"{_SI}.TaxInclusiveAmt", "Amount with tax."),
        number(f"{_SI}.DiscountRate", "Discount on this line, in percent."),
        money(f"{_SI}.DiscountAmt", "Discount on this line."),
        number(f"{_DI}.DiscountPercent", "Percentage of a discount line."),
        flag(f"{_DI}.PercentBased", "Whether a discount line is a percentage."),
        ref(f"{_DI}.DiscountAccountRef", "Account of a discount line."),
        ref(f"{_GR}.GroupItemRef", "Bundle."),
        number(f"{_GR}.Quantity", "How many of the bundle.", "group_qty"),
        ref(f"{_SI}.MarkupInfo.MarkUpIncomeAccountRef", "Account of the markup."),
        number(f"{_SI}.MarkupInfo.Percent", "Markup in percent.", "markup_percent"),
        number(f"{_SI}.UnitCostPrice", "Cost of one."),
        flag(f"{_SI}.DeferredRevenue", "Whether revenue is recognised over time."),
        ref(f"{_SI}.TaxClassificationRef", "Tax classification."),
        _PROJECT,
        money("CostAmount", "Cost of the line."),
    ),
    "One row per line; lines inside a bundle are numbered after the others.",
    parent="parent_line_no",
)

COST_LINES = Child(
    "line",
    "line_no",
    (NUMBERED, IN_BUNDLES),
    columns(
        _LINE,
        DETAIL_TYPE,
        ref(f"{_AB}.AccountRef|{_IB}.ItemAccountRef", "Expense account."),
        ref(f"{_IB}.ItemRef", "Product or service."),
        number(f"{_IB}.Qty", "Quantity."),
        number(f"{_IB}.UnitPrice", "Price of one."),
        ref(f"{_AB}.CustomerRef|{_IB}.CustomerRef", "Customer it was bought for."),
        ref(f"{_AB}.ClassRef|{_IB}.ClassRef", "Class."),
        text(
            f"{_AB}.BillableStatus|{_IB}.BillableStatus",
            "Billable, NotBillable or HasBeenBilled.",
        ),
        ref(f"{_AB}.TaxCodeRef|{_IB}.TaxCodeRef", "Tax code."),
        money(f"{_AB}.TaxAmount", "Tax of the line."),
        money(f"{_AB}.TaxInclusiveAmt|{_IB}.TaxInclusiveAmt", "Amount with tax."),
        number(
            f"{_AB}.MarkupInfo.Percent|{_IB}.MarkupInfo.Percent",
            "Markup in percent when it is billed on.",
            "markup_percent",
        ),
        ref(f"{_GR}.GroupItemRef", "Bundle."),
        number(f"{_GR}.Quantity", "How many of the bundle.", "group_qty"),
        _PROJECT,
        number("Received", "How many were received (orders)."),
    ),
    "One row per line; lines inside a bundle are numbered after the others.",
    parent="parent_line_no",
)

ALLOCATIONS = Child(
    "line",
    "line_no",
    (NUMBERED,),
    columns(_LINE, text("DetailType", "Which kind of line it is, where it says so."), _PROJECT),
    "One row per amount that is applied to other documents; `_linked` says to which.",
)

TAX_LINES = Child(
    "tax_line",
    "tax_line_no",
    (Source("TxnTaxDetail.TaxLine"),),
    columns(
        ref("TaxLineDetail.TaxRateRef", "Tax rate."),
        flag("TaxLineDetail.PercentBased", "Whether the tax is a percentage."),
        number("TaxLineDetail.TaxPercent", "Percentage."),
        money("TaxLineDetail.NetAmountTaxable", "Amount that is taxed."),
        money("TaxLineDetail.TaxInclusiveAmount", "Amount with tax."),
        money("TaxLineDetail.OverrideDeltaAmount", "What somebody changed the tax by."),
        money("Amount", "Tax."),
        text("DetailType", "TaxLineDetail."),
    ),
    "One row per tax rate of the document.",
)

LINKS = Child(
    "linked",
    "linked_no",
    (Source("LinkedTxn"), Source("Line[].LinkedTxn")),
    columns(
        text("TxnId", "Id of the other transaction; unique within its type only."),
        text("TxnType", "Type of the other transaction."),
        text("TxnLineId", "Line of the other transaction."),
    ),
    "One row per link to another transaction; `line_no` is NULL for links of the whole document.",
    parent="line_no",
    amount="Amount",
)

CUSTOM_FIELDS = Child(
    "custom_field",
    "custom_field_no",
    (Source("CustomField"), Source("Line[].CustomField")),
    columns(
        text("DefinitionId", "Id of the field's definition."),
        text("Name", "Name of the field."),
        text("Type", "StringType, NumberType, DateType or BooleanType."),
        text("StringValue", "Value of a text field."),
        number("NumberValue", "Value of a number field."),
        date("DateValue", "Value of a date field."),
        flag("BooleanValue", "Value of a yes-or-no field."),
    ),
    "One row per custom field that is filled in; `line_no` is NULL for those of the document.",
    parent="line_no",
)
HEADER_CUSTOM_FIELDS = Child(
    "custom_field",
    "custom_field_no",
    (Source("CustomField"),),
    CUSTOM_FIELDS.columns,
    "One row per custom field that is filled in.",
)


def _in_bundles_too(child: Child, name: str) -> Child:
    """The table with what stands in lines of bundles, after all else."""
    return replace(child, sources=(*child.sources, Source(f"{IN_BUNDLES.path}[].{name}")))


_OF_LINES = (_in_bundles_too(LINKS, "LinkedTxn"), _in_bundles_too(CUSTOM_FIELDS, "CustomField"))
SALES_CHILDREN = (SALES_LINES, TAX_LINES, *_OF_LINES)
COST_CHILDREN = (COST_LINES, TAX_LINES, *_OF_LINES)
CHARGED_CARD = ("CreditCardPayment", "CheckPayment")
"""Numbers of cards and accounts, and what the processor answered."""

NAMES = columns(
    text("DisplayName", "Name shown; unique over customers, vendors and employees."),
    text("Title", "Title."),
    text("GivenName", "Given name."),
    text("MiddleName", "Middle name."),
    text("FamilyName", "Family name."),
    text("Suffix", "Suffix."),
    text("PrintOnCheckName", "Name on checks."),
    flag("Active", "False once made inactive."),
)
COMPANY_NAMES: Columns = columns(
    NAMES,
    text("FullyQualifiedName", "Name with those above it, `Parent:Child`."),
    text("CompanyName", "Name of the company."),
    text("PrimaryEmailAddr.Address", "E-mail address.", "primary_email"),
    text("PrimaryPhone.FreeFormNumber", "Telephone.", "primary_phone"),
    text("AlternatePhone.FreeFormNumber", "Other telephone.", "alternate_phone"),
    text("Mobile.FreeFormNumber", "Mobile telephone.", "mobile"),
    text("Fax.FreeFormNumber", "Fax.", "fax"),
    text("WebAddr.URI", "Web site.", "web_addr"),
    address("BillAddr", "Billing address."),
    text("Notes", "Notes."),
    money("Balance", "Open balance, in its currency."),
    ref("CurrencyRef", "Currency."),
)
