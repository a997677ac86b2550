"""The registry of QuickBooks Online entity types: one line here makes an asset and a table.

Everything the other layers need to know about a type is in its ``EntityType``; no module
branches on an entity's name. Facts: Intuit's Accounting API reference, the Change Data Capture
page (which types it leaves out) and the webhook entity table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import State


class Kind(StrEnum):
    """What deleting means for a type."""

    TRANSACTION = "transaction"
    """Hard deletes; voids stay readable."""
    LIST = "list"
    """Made inactive; of some types one object can go up in another one."""
    TEMPLATE = "template"
    """Rows wrap another type (RecurringTransaction)."""
    SINGLETON = "singleton"
    """One object per company."""
    OTHER = "other"


class Group(StrEnum):
    """Where the type belongs in the books; the group of its Dagster asset."""

    SALES = "sales"
    PURCHASES = "purchases"
    BANKING = "banking"
    LISTS = "lists"
    TAX = "tax"
    COMPANY = "company"


@dataclass(frozen=True, slots=True)
class EntityType:
    """One entity type of the Accounting API.

    ``name`` is Intuit's spelling in queries, ``table`` the Bronze table. ``json_keys`` are the
    keys under which answers carry its rows (the first is the usual one). ``cdc`` says whether
    change data capture covers it, ``soft_delete`` whether queries must name ``Active`` to show
    inactive rows, ``timestamps`` whether rows have CreateTime / LastUpdatedTime to filter and
    sort by, ``countable`` whether ``count(*)`` tells how many rows Bronze should hold alive,
    ``webhook`` whether Intuit sends events, ``identified`` whether rows carry an Id to read by,
    ``custom_fields`` whether rows may carry more custom fields than a plain answer shows,
    ``optional`` whether only some companies have such objects at all, ``queried`` whether a query
    is documented, ``day_times`` whether times of change may be bare dates, ``inactive_apart``
    whether queries may hide inactive rows of a type that may not let them be named together with
    the others: they are asked for in a statement of their own.
    """

    name: str
    table: str
    kind: Kind
    group: Group
    description: str
    json_keys: tuple[str, ...]
    cdc: bool = True
    soft_delete: bool = False
    timestamps: bool = True
    countable: bool = True
    webhook: bool = True
    identified: bool = True
    custom_fields: bool = False
    optional: bool = False
    queried: bool = True
    day_times: bool = False
    inactive_apart: bool = False

    @property
    def surely_queried(self) -> bool:
        """Whether every company answers queries of the type; elsewhere a refusal is an outcome."""
        return self.queried and not self.optional

    @property
    def gone_state(self) -> State:
        """What an object that is gone has become, as far as nobody says more.

        Members of these lists cannot be deleted: one that vanishes went up in another one.
        """
        return State.MERGED if self.name in _MERGEABLE else State.DELETED

    @property
    def path(self) -> str:
        """The URL path segment of a single read."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class DerivedEntity:
    """A view over another type, served without any API call.

    ``predicate`` is SQL over the base type's ``payload`` column.
    """

    name: str
    table: str
    group: Group
    base: str
    description: str
    predicate: str


_MERGEABLE = frozenset(
    {"Account", "Class", "Customer", "Department", "Employee", "Item", "PaymentMethod", "Vendor"}
)
"""Lists whose members QuickBooks' own screens can merge (Intuit's webhook entity table)."""

_WITH_CUSTOM_FIELDS = frozenset(
    {"Invoice", "Estimate", "SalesReceipt", "CreditMemo", "RefundReceipt"}
    | {"Bill", "Purchase", "PurchaseOrder", "VendorCredit", "Customer", "Vendor"}
)
"""Sales forms, purchase forms, customers and vendors (Intuit's page on custom fields)."""


def _transaction(
    name: str,
    table: str,
    group: Group,
    description: str,
    *,
    cdc: bool = True,
    webhook: bool = True,
    json_keys: tuple[str, ...] = (),
) -> EntityType:
    return EntityType(
        name,
        table,
        Kind.TRANSACTION,
        group,
        description,
        json_keys or (name,),
        cdc=cdc,
        webhook=webhook,
        custom_fields=name in _WITH_CUSTOM_FIELDS,
    )


def _list(
    name: str,
    table: str,
    description: str,
    *,
    group: Group = Group.LISTS,
    cdc: bool = True,
    soft_delete: bool = True,
    inactive_apart: bool = False,
    webhook: bool = True,
    json_keys: tuple[str, ...] = (),
) -> EntityType:
    return EntityType(
        name,
        table,
        Kind.LIST,
        group,
        description,
        json_keys or (name,),
        cdc=cdc,
        soft_delete=soft_delete,
        inactive_apart=inactive_apart,
        webhook=webhook,
        custom_fields=name in _WITH_CUSTOM_FIELDS,
    )


_S, _P, _B, _T, _C = Group.SALES, Group.PURCHASES, Group.BANKING, Group.TAX, Group.COMPANY

# fmt: off
# One line a type: as a table it can be read, exploded it cannot.
ENTITIES: tuple[EntityType, ...] = (
    _transaction("Invoice", "invoice", _S, "Sales invoices with lines, tax and open balance."),
    _transaction("Payment", "payment", _S, "Customer payments and what they were applied to."),
    _transaction("SalesReceipt", "sales_receipt", _S, "Sales paid at once."),
    _transaction("Estimate", "estimate", _S, "Quotes; they post to no account."),
    _transaction("CreditMemo", "credit_memo", _S, "Credits granted to customers."),
    _transaction("RefundReceipt", "refund_receipt", _S, "Money paid back to customers."),
    _transaction("Bill", "bill", _P, "Vendor bills with lines and open balance."),
    _transaction("BillPayment", "bill_payment", _P, "Payments of bills by check or card."),
    _transaction("Purchase", "purchase", _P, "Checks, cash and card purchases, card credits."),
    _transaction("PurchaseOrder", "purchase_order", _P, "Orders to vendors; non-posting."),
    _transaction("VendorCredit", "vendor_credit", _P, "Credits received from vendors."),
    _transaction("JournalEntry", "journal_entry", _B, "Manual debits and credits."),
    _transaction("Deposit", "deposit", _B, "Bank deposits."),
    _transaction("Transfer", "transfer", _B, "Money moved between own accounts."),
    _transaction(
        "CreditCardPayment", "credit_card_payment", _B, "Paying down a credit card.",
        webhook=False, json_keys=("CreditCardPayment", "CreditCardPaymentTxn"),
    ),
    _transaction("TimeActivity", "time_activity", _S, "Hours worked.", cdc=False),
    EntityType("InventoryAdjustment", "inventory_adjustment", Kind.TRANSACTION, _P,
               "Corrections of stock on hand.", ("InventoryAdjustment",),
               webhook=False, queried=False, day_times=True),
    _transaction("ReimburseCharge", "reimburse_charge", _S,
                 "Billable expenses waiting to be invoiced.", webhook=False,
                 json_keys=("ReimburseCharge", "ReimburseCarge")),
    EntityType("ChangeOrder", "change_order", Kind.TRANSACTION, _S,
               "Changes of estimates (Advanced and Enterprise Suite).", ("ChangeOrder",),
               optional=True),
    EntityType("RecurringTransaction", "recurring_transaction", Kind.TEMPLATE, _S,
               "Templates that QuickBooks turns into transactions on schedule.",
               ("RecurringTransaction",), webhook=False),
    _list("Customer", "customer", "Customers, sub-customers and projects.", group=_S),
    _list("Vendor", "vendor", "Suppliers.", group=_P),
    _list("Employee", "employee", "Employees."),
    _list("Item", "item", "Products, services, bundles and categories."),
    _list("Account", "account", "The chart of accounts with current balances.", group=_B),
    _list("Class", "class", "Classes for segment reporting."),
    _list("Department", "department", "Departments (locations)."),
    _list("Term", "term", "Payment terms."),
    _list("PaymentMethod", "payment_method", "Ways customers pay."),
    _list("CompanyCurrency", "company_currency", "Currencies in use.",
          json_keys=("CompanyCurrency", "Currency")),
    _list("CustomerType", "customer_type", "Customer categories.", soft_delete=False,
          inactive_apart=True, webhook=False),
    _list("TaxCode", "tax_code", "Tax codes.", group=_T, cdc=False, soft_delete=False,
          inactive_apart=True, webhook=False),
    _list("TaxRate", "tax_rate", "Tax rates.", group=_T, cdc=False, soft_delete=False,
          inactive_apart=True, webhook=False),
    _list("TaxAgency", "tax_agency", "Tax authorities.", group=_T, cdc=False,
          soft_delete=False, inactive_apart=True),
    EntityType("TaxPayment", "tax_payment", Kind.TRANSACTION, _T,
               "Payments to tax authorities (Australia, Canada, United Kingdom).",
               ("TaxPayment",), webhook=False, optional=True),
    EntityType("TaxClassification", "tax_classification", Kind.LIST, _T,
               "How goods and services are classified for tax.", ("TaxClassification",),
               cdc=False, timestamps=False, webhook=False, optional=True),
    EntityType("JournalCode", "journal_code", Kind.LIST, Group.LISTS,
               "Journals that entries belong to (France).", ("JournalCode",),
               cdc=False, optional=True, inactive_apart=True),
    _list("Budget", "budget", "Budgets with their monthly figures.", group=_C),
    EntityType("ExchangeRate", "exchange_rate", Kind.OTHER, _C,
               "Daily currency rates; rows may carry no Id (key: pair and date).",
               ("ExchangeRate",), countable=False, webhook=False, identified=False),
    EntityType("CompanyInfo", "company_info", Kind.SINGLETON, _C,
               "The company's name, address, fiscal year and subscription.",
               ("CompanyInfo",), countable=False, webhook=False),
    EntityType("Preferences", "preferences", Kind.SINGLETON, _C,
               "The company's settings.", ("Preferences",), countable=False),
    EntityType("Attachable", "attachable", Kind.OTHER, _C,
               "Attached files and notes (metadata, not the files).", ("Attachable",),
               webhook=False),
)
"""Every type read from the API, in the order a first load serves them best."""
# fmt: on


def _last(name: str) -> str:
    """The text of a member in DuckDB; if a key appears twice the last counts, as everywhere.

    ``json_extract_string(payload, '$.Name')`` would take the first.
    """
    index = f"list_position(list_reverse(json_keys(payload)), '{name}')"
    return f"json_extract_string(payload, '$.*')[-{index}]"


DERIVED: tuple[DerivedEntity, ...] = (
    DerivedEntity(
        "Expense",
        "expense",
        _P,
        "Purchase",
        "Cash and card purchases: what the QuickBooks UI calls Expense. Checks and card "
        "credits are left out; the rows stay in Purchase.",
        f"{_last('PaymentType')} IN ('Cash', 'CreditCard') "
        f"AND coalesce({_last('Credit')}, 'false') <> 'true'",
    ),
)

_BY_NAME = {entity.name.casefold(): entity for entity in ENTITIES}
_DERIVED_BY_NAME = {entity.name.casefold(): entity for entity in DERIVED}


def entity_type(name: EntityType | str) -> EntityType:
    """Look up a type by Intuit's name, in any case; ``Expense`` resolves to its base type.

    Raises:
        BadInputError: no such type is supported.
    """
    if isinstance(name, EntityType):
        return name
    key = str(name).strip().casefold()
    derived = _DERIVED_BY_NAME.get(key)
    found = _BY_NAME.get(derived.base.casefold() if derived else key)
    if found is None:
        raise BadInputError(f"{str(name)[:60]!r} is not a supported entity type.{_meant(key)}")
    return found


def _meant(key: str) -> str:
    """The name that is spelt most like this one, or all there are."""
    from difflib import get_close_matches  # for mistakes only

    near = get_close_matches(key, _BY_NAME, n=1, cutoff=0.7)
    if near:
        return f" Did you mean {_BY_NAME[near[0]].name}? `ledgerguard entities` lists them all."
    return f" Known: {', '.join(sorted(entity.name for entity in ENTITIES))}."


def named(names: object) -> list[EntityType]:
    """The types of these names in their order; a single name counts as a list of one.

    Raises:
        BadInputError: they are no names, or one is unknown.
    """
    if isinstance(names, EntityType | str):
        return [entity_type(names)]
    if not isinstance(names, Iterable):
        raise BadInputError(
            'Name entity types in a list, as in ["Invoice", "Payment"], not by '
            f"{type(names).__name__}."
        )
    return [entity_type(name) for name in names]


def entity_types(names: Iterable[EntityType | str] | None = None) -> tuple[EntityType, ...]:
    """The types of these names in registry order without repeats; None means all, one name one.

    Raises:
        BadInputError: a name is unknown, or the selection is empty.
    """
    if names is None:
        return ENTITIES
    wanted = {entity.name for entity in named(names)}
    if not wanted:
        raise BadInputError("No entity type was named; omit the option to take all.")
    return tuple(entity for entity in ENTITIES if entity.name in wanted)
