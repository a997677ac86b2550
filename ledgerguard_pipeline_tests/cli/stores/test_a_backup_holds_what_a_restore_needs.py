from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.auth.key_rotation import rotate_keys
from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.maintenance import snapshot
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.config.store_settings import BRONZE_FILE
from ledgerguard_pipeline.control import copied
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.cli.bronze_file import REALM, make_bronze
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import redis_database


@pytest.fixture
def stored(home: Path) -> None:
    """A connected company with a row in Bronze."""
    now = datetime.now(UTC)
    with ControlPlane.open(load_settings()) as control:
        control.companies.put(
            Company(REALM, Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, now)
        )
        grant = Tokens(
            SecretStr("access"), SecretStr("refresh"), now + timedelta(hours=1), None, None
        )
        control.tokens.replace(REALM, grant, None)
    make_bronze(home / BRONZE_FILE)


def refresh_token(home: Path) -> str:
    with ControlPlane.open(load_settings(ledgerguard_home=home)) as control:
        held = control.tokens.load(REALM)
        assert held is not None
        return held.refresh_token.get_secret_value()


@pytest.mark.usefixtures("stored")
def test_the_copy_is_a_home_for_its_owner_only(ledgerguard: Ledgerguard) -> None:
    done = ledgerguard("backup", "monday", "--json")

    assert done.code == 0, done.err
    copy = Path("monday")
    files = {path.name: path for path in copy.iterdir()}
    assert files.keys() == {DATABASE_FILE, KEY_FILE, BRONZE_FILE}
    assert json.loads(done.out)["bytes"] == {
        name: path.stat().st_size for name, path in files.items()
    }
    assert json.loads(done.out)["not_in_it"] == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert BronzeStore(copy / BRONZE_FILE, Environment.SANDBOX).counts() == {"Customer": 1}
    assert refresh_token(copy) == "refresh"


@pytest.mark.usefixtures("stored")
def test_keys_that_are_rotated_during_the_copy_open_its_tokens(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was copied with tokens under the old key when the file has the new one only."""
    copy_once, copies = copied._copy, 0

    def rotating(source: Path, target: Path) -> Path:
        nonlocal copies
        copies += 1
        made = copy_once(source, target)
        if copies == 1:
            with ControlPlane.open(load_settings()) as control:
                assert rotate_keys(control).retired
        return made

    monkeypatch.setattr(copied, "_copy", rotating)
    done = ledgerguard("backup", "copy")

    assert done.code == 0, done.err
    assert copies == 2
    assert refresh_token(Path("copy")) == "refresh"
    assert (home / KEY_FILE).read_bytes() == (Path("copy") / KEY_FILE).read_bytes()


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "harm, said",
    [
        (lambda home: (home / KEY_FILE).chmod(0o644), "open to other users"),
        (lambda home: (home / BRONZE_FILE).write_bytes(b"no database" * 500), BRONZE_FILE),
        (lambda home: (home / DATABASE_FILE).write_bytes(b"no database" * 500), DATABASE_FILE),
    ],
)
def test_a_part_that_cannot_be_copied_leaves_no_backup(
    ledgerguard: Ledgerguard, home: Path, harm: object, said: str
) -> None:
    assert callable(harm)
    harm(home)
    done = ledgerguard("backup", "copy")

    assert done.code in (1, 2), done.out
    assert said in done.err
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", [("backup", "copy"), ("snapshot", "copy.duckdb")])
def test_what_is_ended_by_a_signal_leaves_nothing(
    ledgerguard: Ledgerguard,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    command: tuple[str, ...],
) -> None:
    """As by the time limit of cron, or a terminal that is lost, while Bronze is copied."""
    copied_once = snapshot._copy

    def ended(source: int, partial: Path) -> None:
        copied_once(source, partial)
        os.kill(os.getpid(), number)

    given = signal.signal(number, signal.SIG_DFL)  # below nohup one is ignored
    before = signal.getsignal(number)
    with monkeypatch.context() as held:
        held.setattr(snapshot, "_copy", ended)
        done = ledgerguard(*command)

    assert done.code == 130
    assert "Stopped before it was done" in done.err
    assert list(Path.cwd().iterdir()) == []
    assert signal.signal(number, given) is before


@pytest.mark.usefixtures("stored")
def test_what_a_killed_backup_left_is_deleted_by_the_next_one(
    ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are in it, and a schedule gives each copy another name."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    def left(name: str, file: str) -> Path:
        (folder := Path(name)).mkdir(mode=0o700)
        (folder / file).write_bytes(b"half")
        return folder

    deleted = [
        left(f".monday.{gone.pid}.partial", KEY_FILE),
        left(f".of.tuesday.{gone.pid}.partial", f".{BRONZE_FILE}.{gone.pid}.partial"),
    ]
    kept = [
        left(f".friday.{os.getpid()}.partial", KEY_FILE),
        left(f".film.{gone.pid}.partial", "film.mkv"),
        left(f"monday.{gone.pid}.partial", KEY_FILE),
        at_work := left(f".elsewhere.{gone.pid}.partial", KEY_FILE),
    ]
    handle = os.open(at_work, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as in another container with this folder
    assert ledgerguard("backup", "copy").code == 0
    os.close(handle)
    assert [each.exists() for each in deleted] == [False, False]
    assert [each.exists() for each in kept] == [True] * 4
    assert ledgerguard("backup", "copy-2").code == 0
    assert not at_work.exists()


@pytest.mark.usefixtures("stored")
def test_a_backup_is_locked_while_it_is_written(
    ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_once, seen = copied._copy, []

    def looking(source: Path, target: Path) -> Path:
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            seen.append(target.parent.name)
        finally:
            os.close(handle)
        return copy_once(source, target)

    monkeypatch.setattr(copied, "_copy", looking)
    assert ledgerguard("backup", "copy").code == 0
    assert seen == [f".copy.{os.getpid()}.partial"]


@pytest.mark.usefixtures("stored")
def test_what_is_there_already_stays_as_it_is(ledgerguard: Ledgerguard) -> None:
    Path("copy").mkdir()
    assert ledgerguard("backup", "copy").code == 2
    assert ledgerguard("backup", "no-such/copy").code == 2
    assert list(Path("copy").iterdir()) == []


def test_without_an_installation_nothing_is_copied(ledgerguard: Ledgerguard, home: Path) -> None:
    assert ledgerguard("backup", "copy").code == 2
    assert not home.exists()
    assert list(Path.cwd().iterdir()) == []


def test_what_servers_and_variables_hold_is_named(
    ledgerguard: Ledgerguard, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_database() as control, redis_database() as redis:
        monkeypatch.setenv("LEDGERGUARD_CONTROL_URL", control)
        monkeypatch.setenv("LEDGERGUARD_REDIS_URL", redis)
        monkeypatch.setenv("LEDGERGUARD_ENCRYPTION_KEYS", new_key())
        home.mkdir()
        make_bronze(home / BRONZE_FILE)
        done = ledgerguard("backup", "copy")

    assert done.code == 0, done.err
    assert [path.name for path in Path("copy").iterdir()] == [BRONZE_FILE]
    assert [line for line in done.err.splitlines() if line.startswith("Not in it")] == [
        "Not in it: the control plane, which is in PostgreSQL. Run pg_dump before this command.",
        (
            "Not in it: the tokens, which are in Redis. Copy its append-only file as well, or be ready "
            "to connect every company again."
        ),
        "Not in it: the keys, which are in LEDGERGUARD_ENCRYPTION_KEYS. Keep them elsewhere.",
    ]
