"""A 429 rests the whole company through the gate; it is never answered by hammering."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import Throttled, TokenEndpointThrottled
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.qbo.transport.gate import LocalGate
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.qbo.conftest import REALM
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, Writer, reply

INVOICE = entity_type("Invoice")
STATEMENT = Query.select(INVOICE)
TIME = "2026-11-22T01:00:00.123-08:00"
GOOD = {"QueryResponse": {}, "time": TIME}
XML_429 = (
    b'<IntuitResponse xmlns="http://schema.intuit.com/finance/v3"><Fault type="SERVICE">'
    b'<Error code="003001"><Message>message=ThrottleExceeded; errorCode=003001; statusCode=429'
    b"</Message><Detail>The request limit was reached.</Detail></Error></Fault></IntuitResponse>"
)
GATEWAY_429 = {"fault": {"error": [{"message": "ThrottleExceeded", "code": "3001"}],
                         "type": "SERVICE"}, "time": 1633520295688}  # fmt: skip


class RecordingGate:
    """Notes what the client asks of the gate."""

    def __init__(self) -> None:
        self.cooled: list[tuple[str, float]] = []
        self.permits: list[bool] = []
        self.held = 0

    @contextmanager
    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> Iterator[None]:
        assert deadline is not None
        assert realm == REALM
        self.permits.append(batch)
        self.held += 1
        yield
        self.held -= 1

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        assert self.held == 0, "a resting call must not keep its permit"
        self.cooled.append((realm, seconds))


@pytest.fixture
def gate() -> RecordingGate:
    return RecordingGate()


@pytest.fixture
def gated(script: Script, clock: DrivenClock, gate: RecordingGate) -> Iterator[QBOClient]:
    with QBOClient(
        "id", "secret", "http://localhost/cb", "sandbox",
        base_url=script.url, realm_id=REALM, clock=clock, gate=gate,
    ) as client:  # fmt: skip
        client.set_tokens("access-token-1")
        yield client


@pytest.mark.parametrize(
    "refusal",
    [
        reply(GATEWAY_429, 429),
        reply(XML_429, 429, content_type="application/xml"),
        reply(XML_429, 403, content_type="application/xml"),
        reply(b"", 429),
        reply(GATEWAY_429, 200),
    ],
    ids=["gateway JSON", "XML", "the old 403", "empty", "inside a 200"],
)
def test_every_dialect_of_429_cools_the_company_for_a_minute(
    refusal: Writer, gated: QBOClient, gate: RecordingGate, script: Script, clock: DrivenClock
) -> None:
    script.then(refusal, reply(GOOD))

    gated.query_page(INVOICE, STATEMENT)

    assert gate.cooled == [(REALM, 60.0)]
    assert sum(clock.slept) == 0, "waiting is the gate's business"
    assert len(gate.permits) == 2


@pytest.mark.parametrize(
    "header, seconds", [("7", 7.0), ("600", 600.0), ("99999", 900.0), ("soon", 60.0)]
)
def test_retry_after_decides_the_length_up_to_a_cap(
    header: str, seconds: float, gated: QBOClient, gate: RecordingGate, script: Script
) -> None:
    script.then(reply(GATEWAY_429, 429, {"Retry-After": header}), reply(GOOD))

    gated.query_page(INVOICE, STATEMENT)

    assert gate.cooled == [(REALM, seconds)]


def test_retry_after_may_be_a_date(
    gated: QBOClient, gate: RecordingGate, script: Script, clock: DrivenClock
) -> None:
    later = clock.now().replace(minute=clock.now().minute + 2)
    script.then(reply(b"", 429, {"Retry-After": format_datetime(later)}), reply(GOOD))

    gated.query_page(INVOICE, STATEMENT)

    assert gate.cooled == [(REALM, 120.0)]


def test_a_429_that_does_not_clear_ends_the_call(
    gated: QBOClient, gate: RecordingGate, script: Script
) -> None:
    script.then(*[reply(GATEWAY_429, 429, {"Retry-After": "9"})] * 20)

    with pytest.raises(Throttled) as caught:
        gated.query_page(INVOICE, STATEMENT)

    assert len(script.requests) == 5
    assert caught.value.retry_after == 9.0
    assert caught.value.realm_id == REALM


def test_a_throttled_item_of_a_batch_cools_the_company_and_comes_back_as_its_error(
    gated: QBOClient, gate: RecordingGate, script: Script
) -> None:
    fault = {"Error": [{"Message": "ThrottleExceeded", "code": "3001"}], "type": "SERVICE"}
    script.then(
        reply({"BatchItemResponse": [{"bId": "q0", "Fault": fault},
                                     {"bId": "q1", "QueryResponse": {}}], "time": TIME})
    )  # fmt: skip

    outcomes = gated.query_batch([(INVOICE, STATEMENT), (INVOICE, STATEMENT)])

    assert isinstance(outcomes[0], Throttled)
    assert gate.cooled == [(REALM, 60.0)]
    assert gate.permits == [True]


def test_the_local_gate_waits_out_a_cool_down(
    client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    script.then(reply(b"", 429), reply(GOOD), reply(GOOD))

    client.query_page(INVOICE, STATEMENT)
    client.query_page(INVOICE, STATEMENT)

    assert sum(clock.slept) == pytest.approx(60.0)


@pytest.mark.parametrize("header, seconds", [({}, 60.0), ({"Retry-After": "9"}, 9.0)])
def test_a_429_of_the_token_endpoint_is_waited_for_once(
    client: QBOClient,
    script: Script,
    clock: DrivenClock,
    header: dict[str, str],
    seconds: float,
) -> None:
    clock.advance(3_600)
    tokens = {"access_token": "access-token-2", "refresh_token": "refresh-2", "expires_in": 3600}
    script.then(reply(b"", 429, header), reply(tokens), reply(GOOD))
    client.query_page(INVOICE, STATEMENT)
    assert clock.slept == [seconds]
    assert script.requests[-1].headers["authorization"] == "Bearer access-token-2"

    clock.advance(3_600)
    script.then(*[reply(b"", 429, header)] * 2)
    with pytest.raises(TokenEndpointThrottled, match="asked to wait"):
        client.query_page(INVOICE, STATEMENT)
    assert len(script.requests) == 5, "what lasts longer is for later"


def test_the_local_gate_keeps_every_window(clock: DrivenClock) -> None:
    gate = LocalGate(clock, per_minute=20, per_second=5, batches_per_minute=3)
    starts: list[float] = []
    for _ in range(50):
        with gate.permit(RealmId(REALM)):
            starts.append(clock.monotonic())

    for window, limit in ((1.0, 5), (60.0, 20)):
        busiest = max(sum(1 for at in starts if first <= at < first + window) for first in starts)
        assert busiest == limit
    batches = []
    for _ in range(6):
        with gate.permit(RealmId(REALM), batch=True):
            batches.append(clock.monotonic())
    assert max(sum(1 for at in batches if a <= at < a + 60) for a in batches) == 3


def test_the_local_gate_refuses_to_wait_past_a_deadline(clock: DrivenClock) -> None:
    gate = LocalGate(clock)
    gate.cool_down(RealmId(REALM), 60)
    gate.cool_down(RealmId(REALM), 5)

    with pytest.raises(Throttled), gate.permit(RealmId(REALM), deadline=clock.monotonic() + 30):
        pytest.fail("the shorter pause replaced the longer one")
    assert clock.slept == []
