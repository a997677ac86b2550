"""The page as it is seen: light and dark, on a phone, by those who do not see it well."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.change_events import Unreadable
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline_tests.browser.accessibility import broken_words, findings, weak_contrasts
from ledgerguard_pipeline_tests.browser.conftest import Edge, Window
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.web import made_up_books
from ledgerguard_pipeline_tests.web.companies import add, realm

pytestmark = pytest.mark.browser

LONG = "Unpronounceable" * 6
PHONE = (320, 640)
PATHS = {
    "companies": "/",
    "second-page": "/?page=2",
    "nothing-found": "/?q=nobody",
    "company": f"/companies/{realm(1)}",
    "red-books": f"/companies/{realm(0)}",
    "green-books": f"/companies/{realm(3)}",
    "refused-books": f"/companies/{realm(4)}",
    "gone": f"/companies/{realm(2)}",
    "confirmation": f"/companies/{realm(1)}/disconnect",
    "not-found": "/nowhere",
    "landing": "/api/v1/auth/disconnected",
}


def fill(plane: ControlPlane) -> None:
    """Every state, reason and section a page can show, with words that are hard to place."""
    add(plane, 0, name="Craig's Design & Landscaping")
    failed = {"Invoice": f"Intuit gave no usable answer; {LONG}.", "RecurringTransaction": "No."}
    add(plane, 1, name=f"Müller {LONG}", failed=failed, rows=1_234_567)
    dead = ConnectionStatus.NEEDS_REAUTH
    add(plane, 2, name="O'Hara Coffee", status=dead, error="Connect it with `ledgerguard connect`.")
    for index in range(3, 24):
        add(plane, index, synced=index % 2 == 0)
    plane.tie_outs.compared(realm(0), made_up_books.broken(plane.now()))
    plane.tie_outs.compared(realm(3), made_up_books.tied_out(plane.now()))
    plane.tie_outs.compared(realm(4), made_up_books.not_compared(plane.now(), LONG))
    plane.calls.record(realm(0), entity="Invoice", purpose="sync", status=200, metered=430_000)
    events = [event("e1", realm=realm(0)), event("e2", realm=realm(1), object_id=LONG[:60])]
    unreadable = [Unreadable(key="u" * 64, reason="no id", excerpt=LONG)]
    plane.deliveries.accept([delivery(events, unreadable)])


@pytest.fixture(params=["light", "dark", "phone"])
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_nobody_is_shut_out(edge: Edge, window: Window, look: str) -> None:
    fill(edge.installation.control)
    size = PHONE if look == "phone" else (1280, 900)
    page = window.open(edge.url, size=size, dark=look == "dark")
    problems: dict[str, list[str]] = {}
    for name, path in PATHS.items():
        page.goto(edge.url + path)
        # What is folded away has to hold as well.
        page.evaluate("() => document.querySelectorAll('details').forEach(e => e.open = true)")
        window.shoot(page, f"{look}-{name}")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        problems[name] = [
            *findings(page),
            *weak_contrasts(page),
            *broken_words(page),
            *([f"{wide} pixels too wide"] if wide > 0 else []),
        ]

    assert {name: found for name, found in problems.items() if found} == {}
    assert problems.keys() == PATHS.keys()


def test_dark_is_dark_and_light_is_light(edge: Edge, window: Window) -> None:
    grounds = [
        window.open(edge.url, dark=dark).evaluate("getComputedStyle(document.body).backgroundColor")
        for dark in (False, True)
    ]

    assert grounds[0] == "rgb(244, 246, 248)"
    assert grounds[1] == "rgb(15, 20, 26)"


def test_the_first_tab_leads_past_the_head(edge: Edge, window: Window) -> None:
    page = window.open(edge.url)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"

    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
