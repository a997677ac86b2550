"""The benchmark of tie-out at its smallest: a fault of each kind, a few seeds, a short report. No times."""

from __future__ import annotations

from pathlib import Path
from random import Random

from benchmarks.tieout import journals
from benchmarks.tieout.__main__ import clean_companies, journal_at_the_cap
from benchmarks.tieout.companies import Books as Company
from benchmarks.tieout.faults import Planter, plant_and_prove
from ledgerguard_pipeline_tests.tieout.books import Books


def test_faults_of_every_kind_are_named_with_their_documents_and_nothing_else_is(
    documents: Books, tmp_path: Path
) -> None:
    company = Company(documents.sandbox, documents.client, documents.realm)
    planter = Planter(company, documents.file, Random(7))
    outcome = plant_and_prove(company, documents.file, planter.rounds([], 1), tmp_path)
    assert outcome.missed == []
    assert outcome.strange == []
    assert outcome.planted == outcome.named
    assert set(outcome.named) == {
        "a leg dropped",
        "a cent moved",
        "a document hidden",
        "a duplicate",
    }


def test_clean_companies_of_different_seeds_raise_no_alarm(tmp_path: Path) -> None:
    finding = clean_companies(tmp_path, 2)
    assert [each.reached for each in finding.figures if each.what == "false alarms"] == [True]


def test_all_ways_of_loading_a_report_write_the_same_legs(tmp_path: Path) -> None:
    assert len(journals.made_up_report(400)) > 50_000
    # A different number of legs stops the benchmark.
    finding = journal_at_the_cap(tmp_path, 400, 1)
    assert {each.what for each in finding.figures} >= {"this project", "json + Python loops"}
