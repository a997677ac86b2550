from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledgerguard_pipeline.change_events import Unreadable
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.webhooks.parse import parse
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import (
    OTHER_REALM,
    REALM,
    connect,
    delivery,
    event,
    queue,
)


@pytest.fixture
def plane(home: Path) -> Iterator[ControlPlane]:
    with ControlPlane.open(load_settings()) as opened:
        yield opened


def document(text: str) -> dict[str, Any]:
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


def test_events_are_listed_newest_first_with_the_state_of_the_queue(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    queue(plane, "a", "b")
    queue(plane, "c", realm=OTHER_REALM)
    said = document(ledgerguard("events", "list", "--json").out)
    assert (said["queue_depth"], said["counts"]) == (3, {"pending": 3})
    assert [each["event_id"] for each in said["events"]] == ["c", "b", "a"]
    assert said["events"][0]["realm_id"] == OTHER_REALM
    assert said["events"][0]["received_at"].endswith("Z")
    only = document(ledgerguard("events", "list", "--json", "--company", REALM, "--limit", "1").out)
    assert [each["event_id"] for each in only["events"]] == ["b"]
    reported = ledgerguard("events", "list")
    assert reported.code == 0
    assert "3 pending" in reported.out
    assert "Invoice" in reported.out


def test_parked_events_are_queued_again_on_command(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    queue(plane, "a", "b")
    numbers = [str(each.seq) for each in plane.inbox.list()]
    parked = ledgerguard("events", "park", *numbers, "999999", "--reason", "a look", "--json")
    assert document(parked.out) == {"parked": 2}
    (first, _) = document(ledgerguard("events", "list", "--status", "parked", "--json").out)[
        "events"
    ]
    assert first["reason"] == "parked: a look"
    assert document(ledgerguard("events", "redrive", numbers[0], "--json").out) == {"redriven": 1}
    assert document(ledgerguard("events", "redrive", "--json").out) == {"redriven": 1}
    assert plane.inbox.backlog().by_status == {EventStatus.PENDING: 2}
    assert ledgerguard("events", "redrive").out == "0 events are queued again.\n"
    assert "The others were not parked" in ledgerguard("events", "redrive", numbers[0]).out


def test_unreadable_parts_are_still_found_by_the_numbers_that_were_named(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    queue(plane, "later")
    raw = json.dumps(["first", "second", "third"]).encode()
    plane.deliveries.accept([delivery([], parse(raw).unreadable, body=raw)])
    queue(plane, "last")
    numbers = sorted(each.seq for each in plane.inbox.list(status=EventStatus.PARKED))
    first, second, third = map(str, numbers)
    said = ledgerguard("events", "redrive", first, second).out
    assert said.startswith("0 events are queued again.\n2 cannot be read by this version either")
    assert "not parked" not in said
    assert ledgerguard("events", "dismiss", first, second).out.startswith("2 of 2 events")
    assert "2 cannot" not in ledgerguard("events", "redrive", third).out
    counts = document(ledgerguard("events", "list", "--json").out)["counts"]
    assert counts == {"pending": 2, "ignored": 2, "parked": 1}


def test_a_part_that_says_nothing_new_is_not_called_one_that_was_not_parked(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    """An older version could not read it; meanwhile Intuit sent the event once more."""
    sent = {
        "id": "1", "source": "x", "type": "qbo.invoice.updated.v1", "intuitentityid": "12",
        "intuitaccountid": REALM, "time": "2026-11-20T10:00:00Z",
    }  # fmt: skip
    raw = json.dumps([sent]).encode()
    queue(plane, "other")
    junk = Unreadable("f" * 64, "its type is unknown", "x")
    plane.deliveries.accept([delivery([], [junk], raw), delivery(parse(raw).events)])
    (parked,) = plane.inbox.list(status=EventStatus.PARKED)
    said = ledgerguard("events", "redrive", str(parked.seq)).out
    assert said.startswith("0 events are queued again.\n1 part can be read now;")
    assert "not parked" not in said


def test_ignored_events_are_queued_only_when_asked_for(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    plane.deliveries.accept([delivery([event("stray")])])
    assert document(ledgerguard("events", "redrive", "--json").out) == {"redriven": 0}
    (stray,) = plane.inbox.list()
    said = ledgerguard("events", "redrive", "--ignored", str(stray.seq))
    assert said.out.startswith(
        "0 events are queued again.\n1 event of companies that are not connected would wait in vain"
    )
    assert "not ignored" not in said.out
    connect(plane)
    said = ledgerguard("events", "redrive", "--ignored", "--company", REALM, "--json")
    assert document(said.out) == {"redriven": 1}


def test_deliveries_are_an_audit_that_can_be_exported(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    junk = Unreadable("f" * 64, "no JSON", "x")
    plane.deliveries.accept([delivery([], [junk], body=b"\xff\x00")])
    queue(plane, "a")
    whole = document(ledgerguard("events", "deliveries", "--json", "--bodies").out)["deliveries"]
    assert len(whole) == 2
    (bad,) = document(
        ledgerguard("events", "deliveries", "--outcome", "quarantined", "--json", "--bodies").out
    )["deliveries"]
    assert base64.b64decode(bad["body"]) == b"\xff\x00"
    assert bad["headers"] == {"intuit-t-id": "t-1"}
    shown = document(ledgerguard("events", "deliveries", "--json").out)["deliveries"]
    assert all("body" not in each for each in shown)
    assert "quarantined" in ledgerguard("events", "deliveries").out


def test_looking_creates_nothing(ledgerguard: Ledgerguard, home: Path) -> None:
    said = document(ledgerguard("events", "list", "--json").out)
    assert said == {"queue_depth": 0, "queue_age_seconds": 0.0, "counts": {}, "events": []}
    assert document(ledgerguard("events", "deliveries", "--json").out) == {"deliveries": []}
    assert ledgerguard("events", "list").code == 0
    assert not home.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--status", "lost"),
        ("list", "--company", "x"),
        ("deliveries", "--outcome", "eaten"),
        ("park",),
        ("park", "one"),
        ("redrive",),
    ],
)
def test_bad_input_is_refused_and_creates_nothing(
    ledgerguard: Ledgerguard, home: Path, arguments: tuple[str, ...]
) -> None:
    assert ledgerguard("events", *arguments).code == 2
    assert not home.exists()


def test_what_an_event_says_cannot_steer_the_terminal(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    queue(plane, "a")
    (queued,) = plane.inbox.list()
    plane.inbox.park([queued.seq], "[red]\x1b]0;title\x07")
    assert "\x1b" not in ledgerguard("events", "list").out


def test_the_status_tells_depth_and_age_of_the_queue(
    ledgerguard: Ledgerguard, plane: ControlPlane
) -> None:
    queue(plane, "a", "b")
    (company,) = document(ledgerguard("status", "--json").out)["companies"]
    assert company["webhook_queue_depth"] == 2
    assert company["webhook_queue_age_seconds"] >= 0
    assert "2 events waiting" in ledgerguard("status").out
