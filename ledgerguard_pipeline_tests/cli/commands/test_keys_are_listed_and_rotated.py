from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import tokens as table
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard

REALMS = [RealmId("9341453474484455"), RealmId("1234567890")]
SECRETS = ("access-1", "refresh-1", "access-2", "refresh-2")


@pytest.fixture
def stored(home: Path) -> None:
    """Two connected companies."""
    now = datetime.now(UTC)
    with ControlPlane.open(load_settings()) as control:
        for number, realm in enumerate(REALMS, 1):
            control.companies.put(
                Company(realm, Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, now)
            )
            grant = Tokens(
                SecretStr(f"access-{number}"),
                SecretStr(f"refresh-{number}"),
                now + timedelta(hours=1),
                None,
                None,
            )
            control.tokens.replace(realm, grant, None)


def test_nothing_stored_means_no_keys_and_no_files(home: Path, ledgerguard: Ledgerguard) -> None:
    listed = ledgerguard("keys", "list", "--json")
    assert json.loads(listed.out) == {"source": "file", "keys": []}
    assert "No key yet" in ledgerguard("keys", "list").out

    refused = ledgerguard("keys", "rotate")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1
    assert not home.exists()


@pytest.mark.usefixtures("stored")
def test_a_rotation_is_reported_in_keys_and_companies(ledgerguard: Ledgerguard, home: Path) -> None:
    (before,) = json.loads(ledgerguard("keys", "list", "--json").out)["keys"]
    assert (before["tokens"], before["companies"]) == (4, 2)

    rotated = ledgerguard("keys", "rotate", "--json")
    reported = json.loads(rotated.out)
    assert rotated.code == 0, rotated
    assert (reported["companies"], reported["resealed"], reported["failed"]) == (2, 2, [])
    assert reported["retired"] == [before["key_id"]]

    for arguments in (("keys", "rotate"), ("keys", "list")):
        outcome = ledgerguard(*arguments)
        assert outcome.code == 0, outcome
        key = (home / KEY_FILE).read_text().strip()
        for secret in (key, *SECRETS):
            assert secret not in outcome.out + outcome.err
    (after,) = json.loads(ledgerguard("keys", "list", "--json").out)["keys"]
    assert after["key_id"] not in (reported["key_id"], before["key_id"])
    assert (after["newest"], after["tokens"]) == (True, 4)


@pytest.mark.usefixtures("stored")
def test_what_does_not_open_is_named_with_exit_code_1(ledgerguard: Ledgerguard) -> None:
    with ControlPlane.open(load_settings()) as control:
        key = control.keyring.newest()
        with control.database.write("test") as connection:
            connection.execute(
                update(table)
                .where(table.c.realm_id == REALMS[0])
                .values(access_token=table.c.refresh_token)
            )
    outcome = ledgerguard("keys", "rotate")
    assert outcome.code == 1
    assert REALMS[0] in outcome.err
    assert f"does not open with key {key}" in outcome.err
    assert "1 of 2 companies" in outcome.out
    assert f"Kept because tokens need it: {key}" in outcome.out


@pytest.mark.usefixtures("stored")
def test_a_key_nobody_has_is_listed_as_missing(ledgerguard: Ledgerguard, home: Path) -> None:
    (home / KEY_FILE).write_text(f"{new_key()}\n")
    outcome = ledgerguard("keys", "list")
    assert outcome.code == 1
    assert "MISSING" in outcome.out
    keys = json.loads(ledgerguard("keys", "list", "--json").out)["keys"]
    assert [(key["present"], key["tokens"]) for key in keys] == [(True, 0), (False, 4)]


@pytest.mark.usefixtures("stored")
def test_a_key_of_the_environment_is_rotated_to_and_never_written(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (home / KEY_FILE).read_text().strip(), new_key()
    content = (home / KEY_FILE).read_text()
    monkeypatch.setenv("LEDGERGUARD_ENCRYPTION_KEYS", old)
    alone = ledgerguard("keys", "rotate")
    assert alone.code == 2
    assert "openssl rand -base64 32" in alone.err

    monkeypatch.setenv("LEDGERGUARD_ENCRYPTION_KEYS", f"{new},{old}")
    outcome = ledgerguard("keys", "rotate")
    assert outcome.code == 0, outcome
    assert "Take it out of LEDGERGUARD_ENCRYPTION_KEYS" in outcome.out
    assert (home / KEY_FILE).read_text() == content
    for secret in (old, new):
        assert secret not in outcome.out + outcome.err
