"""``ledgerguard tieout`` proves, names what differs, explains an account, and never calls bad input equal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledgerguard_pipeline.tieout.differences import Level
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.tieout.homes import ProvenHome, copied, proven_home


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProvenHome]:
    with proven_home(tmp_path_factory.mktemp("tieout") / "home") as home:
        yield home


@pytest.fixture
def books(
    proven: ProvenHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProvenHome]:
    yield copied(proven, tmp_path, monkeypatch)
    proven.sandbox.set(reports={})


def answer(ledgerguard: Ledgerguard, *arguments: str, code: int = 1) -> dict[str, Any]:
    """The one company of the JSON document."""
    done = ledgerguard("tieout", *arguments, "--json")
    assert done.code == code, done.err
    document = json.loads(done.out)
    (company,) = document["companies"]
    assert document["tied_out"] is company["tied_out"] is (code == 0)
    return dict(company)


def test_sound_books_tie_out_and_say_what_it_cost(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    found = answer(ledgerguard, code=0)
    assert found["unexplained"] == 0
    assert found["findings"] == []
    assert {each["class"] for each in found["classes"]} >= {"payroll"}
    assert found["metered_calls_today"] > found["metered_calls"]
    assert {each["name"] for each in found["figures"]} == {"net_income", "total_assets"}
    assert all(each["ours"] == each["theirs"] for each in found["months"])
    assert len(found["months"]) == 12


@pytest.mark.parametrize(
    "arguments",
    [
        ("--month", "October"),
        ("--month", "2026-13"),
        ("--month", "2099-01"),
        ("--company", "12"),
        ("--explain", "Nowhere"),
    ],
)
def test_what_was_mistyped_is_one_sentence(
    ledgerguard: Ledgerguard, books: ProvenHome, arguments: tuple[str, ...]
) -> None:
    done = ledgerguard("tieout", *arguments)
    assert done.code == 2
    assert done.err.startswith("ledgerguard: ")
    assert done.out == ""


def test_each_level_says_how_much_it_compared_and_how_much_of_that_differs(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    found = answer(ledgerguard, "--month", "2026-10", code=0)
    assert found["as_of"] == "2026-10-31"
    assert set(found["levels"]) == {level.value for level in Level}
    # No document changed since the comparison before, so nothing is listed again.
    assert [name for name, level in found["levels"].items() if not level["checked"]] == ["L1"]
    assert all(level["unexplained"] == 0 for level in found["levels"].values())
    books.break_a_cent()
    broken = answer(ledgerguard, "--month", "2026-10")
    named = Counter(each["level"] for each in broken["differences"])
    assert {name: level["differences"] for name, level in broken["levels"].items()} == {
        name: named[name] for name in broken["levels"]
    }
    assert broken["levels"]["L3"]["unexplained"] == 1


def test_a_difference_is_named_to_the_cent_and_stays_first_seen(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.break_a_cent()
    before = datetime.now(UTC)
    found = answer(ledgerguard, "--month", "2026-10")
    assert found["state"] == "broken"
    balances = [each for each in found["differences"] if each["level"] == "L3"]
    assert {(each["key"], each["class"], each["difference"]) for each in balances} == {
        ("1", "unexplained", "12.40")
    }
    assert datetime.fromisoformat(found["first_seen"]) >= before
    with books.installation() as opened:
        kept = opened.control.tie_outs.read(books.realm)
    assert kept is not None
    assert kept.first_seen == datetime.fromisoformat(found["first_seen"])


def test_an_account_is_walked_from_opening_to_what_quickbooks_says(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    done = ledgerguard("tieout", "--explain", "Checking", "--month", "2026-03")
    assert done.code == 0, done.err
    for word in ("opening", "closing", "QuickBooks says", "the difference is 0.00"):
        assert word in done.out
    walked = json.loads(ledgerguard("tieout", "--explain", "1", "--month", "2026-03", "--json").out)
    assert walked["closing"] == walked["closing_quickbooks"]
    assert walked["movements"]
    books.break_a_cent()
    broken = ledgerguard("tieout", "--explain", "1", "--month", "2026-03")
    assert broken.code == 1
    assert "the difference is 12.40" in broken.out


def test_the_start_of_the_fiscal_year_is_a_step_of_its_own(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    done = ledgerguard("tieout", "--explain", "Retained Earnings", "--month", "2026-01")
    assert done.code == 0, done.err
    assert "start of the fiscal year" in done.out


BAD_REPORTS: dict[str, tuple[dict[str, object], dict[str, str]]] = {
    "journal cut": (
        {"cell_limit": 40, "cut": "row"},
        {"report_cut": "Nothing of that report counts"},
    ),
    "journal torn": (
        {"cell_limit": 60, "cut": "silent"},
        {"report_cut": "Nothing of that report counts"},
    ),
    "journal refused": ({"denied": ["JournalReport"]}, {"not_permitted": "administrator"}),
    "journal empty": ({"empty": ["JournalReport"]}, {"report_empty": "run the comparison again"}),
    "several": (
        {"empty": ["TrialBalance"], "denied": ["AgedPayables"]},
        {"report_empty": "run the check again", "not_permitted": "administrator"},
    ),
    "trial balance refused": ({"denied": ["TrialBalance"]}, {"not_permitted": "administrator"}),
}
"""The sandbox's switches, and by the finding's name words of what to do."""


@pytest.mark.parametrize("bad", BAD_REPORTS)
def test_a_bad_report_is_a_finding_with_a_name_and_what_to_do(
    ledgerguard: Ledgerguard, books: ProvenHome, bad: str
) -> None:
    switches, expected = BAD_REPORTS[bad]
    books.change("DELETE FROM books.silver._journal_windows WHERE window_end > '2026-10-31'")
    books.sandbox.set(reports=switches)
    found = answer(ledgerguard, "--month", "2026-10")
    assert found["state"] == "not_compared"
    texts = {each["name"]: each["text"] for each in found["findings"]}
    assert texts.keys() == expected.keys()
    for name, words in expected.items():
        assert words in texts[name]
    if bad == "journal refused":  # nothing of this stops a sync
        assert ledgerguard("sync", "--entity", "Account", "--json").code == 0


def test_an_account_that_bronze_does_not_know_is_named(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change("DELETE FROM books.bronze.account WHERE id = '1'")
    done = ledgerguard("tieout", "--month", "2026-10")
    assert done.code == 1
    assert f"({books.realm}): could not be compared, as of 2026-10-31" in done.out
    assert "- unknown_account: " in done.out
    assert "sync --entity Account" in done.out
    assert "metered calls" in done.out


def test_a_row_that_is_old_is_a_warning_by_name_and_books_tie_out_all_the_same(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change(
        "UPDATE books.bronze.account SET payload = "
        "regexp_replace(payload, '\"CurrentBalance\":[^,}]+', '\"CurrentBalance\":0.5') WHERE id = '1'"
    )
    done = ledgerguard("tieout", "--month", "2026-10")
    assert done.code == 0, done.out
    assert "- Warning: Account 1 " in done.out
    assert "its row 0.50" in done.out
    assert "sync --full --entity Account" in done.out
    assert "warnings       L5 old_balance: 1, " in done.out


def test_without_any_account_nothing_is_concluded(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change("DELETE FROM books.bronze.account")
    names = {each["name"] for each in answer(ledgerguard, "--month", "2026-10")["findings"]}
    assert names == {"accounts_missing", "documents_missing"}


@pytest.mark.parametrize("table", ["company_info", "preferences"])
def test_where_fiscal_year_and_currencies_would_be_guesses_nothing_is_asked_or_concluded(
    ledgerguard: Ledgerguard, books: ProvenHome, table: str
) -> None:
    books.change(f"DELETE FROM books.bronze.{table}")
    found = answer(ledgerguard, "--month", "2026-10")
    assert found["state"] == "not_compared"
    assert found["metered_calls"] == 0
    (said,) = found["findings"]
    assert said["name"] == "company_missing"
    assert "sync --entity CompanyInfo --entity Preferences" in said["text"]


def test_reports_in_another_language_are_compared_by_ids_and_the_language_is_named(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change("DELETE FROM books.silver._journal_windows WHERE window_end > '2026-10-31'")
    books.sandbox.set(reports={"language": "fr"})
    found = answer(ledgerguard, "--month", "2026-10", code=0)
    assert [each["name"] for each in found["findings"]] == ["unknown_type"]
