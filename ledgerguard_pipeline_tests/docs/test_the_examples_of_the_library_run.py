"""What `docs/library.md` and the README show in Python runs as it stands, over real HTTP.

The text of the examples is taken from the documents; a test fills nothing but the places where
``...`` stands, and the names an example says come from outside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from redis import Redis

from ledgerguard_pipeline import (
    BatchResult,
    DuckDBStorage,
    IngestionService,
    NewTokens,
    QBOClient,
    Record,
    StatusReport,
    WebhookResult,
)
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.webhooks.signature import sign
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.docs.examples import FillIns, python_blocks, run
from ledgerguard_pipeline_tests.hygiene.project import ROOT
from ledgerguard_pipeline_tests.redis_server import redis_database
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events

REALM = "123146096291789"
TOKEN = "a-verifier-token"
CALLBACK = "http://localhost:8000/api/v1/auth/callback"
LIBRARY = python_blocks(ROOT / "docs" / "library.md")


@pytest.fixture(scope="module")
def books() -> Iterator[SandboxServer]:
    """A company of the id and with the invoice that the examples name."""
    company = build_company(realm_id=REALM, seed=5, invoices=20, name="Acme")
    table = company.tables["Invoice"]
    model = next(iter(table.rows.values()))
    body = table.body(model).replace(f'"Id":"{model.id}"'.encode(), b'"Id":"145"', 1)
    table.put(Row("145", model.created, model.updated, model.sync_token, active=True, body=body))
    with SandboxServer([company], switches=Switches(limits=False)) as server:
        yield server


@pytest.fixture
def sandbox(books: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> SandboxServer:
    monkeypatch.setenv("INTUIT_BASE_URL", books.base_url)
    monkeypatch.setenv("INTUIT_CLIENT_ID", books.client_id)
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", books.client_secret)
    return books


def fill_ins(sandbox: SandboxServer) -> FillIns:
    """What a user fills in."""

    @lru_cache(1)
    def callback(url: str) -> dict[str, str]:
        query = parse_qs(urlsplit(sandbox.consent(url)).query)
        return {name: values[0] for name, values in query.items()}

    def came_back(name: str, known: dict[str, object]) -> str:
        url = known["auth_url"]
        assert isinstance(url, str)
        return callback(url)[name]

    def of_saved(name: str, known: dict[str, object]) -> object:
        saved = known["saved"]
        assert isinstance(saved, dict)
        return saved[name]

    tokens = ("access_token", "refresh_token", "access_token_expiry", "refresh_token_expiry")
    return {
        "client_id": lambda _: sandbox.client_id,
        "client_secret": lambda _: sandbox.client_secret,
        "redirect_uri": lambda _: CALLBACK,
        "auth_code": lambda known: came_back("code", known),
        "state": lambda known: came_back("state", known),
        "realm_id": lambda known: came_back("realmId", known),
        "verifier_token": lambda _: TOKEN,
        **{name: partial(of_saved, name) for name in tokens},
    }


def test_every_example_of_the_library_runs(
    sandbox: SandboxServer, home: Path, clean_environment: Path
) -> None:
    with Installation.open(load_settings(ledgerguard_home=home)) as installation:
        connect(installation, sandbox)
    payload = cloud_events(
        [Change("Customer", next(iter(sandbox.truth("Customer").rows)), realm=REALM)]
    )
    with redis_database() as url, Redis.from_url(url) as redis:
        names: dict[str, object] = {
            "payload": payload,
            "payload_str_or_bytes": payload.decode(),
            "signature": sign(payload, TOKEN),
            "redis_client": redis,
        }

        heard = run(LIBRARY, names, fill_ins(sandbox))

        kept = redis.get(f"qbo_tokens:{REALM}")
    assert {text.split(":")[0] for text in heard} <= {"NaiveTimeWarning", "DeprecationWarning"}
    assert sum("taken as UTC" in text for text in heard) == 2
    truth = sandbox.truth("Invoice")
    tokens, invoice, saved = names["tokens"], names["invoice"], names["saved"]
    assert isinstance(tokens, NewTokens)
    assert 3500 < tokens["expires_in"] <= 3600
    assert isinstance(invoice, Record)
    # A single read shows more members than a query; the rest is the same to the byte.
    assert invoice.raw.startswith(truth.bodies()["145"].removesuffix(b"}"))
    amount = re.search(rb'"TotalAmt":([0-9.]+)', invoice.raw)
    assert amount is not None
    assert invoice["TotalAmt"].as_tuple() == Decimal(amount[1].decode()).as_tuple()
    result, processed, status = names["result"], names["processed"], names["status"]
    assert isinstance(result, BatchResult)
    assert result["errors"] == []
    assert isinstance(processed, WebhookResult)
    assert processed == 1
    assert processed["status"] == "success"
    assert isinstance(status, StatusReport)
    assert (status["health"], status["entity_counts"]["Invoice"]) == ("healthy", len(truth.rows))
    assert isinstance(kept, bytes)
    assert json.loads(kept) == saved
    stored = DuckDBStorage(clean_environment / "data" / "quickbooks.duckdb")
    assert stored.counts(REALM)["Invoice"] == len(truth.rows)


def test_the_ten_lines_of_the_readme_run(sandbox: SandboxServer, clean_environment: Path) -> None:
    blocks = python_blocks(ROOT / "README.md")
    assert len(blocks) == 1
    names: dict[str, object] = {}

    run(blocks, names, fill_ins(sandbox))

    result, client = names["result"], names["client"]
    assert isinstance(result, BatchResult)
    assert result.errors == []
    assert result.total_entities_written > 100
    assert isinstance(client, QBOClient)
    assert client.realm_id == REALM
    assert (clean_environment / "quickbooks.duckdb").exists()


def test_no_line_of_an_example_is_skipped_for_a_gap_nobody_fills(
    sandbox: SandboxServer,
) -> None:
    asked = set(re.findall(r'(\w+)=(?:"\.\.\."|\.\.\.)', "\n".join(LIBRARY)))
    assert asked <= fill_ins(sandbox).keys()
    assert len(LIBRARY) >= 6
    assert IngestionService.__name__ in LIBRARY[0]
