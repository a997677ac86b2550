"""The checks of Silver: silent over the sandbox's books, and naming whatever is planted in them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.entities import ENTITIES, entity_type
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.silver.checks.find import check_companies, check_company
from ledgerguard_pipeline.silver.checks.scope import Scope
from ledgerguard_pipeline.silver.checks.sums import wrong_sums
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.values import RealmId, State
from ledgerguard_pipeline_tests.silver.books import NOON, REALM, Books, store_at

D = Decimal
SEEDS = {"123146096291701": 1, "123146096291702": 7}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Two whole companies with bundles, discounts, taxes, currencies and voids."""
    found = Books(store_at(tmp_path_factory.mktemp("books") / "books.duckdb"))
    for realm, seed in SEEDS.items():
        found.fill(build_company(realm, seed, 6, varied=True))
    return found


def findings(books: Books, entity: str, realm: str = REALM) -> dict[str, str]:
    """What is wrong, by the name of the check."""
    kind = entity_type(entity)
    found = check_company(books.store, [kind], realm)[kind.name]
    return {each.check.name: each.text for each in found if not each.passed}


@pytest.mark.parametrize("realm", SEEDS)
def test_clean_books_raise_no_alarm(books: Books, realm: str) -> None:
    found = check_company(books.store, ENTITIES, realm)
    assert set(found) == {entity.name for entity in ENTITIES}
    alarms = {
        (entity, each.check.name): each.text
        for entity, every in found.items()
        for each in every
        # The sandbox sends amounts of more than two decimals on purpose.
        if not each.passed and each.check.name != "narrow_views_lose_nothing"
    }
    assert alarms == {}


def line(amount: object, kind: str = "SalesItemLineDetail", **detail: object) -> dict[str, object]:
    return {"Amount": amount, "DetailType": kind, kind: detail}


SUB, OFF, GROUP = "SubTotalLineDetail", "DiscountLineDetail", "GroupLineDetail"
COST = "AccountBasedExpenseLineDetail"


def bundle(amount: object, *inner: object) -> dict[str, object]:
    return line(amount, GROUP, Line=[line(each) for each in inner])


def form(total: object, *lines: object, tax: object = None, **more: object) -> dict[str, object]:
    taxed = {} if tax is None else {"TxnTaxDetail": {"TotalTax": tax}}
    return {"TotalAmt": total, "Line": list(lines), **taxed, **more}


INCLUSIVE = {"GlobalTaxCalculation": "TaxInclusive"}
SOUND: dict[str, list[object]] = {
    "Invoice": [
        form(30, line(10), line(20), line(30, SUB)),
        form(27, line(10), line(20), line(30, SUB), line(3, OFF)),
        form(D("32.4"), line(30), line(30, SUB), tax=D("2.4")),
        form(30, line(10), bundle(20, 5, 15), line(30, SUB)),
        form(30, line(10), bundle(0, 5, 15), line(30, SUB)),
        form(30, line(10), {"DetailType": GROUP, GROUP: {"Line": [line(20)]}}, line(30, SUB)),
        form(60, line(10), line(20), line(30, SUB), line(30), line(30, SUB)),
        form(60, line(10), line(20), line(30, SUB), line(30), line(60, SUB)),
        form(35, line(30), line(30, SUB), line(5, ItemRef={"value": "SHIPPING_ITEM_ID"})),
        form(30, line(30), {"DetailType": "DescriptionOnly", "Description": "Thank you"}),
        form(100, line(D("88.5"), TaxInclusiveAmt=100), tax=D("11.5"), **INCLUSIVE),
        form(100, line(100), tax=D("11.5"), **INCLUSIVE),
        form(D("11.5"), line(10), tax=D("1.5"), **INCLUSIVE),
        form(D("0.3"), line(D("0.1000000000001")), line(D("0.2"))),
        form(-5, line(10), line(-15), line(-5, SUB)),
    ],
    "Bill": [
        form(100, line(D("88.5"), COST, TaxInclusiveAmt=100), tax=D("11.5"), **INCLUSIVE),
        form(80, line(100, COST), LessCIS=20),
        form(90, line(100, COST), line(10, "TDSLineDetail")),
    ],
    "Deposit": [
        form(7, line(10, "DepositLineDetail"), CashBack={"Amount": 3}),
        form(8, {"Amount": 8, "LinkedTxn": [{"TxnId": "1", "TxnType": "Payment"}]}),
    ],
    "Payment": [
        {
            "TotalAmt": 70,
            "UnappliedAmt": 10,
            "Line": [
                {"Amount": 100, "LinkedTxn": [{"TxnId": "1", "TxnType": "Invoice"}]},
                {"Amount": 40, "LinkedTxn": [{"TxnId": "2", "TxnType": "CreditMemo"}]},
            ],
        },
        {
            "TotalAmt": 5,
            "UnappliedAmt": 0,
            "Line": [{"Amount": 99, "LinkedTxn": [{"TxnId": "1", "TxnType": "JournalEntry"}]}],
        },
    ],
    "JournalEntry": [
        {
            "Line": [
                line(12, "JournalEntryLineDetail", PostingType="Debit"),
                line(10, "JournalEntryLineDetail", PostingType="Credit"),
            ],
            "TxnTaxDetail": {"TotalTax": 2},
        }
    ],
}
WRONG: list[tuple[str, object, str]] = [
    ("Invoice", form(31, line(10), line(20)), "total 31, lines and tax 30"),
    ("Invoice", form(D("30.01"), line(30)), "total 30.01, lines and tax 30"),
    ("Invoice", form(30, line(30), tax=1), "total 30, lines and tax 31"),
    ("Invoice", form(30, line(30), line(29, SUB)), "sub-total 29 in line 1, lines before it 30"),
    ("Invoice", form(30, line(30), line(0, SUB)), "sub-total 0 in line 1, lines before it 30"),
    (
        "Invoice",
        form(60, line(30), line(30, SUB), line(30), line(31, SUB)),
        "sub-total 31 in line 3, lines before it 30",
    ),
    ("Invoice", form(30, line(27), line(27, SUB), line(3, OFF)), "total 30, lines and tax 24"),
    ("Invoice", form(20, bundle(20, 5, 16)), "bundle of 20 in line 0, its lines 21"),
    ("Invoice", form(5), "total 5, lines and tax 0"),
    ("SalesReceipt", form(31, line(30)), "total 31, lines and tax 30"),
    ("Estimate", form(31, line(30)), "total 31, lines and tax 30"),
    ("CreditMemo", form(31, line(30)), "total 31, lines and tax 30"),
    ("RefundReceipt", form(31, line(30)), "total 31, lines and tax 30"),
    ("Bill", form(31, line(30, COST)), "total 31, lines and tax 30"),
    ("VendorCredit", form(31, line(30, COST)), "total 31, lines and tax 30"),
    ("Purchase", form(31, line(30, COST)), "total 31, lines and tax 30"),
    ("PurchaseOrder", form(31, line(30, COST)), "total 31, lines and tax 30"),
    (
        "Deposit",
        form(8, line(10, "DepositLineDetail"), CashBack={"Amount": 3}),
        "total 8, lines and tax 7",
    ),
    (
        "Payment",
        {
            "TotalAmt": 70,
            "UnappliedAmt": 1,
            "Line": [{"Amount": 70, "LinkedTxn": [{"TxnId": "1", "TxnType": "Invoice"}]}],
        },
        "total 70, applied 70, not applied 1",
    ),
    (
        "BillPayment",
        {
            "TotalAmt": 70,
            "Line": [{"Amount": 71, "LinkedTxn": [{"TxnId": "1", "TxnType": "Bill"}]}],
        },
        "total 70, applied 71",
    ),
    (
        "JournalEntry",
        {
            "Line": [
                line(12, "JournalEntryLineDetail", PostingType="Debit"),
                line(10, "JournalEntryLineDetail", PostingType="Credit"),
            ]
        },
        "debits 12, credits 10",
    ),
    ("Invoice", form(D(10**19), line(D(10**19)), line(1)), "amounts too large to be added"),
]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Documents that add up, and others that do not, of all types in one place."""
    found = Books(store_at(tmp_path_factory.mktemp("planted") / "books.duckdb"))
    entities = dict.fromkeys([*SOUND, *(entity for entity, _, _ in WRONG)])
    for entity in entities:
        sound = {f"sound {at}": each for at, each in enumerate(SOUND.get(entity, []))}
        wrong = {f"wrong {at}": each for at, (of, each, _) in enumerate(WRONG) if of == entity}
        found.write(entity, sound | wrong)
        found.write(entity, {"void": form(9, line(8))}, state=State.VOIDED)
    return found


@pytest.mark.parametrize("entity", dict.fromkeys(entity for entity, _, _ in WRONG))
def test_documents_that_do_not_add_up_are_named_and_no_others(planted: Books, entity: str) -> None:
    text = sums(planted, entity)
    expected = {f"wrong {at}: {said}" for at, (of, _, said) in enumerate(WRONG) if of == entity}
    assert text == expected


def sums(books: Books, entity: str) -> set[str]:
    """All cases of the check, not only the first."""
    scope = Scope((REALM,), (entity,))
    statement = wrong_sums([tables_of(entity)], scope)
    assert statement is not None
    return {str(found) for _, _, found in books.store.sql(scope.whose(statement)).rows}


def test_what_is_open_is_within_the_total(books: Books) -> None:
    own = "123146096291709"
    books.write("CreditMemo", {"1": form(5, line(5), RemainingCredit=6)}, realm=own)
    books.write("Payment", {"2": {"TotalAmt": 5, "UnappliedAmt": 6}}, realm=own)
    books.write("Bill", {"3": form(5, line(5, COST), Balance=6)}, realm=own)
    assert findings(books, "CreditMemo", own)["balance_within_total"] == (
        "1: remaining_credit 6 of 5"
    )
    assert findings(books, "Payment", own)["balance_within_total"] == "2: unapplied_amt 6 of 5"
    assert findings(books, "Bill", own)["balance_within_total"] == "3: balance 6 of 5"


REFERENCES = [
    ("Customer", {"ParentRef": {"value": "99"}}, "customer 1: parent_id 99"),
    ("Account", {"ParentRef": {"value": "99"}}, "account 1: parent_id 99"),
    ("Vendor", {"TermRef": {"value": "99"}}, "vendor 1: term_id 99"),
    ("Item", {"COGSAccountRef": {"value": "99"}}, "item 1: cogs_account_id 99"),
    ("Invoice", {"Line": [line(1, TaxCodeRef={"value": "99"})]}, "invoice_line 1: tax_code_id 99"),
    (
        "Payment",
        {"Line": [{"Amount": 1, "LinkedTxn": [{"TxnId": "99", "TxnType": "Invoice"}]}]},
        "payment_linked 1: Invoice 99",
    ),
    ("Purchase", {"EntityRef": {"value": "99", "type": "Vendor"}}, "purchase 1: Vendor 99"),
    (
        "JournalEntry",
        {
            "Line": [
                line(
                    0,
                    "JournalEntryLineDetail",
                    Entity={"Type": "Customer", "EntityRef": {"value": "99"}},
                )
            ]
        },
        "journal_entry_line 1: Customer 99",
    ),
    (
        "Deposit",
        {"Line": [line(1, "DepositLineDetail", Entity={"value": "99", "type": "VENDOR"})]},
        "deposit_line 1: Vendor 99",
    ),
]


@pytest.mark.parametrize("entity, payload, said", REFERENCES)
def test_references_that_lead_nowhere_are_named(
    books: Books, entity: str, payload: dict[str, object], said: str
) -> None:
    own = "123146096291708"
    books.write(entity, {"1": payload}, realm=own)
    assert said in findings(books, entity, own)["references_resolve"]


def test_companies_together_have_the_findings_of_each_alone(tmp_path: Path) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    clean, faulty, other = (RealmId(f"12314609629171{last}") for last in range(3))
    books.fill(build_company(clean, 1, 2))
    for realm in (faulty, other):
        for entity in dict.fromkeys(entity for entity, _, _ in WRONG):
            wrong = {str(at): each for at, (of, each, _) in enumerate(WRONG) if of == entity}
            books.write(entity, wrong, realm=realm)
        for at, (entity, payload, _) in enumerate(REFERENCES):
            books.write(entity, {f"9{at}": payload}, realm=realm)
    books.write("Customer", {"1": {"ParentRef": {"value": "2"}}, "2": {}}, realm=other)
    alter(books, f"DELETE FROM silver.bill WHERE realm_id = '{other}' AND id < '5'")
    alter(books, "INSERT INTO silver.vendor FROM silver.vendor WHERE realm_id = " + f"'{faulty}'")
    alter(books, f"DELETE FROM bronze._watermarks WHERE realm_id = '{clean}'")
    wanted = {clean: ENTITIES, faulty: ENTITIES, other: ENTITIES}
    found = check_companies(books.store, wanted)
    together = check_companies(books.store, wanted, small=[entity.name for entity in ENTITIES])
    for realm in (clean, faulty, other):
        alone = check_company(books.store, ENTITIES, realm)
        assert found[realm] == together[realm] == alone, realm
    failing = {each.check.name for each in found[faulty]["Vendor"] if not each.passed}
    assert {"keys_are_unique", "references_resolve"} <= failing
    assert any(not each.passed for each in found[other]["Bill"])


def test_words_that_stand_for_tax_codes_and_shipping_are_no_references(books: Books) -> None:
    own = "123146096291707"
    shipping = line(1, ItemRef={"value": "SHIPPING_ITEM_ID"}, TaxCodeRef={"value": "TAX"})
    books.write("Invoice", {"1": form(1, shipping)}, realm=own)
    assert "references_resolve" not in findings(books, "Invoice", own)


def test_a_type_that_was_read_and_is_empty_resolves_nothing(tmp_path: Path) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    books.write("Invoice", {"1": {"ClassRef": {"value": "4"}}})
    assert "references_resolve" not in findings(books, "Invoice")  # nobody read the classes
    books.commit("Class", [], watermark=NOON)
    assert findings(books, "Invoice")["references_resolve"] == "invoice 1: class_id 4"


def test_only_what_was_loaded_since_is_looked_at_where_that_is_asked(books: Books) -> None:
    own = "123146096291706"
    books.write("Invoice", {"1": form(5, line(4))}, realm=own)
    before = books.store.sql("SELECT max(loaded_at) FROM bronze._loads").rows[0][0]
    assert isinstance(before, datetime)
    since = {"Invoice": before + timedelta(microseconds=1)}
    kinds = [entity_type("Invoice")]

    def failing() -> set[str]:
        found = check_company(books.store, kinds, own, since)["Invoice"]
        return {each.check.name for each in found if not each.passed}

    assert failing() == set()
    books.write("Invoice", {"2": form(5, line(5)), "3": form(5, line(5), TotalAmt=4)}, realm=own)
    assert failing() == {"lines_add_up"}
    books.bury("Invoice", "3", realm=own)
    assert failing() == set()


def test_a_table_or_a_row_that_is_gone_is_named(tmp_path: Path) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    books.write("Invoice", {"1": form(1, line(1)), "2": form(1, line(1))})
    alter(books, "DELETE FROM silver.invoice WHERE id = '2'")
    assert findings(books, "Invoice") == {"level_with_bronze": "2 is missing or old"}
    alter(books, "INSERT INTO silver.invoice FROM silver.invoice WHERE id = '1'")
    found = findings(books, "Invoice")
    assert found["keys_are_unique"] == "invoice 1"
    alter(books, "DROP TABLE silver.invoice_line")
    assert findings(books, "Invoice") == {
        "level_with_bronze": "silver.invoice_line is missing; "
        "run `ledgerguard silver rebuild --entity Invoice`"
    }
    rebuild(books.store, ["Invoice"])
    assert findings(books, "Invoice") == {}
    alter(books, "UPDATE silver._applied SET silver_version = 'old'")
    assert findings(books, "Invoice") == {
        "level_with_bronze": "silver.invoice was made by another release; the next sync renews it"
    }


def alter(books: Books, statement: str) -> None:
    """What only a person does, past the product."""

    def work(session: OpenStore, _: set[str]) -> None:
        session.connection.execute(statement.replace("silver.", f'"{session.catalog}".silver.'))

    books.store.beside(work)
