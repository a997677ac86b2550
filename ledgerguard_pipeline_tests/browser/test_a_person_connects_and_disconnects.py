"""A real browser against the real server: nothing here is called directly."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.browser.conftest import Edge, Window

pytestmark = pytest.mark.browser

_MOST_TABS = 60


def tab_to(page: Page, words: str) -> None:
    """Reach something by the keyboard alone, as its focus shows."""
    focused = page.locator(":focus")
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if focused.count() and words in (focused.inner_text() or ""):
            outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none", f"{words}: the focus cannot be seen"
            return
    raise AssertionError(f"{words!r} cannot be reached by the keyboard")


def status(edge: Edge) -> ConnectionStatus:
    return edge.installation.control.companies.require(RealmId(edge.sandbox.realm_id)).status


def consent_by_keyboard(page: Page) -> None:
    expect(page.get_by_role("heading", name="Connect an app to QuickBooks")).to_be_visible()
    button = page.get_by_role("button", name="Connect", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="is connected")).to_be_visible()


def test_connect_consent_page_disconnect_and_back_by_keyboard_alone(
    edge: Edge, window: Window
) -> None:
    page = window.open(edge.url)
    window.shoot(page, "1-nothing-connected")
    tab_to(page, "Connect to QuickBooks")
    page.keyboard.press("Enter")
    consent_by_keyboard(page)
    window.shoot(page, "2-connected")
    assert status(edge) is ConnectionStatus.CONNECTED

    tab_to(page, "All companies")
    page.keyboard.press("Enter")
    name = edge.installation.control.companies.require(RealmId(edge.sandbox.realm_id)).name
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    window.shoot(page, "3-companies")
    tab_to(page, "Stop that")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Follow syncs while they run")).to_be_visible()
    tab_to(page, "Freshness of")
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Entity type")).to_be_visible()

    tab_to(page, "Disconnect")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Disconnect {name}?")).to_be_visible()
    window.shoot(page, "4-confirmation")
    tab_to(page, "Keep it connected")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    assert status(edge) is ConnectionStatus.CONNECTED

    page.go_back()
    tab_to(page, "Disconnect")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It was disconnected on purpose")).to_be_visible()
    window.shoot(page, "5-disconnected")
    assert status(edge) is ConnectionStatus.DISCONNECTED

    tab_to(page, "Connect again")
    page.keyboard.press("Enter")
    consent_by_keyboard(page)
    assert status(edge) is ConnectionStatus.CONNECTED
    here = (edge.url, edge.sandbox.base_url)
    assert all(request.startswith(here) for request in window.requests)


def test_everything_works_without_scripts(edge: Edge, window: Window) -> None:
    page = window.open(edge.url, scripts=False)
    page.get_by_role("link", name="Connect to QuickBooks").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("link", name="All companies").click()
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name="Disconnect").click()

    expect(page.get_by_text("It was disconnected on purpose")).to_be_visible()
    assert status(edge) is ConnectionStatus.DISCONNECTED


def test_saying_no_at_intuit_leads_back_here(edge: Edge, window: Window) -> None:
    page = window.open(edge.url)
    page.get_by_role("link", name="Connect to QuickBooks").click()
    page.get_by_role("button", name="No, thanks").click()

    expect(page.get_by_text("Nothing was stored.")).to_be_visible()
    assert edge.installation.control.companies.list() == []


def test_a_consent_begun_in_one_browser_cannot_be_completed_in_another(
    edge: Edge, window: Window
) -> None:
    link = edge.installation.connector.begin(session="of-another-browser")
    page = window.open(f"{edge.url}/")
    page.goto(edge.sandbox.consent(link))

    expect(page.get_by_text("Nothing was stored.")).to_be_visible()
    assert edge.installation.control.companies.list() == []
