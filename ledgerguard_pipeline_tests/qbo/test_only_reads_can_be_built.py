"""The accounting scope could change books; no request this package builds can."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import ledgerguard_pipeline.qbo as package
from ledgerguard_pipeline.entities import ENTITIES, Kind, entity_type
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries import read_requests
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.reports.types import REPORTS, report_request
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.qbo.conftest import REALM
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Received, Script, Writer, reply

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FOLDER = Path(str(package.__file__)).parent
CDC_TYPES = [entity for entity in ENTITIES if entity.cdc]

EXAMPLES: dict[str, Callable[[], list[read_requests.Read]]] = {
    "query": lambda: [
        *(read_requests.query(Query.select(entity)) for entity in ENTITIES),
        read_requests.query(Query.ids(ENTITIES[0], [str(n) for n in range(1000)])),
    ],
    "entity": lambda: [read_requests.entity(entity, "1") for entity in ENTITIES],
    "company_info": lambda: [read_requests.company_info(RealmId(REALM))],
    "download": lambda: [read_requests.download("1")],
    "report": lambda: [
        read_requests.report(
            report_request(
                report.name,
                {"start_date": "2026-01-01", "end_date": "2026-01-31"}
                if "start_date" in report.takes
                else {},
            )
        )
        for report in REPORTS
        if "agency_id" not in report.needs
    ],
    "changes": lambda: [read_requests.changes(CDC_TYPES, NOW)],
    "batch_with_changes": lambda: [
        read_requests.batch_with_changes([Query.count(ENTITIES[0])], CDC_TYPES, NOW)
    ],
    "batch": lambda: [read_requests.batch([Query.count(entity) for entity in ENTITIES[:25]])],
}


def test_every_builder_of_requests_is_known_here() -> None:
    builders = {
        name
        for name, function in inspect.getmembers(read_requests, inspect.isfunction)
        if function.__module__ == read_requests.__name__ and not name.startswith("_")
    }

    assert builders == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_request_of_a_builder_is_a_read(name: str) -> None:
    for read in EXAMPLES[name]():
        if read.method == "GET":
            assert read.body is None
        else:
            assert read.method == "POST"
            assert read.path in ("/query", "/batch")
            assert read.body is not None
            assert b"SELECT" in read.body
            assert b'"operation"' not in read.body
        assert "operation" not in read.params


def test_requests_are_built_in_one_module_and_sent_in_one() -> None:
    built, sent = set(), set()
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] == "Read":
                built.add(file.name)
            if called.endswith(".exchange") and "transport" in called:
                sent.add(file.name)
    assert built == {"read_requests.py"}
    assert sent == {"session.py"}


@pytest.mark.parametrize(
    "path, body, params",
    [
        ("/invoice", b'{"Id":"1"}', {}),
        ("/invoice", b"SELECT * FROM Invoice", {}),
        ("/invoice", None, {"operation": "delete"}),
        ("/batch", b'{"BatchItemRequest":[{"bId":"1","operation":"create","Vendor":{}}]}', {}),
        ("/batch", b'{"BatchItemRequest":[{"bId":"1","Query":"DELETE FROM Invoice"}]}', {}),
        ("/batch", b'{"BatchItemRequest":[]}', {}),
        ("/batch", b'{"BatchItemRequest":[{"bId":"1"}]}', {}),
        ("/batch", b"nonsense", {}),
        ("/query", b"UPDATE Invoice", {}),
        ("/../../token", None, {}),
        ("//elsewhere", None, {}),
        ("/invoice/1?operation=delete", None, {}),
        ("/invoice/1/send", None, {}),
    ],
)
def test_a_request_that_could_write_cannot_be_built(
    path: str, body: bytes | None, params: dict[str, str]
) -> None:
    with pytest.raises(BadInputError):
        read_requests.Read(path, "Invoice", "test", params, body)


@pytest.mark.parametrize(
    "id", ["", "../1", "1/send", "1?operation=delete", "1 OR 1", "é", "x" * 65]
)
def test_an_id_cannot_become_part_of_a_path(id: str) -> None:
    with pytest.raises(BadInputError):
        read_requests.entity(entity_type("Invoice"), id)


def test_every_public_method_of_the_client_only_reads(
    client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    time = "2026-11-22T01:00:00-08:00"

    def answer(request: Received) -> Writer:
        if request.path.endswith("/batch"):
            return reply({"BatchItemResponse": [], "time": time})
        if request.path.endswith("/cdc"):
            return reply({"CDCResponse": [{"QueryResponse": [{}]}], "time": time})
        if "count" in request.params.get("query", ""):
            return reply({"QueryResponse": {"totalCount": 0}, "time": time})
        if request.path.endswith("/query"):
            return reply({"QueryResponse": {}, "time": time})
        if "/reports/" in request.path:
            return reply({"Header": {}, "Columns": {}, "Rows": {}})
        key = "CompanyInfo" if "companyinfo" in request.path else "Invoice"
        return reply({key: {"Id": "1"}, "time": time})

    script.default = answer
    invoice = entity_type("Invoice")
    window: dict[str, Any] = {"start_date": "2026-01-01", "end_date": "2026-01-31"}
    calls: dict[str, Callable[[], object]] = {
        "query_page": lambda: client.query_page(invoice, Query.select(invoice)),
        "query_batch": lambda: client.query_batch([(invoice, Query.select(invoice))]),
        "count_batch": lambda: client.count_batch(ENTITIES),
        "report": lambda: client.report("TrialBalance", **window),
        "requested_report": lambda: client.requested_report(report_request("CashFlow", window)),
        "requested_windows": lambda: list(
            client.requested_windows(report_request("TransactionList", window))
        ),
        "report_windows": lambda: list(client.report_windows("JournalReport", **window)),
        "changes": lambda: client.changes([invoice], clock.now()),
        "batch_with_changes": lambda: client.batch_with_changes(
            [(invoice, Query.count(invoice))], [invoice], clock.now()
        ),
        "company_info": client.company_info,
        "file_links": lambda: client.file_links(["1"]),
        "get_entity": lambda: client.get_entity("Invoice", "1"),
        "query_entities": lambda: client.query_entities("Invoice"),
        "count_entities": lambda: client.count_entities("Invoice"),
        "get_all_entities": lambda: list(client.get_all_entities("Invoice")),
        "get_connection_status": client.get_connection_status,
    }
    silent = {"close", "exchange_code", "get_authorization_url", "get_tokens", "set_tokens"}
    public = {
        name
        for name, _ in inspect.getmembers(QBOClient, inspect.isfunction)
        if not name.startswith("_")
    }

    assert public == set(calls) | silent
    for call in calls.values():
        call()
    for request in script.requests:
        assert request.method == "GET" or request.path.endswith(("/batch", "/query"))
        assert "operation" not in request.params
        if request.path.endswith("/batch"):
            assert b'"operation"' not in request.body
    assert client.realm_id == REALM


def test_singletons_are_read_without_an_id() -> None:
    for entity in ENTITIES:
        if entity.kind is Kind.SINGLETON:
            assert read_requests.entity(entity, "anything at all").params == {
                "query": f"SELECT * FROM {entity.name}"
            }
