"""Freshness badges of Dagster change at the ages at which a company's health does."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import time_machine
from dagster._core.definitions.freshness import FreshnessState, TimeWindowFreshnessPolicy
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
from dagster._core.loader import LoadingContextForTest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.dagster import quickbooks_definitions
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.fleet.read_without_news import ReadWithoutNews
from ledgerguard_pipeline.defs.freshness import freshness_policy
from ledgerguard_pipeline.defs.keys import asset_key, silver_key
from ledgerguard_pipeline.defs.partitions import cell_partitions
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.health.entity_status import promised_seconds
from ledgerguard_pipeline.health.facts import LATE_AFTER, unhealthy_after
from ledgerguard_pipeline.ingestion.fleet import Ending, Visit
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.defs.conftest import FIRST, plain_settings

INVOICE, TAX_CODE = entity_type("Invoice"), entity_type("TaxCode")


def windows(defs: dg.Definitions, *path: str) -> tuple[float, float] | None:
    """Seconds after which an asset's badge warns and fails; None without a badge."""
    policy = defs.resolve_asset_graph().get(dg.AssetKey(["qbo", *path])).freshness_policy
    if policy is None:
        return None
    assert isinstance(policy, TimeWindowFreshnessPolicy)
    assert policy.warn_window is not None
    return (
        policy.warn_window.to_timedelta().total_seconds(),
        policy.fail_window.to_timedelta().total_seconds(),
    )


def expected(promised: float) -> tuple[float, float]:
    return LATE_AFTER * promised, unhealthy_after(promised)


def test_every_asset_that_a_schedule_keeps_current_has_its_promise() -> None:
    defs = build_definitions(plain_settings(ledgerguard_sweep_minutes=60))
    assert windows(defs, "bronze", "invoice") == expected(promised_seconds(INVOICE, 60))
    assert windows(defs, "bronze", "tax_code") == expected(promised_seconds(TAX_CODE, 60))
    assert windows(defs, "bronze", "expense") == windows(defs, "bronze", "purchase")
    assert windows(defs, "silver", "invoice") == expected(86_400)
    assert windows(defs, "ledger", "journal") == expected(86_400)
    assert windows(defs, "ledger", "postings") == expected(86_400)
    assert windows(defs, "connection") is None


def test_a_guest_without_schedules_promises_nothing_and_may_promise_otherwise() -> None:
    promised = quickbooks_definitions(entities=["Invoice"])
    assert windows(promised, "bronze", "invoice") == expected(promised_seconds(INVOICE))
    silent = quickbooks_definitions(entities=["Invoice"], schedules=False)
    assert windows(silent, "bronze", "invoice") is None
    own = dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=9), warn_window=timedelta(hours=3)
    )
    otherwise = quickbooks_definitions(entities=["Invoice"], freshness_policy=own)
    assert windows(otherwise, "silver", "invoice") == (3 * 3600, 9 * 3600)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_dagster_judges_by_them(instance: dg.DagsterInstance) -> None:
    @dg.asset(freshness_policy=freshness_policy(900.0))
    def kept() -> None: ...

    node = dg.Definitions(assets=[kept]).resolve_asset_graph().get(kept.key)
    evaluator = TimeWindowFreshnessPolicyEvaluator()

    def state() -> FreshnessState:
        context = LoadingContextForTest(instance)
        return asyncio.run(evaluator.evaluate_freshness(context, node))

    assert state() is FreshnessState.UNKNOWN
    instance.report_runless_asset_event(dg.AssetMaterialization(kept.key))
    assert state() is FreshnessState.PASS


def visit(realm: str, written: int) -> Visit:
    results = tuple(
        EntityResult(entity=name, realm_id=RealmId(realm), mode=Mode.CDC, written=count)
        for name, count in (("Invoice", written), ("TaxCode", 0))
    )
    return Visit(RealmId(realm), Ending.CHANGED, result=SyncResult(results=results))


@pytest.mark.parametrize("written,quiet", [(0, {"invoice", "tax_code"}), (3, {"tax_code"})])
def test_what_a_sweep_read_in_vain_is_recorded_once_it_would_look_late(
    instance: dg.DagsterInstance, written: int, quiet: set[str]
) -> None:
    settings: Settings = plain_settings(ledgerguard_silver="off")
    cells = cell_partitions(settings)
    keys = [asset_key(INVOICE), asset_key(TAX_CODE), silver_key(INVOICE)]
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(key))

    def events() -> set[str]:
        read = ReadWithoutNews(settings, CompanyNames({FIRST: "Acme"}))
        read.add(visit(FIRST, written))
        read.add(visit("2", 0))
        found = read.events(instance, cells)
        assert {str(each.metadata["company"].value) for each in found} <= {"Acme"}
        return {each.asset_key.path[-1] for each in found}

    assert events() == set(), "they were materialized a moment ago"

    with time_machine.travel(datetime.now(UTC) + timedelta(days=1)):
        assert events() == quiet
