"""After connects, syncs, refreshes, failures and Dagster runs no file, page or line holds a secret.

Tokens, codes, the client secret, the admin token, the verifier token and the encryption keys are
looked for in every form they travel in: in each file of the home byte for byte, in what the
databases hold once opened, in everything printed or logged at DEBUG, in tracebacks, pages and
metrics.
"""

from __future__ import annotations

import base64
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.control.tokens.keyring import new_key
from ledgerguard_pipeline.sandbox.api.faults import COLLEAGUE, HANDLE
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.canary.forms import forms
from ledgerguard_pipeline_tests.canary.story import FORGED, WRONG_SECRET

CLIENT_SECRET = "cAnArY-client-secret-0123456789abcdefghij"
ADMIN = "cAnArY-admin-token-0123456789abcdefghij"
VERIFIER = "cAnArY-verifier-token-0123456789abcdefghij"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Found:
    """What one story left behind, and the secrets that were part of it."""

    home: Path
    pages: Path
    printed: bytes
    secrets: dict[str, str]


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The story runs once; every test below looks at another part of what it left."""
    folder = tmp_path_factory.mktemp("canary")
    home, pages, working = folder / "home", folder / "pages", folder / "cwd"
    pages.mkdir()
    working.mkdir()
    keys = [new_key(), new_key()]
    with SandboxServer(client_secret=CLIENT_SECRET, invoices=5) as sandbox:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "INTUIT_CLIENT_ID": sandbox.client_id,
            "INTUIT_CLIENT_SECRET": CLIENT_SECRET,
            "INTUIT_BASE_URL": sandbox.base_url,
            "INTUIT_REDIRECT_URI": f"http://localhost:{_free_port()}/api/v1/auth/callback",
            "INTUIT_WEBHOOK_VERIFIER_TOKEN": VERIFIER,
            "LEDGERGUARD_HOME": str(home),
            "LEDGERGUARD_ADMIN_TOKEN": ADMIN,
            "LEDGERGUARD_ENCRYPTION_KEYS": ",".join(keys),
            "LEDGERGUARD_LOG_LEVEL": "DEBUG",
            "LEDGERGUARD_DEBUG": "1",
        }
        story = f"{__package__}.story"
        done = subprocess.run(
            [sys.executable, "-m", story, str(pages), sandbox.base_url, sandbox.realm_id],
            cwd=working,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        secrets = _issued(sandbox)
    assert done.returncode == 0, done.stdout.decode()[-4000:]
    basic = base64.b64encode(f"{sandbox.client_id}:{CLIENT_SECRET}".encode()).decode()
    secrets |= {
        "client secret": CLIENT_SECRET,
        "client secret as sent": basic,
        "wrong client secret": WRONG_SECRET,
        "admin token": ADMIN,
        "verifier token": VERIFIER,
        "forged admin token": FORGED,
        "handle of a refused token": HANDLE,
        "person whom a fault names": COLLEAGUE,
        "newest encryption key": keys[0],
        "older encryption key": keys[1],
    }
    return Found(home, pages, done.stdout, secrets)


def test_the_story_had_every_kind_of_secret_in_it(found: Found) -> None:
    """Or the tests below would be content with nothing."""
    kinds = {name.partition(" #")[0] for name in found.secrets}
    assert {"access token", "refresh token", "code"} <= kinds
    count = sum(name.startswith("access token") for name in found.secrets)
    assert count >= 4, "two connects and at least two refreshes"
    printed = found.printed.decode()
    for sign_of_life in ("token_refreshed", "reauthorization_required", "keys_rotated",
                         "INTUIT_CLIENT_SECRET", "Traceback", "consent_refused",
                         "Somebody edited it just then", "even a fresh access token"):  # fmt: skip
        assert sign_of_life in printed, sign_of_life
    assert len(list(found.pages.iterdir())) > 20
    for name, secret in found.secrets.items():
        for form in forms(secret):
            assert _found({name: secret}, {"a log": b"sent " + form + b"."}) != []


def test_nothing_printed_or_logged_holds_a_secret(found: Found) -> None:
    assert _found(found.secrets, {"output": found.printed}) == []


def test_no_page_header_or_metric_holds_a_secret(found: Found) -> None:
    pages = {path.name: path.read_bytes() for path in found.pages.iterdir()}
    assert _found(found.secrets, pages) == []


def test_no_file_of_the_home_holds_a_secret(found: Found) -> None:
    files = {
        str(path.relative_to(found.home)): path.read_bytes()
        for path in found.home.rglob("*")
        if path.is_file()
    }
    assert any(name.endswith("control.db") for name in files)
    assert any(name.startswith("dagster/") for name in files)
    assert _found(found.secrets, files) == []


def test_no_database_holds_a_secret_once_opened(found: Found) -> None:
    """Pages of a database split and compress what they hold: rows are looked at as rows."""
    opened: dict[str, bytes] = {}
    for path in found.home.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            opened[path.name] = "\n".join(connection.iterdump()).encode()
    with closing(duckdb.connect(str(found.home / "quickbooks.duckdb"), read_only=True)) as bronze:
        tables = bronze.execute(
            "SELECT table_catalog, table_schema, table_name FROM information_schema.tables"
        ).fetchall()
        for catalog, schema, name in tables:
            rows = bronze.execute(f'SELECT * FROM "{catalog}"."{schema}"."{name}"').fetchall()
            opened[f"bronze.{name}"] = repr(rows).encode()
    assert "CREATE TABLE tokens" in opened["control.db"].decode()
    assert len(opened) > 4
    assert _found(found.secrets, opened) == []


def _issued(sandbox: SandboxServer) -> dict[str, str]:
    """Every token and code the sandbox ever gave; it is the one who knows."""
    grants = sandbox.world.grants
    kinds: dict[str, Iterable[str]] = {
        "access token": grants._access,
        "refresh token": grants._refresh,
        "code": grants._codes,
    }
    return {
        f"{kind} #{number}": value
        for kind, values in kinds.items()
        for number, value in enumerate(values)
    }


def _found(secrets: dict[str, str], indexes: dict[str, bytes]) -> list[str]:
    """Which secret stands where, in any form; the finding does not repeat it."""
    return [
        f"{name} in {index}"
        for name, secret in secrets.items()
        for form in forms(secret)
        for index, content in indexes.items()
        if form in content
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
