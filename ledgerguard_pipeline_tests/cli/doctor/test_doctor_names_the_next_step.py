from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from ledgerguard_pipeline.cli.doctor.dagster_daemon import dagster
from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.intuit import clock_finding
from ledgerguard_pipeline.cli.doctor.local import dagster_home, local_findings
from ledgerguard_pipeline.cli.doctor.web_edge import admin_token, web_port, webhooks
from ledgerguard_pipeline.cli.local.ports import free_port
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.alerts.channels.mail_receiver import mail_server
from ledgerguard_pipeline_tests.alerts.channels.receivers import http_receiver
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.cli.home_state import state_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def findings(out: str) -> dict[str, dict[str, str]]:
    return {each["topic"]: each for each in json.loads(out)["findings"]}


def test_all_is_well_on_a_connected_installation(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer, home: Path
) -> None:
    before = state_of(home)

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 0, outcome.out
    found = findings(outcome.out)
    for topic in ("settings", "network", "clock", "credentials", "encryption key", "disk"):
        assert found[topic]["verdict"] == "ok", found[topic]
    company = found[f"company {sandbox.realm_id}"]
    assert (company["verdict"], "connected just now" in company["text"]) == ("ok", True)
    assert "first load" in company["text"], company
    assert state_of(home) == before


def test_probing_the_credentials_touches_no_grant(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer
) -> None:
    realm = connected.control.companies.list()[0].realm_id

    ledgerguard("doctor")

    assert connected.client(realm).company_info().name


def test_no_secret_is_shown(
    ledgerguard: Ledgerguard, settings: Settings, sandbox: SandboxServer
) -> None:
    shown = ledgerguard("doctor")
    as_json = ledgerguard("doctor", "--json")

    for outcome in (shown, as_json):
        assert sandbox.client_secret not in outcome.out + outcome.err
    assert json.loads(as_json.out)["settings"]["INTUIT_CLIENT_SECRET"] == "(set)"


def test_a_wrong_client_secret_is_found(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "not-the-secret")

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 2
    finding = findings(outcome.out)["credentials"]
    assert finding["verdict"] == "misconfigured"
    assert "Copy the client id and secret" in finding["next_step"]
    assert not home.exists()


def test_up_asks_about_the_keys_before_it_starts_anything(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "not-the-secret")
    ports = [f"--{what}-port={free_port()}" for what in ("web", "dagster")]
    outcome = ledgerguard("up", *ports)
    assert outcome.code == 2
    assert "Intuit refuses the app's client id or secret" in outcome.err
    assert not home.exists(), "nothing was started"


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_misspelt_setting_is_named_with_the_one_that_was_meant(
    command: str, ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_ENTITES", "Invoice")
    outcome = ledgerguard(command)
    assert "LEDGERGUARD_ENTITES is no setting" in outcome.err
    assert "Did you mean LEDGERGUARD_ENTITIES?" in outcome.err
    assert ("note  settings: LEDGERGUARD_ENTITES" in outcome.out) == (command == "doctor")
    assert not home.exists(), "asking leaves no files behind"


def test_a_copy_for_readers_that_cannot_be_kept_is_a_finding(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copies" / "books.duckdb"

    def found() -> tuple[CheckState, str]:
        (one,) = local_findings(load_settings(ledgerguard_snapshot=copy))[6:]
        return one.state, one.text

    assert len(local_findings(load_settings())) == 6, "nothing is said where none is asked for"
    where = f"LEDGERGUARD_SNAPSHOT: {copy.parent} is not a folder this user can write to."
    assert found() == (CheckState.MISCONFIGURED, where)
    copy.parent.mkdir()
    assert found()[0] is CheckState.GOOD
    copy.write_text("notes")
    assert found()[0] is CheckState.MISCONFIGURED
    copy.unlink()
    duckdb.connect(copy).close()
    assert found() == (CheckState.GOOD, str(copy))
    copy.with_name(".books.duckdb.outdated").touch()
    state, text = found()
    assert state is CheckState.ADVICE
    assert "older than Bronze" in text
    assert not home.exists(), "looking changes nothing"


def test_settings_that_do_not_load_are_a_finding(
    ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_ENV", "prod")

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 2
    assert "INTUIT_ENV" in findings(outcome.out)["settings"]["text"]


def test_an_unreachable_intuit_is_reported_without_guessing_about_keys(
    ledgerguard: Ledgerguard, settings: Settings, sandbox: SandboxServer
) -> None:
    sandbox.stop()

    outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 1
    found = findings(outcome.out)
    assert found["network"]["verdict"] == "broken"
    assert found["credentials"]["verdict"] == "advice"


def test_an_open_key_file_is_found(ledgerguard: Ledgerguard, connected: Installation) -> None:
    key = connected.settings.ledgerguard_home / "encryption.key"
    key.chmod(0o640)

    outcome = ledgerguard("doctor")

    assert outcome.code == 2
    assert f"chmod 600 {key}" in outcome.out


def test_production_needs_an_https_redirect(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_ENV", "production")

    outcome = ledgerguard("doctor", "--json")

    assert findings(outcome.out)["redirect URI"]["verdict"] == "misconfigured"


@pytest.mark.parametrize(
    "skew,state",
    [
        (0, CheckState.GOOD),
        (30, CheckState.GOOD),
        (-90, CheckState.ADVICE),
        (600, CheckState.BROKEN),
    ],
)
def test_a_wrong_clock_is_weighed(skew: int, state: CheckState) -> None:
    finding = clock_finding(NOON, NOON + timedelta(seconds=skew))

    assert finding.state is state
    assert (finding.next_step is None) == (state is CheckState.GOOD)


def test_alert_channels_are_reached_but_sent_nothing(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as gone:
        pass
    with http_receiver() as inbox, mail_server() as box:
        box.user, box.password = "alerts", "another"
        monkeypatch.setenv("LEDGERGUARD_ALERT_WEBHOOK_URL", inbox.url)
        monkeypatch.setenv("LEDGERGUARD_ALERT_SLACK_URL", gone.url)
        monkeypatch.setenv("LEDGERGUARD_SMTP_URL", f"smtp://alerts:c4nary@127.0.0.1:{box.port}")
        monkeypatch.setenv("LEDGERGUARD_ALERT_EMAIL_FROM", "alerts@example.com")
        monkeypatch.setenv("LEDGERGUARD_ALERT_EMAIL_TO", "a@example.com")
        outcome = ledgerguard("doctor", "--json")

    assert outcome.code == 2
    reported = [each for each in json.loads(outcome.out)["findings"] if "alerts" in each["topic"]]
    assert [(each["topic"], each["verdict"]) for each in reported] == [
        ("alerts: webhook", "ok"),
        ("alerts: slack", "broken"),
        ("alerts: email", "misconfigured"),
        ("alerts: webhook", "advice"),
        ("alerts: links", "advice"),
    ]
    assert (inbox.posts, box.mails) == ([], [])
    assert "c4nary" not in outcome.out


def test_alerts_without_a_channel_are_worth_a_note(
    ledgerguard: Ledgerguard, settings: Settings
) -> None:
    finding = findings(ledgerguard("doctor", "--json").out)["alerts"]
    assert finding["verdict"] == "advice"
    assert "LEDGERGUARD_SMTP_URL" in finding["next_step"]


@pytest.mark.parametrize(
    "variables,state",
    [
        ({}, "ok"),
        ({"LEDGERGUARD_PUBLIC_URL": "https://books.example.com"}, "misconfigured"),
        ({"INTUIT_REDIRECT_URI": "https://books.example.com/callback"}, "misconfigured"),
        ({"LEDGERGUARD_ADMIN_TOKEN": "short"}, "advice"),
        (
            {
                "LEDGERGUARD_PUBLIC_URL": "https://books.example.com",
                "LEDGERGUARD_ADMIN_TOKEN": "a-long-token-for-the-administrator",
            },
            "ok",
        ),
    ],
)
def test_the_admin_token_fits_to_who_reaches_the_edge(
    variables: dict[str, str], state: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert admin_token(load_settings()).state == state


def test_the_web_edge_is_looked_for_where_intuit_sends_people(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as other:
        monkeypatch.setenv("INTUIT_REDIRECT_URI", other.url)
        assert web_port(load_settings()).state is CheckState.BROKEN
    assert web_port(load_settings()).state is CheckState.GOOD
    monkeypatch.setenv("INTUIT_REDIRECT_URI", "http://localhost/api/v1/auth/callback")
    unnamed = web_port(load_settings())
    assert (unnamed.state, "port 80" in unnamed.text) == (CheckState.MISCONFIGURED, True)
    monkeypatch.setenv("INTUIT_REDIRECT_URI", "https://books.example.com/callback")
    assert web_port(load_settings()).state is CheckState.GOOD


@pytest.mark.parametrize("tokens,state", [("", "advice"), ("a", "ok"), ("a, b", "advice")])
def test_webhooks_want_one_verifier_token(
    tokens: str, state: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_WEBHOOK_VERIFIER_TOKEN", tokens)
    assert webhooks(load_settings()).state == state


def test_deliveries_that_are_all_refused_point_to_the_verifier_token(
    ledgerguard: Ledgerguard, connected: Installation
) -> None:
    """The token of Intuit's other environment looks as good as the right one."""
    connected.control.counters.add("webhook_deliveries", "bad_signature", 12)

    refused = findings(ledgerguard("doctor", "--json").out)["webhook deliveries"]

    assert (refused["verdict"], "12" in refused["text"]) == ("advice", True)
    assert "INTUIT_WEBHOOK_VERIFIER_TOKEN" in refused["next_step"]
    connected.control.counters.add("webhook_deliveries", "queued")
    assert findings(ledgerguard("doctor", "--json").out)["webhook deliveries"]["verdict"] == "ok"


def test_an_older_schema_is_reported_and_left_as_it_is(
    ledgerguard: Ledgerguard, connected: Installation, home: Path
) -> None:
    connected.close()
    with closing(sqlite3.connect(home / "control.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
    before = state_of(home)

    older = findings(ledgerguard("doctor", "--json").out)["control plane"]

    assert (older["verdict"], "0001" in older["text"]) == ("advice", True)
    assert state_of(home) == before
    with closing(sqlite3.connect(home / "control.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    newer = ledgerguard("doctor", "--json")
    assert newer.code == 2
    assert findings(newer.out)["control plane"]["verdict"] == "misconfigured"


def test_the_call_budget_is_reported_with_its_forecast(
    ledgerguard: Ledgerguard, connected: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_MONTHLY_CALL_BUDGET", "3")
    realm = connected.control.companies.list()[0].realm_id
    for _ in range(3):
        connected.control.calls.record(realm, entity="Invoice", purpose="sync", status=200)

    finding = findings(ledgerguard("doctor", "--json").out)["call budget"]

    assert finding["verdict"] == "advice"
    assert "of 3 metered calls" in finding["text"]
    assert "LEDGERGUARD_MONTHLY_CALL_BUDGET" in finding["next_step"]


def test_an_instance_that_somebody_set_up_is_left_as_it_is(
    settings: Settings, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every larger deployment has one, on PostgreSQL: schedules must not move to the embedded one."""
    named = tmp_path / "instance"
    monkeypatch.setenv("DAGSTER_HOME", str(named))
    assert dagster_home(settings).state is CheckState.ADVICE
    named.mkdir()
    (named / "dagster.yaml").write_text("storage: {postgres: {}}")
    found = dagster_home(settings)
    assert (found.state, found.next_step) == (CheckState.GOOD, None)
    assert found.text == (
        f"schedules run in {named}; `ledgerguard sync` keeps its runs in {home / 'dagster'}."
    )


def test_dagster_is_asked_whether_it_lives_and_what_is_switched_off(
    settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        # Opening an instance sets them for its process; here they end with the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert [each.state for each in dagster(settings)] == [CheckState.GOOD]
    assert not home.exists()
    with dagster_instance(settings) as instance:
        (never, nothing_off) = dagster(settings)
        assert (never.state, nothing_off.state) == (CheckState.ADVICE, CheckState.GOOD)
        beat = DaemonHeartbeat(datetime.now(UTC).timestamp(), "SENSOR", "one", [])
        instance.add_daemon_heartbeat(beat)
        assert dagster(settings)[0].state is CheckState.GOOD
        old = datetime.now(UTC) - timedelta(hours=1)
        instance.add_daemon_heartbeat(DaemonHeartbeat(old.timestamp(), "SENSOR", "one", []))
        assert dagster(settings)[0].state is CheckState.ADVICE
        instance.add_instigator_state(switched_off("changes_every_15_minutes"))
    (_, switched) = dagster(settings)
    assert switched.state is CheckState.ADVICE
    assert "changes_every_15_minutes" in switched.text


def switched_off(name: str) -> InstigatorState:
    repository = RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(
            LoadableTargetOrigin(executable_path=None, module_name="nothing"), location_name="x"
        ),
        "__repository__",
    )
    return InstigatorState(
        RemoteInstigatorOrigin(repository_origin=repository, instigator_name=name),
        InstigatorType.SCHEDULE,
        InstigatorStatus.STOPPED,
        ScheduleInstigatorData("*/15 * * * *"),
    )
