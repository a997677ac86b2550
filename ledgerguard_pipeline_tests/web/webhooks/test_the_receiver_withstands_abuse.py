from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.web.security.body_reader import MAX_BYTES, BodyReader
from ledgerguard_pipeline.web.security.rate_limit import ClientRates
from ledgerguard_pipeline.webhooks.signature import sign
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.web.webhooks.receiving import TOKEN, Receiver, head, receiving
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events

LIMIT = 100_000
ENDLESS = 100_000_000
SIGNED = f"intuit-signature: {sign(b'', TOKEN)}"


@pytest.fixture
def hooked(home: Path) -> Settings:
    return load_settings(ledgerguard_home=home, intuit_webhook_verifier_token=SecretStr(TOKEN))


@pytest.fixture
def plane(hooked: Settings) -> Iterator[ControlPlane]:
    with ControlPlane.open(hooked) as opened:
        yield opened


@pytest.fixture
def receiver(hooked: Settings, plane: ControlPlane) -> Iterator[Receiver]:
    """With small limits, so that reaching them is quick."""
    bodies = BodyReader(limit=LIMIT, seconds=0.4, buffered=2 * LIMIT)
    with receiving(hooked, plane, bodies=bodies) as running:
        yield running


@pytest.mark.parametrize(
    "signature",
    ["", "garbage", "A" * 43 + "=", "sha256=" + "0" * 64, "=" * 44, "é" * 44, "A" * 30_000],
)
def test_a_wrong_signature_is_401_and_stores_nothing_but_a_count(
    receiver: Receiver, signature: str
) -> None:
    body = cloud_events([Change()])
    assert receiver.post(body, signature=signature) == 401
    assert receiver.plane.deliveries.list() == []
    assert receiver.plane.inbox.list() == []
    assert receiver.counted() == {"bad_signature": 1.0}


def test_a_missing_or_doubled_signature_is_401(receiver: Receiver) -> None:
    assert receiver.raw(head("Content-Length: 2"), then=b"[]").split()[1] == b"401"
    twice = head("Content-Length: 0", "intuit-signature: x", SIGNED)
    assert receiver.raw(twice).split()[1] == b"401"


def test_bytes_that_are_no_text_in_the_header_are_401(receiver: Receiver) -> None:
    start = head("Content-Length: 2").removesuffix(b"\r\n")
    line = b"intuit-signature: " + b"\xff\xfe" * 22 + b"\r\n\r\n"
    assert receiver.raw(start + line, then=b"[]").split()[1] == b"401"


def test_a_body_that_declares_too_much_is_413_before_it_is_sent(receiver: Receiver) -> None:
    assert receiver.raw(head(SIGNED, "Content-Length: 31457280")).split()[1] == b"413"
    assert receiver.raw(head(SIGNED, "Content-Length: 100001")).split()[1] == b"413"


def test_large_bodies_one_after_the_other_never_fill_the_buffer(receiver: Receiver) -> None:
    answers = [receiver.post(bytes([65 + n]) * LIMIT) for n in range(5)]
    assert answers == [200] * 5, "what was read is held no longer"


def test_a_chunked_body_without_a_length_is_cut_at_the_limit(receiver: Receiver) -> None:
    chunk = b"fff\r\n" + b"x" * 0xFFF + b"\r\n"
    answer = receiver.raw(head(SIGNED, "Transfer-Encoding: chunked"), then=chunk * 40)
    assert answer == b"" or answer.split()[1] == b"413"
    assert receiver.plane.deliveries.list() == []
    assert receiver.counted().get("too_large") == 1.0


def test_a_body_without_end_is_cut_off_long_before_it_fills_the_memory(receiver: Receiver) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(head(SIGNED, "Transfer-Encoding: chunked"))
        try:
            while sent < ENDLESS:
                connection.sendall(piece)
                sent += len(piece)
        except ConnectionError:
            pass
    assert sent < ENDLESS, "a hundred megabytes were taken"
    assert receiver.plane.deliveries.list() == []
    assert receiver.counted() == {"too_large": 1.0}
    assert receiver.post(b"{}") == 200, "what was cut off holds no room any more"


def test_a_body_that_never_ends_is_given_up(receiver: Receiver) -> None:
    answer = receiver.raw(head(SIGNED, "Content-Length: 1000"), then=b"[")
    assert answer.split()[1] == b"408"
    assert receiver.plane.deliveries.list() == []


def test_a_body_that_is_cut_off_is_not_stored(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as connection:
        connection.sendall(head(SIGNED, "Content-Length: 1000") + b"[")
    assert receiver.post(b"{}") == 200
    assert [each.body for each in receiver.plane.deliveries.list()] == [b"{}"]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        head(SIGNED, "Content-Length: -1"),
        head(SIGNED, "Content-Length: abc"),
        head(SIGNED, "Content-Length: 99999999999999999999999999"),
        head(SIGNED, "Transfer-Encoding: chunked") + b"zzz\r\n",
        b"POST /api/v1/webhooks/qbo HTTP/9.9\r\n\r\n",
        head("X-Long: " + "a" * 200_000),
    ],
)
def test_broken_requests_break_nothing(receiver: Receiver, request_: bytes) -> None:
    answer = receiver.raw(request_)
    assert answer == b"" or answer.split()[1][:1] == b"4"
    assert receiver.post(b"{}") == 200


def test_a_client_that_keeps_failing_is_slowed_down(hooked: Settings, plane: ControlPlane) -> None:
    clock = FakeClock()
    with receiving(hooked, plane, clock=clock) as receiver:
        statuses = [receiver.post(b"{}", signature="garbage") for _ in range(110)]
        assert statuses[:100] == [401] * 100
        assert set(statuses[100:]) == {429}
        clock.advance(60)
        assert receiver.post(b"{}") == 200


def test_addresses_have_buckets_of_their_own_and_few_are_remembered() -> None:
    clock = FakeClock()
    rates = ClientRates(per_second=1, burst=2, clock=clock, most=3)
    for _ in range(2):
        assert rates.wait_seconds("a") == 0
        rates.spend("a")
    assert rates.wait_seconds("a") == 1.0
    assert rates.wait_seconds("b") == 0
    clock.advance(0.5)
    assert rates.wait_seconds("a") == 0.5
    for each in "bcd":
        rates.spend(each)
    assert rates.wait_seconds("a") == 0, "the oldest address was forgotten"


def test_megabytes_are_accepted_and_thirty_are_not(hooked: Settings, plane: ControlPlane) -> None:
    assert 4 * 1024 * 1024 < MAX_BYTES < 10 * 1024 * 1024
    with receiving(hooked, plane) as receiver:
        big = cloud_events([Change(id=str(each)) for each in range(1, 8001)])
        assert len(big) > 2_000_000
        assert receiver.post(big) == 200
        assert receiver.raw(head(SIGNED, "Content-Length: 31457280")).split()[1] == b"413"
        assert receiver.plane.deliveries.list()[0].events == 8000
