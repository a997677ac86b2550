"""Homes whose company is loaded, made once and copied: a first load takes longer than many a test.

A copy is what the load left, byte for byte: the control plane, Bronze, and the books and grants of
the sandbox, which another sandbox serves again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.kept_books import read_books, save_books
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline_tests.made_once import made_once

_OWN = ("INTUIT_", "LEDGERGUARD_")


class Loaded(NamedTuple):
    """An open installation that holds the whole company, and the sandbox the company lives in."""

    installation: Installation
    sandbox: SandboxServer


@contextmanager
def first_load(
    shared: Path, home: Path, *, silver: bool = False, invoices: int = 60
) -> Iterator[SandboxServer]:
    """Make ``home`` a copy of a loaded one, and serve its company; edits stay with this copy."""
    name = f"loaded-{invoices}{'-silver' if silver else ''}"
    made = made_once(shared, name, partial(_make, silver=silver, invoices=invoices))
    shutil.copytree(made / "home", home)
    kept = read_books(made / "books")
    assert kept is not None
    with SandboxServer(kept.companies, grants=kept.grants) as sandbox:
        yield sandbox


def _make(folder: Path, *, silver: bool, invoices: int) -> None:
    with (
        SandboxServer(invoices=invoices, switches=Switches(limits=False)) as sandbox,
        pytest.MonkeyPatch.context() as patch,
    ):
        for variable in os.environ:
            if variable.startswith(_OWN):  # of the test that happens to come first
                patch.delenv(variable)
        settings = load_settings(
            ledgerguard_home=folder / "home",
            ledgerguard_silver="on" if silver else "off",
            intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret,
            intuit_base_url=sandbox.base_url,
        )
        with Installation.open(settings) as installation:
            callback = urlsplit(sandbox.consent(installation.connector.begin()))
            realm = installation.connector.complete(dict(parse_qsl(callback.query))).realm_id
            request = SyncRequest(realm, tuple(ENTITIES))
            with installation.service(realm).open_sync(request) as running:
                result = running.run()
        assert [each for each in result.results if each.error is not None] == []
        save_books(folder / "books", sandbox.world.companies.values(), sandbox.world.grants)
