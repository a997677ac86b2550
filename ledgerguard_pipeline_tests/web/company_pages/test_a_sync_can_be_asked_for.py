from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import time_machine

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge

PAGE = f"/companies/{realm(0)}"
ACTION = f"{PAGE}/sync"


def opened(edge: Edge) -> tuple[Browser, str]:
    """A browser that opened the company, and the token of its form."""
    browser = Browser(create_app(edge))
    found = re.search(
        rf'action="{ACTION}">\s*<input type="hidden" name="form_token" value="([^"]+)"',
        browser.get(PAGE).text,
    )
    assert found
    return browser, found[1]


@pytest.mark.parametrize("entity", ["", "Invoice"])
def test_one_press_asks_for_everything_or_for_one_type(edge: Edge, entity: str) -> None:
    add(edge.control)
    browser, token = opened(edge)
    assert 'name="entity" value="Invoice"' in browser.get(PAGE).text

    answer = browser.post(ACTION, {"form_token": token, "entity": entity})

    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert edge.control.sync_requests.read()[realm(0)].entity == entity
    after = browser.get(PAGE).text
    assert f"A sync{' of Invoice' if entity else ''} was asked for" in after
    assert 'http-equiv="refresh"' in after, "the page shows by itself what comes of it"


def test_asking_again_at_once_is_refused_until_later(edge: Edge) -> None:
    add(edge.control)
    browser, token = opened(edge)
    browser.post(ACTION, {"form_token": token})
    again = browser.post(ACTION, {"form_token": token})
    assert again.status_code == 429
    assert 0 < int(again.headers["retry-after"]) <= 30


def test_only_a_form_of_this_page_is_believed(edge: Edge) -> None:
    add(edge.control)
    browser, token = opened(edge)
    stranger = Browser(create_app(edge))
    refused = [
        browser.post(ACTION, {"form_token": "x"}),
        stranger.post(ACTION, {"form_token": token}),
        browser.post(ACTION, {"form_token": token}, origin="https://evil.example"),
    ]
    assert [each.status_code for each in refused] == [403, 403, 403]
    assert edge.control.sync_requests.read() == {}


def test_what_cannot_be_synced_is_refused(edge: Edge) -> None:
    add(edge.control)
    browser, token = opened(edge)
    assert browser.post(ACTION, {"form_token": token, "entity": "Nonsense"}).status_code == 400
    edge.control.companies.set_status(realm(0), ConnectionStatus.NEEDS_REAUTH)
    assert browser.post(ACTION, {"form_token": token}).status_code == 409
    assert ACTION not in browser.get(PAGE).text
    assert edge.control.sync_requests.read() == {}


def test_an_event_leads_to_its_record_and_to_its_versions(edge: Edge) -> None:
    add(edge.control)
    edge.control.deliveries.accept([delivery([event("e1", realm=realm(0), object_id="4711")])])
    shown = Browser(create_app(edge)).get(PAGE).text
    assert "invoice%3FtxnId%3D4711" in shown
    assert "/assets/qbo/bronze/invoice" in shown


@pytest.mark.parametrize(
    "above,minutes,expected",
    [(20, 15, "14:00"), (20, 240, "14:00"), (0, 240, "16:00"), (0, 10, "13:50"), (0, 15, "14:00")],
)
def test_the_page_says_when_changes_are_read_next(
    edge: Edge, above: int, minutes: int, expected: str
) -> None:
    """By the schedule, or where companies are many by the next sweep."""
    chosen = {"ledgerguard_sweep_above": above, "ledgerguard_sweep_minutes": minutes}
    edge.settings = edge.settings.model_copy(update=chosen)
    with time_machine.travel(datetime(2026, 11, 30, 13, 46, tzinfo=UTC), tick=False):
        add(edge.control)
        shown = Browser(create_app(edge)).get(PAGE).text
    assert re.findall(r"reads changes at (\d\d:\d\d) UTC next", shown) == [expected]
