"""`LedgerGuard.open()`: companies, clients, sync, status and reading of one home."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline import BadInputError, IngestionError, LedgerGuard, Record
from ledgerguard_pipeline.errors import BronzeUnusable, CompanyBusy
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer


def test_opening_creates_nothing_and_knows_no_company(tmp_path: Path) -> None:
    home = tmp_path / "books"
    with LedgerGuard.open(home) as books:
        assert books.companies == []
        assert books.status() == []
        assert books.storage.counts() == {}
        assert books.frame("Invoice").empty
        with pytest.raises(BadInputError, match="Nothing was loaded"):
            books.sql("SELECT 1")
        with pytest.raises(BadInputError, match="No company is connected"):
            books.sync()
        assert str(home) in repr(books)
    assert not home.exists()


def test_a_home_is_read_synced_and_judged_through_one_object(
    connected: Installation, sandbox: SandboxServer, home: Path
) -> None:
    with LedgerGuard.open() as books:
        assert books.settings.ledgerguard_home == home
        (company,) = books.companies
        assert (company.realm_id, company["is_connected"]) == (sandbox.realm_id, True)
        id = next(iter(sandbox.truth("Customer").rows))
        customer = books.client().get_entity("Customer", id)
        assert isinstance(customer, Record)
        result = books.sync(entity_types=["Customer", "Term"])
        assert result.errors == []
        customers = len(sandbox.truth("Customer").rows)
        assert len(books.frame("Customer")) == customers
        answer = books.sql("SELECT count(*) AS n FROM bronze.customer_current")
        assert answer.rows == [(customers,)]
        assert list(answer.frame()["n"]) == [customers]
        with pytest.raises(BadInputError, match="never was or was forgotten") as refused:
            books.service("123146096291789")
        assert refused.value.realm_id == "123146096291789"
        with pytest.raises(BadInputError, match="Only a single reading statement"):
            books.sql("DELETE FROM bronze.customer")
        (status,) = books.status()
        (same,) = books.status(company.realm_id)
        assert status.entity_counts == {"Customer": customers, "Term": result_count(sandbox)}
        assert same["watermarks"].keys() == status["watermarks"].keys() == {"Customer", "Term"}
        assert books.service().get_ingestion_status()["realm_id"] == company.realm_id


def test_a_status_is_there_while_nobody_can_open_bronze(
    connected: Installation, sandbox: SandboxServer
) -> None:
    with LedgerGuard.open() as books:
        assert books.sync(entity_types=["Term"]).errors == []
        before = books.status()[0]["watermarks"]
        connected.settings.bronze_path.write_bytes(b"not a database at all" * 1000)
        with pytest.raises(BronzeUnusable):
            books.storage.counts()
        (status,) = books.status()
        same = books.service().get_ingestion_status()
        assert status.watermarks == same.watermarks == before
        assert status.entity_counts == {"Term": result_count(sandbox)}
        assert "bronze_unusable" in status["reason_kinds"]


def result_count(sandbox: SandboxServer) -> int:
    return len(sandbox.truth("Term").rows)


def test_a_company_somebody_else_syncs_is_waited_for(
    connected: Installation, sandbox: SandboxServer
) -> None:
    control = connected.control
    leases = CompanyLeases(control.leases, connected.settings.intuit_env, clock=control.clock)
    realm = control.companies.list()[0].realm_id
    with LedgerGuard(connected) as books:
        with leases.kept(), leases.of(realm):
            with pytest.raises(CompanyBusy, match="Another run") as caught:
                books.sync(entity_types="Term", wait_seconds=0.0)
            assert isinstance(caught.value, IngestionError)
        assert books.sync(realm, "Term").total_entities_written == result_count(sandbox)
