"""The journal is an asset by company; its checks name what differs, in whichever company."""

from datetime import date
from decimal import Decimal

import dagster as dg
import pytest
from msgspec.structs import replace

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.tie_outs import ClassLine, FindingLine, LevelLine
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.attachments.files import COMPLETE, files_check, files_key
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import JOURNAL_JOB, journal_key, postings_key
from ledgerguard_pipeline.defs.monitoring.check_sensor import build_check_sensor
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.defs.tieout.checks import (
    BALANCED,
    DERIVED,
    EXPLAINED,
    LEVELS,
    LISTED,
    OPEN_ITEMS,
    STATEMENTS,
    TIED_OUT,
    ledger_checks,
)
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.values import Environment, parse_realm
from ledgerguard_pipeline_tests.web.made_up_books import broken, not_compared, tied_out

END = date(2026, 10, 31)


def spend_the_budget(connected: Installation, settings: Settings) -> None:
    """So much of it that optional work waits."""
    metered = settings.ledgerguard_monthly_call_budget * 96 // 100
    (company, *_) = connected.control.companies.list()
    connected.control.calls.record(
        company.realm_id, entity="Invoice", purpose="sync", status=200, metered=metered
    )


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
    control = connected.control
    birch = Company(
        parse_realm("77"), Environment.SANDBOX, "Birch", ConnectionStatus.CONNECTED, control.now()
    )
    control.companies.put(birch)
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
        "Birch (77): Account 90 Board of Equalization Payable, 2026-10-31: journal 370.94, QuickBooks "
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


def test_what_a_forgotten_company_left_in_the_store_fails_no_check(
    settings: Settings, connected: Installation, sandbox: SandboxServer
) -> None:
    realm, other = parse_realm(sandbox.realm_id), parse_realm("77")
    control, at = connected.control, connected.control.now()
    connected.service(realm).run_batch_ingestion(["CompanyInfo"])
    control.companies.put(
        Company(other, Environment.SANDBOX, "Birch", ConnectionStatus.CONNECTED, at)
    )
    amount = Decimal("370.94")
    left = Difference(Level.TRIAL_BALANCE, END, "90", "Payable", amount, amount + 1)
    TieOut(connected.bronze.workspace).keep(other, Level.TRIAL_BALANCE, END, [left])
    job = build_definitions(settings).resolve_job_def(JOURNAL_JOB)
    spend_the_budget(connected, settings)  # what is known is shown all the same

    def shown() -> bool:
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions(REALM, [realm])
            done = job.execute_in_process(instance=instance, partition_key=realm)
        found = {each.check_name: each for each in done.get_asset_check_evaluations()}
        return bool(found[TIED_OUT].passed)

    assert not shown()
    control.companies.set_status(other, ConnectionStatus.DISCONNECTED)
    assert shown()
    connected.forget(other)
    assert TieOut(connected.bronze.workspace).read(other), "its rows are kept"
    assert shown()


@pytest.mark.parametrize("leaves", ["disconnected", "forgotten"])
def test_a_company_that_leaves_takes_its_differences_out_of_the_checks_within_a_minute(
    settings: Settings, connected: Installation, persistent: dg.DagsterInstance, leaves: str
) -> None:
    realm, control = parse_realm("77"), connected.control
    now, opened = control.now(), lambda: ControlPlane.open(settings)
    control.companies.put(
        Company(realm, Environment.SANDBOX, "Birch", ConnectionStatus.CONNECTED, now)
    )
    sensor = build_check_sensor((), opened, groups=[ledger_checks(), files_check()])

    def shown() -> dict[str, tuple[bool, str]]:
        """What fails, as the overview shows it, after a tick of the sensor."""
        sensor(dg.build_sensor_context(instance=persistent))
        keys = [dg.AssetCheckKey(journal_key(), each) for each in LEVELS]
        keys.append(dg.AssetCheckKey(files_key(), COMPLETE))
        last = persistent.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        evaluations = [each.evaluation for each in last.values()]
        return {
            each.check_name: (each.severity is dg.AssetCheckSeverity.ERROR, str(each.description))
            for each in evaluations
            if each is not None and not each.passed
        }

    assert shown() == {}, "nothing was compared yet"
    levels = (LevelLine("L3", 90, 3, 3), LevelLine("L1", 90, 18, 0), LevelLine("L2", 90, 60, 1))
    guessed = ClassLine("L0b", "guess", 1, Decimal("1.00"))
    refused = FindingLine("not_permitted", "AgedPayables is refused.", levels=("L4",))
    books = replace(broken(now), levels=levels, classes=(guessed,), findings=(refused,))
    control.tie_outs.compared(realm, books)
    assert shown() == {}, "a run reports first"
    for key in (*(dg.AssetCheckKey(journal_key(), each) for each in LEVELS),):
        persistent.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=key.asset_key, check_name=key.name, passed=True)
        )
    persistent.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=files_key(), check_name=COMPLETE, passed=True)
    )
    control.check_faults.judged(realm, [Judged("Attachable", COMPLETE, "1 of 2.", severe=False)])
    assert shown() == {
        TIED_OUT: (True, f"Birch (77): {books.differences[0].message}"),
        EXPLAINED: (True, "Birch (77): 1 difference, which `ledgerguard tieout` lists."),
        DERIVED: (False, "Birch (77): 1 difference, which `ledgerguard tieout` lists."),
        OPEN_ITEMS: (False, "Birch (77): AgedPayables is refused."),
        COMPLETE: (False, "Birch (77): 1 of 2."),
    }
    control.companies.set_status(realm, ConnectionStatus.DISCONNECTED)
    if leaves == "forgotten":
        connected.forget(realm)
    assert shown() == {}


def test_checks_say_what_other_companies_cannot_be_compared_for_and_nothing_of_gone_ones(
    settings: Settings, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(limits=False)
    control = connected.control
    realm, other, gone = parse_realm(sandbox.realm_id), parse_realm("77"), parse_realm("78")
    connected.service(realm).run_batch_ingestion(["Account", "CompanyInfo", "Preferences"])
    status = ConnectionStatus.CONNECTED
    for id, name in ((other, "Birch"), (gone, "Cedar")):
        control.companies.put(Company(id, Environment.SANDBOX, name, status, control.now()))
        control.tie_outs.compared(id, not_compared(control.now(), f"{name} is refused.", "L3"))
    amount = Decimal("370.94")
    left = Difference(Level.BALANCED, END, "90", "Payable", amount, amount + 1)
    TieOut(connected.bronze.workspace).keep(gone, Level.BALANCED, END, [left])
    control.companies.set_status(gone, ConnectionStatus.DISCONNECTED)
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
    spend_the_budget(connected, settings)
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
