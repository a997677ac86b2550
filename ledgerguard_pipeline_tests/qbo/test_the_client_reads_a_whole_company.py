"""The client against the sandbox over real HTTP: what it returns is what the books hold."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.errors import (
    ChangesTooOld,
    NotFound,
    PoisonPage,
    QBOAPIError,
    ReauthorizationRequired,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.paging.every_object import walk
from ledgerguard_pipeline.qbo.queries.statement import Condition, Query
from ledgerguard_pipeline.qbo.transport.gate import LocalGate
from ledgerguard_pipeline.qbo.transport.retry import RetryPolicy
from ledgerguard_pipeline.sandbox.serve.client import Truth
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Hazard, Switches
from ledgerguard_pipeline.values import State
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock

CALLBACK = "http://localhost:8000/api/v1/auth/callback"
INVOICE = entity_type("Invoice")
CUSTOMER = entity_type("Customer")


def unlimited() -> LocalGate:
    """Its own clock makes the budget's waits free of real time."""
    return LocalGate(DrivenClock())


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=60, switches=Switches(limits=False)) as running:
        yield running


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=60, switches=Switches(limits=False)) as running:
        yield running


def connect(sandbox: SandboxServer) -> QBOClient:
    client = QBOClient(
        sandbox.client_id, sandbox.client_secret, CALLBACK, "sandbox",
        base_url=sandbox.base_url, gate=unlimited(), policy=RetryPolicy(first_wait=0.0),
    )  # fmt: skip
    callback = parse_qs(urlsplit(sandbox.consent(client.get_authorization_url())).query)
    client.exchange_code(callback["code"][0], callback["state"][0], callback["realmId"][0])
    return client


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[QBOClient]:
    with connect(sandbox) as connected:
        yield connected


@pytest.fixture(scope="module")
def reader(shared_sandbox: SandboxServer) -> Iterator[QBOClient]:
    with connect(shared_sandbox) as connected:
        yield connected


def test_a_consent_through_the_real_pages_connects(
    reader: QBOClient, shared_sandbox: SandboxServer
) -> None:
    status = reader.get_connection_status()

    assert status.is_connected
    assert status.realm_id == shared_sandbox.realm_id
    assert status.company_name == shared_sandbox.companies()[0]["name"]
    assert status.response_time_ms is not None


QUERIED = [entity for entity in ENTITIES if entity.queried]


def but_links(body: bytes) -> bytes:
    """The bytes without download links, which are signed anew at each read."""
    return re.sub(rb'"TempDownloadUri":"[^"]*"', b"", body)


@pytest.mark.parametrize("entity", QUERIED, ids=lambda entity: entity.name)
def test_every_type_is_read_completely_and_byte_for_byte(
    entity: EntityType, reader: QBOClient, shared_sandbox: SandboxServer
) -> None:
    truth = shared_sandbox.truth(entity.name)

    records = list(reader.get_all_entities(entity.name))

    assert sorted(but_links(record.payload or b"") for record in records) == sorted(
        map(but_links, truth.bodies().values())
    )
    if entity.identified:
        assert {record.id for record in records} == set(truth.rows)
    if entity.countable:
        assert reader.count_entities(entity.name) == counted(truth, entity)


def counted(truth: Truth, entity: EntityType) -> int:
    """What queries show where ``Active`` is not named."""
    return sum(line.active or not entity.inactive_apart for line in truth.rows.values())


def test_one_batch_counts_what_the_books_hold(
    reader: QBOClient, shared_sandbox: SandboxServer
) -> None:
    counts = reader.count_batch(ENTITIES)

    refused = {name for name, count in counts.items() if isinstance(count, QBOAPIError)}
    assert refused == {entity.name for entity in ENTITIES if not entity.queried}
    assert {name: count for name, count in counts.items() if name not in refused} == {
        entity.name: counted(shared_sandbox.truth(entity.name), entity)
        for entity in QUERIED
        if entity.countable
    }


def test_names_with_apostrophes_are_found(reader: QBOClient, shared_sandbox: SandboxServer) -> None:
    names = {
        str(json.loads(body)["DisplayName"]): id
        for id, body in shared_sandbox.truth("Customer").bodies().items()
    }
    quoted = {name: id for name, id in names.items() if "'" in name}
    assert quoted

    for name, id in quoted.items():
        clause = Condition("DisplayName", "=", name).text
        assert [record.id for record in reader.query_entities("Customer", clause)] == [id]


def test_an_edit_a_delete_and_a_deactivation_show_up_as_changes(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    before = client.query_page(INVOICE, Query.select(INVOICE, limit=1)).time
    at = int(before.timestamp()) + 60
    sandbox.set(clock_offset_seconds=120, read_form="query")
    edited, doomed = list(sandbox.truth("Invoice").rows)[:2]
    leaver = next(id for id, row in sandbox.truth("Customer").rows.items() if row.active)
    sandbox.edit("update", "Invoice", edited, note="edited", at=at)
    sandbox.edit("delete", "Invoice", doomed, at=at)
    sandbox.edit("deactivate", "Customer", leaver, at=at)

    changes = client.changes([INVOICE, CUSTOMER], before + timedelta(seconds=30))

    invoices, customers = changes.groups["Invoice"], changes.groups["Customer"]
    by_id = {record.id: record for record in invoices.records}
    assert by_id[edited].payload == sandbox.truth("Invoice").bodies()[edited]
    assert [(grave.id, grave.state) for grave in invoices.tombstones] == [
        (doomed, State.DELETED)
    ]  # fmt: skip
    assert {r.id: r.state for r in customers.records}[leaver] is State.INACTIVE
    assert not changes.capped
    assert changes.time > before
    with pytest.raises(NotFound):
        client.get_entity("Invoice", doomed)
    assert client.get_entity("invoice", edited).payload == by_id[edited].payload


def test_the_sandboxs_own_refusal_of_old_changes_is_understood(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    sandbox.set(clock_offset_seconds=40 * 86400)
    recent = client.query_page(INVOICE, Query.select(INVOICE, limit=1)).time - timedelta(days=35)

    with pytest.raises(ChangesTooOld):
        client.changes([INVOICE], recent)


def test_an_expired_token_is_renewed_in_the_middle_of_a_walk(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    seen: list[str] = []
    for page in walk(client.query_page, INVOICE, page_rows=20):
        sandbox.world.grants.expire_access(None)
        seen.extend(record.id for record in page.records)

    assert sorted(seen) == sorted(sandbox.truth("Invoice").rows)


def test_a_disconnect_in_quickbooks_means_connecting_again(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    sandbox.world.grants.disconnect(sandbox.realm_id)

    with pytest.raises(ReauthorizationRequired):
        client.count_entities("Invoice")


def test_a_poison_record_is_named_as_such(client: QBOClient, sandbox: SandboxServer) -> None:
    poisoned = next(iter(sandbox.truth("Invoice").rows))
    sandbox.set(poison=[["Invoice", poisoned]])

    with pytest.raises(PoisonPage) as caught:
        list(client.get_all_entities("Invoice"))
    assert caught.value.fault_code == "4002"


def test_a_query_of_a_thousand_ids_fits_into_one_call(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    real = list(sandbox.truth("Invoice").rows)
    ids = (real + [f"90000{n:06}" for n in range(1000)])[:1000]

    page = client.query_page(INVOICE, Query.ids(INVOICE, ids))

    assert sorted(record.id for record in page.records) == sorted(real)


@pytest.mark.parametrize("tie_order", ["id", "alternating"])
@pytest.mark.parametrize(
    "hazard",
    [Hazard(update=3), Hazard(delete=2), Hazard(insert=3), Hazard(update=2, delete=2, insert=2)],
    ids=["updates", "deletes", "inserts", "everything"],
)
def test_a_walk_loses_and_doubles_nothing_while_books_change(
    hazard: Hazard, tie_order: str, client: QBOClient, sandbox: SandboxServer
) -> None:
    before = set(sandbox.truth("Invoice").rows)
    sandbox.set(tie_order=tie_order, hazard={
        "entities": ["Invoice"], "update": hazard.update, "delete": hazard.delete,
        "insert": hazard.insert, "pages": 12,
    })  # fmt: skip

    versions = [
        (record.id, record.last_updated_at)
        for page in walk(client.query_page, INVOICE, page_rows=10)
        for record in page.records
    ]

    alive = before & set(sandbox.truth("Invoice").rows)
    assert alive <= {id for id, _ in versions}
    assert len(versions) == len(set(versions))


@pytest.mark.parametrize("more", [0, 1, 39, 40, 41])
def test_many_rows_of_one_second_are_all_seen(
    more: int, client: QBOClient, sandbox: SandboxServer
) -> None:
    model = next(iter(sandbox.truth("Invoice").rows))
    at = int(client.query_page(INVOICE, Query.select(INVOICE, limit=1)).time.timestamp())
    for _ in range(more):
        sandbox.edit("create", "Invoice", like=model, at=at)

    truth = sandbox.truth("Invoice")
    seen = [
        record.id
        for page in walk(client.query_page, INVOICE, page_rows=10)
        for record in page.records
    ]

    assert sorted(seen) == sorted(truth.rows)


def test_max_results_and_since_narrow_what_is_read(
    client: QBOClient, sandbox: SandboxServer
) -> None:
    time = client.query_page(INVOICE, Query.select(INVOICE, limit=1)).time
    sandbox.set(clock_offset_seconds=600)
    edited = list(sandbox.truth("Invoice").rows)[5]
    sandbox.edit("update", "Invoice", edited, note="late", at=int(time.timestamp()) + 300)

    late = list(client.get_all_entities("Invoice", since=time + timedelta(seconds=200)))

    assert edited in {record.id for record in late}
    assert len(late) < len(sandbox.truth("Invoice").rows)
    assert len(list(client.get_all_entities("Invoice", max_results=7))) == 7


def test_eight_threads_share_one_client(reader: QBOClient, shared_sandbox: SandboxServer) -> None:
    truth = shared_sandbox.truth("Invoice")
    results: list[int] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            results.append(len(list(reader.get_all_entities("Invoice"))))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert results == [len(truth.rows)] * 8


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "cut_json",
        "bad_gzip",
        "reset",
        "reset_after",
        "error_502_html",
        "html_200",
        "empty_200",
        "fault_in_200",
        "redirect",
        "unauthorized",
        "application_error",
    ],
)
def test_a_fault_on_the_wire_costs_a_retry_and_no_row(
    kind: str, client: QBOClient, sandbox: SandboxServer
) -> None:
    sandbox.inject(kind, endpoint="query")
    truth: Truth = sandbox.truth("Invoice")

    assert {r.id for r in client.get_all_entities("Invoice")} == set(truth.rows)
