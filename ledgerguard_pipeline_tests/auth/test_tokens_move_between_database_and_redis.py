from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from ledgerguard_pipeline.auth.token_migration import TokenMove, move_tokens
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens, TokenStore
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, store_grant
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.redis_server import redis_database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def with_redis(settings: Settings) -> Iterator[Settings]:
    with redis_database() as url:
        yield settings.model_copy(update={"ledgerguard_redis_url": SecretStr(url)})


def move(settings: Settings, *, to_redis: bool, forget_unopened: bool = False) -> TokenMove:
    with ControlPlane.open(settings, moving_tokens=True) as control:
        return move_tokens(control, to_redis=to_redis, forget_unopened=forget_unopened)


def loaded(settings: Settings) -> Tokens | None:
    with ControlPlane.open(settings) as control:
        return control.tokens.load(REALM)


def values(tokens: Tokens | None) -> tuple[str, str]:
    assert tokens is not None
    return tokens.access_token.get_secret_value(), tokens.refresh_token.get_secret_value()


def test_tokens_go_to_redis_and_come_back(settings: Settings, with_redis: Settings) -> None:
    with ControlPlane.open(settings) as control:
        store_grant(control, "refresh-1")
        store_grant(control, "refresh-2", realm=OTHER)
    production = settings.model_copy(update={"intuit_env": Environment.PRODUCTION})
    with ControlPlane.open(production) as control:
        grant = loaded(settings)
        assert grant is not None
        control.tokens.replace(REALM, grant, None)

    assert move(with_redis, to_redis=True) == TokenMove(3, 0, ())
    assert values(loaded(with_redis)) == ("old-access", "refresh-1")
    with ControlPlane.open(with_redis) as control:
        in_database = TokenStore(control.database, control.keyring, Environment.SANDBOX)
        assert in_database.sealed() == []

    assert move(with_redis, to_redis=False) == TokenMove(3, 0, ())
    assert values(loaded(settings)) == ("old-access", "refresh-1")


def test_whoever_looks_in_the_wrong_store_gets_the_way_out(
    settings: Settings, with_redis: Settings
) -> None:
    with ControlPlane.open(settings) as control:
        store_grant(control, "refresh-1")
    with pytest.raises(ConfigurationError, match="keys move --to redis"):
        ControlPlane.open(with_redis)

    move(with_redis, to_redis=True)
    with pytest.raises(ConfigurationError, match="keys move --to database") as caught:
        ControlPlane.open(settings)
    assert caught.value.exit_code == 2

    move(with_redis, to_redis=False)
    with pytest.raises(ConfigurationError, match="1 company"):
        ControlPlane.open(with_redis)


def test_an_installation_that_began_with_redis_never_looks_into_its_database(
    settings: Settings, with_redis: Settings
) -> None:
    ControlPlane.open(with_redis).close()
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_REDIS_URL"):
        ControlPlane.open(settings)


@pytest.fixture
def with_another(with_redis: Settings) -> Settings:
    """Another database of the same server, which a typing error may reach."""
    assert with_redis.ledgerguard_redis_url is not None
    url = f"{with_redis.ledgerguard_redis_url.get_secret_value()}?db=1"
    return with_redis.model_copy(update={"ledgerguard_redis_url": SecretStr(url)})


def test_a_redis_that_holds_none_of_the_tokens_is_not_taken_for_theirs(
    with_redis: Settings, with_another: Settings
) -> None:
    """A mistyped address would ask everybody to connect again, and two grants would live."""
    ControlPlane.open(with_redis).close()
    ControlPlane.open(with_another).close()
    with ControlPlane.open(with_redis) as control:
        store_grant(control, "refresh-1")

    with pytest.raises(ConfigurationError, match="which holds none") as caught:
        ControlPlane.open(with_another)
    assert caught.value.exit_code == 2
    with pytest.raises(ConfigurationError, match="which holds none"):
        move(with_another, to_redis=False)
    assert values(loaded(with_redis)) == ("old-access", "refresh-1")

    assert move(with_another, to_redis=True) == TokenMove(0, 0, ()), "the way out if it is lost"
    assert loaded(with_another) is None


def test_one_redis_may_go_by_two_names(with_redis: Settings, settings: Settings) -> None:
    with ControlPlane.open(with_redis) as control:
        store_grant(control, "refresh-1")
        with control.database.write("test") as connection:
            connection.execute(text("UPDATE leases SET owner = 'redis://redis:6379/0'"))
    assert values(loaded(with_redis)) == ("old-access", "refresh-1")


@pytest.mark.parametrize("to", ["redis", "database"])
def test_a_move_killed_in_the_middle_is_finished_by_the_next(
    settings: Settings, with_redis: Settings, to: str
) -> None:
    with ControlPlane.open(settings) as control:
        store_grant(control, "refresh-1")
        store_grant(control, "refresh-2", realm=OTHER)
    if to == "database":
        move(with_redis, to_redis=True)
    url = with_redis.ledgerguard_redis_url
    assert url is not None
    killed = subprocess.run(
        [sys.executable, "-m", "ledgerguard_pipeline.cli", "keys", "move", "--to", to],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={
            **os.environ,
            "LEDGERGUARD_REDIS_URL": url.get_secret_value(),
            "LEDGERGUARD_CRASH_AT": "before_moved_token_is_forgotten",
        },
    )
    assert killed.returncode == -9, killed.stderr
    for each in (settings, with_redis):
        with pytest.raises(ConfigurationError, match="keys move"):
            ControlPlane.open(each)

    with ControlPlane.open(with_redis, moving_tokens=True) as control:
        clock = FakeClock(control.now())
    # The dead process's leases are waited out on a clock of our own.
    with ControlPlane.open(with_redis, clock=clock, moving_tokens=True) as control:
        assert move_tokens(control, to_redis=to == "redis").moved == 2
    assert values(loaded(with_redis if to == "redis" else settings)) == ("old-access", "refresh-1")


def test_the_note_of_a_refresh_that_was_cut_off_moves_too(
    settings: Settings, with_redis: Settings
) -> None:
    with ControlPlane.open(settings) as control:
        noted = control.tokens.note_attempt(REALM, store_grant(control, "refresh-1"))
    move(with_redis, to_redis=True)
    with ControlPlane.open(with_redis) as control:
        moved = control.tokens.attempt(REALM)
    assert moved is not None
    assert moved.old_token_sha256 == noted.old_token_sha256


def test_the_newer_of_two_copies_is_kept(settings: Settings, with_redis: Settings) -> None:
    with ControlPlane.open(settings) as control:
        stored = store_grant(control, "refresh-1")
    move(with_redis, to_redis=True)
    with ControlPlane.open(with_redis, moving_tokens=True) as control:
        in_database = TokenStore(control.database, control.keyring, Environment.SANDBOX)
        for name, hours in (("older", -1), ("newer", 1)):
            ends = stored.access_expires_at + timedelta(hours=hours)
            grant = Tokens(SecretStr(name), SecretStr(name), ends, None, None)
            in_database.replace(REALM, grant, None)
            move_tokens(control, to_redis=True)
            assert in_database.sealed() == []
            expected = "old-access" if name == "older" else "newer"
            assert values(control.tokens.load(REALM))[0] == expected


def test_what_does_not_open_stays_until_it_is_given_up(
    settings: Settings, with_redis: Settings
) -> None:
    with ControlPlane.open(settings) as control:
        store_grant(control, "refresh-1")
    lost = with_redis.model_copy(update={"ledgerguard_encryption_keys": SecretStr(new_key())})
    (stuck,) = move(lost, to_redis=True).stuck
    assert (stuck.realm_id, stuck.environment) == (REALM, Environment.SANDBOX)
    with pytest.raises(ConfigurationError, match="1 company"):
        ControlPlane.open(with_redis)

    assert move(lost, to_redis=True, forget_unopened=True) == TokenMove(0, 1, ())
    assert loaded(with_redis) is None
