"""Taxes: codes, the rates in them, agencies and what was paid to them."""

from __future__ import annotations

from ledgerguard_pipeline.silver.registry.write import (
    columns,
    date,
    flag,
    money,
    number,
    ref,
    text,
    time,
    whole,
)
from ledgerguard_pipeline.silver.specs import Block, Child, Source

BLOCKS = (
    Block(
        "TaxCode",
        "One row per tax code.",
        columns(
            text("Name", "Name."),
            text("Description", "Description."),
            flag("Active", "False once made inactive."),
            flag("Taxable", "Whether it taxes at all."),
            flag("TaxGroup", "Whether it has more than one rate."),
            flag("Hidden", "Whether it is not offered."),
            text("TaxCodeConfigType", "USER_DEFINED or SYSTEM_GENERATED."),
        ),
        (
            Child(
                "rate",
                "rate_no",
                tuple(
                    Source(f"{side.title()}TaxRateList.TaxRateDetail", (("side", side),))
                    for side in ("sales", "purchase", "adjustment")
                ),
                columns(
                    ref("TaxRateRef", "Tax rate."),
                    text("TaxTypeApplicable", "TaxOnAmount, TaxOnAmountPlusTax or TaxOnTax."),
                    whole("TaxOrder", "Order in which rates apply."),
                    whole("TaxOnTaxOrder", "Order of a tax on tax."),
                ),
                "One row per rate of a code and side (sales, purchase or adjustment).",
            ),
        ),
    ),
    Block(
        "TaxRate",
        "One row per tax rate.",
        columns(
            text("Name", "Name."),
            text("Description", "Description."),
            flag("Active", "False once made inactive."),
            number("RateValue", "Rate in percent."),
            ref("AgencyRef", "Tax agency."),
            ref("TaxReturnLineRef", "Line of the tax return."),
            text("SpecialTaxType", "NONE, ZERO_RATE, FOREIGN_TAX, ..."),
            text("DisplayType", "How it is shown."),
            ref("OriginalTaxRate", "Rate it replaces.", "original_tax_rate"),
        ),
        (
            Child(
                "effective",
                "effective_no",
                (Source("EffectiveTaxRate"),),
                columns(
                    number("RateValue", "Rate in percent.", "rate"),
                    time("EffectiveDate", "From then on."),
                    time("EndDate", "Until then."),
                ),
                "One row per span of time in which a rate holds.",
            ),
        ),
    ),
    Block(
        "TaxAgency",
        "One row per tax authority.",
        columns(
            text("DisplayName", "Name."),
            flag("Active", "False once made inactive."),
            flag("TaxTrackedOnSales", "Whether tax on sales is tracked."),
            flag("TaxTrackedOnPurchases", "Whether tax on purchases is tracked."),
            date("LastFileDate", "Day of the last return."),
            text("TaxAgencyConfig", "USER_DEFINED or SYSTEM_GENERATED."),
            text("ReportingPeriod", "How often returns are due."),
        ),
        personal=("TaxRegistrationNumber", "TaxIdentifier", "BusinessNumber"),
    ),
    Block(
        "TaxPayment",
        "One row per payment to a tax authority.",
        columns(
            date("PaymentDate|TxnDate", "Day of the payment."),
            ref("PaymentAccountRef", "Account it is paid from."),
            money("PaymentAmount", "Amount."),
            text("Description", "Description."),
            flag("Refund", "Whether it is a refund."),
        ),
    ),
    Block(
        "TaxClassification",
        "One row per classification of goods and services.",
        columns(
            text("Code", "Code."),
            text("Name", "Name."),
            text("Description", "Description."),
            text("Level", "Depth in the tree."),
            ref("ParentRef", "Classification above."),
        ),
        left_out=("ApplicableTo",),
    ),
)
