"""Bills, purchases, orders, vendors, and what is paid."""

from __future__ import annotations

from ledgerguard_pipeline.silver.registry.forms import (
    ALLOCATIONS,
    CHARGED_CARD,
    COMPANY_NAMES,
    COST_CHILDREN,
    HEADER_CUSTOM_FIELDS,
    LINKS,
    NUMBERED,
    PARTY_TYPES,
    TAX_LINES,
    TRANSACTION,
    wrapping,
)
from ledgerguard_pipeline.silver.registry.write import (
    address,
    columns,
    date,
    flag,
    money,
    number,
    ref,
    text,
    whole,
)
from ledgerguard_pipeline.silver.specs import Block, Child, Picked

_VENDOR = columns(
    ref("VendorRef", "Vendor."),
    ref("APAccountRef", "Payable account."),
    money("TotalAmt", "Total with tax."),
)
_TAXED = text("GlobalTaxCalculation", "TaxExcluded, TaxInclusive or NotApplicable.")
_REPORTED = flag(
    "IncludeInAnnualTPAR", "Whether it is in the yearly report of payments (Australia)."
)

BLOCKS = (
    Block(
        "Bill",
        "One row per bill of a vendor.",
        columns(
            TRANSACTION,
            _VENDOR,
            ref("SalesTermRef", "Payment term."),
            date("DueDate", "Day the payment is due."),
            money("Balance", "What is open."),
            money("HomeBalance", "What is open, in home currency."),
            _TAXED,
            _REPORTED,
            money("LessCIS", "Deduction under the Construction Industry Scheme (UK)."),
            address("VendorAddr", "Address of the vendor."),
            address("RemitToAddr", "Address the payment goes to."),
        ),
        COST_CHILDREN,
    ),
    Block(
        "VendorCredit",
        "One row per credit of a vendor.",
        columns(
            TRANSACTION,
            _VENDOR,
            money("Balance", "What is not used yet."),
            _TAXED,
            _REPORTED,
            address("VendorAddr", "Address of the vendor."),
        ),
        COST_CHILDREN,
    ),
    Block(
        "BillPayment",
        "One row per payment of bills.",
        columns(
            TRANSACTION,
            _VENDOR,
            text("PayType", "Check or CreditCard."),
            flag("ProcessBillPayment", "Whether a processor handles it."),
            ref("CheckPayment.BankAccountRef", "Bank account of a check.", "bank_account"),
            text("CheckPayment.PrintStatus", "Whether the check is printed."),
            ref("CreditCardPayment.CCAccountRef", "Account of the card.", "cc_account"),
            address("VendorAddr", "Address of the vendor."),
        ),
        (ALLOCATIONS, TAX_LINES, LINKS, HEADER_CUSTOM_FIELDS),
        personal=("CheckPayment.CheckDetail", "CreditCardPayment.CCDetail"),
        left_out=("CheckPayment.PayeeAddr",),
    ),
    Block(
        "Purchase",
        "One row per check, cash or card purchase, or card credit.",
        columns(
            TRANSACTION,
            ref("AccountRef", "Account it is paid from."),
            text("PaymentType", "Cash, Check or CreditCard."),
            ref("EntityRef", "Payee.", "entity", typed=True, types=PARTY_TYPES),
            money("TotalAmt", "Total with tax."),
            flag("Credit", "Whether a card purchase is a credit."),
            text("PrintStatus", "Whether the check is printed."),
            ref("PaymentMethodRef", "Way of paying."),
            text("PaymentRefNum", "Number of the payment."),
            _TAXED,
            address("RemitToAddr", "Address the payment goes to."),
        ),
        COST_CHILDREN,
        picked=(
            Picked(
                "txn_type_code",
                "PurchaseEx.any",
                "value.Name",
                "value.Value",
                "TxnType",
                "QuickBooks' own code of the form: 54 expense, 3 check, 11 card credit, ...",
            ),
        ),
        personal=CHARGED_CARD,
        left_out=wrapping("PurchaseEx.any"),
    ),
    Block(
        "PurchaseOrder",
        "One row per order to a vendor; it posts to no account.",
        columns(
            TRANSACTION,
            _VENDOR,
            text("POStatus", "Open or Closed."),
            text("POEmail.Address", "E-mail address the order goes to.", "po_email"),
            date("DueDate", "Day the goods are due."),
            date("ExpectedDate", "Day the goods are expected."),
            ref("ShipTo", "Customer the goods go to.", "ship_to"),
            ref("ShipMethodRef", "Way of shipping."),
            ref("SalesTermRef", "Payment term."),
            ref("ClassRef", "Class of the whole document."),
            text("Memo", "Message to the vendor."),
            text("EmailStatus", "NotSet, NeedToSend or EmailSent."),
            text("PrintStatus", "NotSet, NeedToPrint or PrintComplete."),
            flag("ManuallyClosed", "Whether somebody closed it."),
            _TAXED,
            address("VendorAddr", "Address of the vendor."),
            address("ShipAddr", "Shipping address."),
        ),
        COST_CHILDREN,
    ),
    Block(
        "InventoryAdjustment",
        "One row per correction of stock on hand; its value is only in the journal.",
        columns(
            TRANSACTION,
            ref("AdjustAccountRef", "Account of the adjustment."),
            ref("CustomerRef", "Customer."),
            ref("ClassRef", "Class."),
            flag("ShippingAdjustment", "Whether it comes from shipping."),
        ),
        (
            Child(
                "line",
                "line_no",
                (NUMBERED,),
                columns(
                    text("Id", "Intuit's id of the line.", "line_id"),
                    whole("LineNum", "Position as Intuit counts it."),
                    text("Description", "Description."),
                    text("DetailType", "ItemAdjustmentLineDetail."),
                    ref("ItemAdjustmentLineDetail.ItemRef", "Product."),
                    number("ItemAdjustmentLineDetail.QtyDiff", "By how many the stock changes."),
                    number("ItemAdjustmentLineDetail.NewQty", "Stock afterwards."),
                    number("ItemAdjustmentLineDetail.SalesPrice", "Price of one."),
                    ref("ItemAdjustmentLineDetail.ClassRef", "Class."),
                ),
                "One row per product.",
            ),
        ),
    ),
    Block(
        "Vendor",
        "One row per supplier.",
        columns(
            COMPANY_NAMES,
            flag("Vendor1099", "Whether payments are reported on form 1099."),
            text("AcctNum", "Our account number with the vendor."),
            ref("TermRef", "Payment term."),
            ref("APAccountRef", "Payable account."),
            number("CostRate", "Cost of an hour."),
            number("BillRate", "Price of an hour."),
            ref("ParentRef", "Vendor above."),
            text("Source", "Program that made it."),
        ),
        (HEADER_CUSTOM_FIELDS,),
        personal=(
            "TaxIdentifier",
            "BusinessNumber",
            "GSTIN",
            "VendorPaymentBankDetail",
            "TaxRegistrationNumber",
        ),
        left_out=("V4IDPseudonym", "IntuitId", "UserId"),
    ),
)
