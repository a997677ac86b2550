"""L0b and L2: documents post what the journal shows, and a single fault is named by its leg."""

from __future__ import annotations

import dataclasses
from collections import Counter
from decimal import Decimal

import dagster as dg
import duckdb

from ledgerguard_pipeline.defs.tieout.checks import DERIVED, judged
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass
from ledgerguard_pipeline.tieout.document_levels.open_items import (
    SIDES,
    compare_open_items,
    read_open_items,
)
from ledgerguard_pipeline.tieout.record import line
from ledgerguard_pipeline_tests.tieout.books import TODAY, Books
from ledgerguard_pipeline_tests.tieout.documents import move_amount, one, plant, unexplained

CENT = Decimal("0.01")
_BILL = (
    "SELECT head.id, line.amount, line.account_id FROM silver.bill AS head "
    "JOIN silver.bill_line AS line USING (realm_id, id) WHERE line.amount > 1 "
    "AND line.account_id IS NOT NULL ORDER BY head.id, line.line_no LIMIT 1"
)


def matched(books: Books) -> list[Difference]:
    return books.documents.matched(repair=False)[0]


def test_every_leg_that_a_document_holds_is_explained_and_the_rest_has_its_class(
    documents: Books,
) -> None:
    assert documents.documents.derived() == []
    found, coverage = documents.documents.matched()
    assert unexplained(found) == []
    assert Counter(each.kind for each in found).keys() == {
        DifferenceClass.PAYROLL,
        DifferenceClass.TAX_PAYMENT,
        DifferenceClass.INVENTORY_VALUE,
    }
    outside = documents.store.sql(
        "SELECT count(*) FROM silver.journal WHERE entity IS NULL OR entity = "
        "'InventoryAdjustment' OR (entity = 'Invoice' AND account_id IN ('7', '27'))"
    ).rows[0][0]
    assert coverage.legs - coverage.explained == outside


def test_every_rule_has_a_confidence_and_accounts_of_taxes_are_learned(documents: Books) -> None:
    rows = documents.store.sql(
        "SELECT DISTINCT role, confidence FROM silver.postings ORDER BY ALL"
    ).rows
    assert ("tax", "learned") in rows
    assert {("header", "sure"), ("line", "sure"), ("deposit", "guess"), ("fx", "guess")} <= set(
        rows
    )
    chart = documents.company.chart
    learned = documents.store.sql(
        "SELECT tax_rate_id, account_id, contradicted FROM silver.tax_account"
    ).rows
    assert learned
    for rate, account, contradicted in learned:
        expected = chart.tax_accounts.get(str(rate), chart.sales_tax)
        assert (account, contradicted) == (expected, 0)


def test_only_documents_that_changed_are_written_again(documents: Books) -> None:
    assert documents.documents.derive().documents == 0
    id, *_ = one(documents, _BILL)
    move_amount(documents, "bill", id, "TotalAmt", CENT)
    assert documents.documents.derive().documents == 0
    assert [each.key for each in documents.documents.derived()] == [f"Bill/{id}"]
    account = one(documents, "SELECT income_account_id, id FROM silver.item WHERE id = '2'")
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute("UPDATE silver.item SET income_account_id = '1' WHERE id = '2'")
    moved = documents.documents.derive().documents
    assert moved > 0
    assert {each.key.rpartition("/")[2] for each in unexplained(matched(documents))} >= {
        account[0],
        "1",
    }


def test_a_cent_more_in_a_header_does_not_balance_and_is_named_with_both_amounts(
    documents: Books,
) -> None:
    id, *_ = one(documents, _BILL)
    move_amount(documents, "bill", id, "TotalAmt", CENT)
    (uneven,) = documents.documents.derived()
    assert (uneven.key, uneven.difference.copy_abs()) == (f"Bill/{id}", CENT)
    assert uneven.message.startswith("Bill ")
    assert f"(id {id})" in uneven.message
    assert "differ by 0.01." in uneven.message
    (leg,) = unexplained(matched(documents))
    payable = documents.company.chart.payable
    assert (leg.key, leg.difference) == (f"Bill/{id}/{payable}", -CENT)
    assert f"(id {id}) on account {payable} " in leg.message
    first = leg.first_seen
    (again,) = unexplained(matched(documents))
    assert again.first_seen == first


def test_an_amount_on_another_account_is_named_on_both(documents: Books) -> None:
    id, amount, account = one(documents, _BILL)
    plant(
        documents,
        f'UPDATE bronze.bill SET payload = replace(payload, \'"AccountRef":{{"value":'
        f'"{account}"\', \'"AccountRef":{{"value":"9"\') WHERE id = \'{id}\'',
        "Bill",
    )
    assert documents.documents.derived() == []
    found = {each.key: each for each in unexplained(matched(documents))}
    assert found.keys() == {f"Bill/{id}/9", f"Bill/{id}/{account}"}
    moved = found[f"Bill/{id}/9"]
    assert moved.difference >= Decimal(amount)
    assert moved.explanation == "The journal has no such leg."


def test_a_leg_that_the_journal_lost_is_named(documents: Books) -> None:
    (id,) = one(documents, "SELECT id FROM silver.transfer ORDER BY id LIMIT 1")
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            f"DELETE FROM silver.journal WHERE txn_id = '{id}' AND entity = 'Transfer' "
            "AND amount < 0"
        )
    (leg,) = unexplained(matched(documents))
    assert leg.key.startswith(f"Transfer/{id}/")
    assert leg.theirs == 0


def test_a_leg_that_the_journal_has_twice_is_named(documents: Books) -> None:
    (id,) = one(documents, "SELECT id FROM silver.deposit ORDER BY id LIMIT 1")
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "INSERT INTO silver.journal SELECT * FROM silver.journal "
            f"WHERE txn_id = '{id}' AND entity = 'Deposit' AND amount > 0 LIMIT 1"
        )
    (leg,) = unexplained(matched(documents))
    assert leg.key.startswith(f"Deposit/{id}/")
    assert leg.theirs == 2 * leg.ours


def test_a_cent_between_the_costs_of_sold_goods_is_not_explained_by_stock(documents: Books) -> None:
    (id,) = one(
        documents,
        "SELECT txn_id FROM silver.journal WHERE entity = 'Invoice' AND account_id = '27' LIMIT 1",
    )
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "UPDATE silver.journal SET amount = amount + 0.01 WHERE entity = 'Invoice' "
            f"AND account_id = '27' AND txn_id = '{id}' "
        )
    found = unexplained(matched(documents))
    assert {each.key for each in found} == {f"Invoice/{id}/27", f"Invoice/{id}/7"}


def test_a_tax_whose_account_the_journal_never_showed_has_its_class(documents: Books) -> None:
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute("DELETE FROM silver.tax_account")
        # Two taxes of the same amount could be on either account.
        connection.execute("UPDATE silver.postings SET account_id = NULL WHERE role = 'tax'")
    found, _ = documents.documents.matched()
    assert unexplained(found) == []
    missing = [each for each in found if each.kind is DifferenceClass.LEARNED_TAX_MISSING]
    assert missing
    assert documents.documents.derive().documents > 0
    found, _ = documents.documents.matched()
    assert not [each for each in found if each.kind is DifferenceClass.LEARNED_TAX_MISSING]


def test_a_line_whose_account_nobody_knows_is_no_tax_that_is_learned_later(
    documents: Books,
) -> None:
    (item,) = one(
        documents,
        "SELECT item_id FROM silver.invoice_line JOIN silver.item ON item.id = item_id "
        "WHERE type = 'Service' AND item_account_id IS NULL GROUP BY item_id ORDER BY item_id LIMIT 1",
    )
    plant(
        documents,
        'UPDATE bronze.item SET payload = regexp_replace(payload, \'"IncomeAccountRef":'
        f"\\{{[^}}]*\\}},', '') WHERE id = '{item}'",
        "Item",
    )
    found = matched(documents)
    assert DifferenceClass.LEARNED_TAX_MISSING not in {each.kind for each in found}
    said = [each for each in unexplained(found) if each.key.endswith("/")]
    assert said
    assert {each.explanation for each in said} == {"Its account is not known."}
    assert all(each.breaks for each in said)


def test_a_tax_of_another_amount_than_the_journals_is_no_tax_that_is_learned_later(
    documents: Books,
) -> None:
    (id,) = one(
        documents,
        "SELECT txn_id FROM silver.postings WHERE entity = 'Invoice' AND role = 'tax' "
        "ORDER BY txn_id LIMIT 1",
    )
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "UPDATE silver.postings SET account_id = NULL, amount = amount + 0.01 "
            f"WHERE entity = 'Invoice' AND txn_id = '{id}' AND role = 'tax'"
        )
    found = [each for each in matched(documents) if each.key.startswith(f"Invoice/{id}/")]
    assert {each.kind for each in found} == {DifferenceClass.UNEXPLAINED}


def test_a_foreign_document_that_does_not_balance_is_not_covered_by_a_gain(
    documents: Books,
) -> None:
    (id,) = one(
        documents, "SELECT id FROM silver.invoice WHERE exchange_rate <> 1 ORDER BY id LIMIT 1"
    )
    move_amount(documents, "invoice", id, "TotalAmt", Decimal(1))
    (uneven,) = documents.documents.derived()
    assert uneven.key == f"Invoice/{id}"
    assert uneven.difference > 1


def test_the_cost_of_what_was_sold_today_may_still_be_on_its_way(documents: Books) -> None:
    (id,) = one(
        documents,
        "SELECT txn_id FROM silver.journal WHERE entity = 'Invoice' AND account_id = '27' LIMIT 1",
    )
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(f"UPDATE silver.invoice SET created_at = now() WHERE id = '{id}'")
    found = [each for each in matched(documents) if each.key.startswith(f"Invoice/{id}/")]
    assert {each.kind for each in found} == {DifferenceClass.COST_PENDING}
    assert sum(each.difference for each in found) == 0
    assert not DifferenceClass.COST_PENDING.lasting


def test_a_charge_on_a_statement_is_explained_on_its_accounts_and_for_its_customer(
    documents: Books,
) -> None:
    receivable = documents.company.chart.receivable
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "INSERT INTO silver.journal SELECT * REPLACE ('Charge' AS txn_type, NULL AS entity, "
            "'777001' AS txn_id, '12' AS name_id, amount * 0 + 25 * sign(amount) AS amount, "
            f"CASE WHEN amount > 0 THEN '{receivable}' ELSE account_id END AS account_id) "
            "FROM silver.journal WHERE entity = 'Transfer' AND txn_id = "
            "(SELECT min(txn_id) FROM silver.journal WHERE entity = 'Transfer')"
        )
    found = [each for each in matched(documents) if each.key.startswith("Charge/777001/")]
    assert {(each.kind, each.theirs.copy_abs()) for each in found} == {
        (DifferenceClass.STATEMENT_CHARGE, Decimal(25))
    }
    assert unexplained(matched(documents)) == []
    with documents.store.workspace.read() as view:
        assert view is not None
        ours = read_open_items(view, documents.realm, SIDES[0], TODAY, "USD")
    assert ours.charged == {"12": Decimal(25)}
    theirs = {id: ("", amount) for id, amount in ours.open.items()}
    # All of it is open; some was paid; and what no charge can be.
    for lacking, kind in (
        ("25", DifferenceClass.STATEMENT_CHARGE),
        ("10.01", DifferenceClass.STATEMENT_CHARGE),
        ("25.01", DifferenceClass.UNEXPLAINED),
        ("-0.01", DifferenceClass.UNEXPLAINED),
    ):
        theirs["12"] = ("", ours.open.get("12", Decimal(0)) + Decimal(lacking))
        gaps = list(compare_open_items(SIDES[0], TODAY, ours, theirs, "report"))
        assert [(each.key, each.kind) for each in gaps] == [
            ("Customer/12", kind),
            ("Customer/", DifferenceClass.STATEMENT_CHARGE),
        ]
    more = dataclasses.replace(ours, posted=ours.posted + Decimal("0.01"))
    *_, whole = compare_open_items(SIDES[0], TODAY, more, theirs, "report")
    assert (whole.key, whole.kind) == ("Customer/", DifferenceClass.UNEXPLAINED)


def test_a_document_that_rests_on_a_guess_is_a_warning_where_it_does_not_balance(
    documents: Books,
) -> None:
    (id,) = one(
        documents,
        "SELECT txn_id FROM silver.postings WHERE entity = 'Invoice' AND confidence = 'guess' "
        "AND foreign_amount <> 0 AND currency = 'USD' ORDER BY txn_id LIMIT 1",
    )
    move_amount(documents, "invoice", id, "TotalAmt", CENT)
    (uneven,) = documents.documents.derived()
    assert (uneven.key, uneven.warning, uneven.breaks) == (f"Invoice/{id}", "guess", False)
    check = judged(DERIVED, [(documents.realm, uneven)], [])
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert f"(id {id})" in str(check.description)
    assert line(uneven).kind == "guess"
    # What QuickBooks' own journal says otherwise is no guess.
    assert [each.breaks for each in unexplained(matched(documents))] == [True]


def test_documents_stay_on_an_account_that_was_made_inactive_after_another_was_opened(
    documents: Books,
) -> None:
    receivable = documents.company.chart.receivable
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            "INSERT INTO silver.account SELECT * REPLACE ('999' AS id) FROM silver.account "
            f"WHERE id = '{receivable}'"
        )
        connection.execute(f"UPDATE silver.account SET active = false WHERE id = '{receivable}'")
    documents.documents.derive()
    assert unexplained(matched(documents)) == []


def test_a_tax_that_the_journal_shows_on_two_accounts_is_a_finding_and_a_difference(
    documents: Books,
) -> None:
    rate, account = one(
        documents,
        "SELECT tax_rate_id, account_id FROM silver.tax_account WHERE side = 'sales' "
        "ORDER BY seen DESC LIMIT 1",
    )
    (id,) = one(
        documents,
        "SELECT txn_id FROM silver.postings AS one WHERE entity = 'Invoice' AND tax_rate_id = "
        f"'{rate}' AND txn_date < '2026-11-01' AND (SELECT count(*) FROM silver.postings AS other "
        "WHERE other.entity = one.entity AND other.txn_id = one.txn_id AND other.role = 'tax') = 1 "
        "ORDER BY txn_id LIMIT 1",
    )
    assert documents.documents.contradicted() == []
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute(
            f"UPDATE silver.journal SET account_id = '9' WHERE entity = 'Invoice' AND txn_id = '{id}' "
            f"AND account_id = '{account}'"
        )
    documents.documents.derive()
    (said,) = documents.documents.contradicted()
    assert said.startswith(f"rate {rate} of sales, account {account} in ")
    assert said.endswith("others in 1")
    assert {each.key for each in unexplained(matched(documents))} == {
        f"Invoice/{id}/9",
        f"Invoice/{id}/{account}",
    }
