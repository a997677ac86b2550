"""What a library user learns of a run that failed, and of a company's status without installation."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_type_hints

import duckdb
import msgspec
import pytest

from ledgerguard_pipeline import (
    BatchResult,
    DuckDBStorage,
    IngestionError,
    IngestionService,
    QBOClient,
    ReauthorizationRequired,
)
from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.errors import AccessDenied, BronzeBusy, WrongEnvironment
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Environment

CALLBACK = "http://localhost:8000/api/v1/auth/callback"
TYPES = ["Customer", "Term", "Class"]


@contextmanager
def connected(sandbox: SandboxServer) -> Iterator[QBOClient]:
    (grant,) = sandbox.issue_tokens()
    with QBOClient("id", "secret", CALLBACK, "sandbox", base_url=sandbox.base_url) as made:
        made.set_tokens(grant.access_token, None, sandbox.realm_id)
        yield made


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[QBOClient]:
    with connected(sandbox) as made:
        yield made


@pytest.fixture
def storage(tmp_path: Path) -> DuckDBStorage:
    return DuckDBStorage(tmp_path / "data" / "books.duckdb", lock_wait_seconds=0.1)


@pytest.fixture
def service(client: QBOClient, storage: DuckDBStorage) -> IngestionService:
    return IngestionService(client, storage)


def test_every_type_that_fails_is_named_and_the_others_are_loaded(
    service: IngestionService, sandbox: SandboxServer, storage: DuckDBStorage
) -> None:
    sandbox.inject("application_error", probability=1.0, endpoint="batch_item", entity="Term")
    sandbox.inject("forbidden", probability=1.0, endpoint="query", entity="Term")
    result = service.run_batch_ingestion(entity_types=TYPES)
    assert isinstance(result, BatchResult)
    (error,) = result["errors"]
    assert error.startswith("Term: ")
    assert storage.counts(service.realm_id)["Customer"] == len(sandbox.truth("Customer").rows)
    assert {each["entity"]: each["status"] for each in result.results} == {
        "Customer": "ok", "Term": "failed", "Class": "ok",
    }  # fmt: skip
    assert json.loads(json.dumps(result)) == result.as_dict() == result
    status = service.get_ingestion_status()
    assert (status["health"], status["is_connected"]) == ("degraded", True)
    assert any("Term" in reason for reason in status["reasons"])


def test_when_every_type_fails_that_is_an_error_which_tells_each_reason(
    service: IngestionService, sandbox: SandboxServer
) -> None:
    sandbox.inject("forbidden", next=1000)
    with pytest.raises(IngestionError, match="None of the 3 entity types") as caught:
        service.run_batch_ingestion(entity_types=TYPES)
    error = caught.value
    assert isinstance(error.__cause__, AccessDenied)
    assert error.__cause__.message in error.message
    assert error.result is not None
    reported = error.result["errors"]
    assert isinstance(reported, list)
    assert {text.split(":")[0] for text in reported} == set(TYPES)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert again.result == error.result


def test_one_type_that_fails_alone_is_a_total_failure(
    service: IngestionService, sandbox: SandboxServer
) -> None:
    sandbox.inject("forbidden", next=1000)
    with pytest.raises(IngestionError, match="Term could not be brought up to date"):
        service.run_batch_ingestion("Term")


def test_a_file_that_somebody_holds_is_a_total_failure_that_says_so(
    service: IngestionService, storage: DuckDBStorage
) -> None:
    service.run_batch_ingestion("Term")
    assert isinstance(storage.address, Path)
    held = BronzeFile(
        storage.address, connect=lambda *_: duckdb.connect(":memory:"), clock=SYSTEM_CLOCK,
        lock_wait_seconds=1.0,
    )  # fmt: skip
    with held.session(read_only=False):
        with pytest.raises(IngestionError, match="nothing was done") as caught:
            service.run_batch_ingestion("Term")
        assert isinstance(caught.value.__cause__, BronzeBusy)
        status = service.get_ingestion_status()
    assert status["health"] == "degraded"
    assert any("held by" in reason for reason in status["reasons"])
    assert service.run_batch_ingestion("Term").errors == []


def test_health_alone_goes_from_nothing_loaded_over_healthy_to_a_dead_grant(
    service: IngestionService, sandbox: SandboxServer
) -> None:
    empty = service.get_ingestion_status()
    assert (empty["health"], empty["last_sync_time"], empty["entity_counts"]) == (
        "degraded", None, {},
    )  # fmt: skip
    service.run_batch_ingestion(TYPES)
    good = service.get_ingestion_status()
    assert (good.health, good.reasons, good.is_connected) == ("healthy", [], True)
    assert good["entity_counts"].keys() == set(TYPES)
    assert good["last_sync_time"] is not None
    assert good["access_token_expiry"] is not None
    assert good.watermarks.keys() == set(TYPES)
    assert all(str(each).endswith("Z") for each in good.watermarks.values()), "as all times"
    assert json.loads(json.dumps(good)) == good
    test = service.test_connection()
    assert test
    assert test["success"] is True
    assert test["response_time_ms"] > 0
    assert str(sandbox.companies()[0]["name"]) in test["message"]
    sandbox.disconnect()
    dead = service.get_ingestion_status()
    assert (dead["health"], dead["is_connected"]) == ("unhealthy", False)
    assert dead["entity_counts"] == good["entity_counts"]
    failed = service.test_connection()
    assert not failed
    assert (failed["success"], failed["response_time_ms"]) == (False, None)
    assert failed["message"]
    with pytest.raises(IngestionError) as caught:
        service.run_batch_ingestion(TYPES)
    assert isinstance(caught.value.__cause__, ReauthorizationRequired)


def test_a_store_belongs_to_the_environment_that_wrote_first(
    service: IngestionService, storage: DuckDBStorage
) -> None:
    assert DuckDBStorage(storage.address).environment is None  # type: ignore[arg-type]  # a Path
    service.run_batch_ingestion("Term")
    assert storage.environment is Environment.SANDBOX
    assert isinstance(storage.address, Path)
    unsaid = DuckDBStorage(storage.address)
    assert unsaid.counts(service.realm_id)["Term"] > 0
    other = QBOClient("id", "secret", CALLBACK, "production", base_url="http://127.0.0.1:9",
                      realm_id=service.realm_id)  # fmt: skip
    other.set_tokens("access")
    with pytest.raises(WrongEnvironment, match="sandbox environment"):
        IngestionService(other, DuckDBStorage(storage.address)).run_batch_ingestion("Term")
    with pytest.raises(WrongEnvironment, match="sandbox environment"):
        IngestionService(other, storage)


def test_results_hold_the_keys_they_declare_with_values_of_that_kind(
    service: IngestionService, client: QBOClient
) -> None:
    for result in (
        service.run_batch_ingestion(TYPES),
        service.get_ingestion_status(),
        service.test_connection(),
        client.get_connection_status(),
        client.get_tokens(),
    ):
        for key, kind in get_type_hints(type(result)).items():
            assert msgspec.convert(result[key], kind) == getattr(result, key) == result[key], key
        assert set(result) <= set(dir(result))
        with pytest.raises(KeyError, match="it has"):
            result["nonsense"]
        with pytest.raises(AttributeError, match="it has"):
            _ = result.nonsense  # type: ignore[union-attr]  # the wrong use


def test_old_and_new_names_of_arguments_read_the_same(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    id = next(iter(sandbox.truth("Term").rows))
    term = client.get_entity("Term", id)
    assert client.get_entity(entity_type="Term", entity_id=id).raw == term.raw  # type: ignore[call-arg]
    assert client.get_entity(entity="Term", id=id).raw == term.raw  # type: ignore[call-arg]
    assert client.get_entity("term", int(id)).raw == term.raw
    everyone = [each.id for each in client.get_all_entities("Term")]
    assert [each.id for each in client.query_entities(entity="Term")] == everyone  # type: ignore[call-arg]
    assert len(client.get_all_entities(entity="Term", max_results=2)) == 2  # type: ignore[call-arg]
    assert client.count_entities(entity_type="Term") == len(everyone)
