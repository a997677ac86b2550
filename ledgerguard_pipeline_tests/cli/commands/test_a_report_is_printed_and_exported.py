"""``ledgerguard report`` asks Intuit, keeps the answer, and prints or exports it exactly."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard

TRIAL = ("report", "trial-balance", "--end", "2026-10-31")


def test_a_trial_balance_is_printed_with_its_total(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    done = ledgerguard(*TRIAL, "--company", sandbox.realm_id)
    assert done.code == 0, done.err
    assert "TrialBalance, 2026-01-01 to 2026-10-31, accrual basis, USD" in done.out
    assert "Checking" in done.out
    assert "TOTAL" in done.out


def test_json_csv_and_bronze_agree_to_the_last_digit(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer, tmp_path: Path
) -> None:
    as_json = json.loads(ledgerguard(*TRIAL, "--json").out)
    (part,) = as_json["parts"]
    data = [row for row in part["rows"] if row["kind"] == "data"]
    by_id = {row["ids"][0]: row["values"] for row in data}
    file = tmp_path / "trial.csv"
    done = ledgerguard(*TRIAL, "--output", str(file))
    assert "Wrote" in done.out
    lines = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    of_csv = {
        line["account_id"]: [line["account"], line["debit"], line["credit"]]
        for line in lines
        if line["kind"] == "data"
    }
    assert of_csv == by_id
    printed = ledgerguard(*TRIAL, "--csv").out
    written = file.read_text(encoding="utf-8").splitlines()
    assert printed.splitlines() == written
    kept = connected.bronze.reports.list(sandbox.realm_id, "TrialBalance")
    assert len(kept) == 3
    assert part["report_id"] in {each.report_id for each in kept}
    assert part["intuit_tid"] in {each.request_id for each in kept}
    payload = json.loads(connected.bronze.reports.payload(sandbox.realm_id, part["report_id"]))
    sent = [row["ColData"] for row in payload["Rows"]["Row"] if "ColData" in row]
    assert [[cell["value"] for cell in cells] for cells in sent] == [row["values"] for row in data]


def test_a_json_file_holds_what_is_printed(
    ledgerguard: Ledgerguard, connected: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "aged.json"
    done = ledgerguard("report", "aged-receivables", "--end", "2026-10-31", "--output", str(file))
    assert done.code == 0, done.err
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["report"] == "AgedReceivables"
    assert document["parts"][0]["columns"][-1]["key"] == "total"


def test_a_long_journal_comes_in_parts_and_what_was_cut_is_kept(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(reports={"cell_limit": 6_000}, limits=False)
    command = ("report", "journal-report", "--start", "2026-01-01", "--end", "2026-10-31")
    done = ledgerguard(*command, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["cut"] > 0
    assert len(document["parts"]) > 2
    kept = connected.bronze.reports.list(sandbox.realm_id, "JournalReport")
    assert sum(each.cut for each in kept) == document["cut"]
    assert len(kept) == document["cut"] + len(document["parts"])
    assert f"{document['cut']} answers were cut" in done.err


def test_parameters_are_passed_on_and_windows_are_the_fiscal_years(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.pop_log()
    done = ledgerguard(
        *("report", "profit-and-loss", "--end", "2026-03-31", "--basis", "cash"),
        *("--param", "summarize_column_by=Month", "--json"),
    )
    assert done.code == 0, done.err
    (call,) = [each for each in sandbox.pop_log() if each.endpoint == "reports"]
    for text in (
        "start_date=2026-01-01",
        "end_date=2026-03-31",
        "accounting_method=Cash",
        "summarize_column_by=Month",
    ):
        assert text in call.target


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("report", "nonsense"), "no report 'nonsense'"),
        (("report", "trial-balance", "--end", "31.10.2026"), "write a date as in 2026-10-31"),
        (("report", "trial-balance", "--param", "account"), "not name=value"),
        (("report", "trial-balance", "--param", "account=1"), "no parameter 'account'"),
        (("report", "nonsense"), "Known: AccountListDetail, AgedPayableDetail"),
        (("report", "trial-balance", "--basis", "guess"), "--basis 'guess' is neither Accrual nor"),
        (("report", "transaction-list", "--basis", "Cash"), "leave out --basis"),
        (("report", "aged-receivables", "--start", "2026-01-01"), "leave out --start"),
        (
            ("report", "trial-balance", "--end", "2026-01-01", "--param", "date_macro=Today"),
            "leave out --start and --end",
        ),
        (("report", "trial-balance", "--csv", "--json"), "two forms; choose one"),
        (("report", "trial-balance", "--output", "x.xlsx"), "neither .csv nor .json"),
        (
            ("report", "trial-balance", "--start", "2026-02-01", "--end", "2026-01-01"),
            "--start 2026-02-01 is after --end 2026-01-01",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence_and_nothing_is_done(
    ledgerguard: Ledgerguard, home: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = ledgerguard(*arguments)
    assert done.code == 2
    assert words in done.err
    assert not home.exists()


def test_a_report_that_may_not_be_seen_says_what_to_do(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(reports={"denied": ["TrialBalance"]})
    done = ledgerguard(*TRIAL)
    assert done.code == 1
    assert "Let an administrator of the company connect it" in done.err
    assert connected.bronze.reports.list(sandbox.realm_id) == []
