"""A refused login is distinguished from a server that is away by its SQLSTATE, not by its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.backends.ducklake import DuckLake
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.errors import (
    BronzeUnavailable,
    ConfigurationError,
    ControlUnavailable,
    ControlUnreachable,
)
from ledgerguard_pipeline.postgres_answers import login_sqlstate, passes, refuses
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.control.storage.foreign_postgres import RefusingPostgres

REFUSALS = [
    ("28P01", "Passwort-Authentifizierung für Benutzer »x« fehlgeschlagen", "FATAL"),
    ("28P01", "authentification par mot de passe échouée pour l'utilisateur « x »", "FATAL"),
    ("28000", "kein Eintrag in pg_hba.conf für Host »::1«", "FATAL"),
    ("3D000", "la base de données « y » n'existe pas", "FATAL"),
    ("42501", "回線が拒否されました", "致命的エラー"),
    ("28P01", "password authentication failed for user x", "FATAL"),
]
PASSING = [
    ("57P03", "das Datenbanksystem startet", "FATAL"),
    ("53300", "désolé, trop de clients sont déjà connectés", "FATAL"),
]
WAIT = 60.0


def lake_at(server: RefusingPostgres, folder: Path, clock: HastyClock) -> DuckLake:
    catalog = (
        ("host", "127.0.0.1"), ("port", str(server.port)), ("dbname", "y"), ("user", "x"),
    )  # fmt: skip
    address = LakeAddress(catalog, f"{folder}/", password="secret-word")
    return DuckLake(address, clock=clock, wait_seconds=WAIT)


def read(lake: DuckLake) -> None:
    with lake.reading():
        pass


DOING: dict[str, Callable[[DuckLake], object]] = {
    "looking": DuckLake.exists,
    "reading": read,
    "writing": lambda lake: lake.write(["1"], lambda _session: None),
}


def database_at(server: RefusingPostgres, clock: HastyClock) -> Database:
    return Database(f"postgresql://x:secret-word@127.0.0.1:{server.port}/y", clock=clock)


@pytest.mark.parametrize("doing", DOING)
@pytest.mark.parametrize("sqlstate, sentence, severity", REFUSALS)
def test_a_login_that_the_lake_refuses_is_reported_at_once(
    sqlstate: str, sentence: str, severity: str, doing: str, tmp_path: Path
) -> None:
    clock = HastyClock()
    with RefusingPostgres(sqlstate, sentence, severity) as server:
        lake = lake_at(server, tmp_path, clock)
        with pytest.raises(ConfigurationError, match="LEDGERGUARD_BRONZE_URL") as caught:
            DOING[doing](lake)

    assert server.logins <= 4, "accounts are locked by many wrong passwords"
    assert sentence[:20] in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("sqlstate, sentence, severity", PASSING)
def test_a_lake_that_is_away_for_a_moment_is_waited_for(
    sqlstate: str, sentence: str, severity: str, tmp_path: Path
) -> None:
    clock = HastyClock()
    with RefusingPostgres(sqlstate, sentence, severity) as server:
        began = clock.monotonic()
        with pytest.raises(BronzeUnavailable, match="bring its PostgreSQL back"):
            lake_at(server, tmp_path, clock).exists()

    assert clock.monotonic() - began >= WAIT
    assert server.logins > 4


@pytest.mark.parametrize("sqlstate, sentence, severity", REFUSALS)
def test_a_login_that_the_control_plane_refuses_is_reported_at_once(
    sqlstate: str, sentence: str, severity: str
) -> None:
    with RefusingPostgres(sqlstate, sentence, severity) as server:
        database = database_at(server, HastyClock())
        with pytest.raises(ControlUnreachable, match="refuses the login") as caught:
            database.reach()
        with pytest.raises(ControlUnavailable, match="refuses the login"), database.read():
            pass

    assert server.logins <= 8
    assert "LEDGERGUARD_CONTROL_URL" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_control_plane_that_starts_is_waited_for() -> None:
    with RefusingPostgres(*PASSING[0]) as server:
        clock = HastyClock()
        database = database_at(server, clock)
        began = clock.monotonic()
        with pytest.raises(ControlUnavailable, match="could not be used"), database.read():
            pass

    assert clock.monotonic() - began >= database.patience_seconds - 1
    assert server.logins > 4


def test_the_state_of_a_login_is_known_although_its_words_are_not() -> None:
    conninfo = ""
    for sqlstate, sentence, severity in (*REFUSALS, *PASSING):
        with RefusingPostgres(sqlstate, sentence, severity) as server:
            conninfo = f"host=127.0.0.1 port={server.port} user=x password=y dbname=z"
            assert login_sqlstate(conninfo) == sqlstate
        assert refuses(sqlstate) is not passes(sqlstate)
    assert login_sqlstate(conninfo) is None, "nobody is there any more"


def test_an_address_without_the_password_that_is_asked_for_is_no_outage(tmp_path: Path) -> None:
    clock = HastyClock()
    with RefusingPostgres("28P01", "unbekannt") as server:
        catalog = (("host", "127.0.0.1"), ("port", str(server.port)), ("user", "x"))
        lake = DuckLake(LakeAddress(catalog, f"{tmp_path}/"), clock=clock, wait_seconds=WAIT)
        with pytest.raises(ConfigurationError, match="LEDGERGUARD_BRONZE_URL"):
            lake.exists()
        database = Database(f"postgresql://x@127.0.0.1:{server.port}/y", clock=clock)
        with pytest.raises(ControlUnreachable, match="refuses the login"):
            database.reach()
    assert clock.slept == []
