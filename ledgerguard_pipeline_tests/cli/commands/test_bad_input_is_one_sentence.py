"""Whatever is wrong with what was typed or configured is said in one sentence, with exit code 2,
before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.store_settings import BRONZE_FILE
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, Outcome
from ledgerguard_pipeline_tests.cli.home_state import state_of

REALM = "9341453474484455"
OTHER = "1234567890123"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def assert_refused(outcome: Outcome, expected: str) -> None:
    lines = outcome.err.splitlines()
    assert outcome.code == 2, outcome
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("ledgerguard: ")
    assert expected in lines[0]
    assert "Traceback" not in outcome.err + outcome.out


def test_what_leaves_attachments_out_is_named(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_ATTACHMENTS", "off")
    assert_refused(ledgerguard("sync", "--entity", "Attachable"), "LEDGERGUARD_ATTACHMENTS=off")


@pytest.mark.parametrize(
    "arguments,expected",
    [
        (
            ["sync", "--entity", "Invoce"],
            "entity type. Did you mean Invoice? `ledgerguard entities`",
        ),
        (["sync", "--entity", "Ledger"], "'Ledger' is not a supported entity type. Known: Account"),
        (["sync", "--entity", "x'; DROP TABLE--"], "is not a supported entity type"),
        (["sync", "--entity", ","], "No entity type was named"),
        (["sync", "--company", "../.."], "is not a company id"),
        (["sync", "--company", "9" * 21], "is not a company id"),
        (["sync", "--company", "\u0661" * 12], "is not a company id"),
        (["disconnect", "nobody"], "is not a company id"),
        (["sync", "--since", "yesterday"], "is not a date"),
        (["sync", "--since", "2026-13-01"], "is not a date"),
        (["sync", "--since", ""], "is not a date"),
        (["sync", "--since", "0001-01-01T00:00:00+23:00"], "is not a date"),
        (["sync", "--since", TOMORROW], "is in the future"),
        (["sync", "--full", "--since", "2026-01-01"], "use one of the two"),
        (["sync", "--reconcile", "--full"], "use it without --full and --since"),
        (["sync", "--reconcile", "--since", "2026-01-01"], "use it without --full and --since"),
        (["sync"], "No company is connected yet"),
        (["sync", "--company", REALM], "No company is connected yet"),
        (["disconnect", REALM], "No company is connected yet"),
        (["sql", "SELECT 1"], "Nothing was loaded into"),
        (["sql", " "], "The statement is empty"),
        (["snapshot", "nowhere/copy.duckdb"], "does not exist"),
        (["sync", "--bogus"], "No such option"),
        (["synk"], "No such command 'synk'. Did you mean 'sync'?"),
        (["sync", "--entty", "Invoice"], "No such option: --entty. Did you mean --entity?"),
        (["disconnect"], "Missing argument"),
        (["connect", "--timeout", "soon"], "Invalid value for '--timeout': it has to be a number."),
        (["web", "--port", "0"], "Invalid value for '--port': it has to be at least 1."),
        (["web", "--port", "65536"], "it has to be at most 65535"),
        (["events", "park", "many"], "it has to be a whole number. `ledgerguard events park"),
        (["events", "park", str(2**63)], "it has to be at most"),
        (["events", "redrive", "0"], "it has to be at least 1"),
        (["events", "dismiss", "9" * 30], "it has to be at most"),
        (["events", "deliveries", "--bodies"], "--bodies is for --json"),
        (["events", "nothing"], "`ledgerguard events --help` lists the commands"),
        (["keys", "move", "--to", "disk"], "'--to': 'disk' is not one of 'redis', 'database'"),
        (["sync", "--company"], "`ledgerguard sync --help` lists the options"),
        (["bronze", "migrate", "--to", "elsewhere"], "--to must look like duckdb:///"),
        (["demo", "--home", f"{__file__}/demo"], "cannot be used: Not a directory. Check the path"),
        (["sandbox", "serve", "--port", "-1"], "it has to be at least 0"),
        (["sandbox", "serve", "--port", "65536"], "it has to be at most 65535"),
        (["sandbox", "serve", "--invoices", "-1"], "it has to be at least 0"),
        (["web", "--host", "192.0.2.7"], "LEDGERGUARD_ADMIN_TOKEN"),
    ],
)
def test_on_a_fresh_machine(
    ledgerguard: Ledgerguard,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.setenv("INTUIT_CLIENT_ID", "app")
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "made-up")

    assert_refused(ledgerguard(*arguments), expected)

    assert not home.exists()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    "variable,value,expected",
    [
        ("INTUIT_BASE_URL", "http://quickbooks.example.com", "loopback hosts only"),
        ("INTUIT_BASE_URL", "ftp://quickbooks.example.com", "must be an http(s) URL"),
        ("INTUIT_REDIRECT_URI", "http://books.example.com/callback", "loopback hosts only"),
        ("INTUIT_ENV", "prod", "INTUIT_ENV: it has to be 'sandbox' or 'production'."),
        ("LEDGERGUARD_SMTP_URL", "smtp://mail", "not usable. LEDGERGUARD_SMTP_URL also needs"),
        ("LEDGERGUARD_LOG_LEVEL", "loud", "LEDGERGUARD_LOG_LEVEL is 'LOUD'; it has to be one of"),
        ("LEDGERGUARD_HOME", __file__, "is a file; it must be a folder"),
        ("LEDGERGUARD_ENTITIES", "Invoice,Nonsense", "'Nonsense' is not a supported entity type"),
        ("LEDGERGUARD_MAX_REQUESTS_PER_MINUTE", "0", "PER_MINUTE: it has to be at least 1."),
        ("LEDGERGUARD_MONTHLY_CALL_BUDGET", "lots", "BUDGET: it has to be a whole number."),
        ("LEDGERGUARD_START_DATE", "soon", "LEDGERGUARD_START_DATE"),
        ("INTUIT_CLIENT_SECRET", "", "INTUIT_CLIENT_ID and INTUIT_CLIENT_SECRET are not set"),
        ("LEDGERGUARD_BRONZE_URL", "postgres://x:hidden@y/z", "must look like duckdb:///"),
    ],
)
def test_a_setting_that_cannot_be_used(
    ledgerguard: Ledgerguard,
    connected: Installation,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    expected: str,
) -> None:
    before = state_of(home)
    monkeypatch.setenv(variable, value)

    outcome = ledgerguard("sync")

    assert_refused(outcome, expected)
    assert "hidden" not in outcome.err
    assert state_of(home) == before


def _unknown_company(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return ["sync", "--company", OTHER]


def _lost_connection(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    installation.control.companies.set_status(
        RealmId(REALM), ConnectionStatus.NEEDS_REAUTH, "ended"
    )
    return ["sync", "--company", REALM]


def _other_environment(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("INTUIT_ENV", "production")
    return ["sync", "--company", REALM]


def _foreign_bronze(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    make_bronze(installation.settings.bronze_path, Environment.PRODUCTION)
    return ["sync"]


def _foreign_home(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    make_bronze(installation.settings.bronze_path)
    monkeypatch.setenv("INTUIT_ENV", "production")
    return ["sync"]


def _foreign_connect(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    make_bronze(installation.settings.bronze_path)
    monkeypatch.setenv("INTUIT_ENV", "production")
    return ["connect", "--no-browser", "--timeout", "1"]


def _foreign_bronze_read(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    make_bronze(installation.settings.bronze_path, Environment.PRODUCTION)
    return ["sql", "SELECT 1"]


def _damaged_key(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    key = installation.settings.ledgerguard_home / "encryption.key"
    key.write_bytes(b"\x00garbage")
    return ["sync"]


def _open_key(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (installation.settings.ledgerguard_home / "encryption.key").chmod(0o644)
    return ["sync"]


def _lost_key(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (installation.settings.ledgerguard_home / "encryption.key").unlink()
    return ["sync"]


def _left_out(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Invoice")
    return ["sync", "--entity", "Customer"]


def _existing_snapshot(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    Path("copy.duckdb").write_bytes(b"somebody's")
    return ["snapshot", "copy.duckdb"]


@pytest.mark.parametrize(
    "arrange,expected",
    [
        (_unknown_company, "not connected"),
        (_lost_connection, "not connected any more"),
        (_other_environment, "INTUIT_ENV"),
        (_foreign_bronze, "belongs to Intuit's production environment"),
        (_foreign_home, "belongs to Intuit's sandbox environment"),
        (_foreign_connect, "belongs to Intuit's sandbox environment"),
        (_foreign_bronze_read, "belongs to Intuit's production environment"),
        (_damaged_key, "encryption.key"),
        (_open_key, "chmod 600"),
        (_lost_key, "connect the company again"),
        (_left_out, "LEDGERGUARD_ENTITIES"),
        (_existing_snapshot, "already exists"),
    ],
)
def test_on_a_running_installation(
    ledgerguard: Ledgerguard,
    connected: Installation,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[Installation, pytest.MonkeyPatch], list[str]],
    expected: str,
) -> None:
    arguments = arrange(connected, monkeypatch)
    before = state_of(home)

    assert_refused(ledgerguard(*arguments), expected)

    assert state_of(home) == before


def test_a_wrong_client_secret_stops_before_a_run_is_made(
    ledgerguard: Ledgerguard,
    connected: Installation,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    realm = RealmId(REALM)
    tokens = connected.control.tokens.load(realm)
    assert tokens is not None
    ended = replace(tokens, access_expires_at=datetime.now(UTC) - timedelta(hours=1))
    kept = connected.control.tokens.replace(realm, ended, tokens.version)
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "not-the-secret")

    outcome = ledgerguard("sync")

    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("ledgerguard: ")
    assert "INTUIT_CLIENT_SECRET" in outcome.err
    assert "not-the-secret" not in outcome.err
    assert connected.control.tokens.load(realm) == kept
    assert connected.control.companies.require(realm).status is ConnectionStatus.CONNECTED
    assert not (home / "dagster").exists()
    assert not (home / BRONZE_FILE).exists()


def test_with_json_the_error_is_a_document_too(ledgerguard: Ledgerguard, home: Path) -> None:
    outcome = ledgerguard("sync", "--json", "--company", "12x")

    assert_refused(outcome, "is not a company id")
    error = json.loads(outcome.out)["error"]
    assert error["type"] == "BadInputError"
    assert error["exit_code"] == 2
    assert "is not a company id" in error["message"]
