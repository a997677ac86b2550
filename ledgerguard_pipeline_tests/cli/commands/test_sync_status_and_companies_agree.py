"""The daily commands, end to end against the sandbox, through the same Dagster job as the UI."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, finish, start

RESULT_KEYS = {
    "realm_id", "entity", "mode", "fetched", "written", "deleted", "api_calls", "status", "error",
}  # fmt: skip
STATUS_KEYS = {
    "health", "is_connected", "last_sync_time", "entity_counts", "access_token_expiry",
    "refresh_token_expiry", "response_time_ms", "api_calls_this_month",
}  # fmt: skip


def document(text: str) -> dict[str, Any]:
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


def test_a_new_user_loads_everything_and_sees_it(
    connected: Installation, sandbox: SandboxServer
) -> None:
    loaded = finish(start("sync", "--json"))
    shown = finish(start("status", "--json"))

    assert loaded.code == 0, loaded.err
    result = document(loaded.out)
    assert {"total_entities_written", "duration_seconds", "api_calls", "results"} <= result.keys()
    assert all(each.keys() >= RESULT_KEYS for each in result["results"])
    assert {each["mode"] for each in result["results"]} == {"full"}
    rows = sandbox.companies()[0]["rows"]
    assert isinstance(rows, dict)
    written = {each["entity"]: each["written"] for each in result["results"]}
    assert written == {name: rows[name] for name in written}
    assert result["total_entities_written"] == sum(written.values())

    assert shown.code == 0
    (company,) = document(shown.out)["companies"]
    assert company.keys() >= STATUS_KEYS
    assert company["health"] == "healthy"
    assert company["reasons"] == []
    assert company["is_connected"] is True
    counts = {name: count for name, count in company["entity_counts"].items() if count}
    assert counts == {name: count for name, count in written.items() if count}
    assert company["last_sync_time"].endswith("Z")
    assert company["api_calls_this_month"] > 0


@pytest.mark.usefixtures("bronze_alone")
def test_what_was_peculiar_about_an_entity_is_reported(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    for endpoint in ("batch_item", "query"):
        sandbox.inject("feature_missing", probability=1.0, endpoint=endpoint, entity="Class")

    outcome = ledgerguard("sync", "--json", "--entity", "Class")

    assert outcome.code == 0, outcome.err
    (only,) = document(outcome.out)["results"]
    assert only["note"] == "this company's edition has no such objects"


@pytest.mark.usefixtures("bronze_alone")
def test_only_what_was_asked_for_is_synced(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    first = ledgerguard("sync", "--json", "--entity", "invoice,Customer")
    sandbox.edit("update", "Customer")
    changed = ledgerguard("sync", "--json", "--entity", "Customer")
    again = ledgerguard("sync", "--json", "--entity", "Customer", "--full")
    since = ledgerguard("sync", "--json", "--entity", "Customer", "--since", "2026-01-01")

    entities = [each["entity"] for each in document(first.out)["results"]]
    assert sorted(entities) == ["Customer", "Invoice"]
    (change,) = document(changed.out)["results"]
    assert (change["mode"], change["written"]) == ("cdc", 1)
    (full,) = document(again.out)["results"]
    assert (full["mode"], full["written"]) == ("full", 0)
    (queried,) = document(since.out)["results"]
    assert (queried["mode"], queried["written"]) == ("query", 0)
    assert [each.code for each in (first, changed, again, since)] == [0, 0, 0, 0]


@pytest.mark.usefixtures("bronze_alone")
def test_a_failing_entity_is_named_and_heals(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    chosen = ("sync", "--entity", "Customer", "--entity", "Invoice")
    for endpoint in ("query", "batch_item"):
        sandbox.inject("company_expired", endpoint=endpoint, entity="Invoice", next=1000)
    failed = ledgerguard(*chosen, "--json")
    reported = ledgerguard(*chosen)
    sandbox.clear_faults()
    healed = ledgerguard(*chosen, "--json")

    assert failed.code == 1
    states = {each["entity"]: each["status"] for each in document(failed.out)["results"]}
    assert states == {"Customer": "ok", "Invoice": "failed"}
    assert reported.code == 1
    assert "Invoice" in reported.out
    assert "Traceback" not in reported.out + reported.err
    assert healed.code == 0


@pytest.mark.usefixtures("bronze_alone")
def test_plain_lines_tell_the_progress_where_there_is_no_terminal(
    ledgerguard: Ledgerguard, connected: Installation
) -> None:
    outcome = ledgerguard("sync", "--entity", "Customer")

    assert "syncing 1 entity type\n" in outcome.err
    assert "Customer full" in outcome.err
    assert "versions written" in outcome.out
    assert "\x1b[" not in outcome.out


def test_companies_are_listed_and_disconnected(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    listed = document(ledgerguard("companies", "--json").out)["companies"]
    gone = ledgerguard("disconnect", sandbox.realm_id, "--json")
    after = document(ledgerguard("companies", "--json").out)["companies"]
    status = document(ledgerguard("status", "--json").out)["companies"]

    assert [(each["realm_id"], each["is_connected"]) for each in listed] == [
        (sandbox.realm_id, True)
    ]
    assert gone.code == 0
    assert after[0]["is_connected"] is False
    assert status[0]["health"] == "disconnected"
    assert status[0]["access_token_expiry"] is None
    assert connected.control.tokens.load(connected.control.companies.list()[0].realm_id) is None


def test_asking_a_fresh_machine_leaves_nothing_behind(ledgerguard: Ledgerguard, home: Path) -> None:
    listed, shown = ledgerguard("companies", "--json"), ledgerguard("status", "--json")

    assert document(listed.out) == {"companies": []}
    assert document(shown.out) == {"companies": []}
    assert "ledgerguard connect" in ledgerguard("status").out
    assert not home.exists()


def test_the_status_of_a_company_never_synced_says_so(
    ledgerguard: Ledgerguard, connected: Installation
) -> None:
    (known,) = connected.control.companies.list()
    hour = timedelta(hours=1)
    connected.control.companies.put(replace(known, connected_at=known.connected_at - hour))
    (company,) = document(ledgerguard("status", "--json").out)["companies"]

    assert company["health"] == "degraded"
    assert any("never synced" in reason for reason in company["reasons"])
    assert company["last_sync_time"] is None


@pytest.mark.parametrize("command", ["companies", "status"])
def test_a_companys_name_cannot_steer_the_terminal(
    ledgerguard: Ledgerguard, connected: Installation, command: str
) -> None:
    (company,) = connected.control.companies.list()
    connected.control.companies.put(replace(company, name="[bold]Evil\x1b]0;title\x07 Inc"))

    outcome = ledgerguard(command)

    assert "\x1b" not in outcome.out
    assert "[bold]Evil" in outcome.out
