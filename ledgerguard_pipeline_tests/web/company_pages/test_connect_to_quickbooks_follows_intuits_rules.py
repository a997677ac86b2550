"""Connect to QuickBooks is for those who have not connected, with Intuit's picture as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import tokens
from ledgerguard_pipeline.errors import AccessDenied, ConfigurationError
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.health.rules import ReasonKind
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.paths import CONNECT_PATH
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add
from ledgerguard_pipeline_tests.web.conftest import Edge

BASE = b'<svg xmlns="http://www.w3.org/2000/svg"><title>base</title></svg>'
OVER = b'<svg xmlns="http://www.w3.org/2000/svg"><title>over</title></svg>'


@pytest.fixture
def pictures(edge: Edge, tmp_path: Path) -> Edge:
    """An edge whose operator downloaded Intuit's pictures."""
    file = tmp_path / "C2QB_green_btn_med_default.svg"
    file.write_bytes(BASE)
    file.with_name("C2QB_green_btn_med_hover.svg").write_bytes(OVER)
    settings = edge.settings.model_copy(update={"ledgerguard_connect_button": file})
    return replace(edge, settings=settings)


def links(html: str) -> list[str]:
    """What leads to Intuit's consent, as HTML."""
    return re.findall(rf'<a [^>]*href="{re.escape(CONNECT_PATH)}"[^>]*>.*?</a>', html, re.DOTALL)


def test_it_is_shown_where_nobody_has_connected_and_not_where_somebody_has(edge: Edge) -> None:
    browser = Browser(create_app(edge))
    (link,) = links(browser.get("/").text)
    assert "Connect to QuickBooks" in link

    realm = add(edge.control)
    overview, company = browser.get("/").text, browser.get(f"/companies/{realm}").text
    (other,) = links(overview)
    assert "Connect another company" in other
    for page in (overview, company):
        assert "Connect to QuickBooks" not in page
        assert f"/companies/{realm}/disconnect" in page
    assert links(company) == []


def test_a_company_that_has_to_be_connected_again_has_it(pictures: Edge) -> None:
    realm = add(pictures.control, name="Acme & Sons", status=ConnectionStatus.NEEDS_REAUTH)
    page = Browser(create_app(pictures)).get(f"/companies/{realm}").text
    (link,) = links(page)
    assert 'alt="Connect to QuickBooks again: Acme &amp; Sons"' in link
    assert f"/companies/{realm}/disconnect" in page, "its tokens are still stored"


Trouble = Callable[[ControlPlane, RealmId], None]


def without_tokens(control: ControlPlane, realm: RealmId) -> None:
    control.tokens.forget(realm)


def ending_in(days: int) -> Trouble:
    def trouble(control: ControlPlane, realm: RealmId) -> None:
        stored = control.tokens.load(realm)
        assert stored is not None
        end = control.now() + timedelta(days=days)
        ended = replace(stored, refresh_expires_at=end, hard_expires_at=end)
        control.tokens.replace(realm, ended, stored.version)

    return trouble


def without_its_key(control: ControlPlane, realm: RealmId) -> None:
    with control.database.write("test") as connection:
        sealed = connection.execute(select(tokens.c.refresh_token)).scalar_one()
        form, _, rest = sealed.split(".", 2)
        connection.execute(update(tokens).values(refresh_token=f"{form}.deadbeef0000.{rest}"))


def without_access(control: ControlPlane, realm: RealmId) -> None:
    denied = AccessDenied("The app has no access to this company.", realm_id=realm)
    control.companies.stumble(realm, Failure.of(denied))


def in_doubt(control: ControlPlane, realm: RealmId) -> None:
    control.sync_states.doubts.found(realm, ["Invoice"])


@pytest.mark.parametrize(
    "trouble,says",
    [
        (without_tokens, ReasonKind.NO_TOKENS),
        (ending_in(-1), ReasonKind.GRANT_ENDED),
        (ending_in(2), ReasonKind.GRANT_ENDS),
        (without_its_key, ReasonKind.KEY_MISSING),
        (without_access, ReasonKind.ACCESS_DENIED),
        (in_doubt, ReasonKind.RIGHTS_IN_DOUBT),
    ],
)
def test_whatever_asks_for_a_new_consent_has_a_link_to_it(
    pictures: Edge, trouble: Trouble, says: ReasonKind
) -> None:
    """Nobody noted that it is not connected any more, and perhaps it is: no picture of Intuit's."""
    realm = add(pictures.control)
    trouble(pictures.control, realm)
    page = Browser(create_app(pictures)).get(f"/companies/{realm}").text
    assert says.runbook in page
    (link,) = links(page)
    assert "Connect again" in link
    assert "<img" not in link
    assert f"/companies/{realm}/disconnect" in page


def test_one_that_was_disconnected_cannot_be_disconnected_again(edge: Edge) -> None:
    realm = add(edge.control, status=ConnectionStatus.DISCONNECTED)
    page = Browser(create_app(edge)).get(f"/companies/{realm}").text
    assert len(links(page)) == 1
    assert f"/companies/{realm}/disconnect" not in page


def test_intuits_picture_is_served_unchanged_in_both_its_states(pictures: Edge) -> None:
    browser = Browser(create_app(pictures))
    (link,) = links(browser.get("/").text)
    base, over = re.findall(r'src="([^"]+)"', link)
    for path, content in ((base, BASE), (over, OVER)):
        answer = browser.get(path)
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"width=|height=|style=", link)


def test_a_picture_without_a_hover_state_is_shown_alone(edge: Edge, tmp_path: Path) -> None:
    file = tmp_path / "button.PNG"
    file.write_bytes(b"\x89PNG")
    settings = edge.settings.model_copy(update={"ledgerguard_connect_button": file})
    browser = Browser(create_app(replace(edge, settings=settings)))
    (link,) = links(browser.get("/").text)
    (path,) = re.findall(r'src="([^"]+)"', link)
    assert browser.get(path).headers["content-type"] == "image/png"
    assert browser.get(f"{path}-hover").status_code == 404


def test_a_picture_that_cannot_be_shown_is_refused_by_its_setting(
    edge: Edge, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_CONNECT_BUTTON"):
        load_settings(ledgerguard_connect_button=tmp_path / "button.html")
    settings = edge.settings.model_copy(update={"ledgerguard_connect_button": tmp_path / "no.svg"})
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_CONNECT_BUTTON"):
        create_app(replace(edge, settings=settings))


def test_every_page_says_quickbooks_and_intuit_in_full(edge: Edge) -> None:
    add(edge.control)
    browser = Browser(create_app(edge))
    pages = "".join(browser.get(path).text for path in ("/", "/companies/9341453474484455"))
    words = set(re.findall(r"\b(?:quick ?books|intuit|qbo?)\b", pages, re.IGNORECASE))
    assert words <= {"QuickBooks", "Intuit", "qbo"}, words
    assert not re.search(r">[^<]*\bqbo\b[^<]*<", pages), "only addresses may have it"
