"""``ledgerguard tieout`` proves, names what differs, explains an account, and never calls bad input equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

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
    (company,) = json.loads(done.out)["companies"]
    assert company["tied_out"] is (code == 0)
    return dict(company)


def test_sound_books_tie_out_and_say_what_it_cost(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    done = ledgerguard("tieout")
    assert done.code == 0, done.err
    assert f"({books.realm}): tied out, as of " in done.out
    assert "total assets" in done.out
    assert "payroll" in done.out
    assert "metered calls" in done.out
    found = answer(ledgerguard, code=0)
    assert found["unexplained"] == 0
    assert found["findings"] == []
    assert {each["kind"] for each in found["classes"]} >= {"payroll"}
    assert found["metered_calls_today"] > found["metered_calls"]
    assert {each["name"] for each in found["figures"]} == {"net_income", "total_assets"}
    assert all(each["ours"] == each["theirs"] for each in found["months"])
    assert len(found["months"]) == 12


def test_one_month_can_be_compared(ledgerguard: Ledgerguard, books: ProvenHome) -> None:
    assert answer(ledgerguard, "--month", "2026-03", code=0)["ends"] == ["2026-03-31"]


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


def test_a_difference_is_named_to_the_cent_and_stays_first_seen(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.break_a_cent()
    before = datetime.now(UTC)
    found = answer(ledgerguard)
    assert found["state"] == "broken"
    on_account = [each for each in found["differences"] if each["account_id"] == "1"]
    assert {each["difference"] for each in on_account} == {"12.40"}
    assert datetime.fromisoformat(found["first_seen"]) >= before
    done = ledgerguard("tieout")
    assert "does not tie out" in done.out
    assert "difference 12.40" in done.out
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


BAD_REPORTS: dict[str, tuple[dict[str, object], str, str]] = {
    "cut": ({"cell_limit": 40, "cut": "row"}, "report_cut", "Nothing of that report counts"),
    "torn": ({"cell_limit": 60, "cut": "silent"}, "report_cut", "Nothing of that report counts"),
    "refused": ({"denied": ["TrialBalance"]}, "not_permitted", "administrator"),
    "journal refused": ({"denied": ["JournalReport"]}, "not_permitted", "administrator"),
    "statement refused": ({"denied": ["BalanceSheet"]}, "not_permitted", "administrator"),
    "empty": ({"empty": ["TrialBalance"]}, "report_empty", "run the check again"),
    "empty journal": ({"empty": ["JournalReport"]}, "report_empty", "run the comparison again"),
    "no body": ({"without_body": ["TrialBalance"]}, "unavailable", "TrialBalance"),
}
"""The sandbox's switch, the finding's name, and words of what to do."""


@pytest.mark.parametrize("bad", BAD_REPORTS)
def test_a_bad_report_is_a_finding_with_a_name_and_what_to_do(
    ledgerguard: Ledgerguard,
    books: ProvenHome,
    bad: str,
) -> None:
    switches, name, words = BAD_REPORTS[bad]
    if bad == "statement refused":  # the kept one would do
        books.change("DELETE FROM books.bronze._reports WHERE report = 'BalanceSheet'")
    books.sandbox.set(reports=switches)
    found = answer(ledgerguard, "--month", "2026-10")
    assert found["state"] == "not_compared"
    texts = [each["text"] for each in found["findings"] if each["name"] == name]
    assert words in " ".join(texts)


def test_an_account_that_bronze_does_not_know_is_named(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change("DELETE FROM books.bronze.account WHERE id = '1'")
    found = answer(ledgerguard, "--month", "2026-10")
    (finding,) = found["findings"]
    assert found["state"] == "not_compared"
    assert finding["name"] == "unknown_account"
    assert "- unknown_account: " in ledgerguard("tieout", "--month", "2026-10").out
    assert "sync --entity Account" in finding["text"]


def test_without_any_account_nothing_is_concluded(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.change("DELETE FROM books.bronze.account")
    names = {each["name"] for each in answer(ledgerguard, "--month", "2026-10")["findings"]}
    assert names == {"accounts_missing"}


def test_reports_in_another_language_are_compared_by_ids_and_the_language_is_named(
    ledgerguard: Ledgerguard, books: ProvenHome
) -> None:
    books.sandbox.set(reports={"language": "fr"})
    found = answer(ledgerguard, "--month", "2026-10", code=0)
    assert [each["name"] for each in found["findings"]] == ["unknown_type"]


def test_a_sync_goes_on_whatever_the_books_say(ledgerguard: Ledgerguard, books: ProvenHome) -> None:
    books.sandbox.set(reports={"denied": ["TrialBalance", "JournalReport"]})
    assert ledgerguard("tieout").code == 1
    done = ledgerguard("sync", "--entity", "Account", "--json")
    assert done.code == 0, done.err
