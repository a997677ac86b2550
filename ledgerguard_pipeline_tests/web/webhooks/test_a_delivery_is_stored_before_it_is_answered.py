from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.webhook_queue.deliveries import DeliveryOutcome, DeliveryStore
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.webhooks import group_writer
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline.webhooks.signature import sign
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.conftest import Edge
from ledgerguard_pipeline_tests.web.webhooks.receiving import TOKEN, Receiver, receiving
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events, legacy


@pytest.fixture
def hooked(home: Path) -> Settings:
    return load_settings(
        ledgerguard_home=home, intuit_webhook_verifier_token=SecretStr(f"new-token, {TOKEN}")
    )


@pytest.fixture
def plane(hooked: Settings) -> Iterator[ControlPlane]:
    with ControlPlane.open(hooked) as opened:
        connect(opened)
        yield opened


@pytest.fixture
def receiver(hooked: Settings, plane: ControlPlane) -> Iterator[Receiver]:
    with receiving(hooked, plane) as running:
        yield running


@pytest.mark.parametrize("shape", [cloud_events, legacy])
def test_a_genuine_delivery_is_stored_and_answered(receiver: Receiver, shape: type) -> None:
    body = shape([Change(id="1"), Change("Customer", "2", "Merge", absorbed="9")])
    kept = {"intuit-t-id": "tid-1", "user-agent": "intuit_notification_server/0.1", "cookie": "x"}
    assert receiver.post(body, headers=kept) == 200
    (stored,) = receiver.plane.deliveries.list()
    assert stored.body == body
    assert stored.client == "127.0.0.1"
    assert stored.headers == {
        "intuit-signature": sign(body, TOKEN),
        "intuit-t-id": "tid-1",
        "user-agent": "intuit_notification_server/0.1",
    }
    assert sorted(each.event.object_id for each in receiver.plane.inbox.list()) == ["1", "2"]


def test_repeated_deliveries_are_answered_and_counted_once(receiver: Receiver) -> None:
    body = cloud_events([Change()])
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: receiver.post(body), range(30))) == {200}
    assert len(receiver.plane.inbox.list()) == 1
    assert len(receiver.plane.deliveries.list()) == 30


def test_every_delivery_of_a_crowd_is_on_disk(receiver: Receiver) -> None:
    bodies = [cloud_events([Change(id=str(each))]) for each in range(1, 201)]
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(receiver.post, bodies)) == {200}
    assert receiver.plane.inbox.backlog().by_status == {EventStatus.PENDING: 200}


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[" * 100_000, b"{}", b'{"eventNotifications": 5}', b"\x00\xff"]
)
def test_signed_junk_is_kept_and_answered(receiver: Receiver, body: bytes) -> None:
    assert receiver.post(body) == 200
    (stored,) = receiver.plane.deliveries.list()
    assert (stored.outcome, stored.body) == (DeliveryOutcome.QUARANTINED, body)
    (event,) = receiver.plane.inbox.list()
    assert event.status is EventStatus.PARKED
    assert event.reason


def test_both_tokens_of_a_rotation_are_accepted_and_the_old_one_is_counted(
    receiver: Receiver,
) -> None:
    assert receiver.post(cloud_events([Change(id="1")]), token="new-token") == 200
    assert receiver.counted("webhook_verifier_token") == {}
    assert receiver.post(cloud_events([Change(id="2")]), token=TOKEN) == 200
    assert receiver.counted("webhook_verifier_token") == {"token 2": 1.0}


def test_without_a_verifier_token_nothing_is_accepted(hooked: Settings) -> None:
    bare = hooked.model_copy(update={"intuit_webhook_verifier_token": None})
    with ControlPlane.open(bare) as plane, receiving(bare, plane) as receiver:
        body = cloud_events([Change()])
        assert receiver.post(body, token="") == 503
        assert plane.deliveries.list() == []
        assert receiver.counted() == {"unconfigured": 1.0}


def test_while_the_store_is_locked_the_answer_is_503_and_soon(
    receiver: Receiver, hooked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledgerguard_pipeline.web.webhooks.receiver.STALLED_SECONDS", 0.2)
    monkeypatch.setattr(group_writer, "STALLED_SECONDS", 0.2)
    url = f"sqlite:///{hooked.ledgerguard_home / 'control.db'}"
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        database = Database(url)
        with database.write("hold"):
            locked.set()
            release.wait(30)
        database.close()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(30)
    try:
        assert receiver.post(cloud_events([Change(id="1")])) == 503
        assert receiver.post(cloud_events([Change(id="2")])) == 503
    finally:
        release.set()
        holder.join()
    monkeypatch.undo()
    assert receiver.post(cloud_events([Change(id="1")])) == 200, "and Intuit sends it again"
    names = [each.event.object_id for each in receiver.plane.inbox.list()]
    assert names.count("1") == 1


def test_a_store_that_fails_is_answered_503(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ControlUnavailable("disk full")

    monkeypatch.setattr(DeliveryStore, "accept", broken)
    assert receiver.post(cloud_events([Change()])) == 503
    monkeypatch.undo()
    assert receiver.plane.deliveries.list() == []
    assert receiver.post(cloud_events([Change()])) == 200


def test_the_edge_takes_deliveries_under_its_public_name_and_nothing_else(edge: Edge) -> None:
    """Intuit sends no admin token; everything but the open paths asks for one."""
    edge.settings = edge.settings.model_copy(
        update={
            "intuit_webhook_verifier_token": SecretStr(TOKEN),
            "ledgerguard_admin_token": SecretStr("made-up-admin-token"),
        }
    )
    app = create_app(edge, host="127.0.0.1")
    public = "https://books.example.com"
    signature = {b"intuit-signature": sign(b"", TOKEN).encode()}
    delivered = ask(app, WEBHOOK_PATH, base=public, method="POST", headers=signature)
    assert delivered.status_code == 200
    assert ask(app, WEBHOOK_PATH, base=public, method="POST").status_code == 401
    assert ask(app, WEBHOOK_PATH, base=public).status_code == 405
    assert ask(app, "/api/v1/auth/connect", base=public).status_code == 401
    assert len(edge.control.deliveries.list()) == 1
    edge.control.close()
