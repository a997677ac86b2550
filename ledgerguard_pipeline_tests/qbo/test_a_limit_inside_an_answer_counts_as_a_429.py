"""A limit that Intuit reports inside HTTP 200 is counted as the refusal it is, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import Throttled
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.qbo.conftest import REALM
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, reply
from ledgerguard_pipeline_tests.qbo.test_throttling_cools_the_company import RecordingGate

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
TIME = "2026-11-22T01:00:00.123-08:00"
Member = dict[str, object]
LIMIT: Member = {"Fault": {"Error": [{"Message": "ThrottleExceeded", "code": "3001"}],
                           "type": "SERVICE"}}  # fmt: skip
BROKEN: Member = {"Fault": {"Error": [{"Message": "Invalid query", "code": "4000"}],
                            "type": "ValidationFault"}}  # fmt: skip
ROWS: Member = {"QueryResponse": {}}
COUNT: Member = {"QueryResponse": {"totalCount": 1}}


def changes(*groups: Member) -> Member:
    return {"CDCResponse": [{"QueryResponse": list(groups)}]}


def batch(*items: Member, last: str | None = None) -> Member:
    names = [f"q{index}" for index in range(len(items))]
    if last is not None:
        names[-1] = last
    return {"BatchItemResponse": [{"bId": name} | item for name, item in zip(names, items)]}  # noqa: B905  # one name each


class RecordingLedger:
    """Notes the status and the metered reads of each attempt."""

    def __init__(self) -> None:
        self.counted: list[tuple[int, int]] = []

    def record(
        self,
        realm: RealmId,
        *,
        entity: str,  # noqa: ARG002  # a CallRecorder
        purpose: str,  # noqa: ARG002  # a CallRecorder
        status: int,
        metered: int = 1,
    ) -> None:
        assert realm == REALM
        self.counted.append((status, metered))


@pytest.fixture
def gate() -> RecordingGate:
    return RecordingGate()


@pytest.fixture
def ledger() -> RecordingLedger:
    return RecordingLedger()


@pytest.fixture
def client(
    script: Script, clock: DrivenClock, gate: RecordingGate, ledger: RecordingLedger
) -> Iterator[QBOClient]:
    with QBOClient(
        "id", "secret", "http://localhost/cb", "sandbox",
        base_url=script.url, realm_id=REALM, clock=clock, gate=gate, ledger=ledger,
    ) as client:  # fmt: skip
        client.set_tokens("access-token-1")
        yield client


def _pages(client: QBOClient, _: DrivenClock) -> object:
    return client.query_batch([(each, Query.select(each)) for each in (INVOICE, CUSTOMER)])


def _counts(client: QBOClient, _: DrivenClock) -> object:
    return client.count_batch([INVOICE, CUSTOMER])


def _changes(client: QBOClient, clock: DrivenClock) -> object:
    return client.changes([INVOICE, CUSTOMER], clock.now() - timedelta(days=2))


def _both(client: QBOClient, clock: DrivenClock) -> object:
    since = clock.now() - timedelta(days=2)
    return client.batch_with_changes([(CUSTOMER, Query.count(CUSTOMER))], [INVOICE], since)


@pytest.mark.parametrize(
    "ask,answer,counted",
    [
        (_pages, batch(LIMIT, LIMIT), (429, 0)),
        (_pages, batch(LIMIT, ROWS), (200, 1)),
        (_pages, batch(LIMIT, BROKEN), (200, 1)),
        (_counts, batch(LIMIT, LIMIT), (429, 0)),
        (_counts, batch(COUNT, LIMIT), (200, 1)),
        (_changes, changes(LIMIT), (429, 0)),
        (_changes, changes({"Invoice": [{"Id": "1"}]}, LIMIT), (200, 1)),
        (_both, batch(LIMIT, LIMIT, last="changes"), (429, 0)),
        (_both, batch(LIMIT, changes(LIMIT), last="changes"), (429, 0)),
        (_both, batch(COUNT, LIMIT, last="changes"), (200, 1)),
        (_both, batch(COUNT, changes(LIMIT), last="changes"), (200, 1)),
        (_both, batch(LIMIT, changes({"Invoice": []}), last="changes"), (200, 1)),
    ],
)
def test_only_answered_parts_are_metered_and_each_limit_rests_the_company(
    ask: Callable[[QBOClient, DrivenClock], object],
    answer: Member,
    counted: tuple[int, int],
    client: QBOClient,
    clock: DrivenClock,
    script: Script,
    gate: RecordingGate,
    ledger: RecordingLedger,
) -> None:
    script.then(reply(answer | {"time": TIME}))
    ask(client, clock)
    assert ledger.counted == [counted]
    assert client.stats.snapshot().metered_calls == counted[1]
    assert gate.cooled == [(REALM, 60.0)]


def test_an_answer_that_is_nothing_but_a_limit_is_a_429(
    client: QBOClient, script: Script, gate: RecordingGate, ledger: RecordingLedger
) -> None:
    script.then(*[reply(LIMIT | {"time": TIME})] * 20)
    with pytest.raises(Throttled):
        client.query_page(INVOICE, Query.select(INVOICE))
    assert ledger.counted == [(429, 0)] * len(script.requests)
    assert len(gate.cooled) == len(script.requests) == 5


def test_an_answer_without_a_limit_is_counted_as_before(
    client: QBOClient,
    clock: DrivenClock,
    script: Script,
    gate: RecordingGate,
    ledger: RecordingLedger,
) -> None:
    script.then(reply(batch(ROWS, BROKEN) | {"time": TIME}))
    _pages(client, clock)
    assert ledger.counted == [(200, 2)]
    assert gate.cooled == []
