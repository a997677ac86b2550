from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.servers import server_findings
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import redis_database


@pytest.fixture
def plain(home: Path) -> Settings:
    return load_settings()


def test_an_embedded_installation_has_no_servers_to_look_at(plain: Settings) -> None:
    assert server_findings(plain) == []


def test_what_a_redis_could_lose_is_advice_with_the_next_step(plain: Settings) -> None:
    with redis_database() as url:
        settings = plain.model_copy(update={"ledgerguard_redis_url": SecretStr(url)})
        (finding,) = server_findings(settings)
    assert (finding.topic, finding.state) == ("Redis", CheckState.ADVICE)
    assert "once a second" in finding.text
    assert "appendfsync always" in (finding.next_step or "")


def test_what_a_postgresql_could_lose_is_advice_with_the_next_step(plain: Settings) -> None:
    with postgres_database() as url:  # it runs without fsync, as tests may
        settings = plain.model_copy(update={"ledgerguard_control_url": SecretStr(url)})
        (finding,) = server_findings(settings)
    assert (finding.topic, finding.state) == ("PostgreSQL", CheckState.ADVICE)
    assert "fsync off" in finding.text
    assert finding.next_step == "Set `fsync = on`."


def test_servers_that_are_down_are_named_with_their_settings(
    home: Path, ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_CONTROL_URL", "postgresql://me:hunter2@127.0.0.1:1/ledger")
    monkeypatch.setenv("LEDGERGUARD_REDIS_URL", "redis://:hunter3@127.0.0.1:1/0")
    outcome = ledgerguard("doctor", "--json")
    found = {each["topic"]: each for each in json.loads(outcome.out)["findings"]}
    for topic, name in (
        ("PostgreSQL", "LEDGERGUARD_CONTROL_URL"),
        ("Redis", "LEDGERGUARD_REDIS_URL"),
    ):
        assert found[topic]["verdict"] == "misconfigured"
        assert name in found[topic]["text"]
    assert outcome.code == 2
    assert "hunter" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    "name, url",
    [
        ("LEDGERGUARD_CONTROL_URL", "postgresql://me:hunter2@127.0.0.1:1/ledger"),
        ("LEDGERGUARD_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0"),
    ],
)
def test_a_command_whose_server_is_down_ends_with_one_sentence_and_2(
    home: Path, ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    ledgerguard("companies")
    home_made = load_settings().ledgerguard_home
    home_made.mkdir(mode=0o700, exist_ok=True)
    (home_made / "control.db").touch()
    monkeypatch.setenv(name, url)
    outcome = ledgerguard("companies")
    assert outcome.code == 2, outcome
    assert len(outcome.err.splitlines()) == 1
    assert name in outcome.err
    assert "hunter2" not in outcome.err
