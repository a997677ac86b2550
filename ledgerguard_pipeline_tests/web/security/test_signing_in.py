from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.security.sign_in import local_address
from ledgerguard_pipeline_tests.web.browser import Browser, ask, hidden
from ledgerguard_pipeline_tests.web.conftest import Edge

TOKEN = "made-up-admin-token"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what these tests are about
BASE = "http://books.example.com"


@pytest.fixture
def app(edge: Edge) -> FastAPI:
    settings = edge.settings.model_copy(update={"ledgerguard_admin_token": SecretStr(TOKEN)})
    return create_app(replace(edge, settings=settings), host=EVERYWHERE)


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app, base=BASE)


def signed_in(browser: Browser, path: str = "/") -> httpx.Response:
    return browser.submit(browser.get(path), token=TOKEN)


def test_the_token_opens_the_page_that_was_wanted(browser: Browser) -> None:
    asked = browser.get("/?state=healthy")
    assert asked.status_code == 401
    assert "Admin token" in asked.text

    answer = browser.submit(asked, token=TOKEN)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/?state=healthy"
    assert browser.get("/").status_code == 200


def test_a_wrong_token_opens_nothing_and_is_not_shown_again(browser: Browser) -> None:
    answer = browser.submit(browser.get("/"), token="guessed-text")

    assert answer.status_code == 401
    assert "That is not the admin token." in answer.text
    assert "guessed-text" not in answer.text
    assert browser.get("/").status_code == 401


def test_guessing_is_slowed_down_even_for_the_right_token(app: FastAPI) -> None:
    browser = Browser(app, base=BASE, address="192.0.2.7")
    form = browser.get("/")
    statuses = [browser.submit(form, token=f"guess {n}").status_code for n in range(10)]
    assert statuses == [401] * 10

    refused = browser.submit(form, token=TOKEN)

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert browser.get("/metrics", authorization=f"Bearer {TOKEN}").status_code == 429
    # Somebody elsewhere does not pay for it.
    assert signed_in(Browser(app, base=BASE, address="192.0.2.8")).status_code == 303


def test_signing_in_starts_another_session_than_the_one_before(browser: Browser) -> None:
    browser.get("/")
    before = dict(browser.cookies)
    signed_in(browser)

    assert dict(browser.cookies) != before


def test_another_sites_form_signs_nobody_in(app: FastAPI, browser: Browser) -> None:
    stranger = Browser(app, base=BASE)
    theirs = hidden(stranger.get("/"))
    browser.get("/")

    answer = browser.post("/sign-in", {**theirs, "token": TOKEN})

    assert answer.status_code == 403
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "http://["}],
)
def test_what_the_browser_says_of_the_sender_is_believed(
    browser: Browser, headers: dict[str, str]
) -> None:
    fields = {**hidden(browser.get("/")), "token": TOKEN}

    assert browser.post("/sign-in", fields, **headers).status_code == 403


def test_signing_out_ends_it(browser: Browser) -> None:
    signed_in(browser)
    home = browser.get("/")
    assert "Sign out" in home.text

    answer = browser.submit(home)

    assert answer.status_code == 303
    assert browser.get("/").status_code == 401


def test_signing_out_needs_the_pages_own_form(browser: Browser) -> None:
    signed_in(browser)

    assert browser.post("/sign-out", {"form_token": "0" * 64}).status_code == 403
    assert browser.get("/").status_code == 200


def test_a_program_is_asked_for_a_bearer_token(app: FastAPI) -> None:
    answer = ask(app, "/api/v1/status", base=BASE)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == "error"
    allowed = ask(
        app, "/api/v1/status", base=BASE, headers={b"authorization": f"Bearer {TOKEN}".encode()}
    )
    assert allowed.status_code == 200


def test_the_landing_page_says_why_before_it_asks(browser: Browser) -> None:
    answer = browser.get("/api/v1/auth/disconnected?realmId=9341453474484455")

    assert answer.status_code == 401
    assert "disconnected in QuickBooks" in answer.text


@pytest.mark.parametrize(
    "body,kind,status",
    [
        (b"token=x", "text/plain", 415),
        (b"token=x&token=y", "application/x-www-form-urlencoded", 400),
        (b"\xff", "application/x-www-form-urlencoded", 400),
        (b"a=b&" * 40, "application/x-www-form-urlencoded", 400),
        (b"token=" + b"x" * 9000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_a_body_that_is_no_form_of_ours_is_refused(
    browser: Browser, body: bytes, kind: str, status: int
) -> None:
    answer = browser.send("/sign-in", body, kind)

    assert answer.status_code == status


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "evil",
        "/a\r\nset-cookie: x=1",
        "/ä",
        "/" + "x" * 600,
        "//[",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(wanted: str) -> None:
    assert local_address(wanted) == "/"


def test_a_page_of_this_server_is_where_it_goes_on() -> None:
    wanted = "/companies/9341453474484455?q=a%20b"

    assert local_address(wanted) == wanted


def test_on_this_machine_there_is_nothing_to_sign_in_to(edge: Edge) -> None:
    browser = Browser(create_app(edge))

    assert browser.get("/sign-in").headers["location"] == "/"
    assert "Sign out" not in browser.get("/").text
