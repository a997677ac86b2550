from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.entities import ENTITIES, entity_type
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.ops import metrics
from ledgerguard_pipeline.web.ops.metrics import METRICS_PATH, RowFigures
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event, queue
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, sync
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.companies import add
from ledgerguard_pipeline_tests.web.conftest import Edge

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
CUSTOMER = entity_type("Customer")


def reported(text: str) -> Samples:
    """Every sample by name and labels; the text is parsed as Prometheus parses it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_calls_rows_and_connections_are_those_of_the_stores(
    connected: Installation, sandbox: SandboxServer
) -> None:
    result = sync(connected, [CUSTOMER])
    answer = ask(create_app(connected), METRICS_PATH)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    samples = reported(answer.text)
    realm = ("realm", sandbox.realm_id)
    assert samples["ledgerguard_company_connected", (realm,)] == 1
    written = samples[
        "ledgerguard_rows_total", (("entity", "Customer"), ("outcome", "written"), realm)
    ]
    assert written == result.total_entities_written > 0
    calls = sum(
        value for (name, _), value in samples.items() if name == "ledgerguard_api_calls_total"
    )
    assert calls == sum(
        each.calls for each in connected.control.calls.by_purpose(realm_of(sandbox))
    )
    assert samples["ledgerguard_api_throttled_total", (realm,)] == 0
    assert samples["ledgerguard_token_refreshes_total", (realm,)] == 0


def test_throttles_and_refreshes_are_counted(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    connected.control.calls.record(realm, entity="Customer", purpose="query", status=429)
    sandbox.expire_tokens()
    sync(connected, [CUSTOMER])
    samples = reported(ask(create_app(connected), METRICS_PATH).text)
    assert samples["ledgerguard_api_throttled_total", (("realm", realm),)] == 1
    assert samples["ledgerguard_token_refreshes_total", (("realm", realm),)] == 1


def test_the_way_of_an_event_is_shown_from_delivery_to_bronze(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    one, other = sorted(sandbox.truth("Invoice").rows)[:2]
    events = [event("e1", realm=realm, object_id=one), event("e2", realm=realm, object_id=other)]
    connected.control.deliveries.accept([delivery(events)])
    app = create_app(connected)
    before = reported(ask(app, METRICS_PATH).text)
    assert before["ledgerguard_webhook_queue_depth", ()] == 2
    assert before["ledgerguard_webhook_queue_age_seconds", ()] >= 0
    assert before["ledgerguard_event_to_bronze_seconds_count", ()] == 0

    connected.control.inbox.lease("batch", realms=[realm])
    lease = InboxLease(connected.control.inbox, "batch")
    with connected.service(realm).open_events(lease) as running:
        running.run()
    after = reported(ask(app, METRICS_PATH).text)
    assert after["ledgerguard_webhook_queue_depth", ()] == 0
    assert after["ledgerguard_webhook_events", (("status", "done"),)] == 2
    assert after["ledgerguard_event_to_bronze_seconds_count", ()] == 2
    assert after["ledgerguard_event_to_bronze_seconds_bucket", (("le", "+Inf"),)] == 2
    assert after["ledgerguard_webhook_deliveries_total", (("outcome", "queued"),)] == 1


def test_refused_deliveries_are_counted_at_once(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(
        update={"intuit_webhook_verifier_token": SecretStr("made-up-token")}
    )
    app = create_app(edge)
    for _ in range(3):
        assert ask(app, WEBHOOK_PATH, method="POST").status_code == 401
    samples = reported(ask(app, METRICS_PATH).text)
    assert samples["ledgerguard_webhook_verification_failures_total", ()] == 3
    assert samples["ledgerguard_webhook_deliveries_total", (("outcome", "bad_signature"),)] == 3
    edge.control.close()


def test_every_process_tells_the_same(edge: Edge) -> None:
    queue(edge.control, "a", "b")
    other = Edge(edge.settings, edge.connector)
    texts = [ask(create_app(each), METRICS_PATH).text for each in (edge, other)]
    depths = [reported(text)["ledgerguard_webhook_queue_depth", ()] for text in texts]
    assert depths == [2, 2]
    edge.control.close()
    other.control.close()


def test_an_installation_that_holds_nothing_tells_zeros(edge: Edge) -> None:
    samples = reported(ask(create_app(edge), METRICS_PATH).text)
    assert samples["ledgerguard_webhook_queue_depth", ()] == 0
    assert not any(name == "ledgerguard_rows_total" for name, _ in samples)
    edge.control.close()


def test_metrics_are_for_those_who_may_ask(edge: Edge) -> None:
    assert ask(create_app(edge), METRICS_PATH, base="https://books.example.com").status_code == 403


def test_of_a_company_that_is_not_connected_nothing_is_late_and_nothing_fails(edge: Edge) -> None:
    failed = {"Invoice": "Intuit gave no usable answer."}
    connected = add(edge.control, 0, synced=False, failed=failed)
    gone = add(edge.control, 1, status=ConnectionStatus.DISCONNECTED, synced=False, failed=failed)
    revoked = add(edge.control, 2, status=ConnectionStatus.NEEDS_REAUTH, synced=False)
    samples = reported(ask(create_app(edge), METRICS_PATH).text)
    for realm in (gone, revoked):
        assert samples["ledgerguard_company_late_entities", (("realm", realm),)] == 0
        assert samples["ledgerguard_company_failed_entities", (("realm", realm),)] == 0
    assert samples["ledgerguard_company_late_entities", (("realm", connected),)] == len(ENTITIES)
    assert samples["ledgerguard_company_failed_entities", (("realm", connected),)] == 1
    edge.control.close()


@pytest.mark.parametrize("status", list(ConnectionStatus))
def test_events_of_a_company_that_may_not_be_called_are_not_late(
    edge: Edge, status: ConnectionStatus
) -> None:
    """They wait for somebody to connect it, which its own alert asks for, if any."""
    clock = FakeClock(datetime(2026, 11, 1, tzinfo=UTC))
    control = ControlPlane.open(edge.settings, clock=clock)
    edge.__dict__["control"] = control
    realm = add(control)
    control.deliveries.accept([delivery([event("e1", realm=realm)])])
    control.companies.set_status(RealmId(realm), status)
    clock.advance(86_400)
    samples = reported(ask(create_app(edge), METRICS_PATH).text)
    age = 86_400 if status is ConnectionStatus.CONNECTED else 0
    assert samples["ledgerguard_webhook_queue_age_seconds", ()] == age
    company = ("ledgerguard_company_webhook_queue_age_seconds", (("realm", realm),))
    assert samples[company] == age
    depth = 1 if status is ConnectionStatus.CONNECTED else 0
    assert samples["ledgerguard_webhook_queue_depth", ()] == depth
    kept = ("ledgerguard_webhook_events", (("status", "pending"),))
    assert samples[kept] == 1, "they are still there"
    control.close()


def test_a_control_plane_that_is_down_is_503(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        raise ControlUnavailable("disk full")

    monkeypatch.setattr(metrics, "gather", down)
    assert ask(create_app(edge), METRICS_PATH).status_code == 503


def test_bronze_is_opened_seldom_and_only_when_it_changed(
    connected: Installation, settings: Settings
) -> None:
    clock = FakeClock(datetime(2026, 11, 1, tzinfo=UTC))
    rows = RowFigures(settings, clock=clock)
    assert rows.read() is None
    sync(connected, [CUSTOMER])
    first = rows.read()
    assert first is not None
    assert [each.entity for each in first] == ["Customer"]
    sync(connected, [entity_type("Vendor")])
    assert rows.read() is first, "not again so soon"
    clock.advance(metrics.LOOK_SECONDS)
    again = rows.read()
    assert again is not None
    assert [each.entity for each in again] == ["Customer", "Vendor"]
    clock.advance(metrics.LOOK_SECONDS)
    assert rows.read() is again, "nothing changed"


def test_the_totals_of_calls_only_grow(connected: Installation, sandbox: SandboxServer) -> None:
    plane: ControlPlane = connected.control
    realm = realm_of(sandbox)
    before = sum(each.calls for each in plane.calls.totals())
    plane.calls.record(realm, entity="Invoice", purpose="query", status=200)
    plane.calls.record(realm, entity="Invoice", purpose="read", status=200)
    after = plane.calls.totals()
    assert sum(each.calls for each in after) == before + 2
    (invoices,) = [each for each in after if (each.entity, each.status) == ("Invoice", 200)]
    assert (invoices.calls, invoices.metered) == (2, 2)
