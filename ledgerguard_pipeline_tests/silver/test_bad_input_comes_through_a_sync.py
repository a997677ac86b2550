"""What Intuit serves wrongly arrives with what is readable, and is named; nothing stops."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import failures, sync

INVOICE = entity_type("Invoice")
SALE = '"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{}'
LINES = 5_000
SERVED: dict[str, tuple[str, set[tuple[str, str]]]] = {
    "money as text": ('"TotalAmt":"a lot"', {("TotalAmt", "a lot")}),
    "no such day": ('"TxnDate":"2024-02-30"', {("TxnDate", "2024-02-30")}),
    "a line without its kind": ('"Line":[{"Amount":1}]', {("Line[0].DetailType", "")}),
    "an unknown kind": ('"Line":[{"DetailType":"Novel"}]', {("Line[0].DetailType", "Novel")}),
    "a reference to nothing": ('"CustomerRef":{"name":"Ann"}', {("CustomerRef", '{"name":"Ann"}')}),
    "forty digits": (f'"TotalAmt":{"1" * 40}', {("TotalAmt", "1" * 40)}),
    "an exponent": ('"TotalAmt":1E+2', set()),
    "less than nothing": ('"TotalAmt":-0.00', set()),
    "many lines": (
        f'"Line":[{",".join([f"""{{"Amount":0.01,{SALE}}}"""] * LINES)}]',
        set(),
    ),
}


def company() -> tuple[SandboxCompany, dict[str, str]]:
    """A company some of whose invoices are served like that, and by its name the id of each."""
    made = build_company(invoices=len(SERVED))
    table = made.tables["Invoice"]
    ids: dict[str, str] = {}
    for (name, (members, _)), row in zip(SERVED.items(), list(table.rows.values()), strict=False):
        # The last of two members of a name counts, so what is there need not be taken out.
        row.body = table.body(row).rstrip()[:-1] + f",{members}}}".encode()
        ids[name] = row.id
    return made, ids


def test_rows_arrive_misfits_are_named_by_the_check_and_the_sync_is_well(
    home: Path,
) -> None:
    made, ids = company()
    with SandboxServer([made], switches=Switches(limits=False)) as sandbox:
        settings = load_settings(
            ledgerguard_home=home,
            ledgerguard_entities="Invoice",
            intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret,
            intuit_base_url=sandbox.base_url,
            intuit_env="sandbox",
        )
        with Installation.open(settings) as installation:
            connect(installation, sandbox)
            result = sync(installation, [INVOICE])
            assert failures(result) == {}
            bronze = installation.bronze
            found = bronze.sql("SELECT id, path, text FROM silver._misfits").rows
            totals = {
                str(id): total
                for id, total in bronze.sql("SELECT id, total_amt FROM silver.invoice").rows
            }
            lines = bronze.sql(
                "SELECT count(*), sum(amount) FROM silver.invoice_line "
                f"WHERE id = '{ids['many lines']}'"
            ).rows
            (checked,) = check_company(bronze, [INVOICE], made.realm_id).values()
    assert len(totals) == len(made.tables["Invoice"].rows)
    expected = {
        (ids[name], path, text) for name, (_, misfits) in SERVED.items() for path, text in misfits
    }
    assert set(found) == expected
    assert totals[ids["an exponent"]] == Decimal(100)
    assert totals[ids["less than nothing"]] == Decimal(0)
    assert totals[ids["forty digits"]] is None
    assert lines == [(LINES, Decimal("0.01") * LINES)]
    (named,) = (each for each in checked if each.check.name == "every_value_is_readable")
    assert named.cases == len(expected)
    assert f"{ids['money as text']} TotalAmt: a lot" in named.text
