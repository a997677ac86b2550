"""A home whose company is connected, synced and compared once; each test gets a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.tie_outs import Books
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.tieout.proof import Proof
from ledgerguard_pipeline.tieout.record import books_of
from ledgerguard_pipeline.values import RealmId, parse_realm
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.tieout.books import open_sandbox


@dataclass(frozen=True)
class ProvenHome:
    """A home, and the sandbox its company lives in."""

    folder: Path
    sandbox: SandboxServer

    @property
    def realm(self) -> RealmId:
        return parse_realm(self.sandbox.realm_id)

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        with Installation.open(load_settings(ledgerguard_home=self.folder)) as opened:
            yield opened

    def change(self, statement: str) -> None:
        """Do something to the books that no sync would."""
        with duckdb.connect() as connection:
            path = load_settings(ledgerguard_home=self.folder).bronze_path
            connection.execute(f"ATTACH '{path}' AS books")
            connection.execute(statement)

    def break_a_cent(self) -> None:
        """Let the kept statement and the journal disagree where reading again mends nothing.

        The amount stands on two days before the first window, which no repair reads.
        """
        self.change(
            "INSERT INTO books.silver.journal BY NAME SELECT * REPLACE ('9999' AS txn_id, "
            "DATE '2001-01-01' AS posted_on, DATE '2001-01-01' AS txn_date, "
            "12.40 AS amount, 12.40 AS debit, 0 AS credit) "
            "FROM books.silver.journal WHERE account_id = '1' LIMIT 1"
        )


def environment(sandbox: SandboxServer, patch: pytest.MonkeyPatch, home: Path) -> None:
    """What a command needs to find that home and sandbox."""
    for name, value in {
        "LEDGERGUARD_HOME": str(home),
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
        "INTUIT_ENV": "sandbox",
    }.items():
        patch.setenv(name, value)


@contextmanager
def proven_home(folder: Path) -> Iterator[ProvenHome]:
    """The home that is copied; its company ties out."""
    with open_sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        environment(sandbox, patch, folder)
        home = ProvenHome(folder, sandbox)
        with home.installation() as opened:
            connect(opened, sandbox)
            opened.service(home.realm).run_batch_ingestion()
            prove(opened, home.realm)
        yield home


def prove(installation: Installation, realm: RealmId) -> Books:
    """Compare and keep the result, as the command and the nightly run do."""
    proof = Proof(installation.client(realm), installation.bronze, realm, installation.clock)
    return installation.control.tie_outs.compared(realm, books_of(proof.run()))


def copied(home: ProvenHome, tmp_path: Path, patch: pytest.MonkeyPatch) -> ProvenHome:
    """A copy for one test, which is also what commands find."""
    folder = tmp_path / "home"
    shutil.copytree(home.folder, folder)
    home.sandbox.set(reports={}, limits=False)
    environment(home.sandbox, patch, folder)
    return ProvenHome(folder, home.sandbox)
