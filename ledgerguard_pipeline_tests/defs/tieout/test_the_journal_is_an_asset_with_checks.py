"""The journal is an asset by company; its checks name what differs, in whichever company."""

from datetime import date
from decimal import Decimal

import dagster as dg

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import JOURNAL_JOB, journal_key, postings_key
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.defs.tieout.journal import (
    BALANCED,
    DERIVED,
    EXPLAINED,
    LISTED,
    OPEN_ITEMS,
    STATEMENTS,
    TIED_OUT,
)
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.values import Environment, parse_realm
from ledgerguard_pipeline_tests.web.made_up_books import not_compared, tied_out

END = date(2026, 10, 31)


def test_the_journal_is_loaded_and_compared_and_differences_of_any_company_are_named(
    settings: Settings, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(limits=False)
    service = connected.service(parse_realm(sandbox.realm_id))
    service.run_batch_ingestion(["Account", "CompanyInfo", "Preferences"])
    ours, theirs = Decimal("370.94"), Decimal("371.19")
    other = Difference(
        Level.TRIAL_BALANCE, END, "90", "Board of Equalization Payable", ours, theirs
    )
    TieOut(connected.bronze.workspace).keep("77", Level.TRIAL_BALANCE, END, [other])
    job = build_definitions(settings).resolve_job_def(JOURNAL_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(REALM, [sandbox.realm_id])
        done = job.execute_in_process(instance=instance, partition_key=sandbox.realm_id)
        event = instance.get_latest_materialization_event(journal_key())
        derived = instance.get_latest_materialization_event(postings_key())
    assert (journal_key().path, postings_key().path) == (
        ["qbo", "ledger", "journal"],
        ["qbo", "ledger", "postings"],
    )
    assert derived is not None
    assert event is not None
    assert event.asset_materialization is not None
    legs = event.asset_materialization.metadata["legs"].value
    assert isinstance(legs, int)
    assert legs > 1_000
    assert event.asset_materialization.metadata["share_explained"].value == 0.0
    found = {each.check_name: each for each in done.get_asset_check_evaluations()}
    assert found[BALANCED].passed
    assert found[STATEMENTS].passed
    # Its own books agree; the one difference is the other company's.
    assert not found[TIED_OUT].passed
    assert found[TIED_OUT].metadata["differences"].value == 1
    assert found[TIED_OUT].description == (
        "77: Account 90 Board of Equalization Payable, 2026-10-31: journal 370.94, QuickBooks "
        "371.19, difference 0.25."
    )
    # Without documents nothing is said of them: neither that they agree nor that they do not.
    for check in (EXPLAINED, LISTED, OPEN_ITEMS):
        assert not found[check].passed
        assert found[check].severity is dg.AssetCheckSeverity.WARN
        assert "Bronze never loaded " in str(found[check].description)
    assert found[DERIVED].passed
    # Status, pages and alerts know as much.
    known = connected.control.tie_outs.read(parse_realm(sandbox.realm_id))
    assert known is not None
    assert known.state == "not_compared"
    assert known.metered_calls > 0


def test_checks_say_what_other_companies_cannot_be_compared_for_and_nothing_of_gone_ones(
    settings: Settings, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(limits=False)
    control = connected.control
    realm, other, gone = parse_realm(sandbox.realm_id), parse_realm("77"), parse_realm("78")
    connected.service(realm).run_batch_ingestion(["Account", "CompanyInfo", "Preferences"])
    for id, name, status in (
        (other, "Birch", ConnectionStatus.CONNECTED),
        (gone, "Cedar", ConnectionStatus.DISCONNECTED),
    ):
        control.companies.put(Company(id, Environment.SANDBOX, name, status, control.now()))
        control.tie_outs.compared(id, not_compared(control.now(), f"{name} is refused.", "L3"))
    amount = Decimal("370.94")
    left = Difference(Level.BALANCED, END, "90", "Payable", amount, amount + 1)
    TieOut(connected.bronze.workspace).keep(gone, Level.BALANCED, END, [left])
    job = build_definitions(settings).resolve_job_def(JOURNAL_JOB)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(REALM, [realm])
        done = job.execute_in_process(instance=instance, partition_key=realm)
    found = {each.check_name: each for each in done.get_asset_check_evaluations()}
    assert (found[TIED_OUT].passed, found[TIED_OUT].severity) == (
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert found[TIED_OUT].description == "Birch (77): Birch is refused."
    # It was another level, and who is disconnected is not compared any more.
    assert found[BALANCED].passed
    assert "Cedar" not in str(found)


def test_near_the_end_of_the_budget_the_comparison_waits_and_says_so_on_the_page(
    settings: Settings, connected: Installation, sandbox: SandboxServer
) -> None:
    realm, control = parse_realm(sandbox.realm_id), connected.control
    control.tie_outs.compared(realm, tied_out(control.now()))
    limit = settings.ledgerguard_monthly_call_budget
    control.calls.record(
        realm, entity="Invoice", purpose="sync", status=200, metered=limit * 96 // 100
    )
    job = build_definitions(settings).resolve_job_def(JOURNAL_JOB)
    used = control.calls.total_month_to_date()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(REALM, [realm])
        done = job.execute_in_process(instance=instance, partition_key=realm)
    assert done.success
    assert control.calls.total_month_to_date() == used
    known = control.tie_outs.read(realm)
    assert known is not None
    assert known.state == "tied_out"
    assert str(known.left_out).startswith("Comparing the books is skipped: ")
