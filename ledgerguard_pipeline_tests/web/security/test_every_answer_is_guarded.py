from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import Browser, ask
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge

REALM = realm(0)
ELSEWHERE = ("/nowhere", "/docs", "/static/", "/static/../app.py", "/companies/x", "//", "/%00")
EXACT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
TOKEN = "made-up-admin-token"


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every route of the application, with a company filled in."""
    return [
        (method.upper(), path.replace("{realm}", REALM))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    ]


def scanned(app: FastAPI, base: str) -> dict[str, httpx.Response]:
    """An answer of every route by every method, and of addresses that are none."""
    asked = [*routes(app), *(("GET", path) for path in ELSEWHERE)]
    others = [(method, path) for _, path in routes(app) for method in ("HEAD", "OPTIONS", "PUT")]
    browser = Browser(app, base=base)
    found = {
        f"{method} {path} as a page": browser.ask(method, path) for method, path in asked + others
    }
    plain = {f"{method} {path}": ask(app, path, base=base, method=method) for method, path in asked}
    return found | plain


@pytest.mark.parametrize("base", ["http://localhost", "http://evil.example"])
@pytest.mark.parametrize("locked", [False, True])
def test_every_header_is_on_every_answer(edge: Edge, base: str, locked: bool) -> None:
    add(edge.control)
    if locked:
        edge.settings = edge.settings.model_copy(
            update={"ledgerguard_admin_token": SecretStr(TOKEN)}
        )
    app = create_app(edge)
    assert len(routes(app)) >= 18

    for asked, answer in scanned(app, base).items():
        headers = answer.headers
        assert {name: headers.get(name) for name in EXACT} == EXACT, asked
        parts = [part.split() for part in headers["content-security-policy"].split(";")]
        assert {part[0]: " ".join(part[1:]) for part in parts} == POLICY, asked
        assert "server" not in headers, asked
        assert "x-powered-by" not in headers, asked
        assert "access-control-allow-origin" not in headers, asked
        assert answer.status_code != 500, asked
        if "set-cookie" in headers:
            assert "HttpOnly; SameSite=Lax" in headers["set-cookie"], asked
        if answer.content:
            assert "charset=utf-8" in headers["content-type"] or headers["content-type"] in (
                "application/json", "image/svg+xml",
            ), asked  # fmt: skip


@pytest.mark.parametrize("base", ["http://localhost", "http://evil.example"])
def test_beyond_loopback_nothing_but_the_open_pages_is_served(edge: Edge, base: str) -> None:
    add(edge.control, name="Very Private Ltd")
    edge.settings = edge.settings.model_copy(update={"ledgerguard_admin_token": SecretStr(TOKEN)})
    app = create_app(edge, host="192.0.2.1")
    allowed = {
        "GET /healthz", "GET /readyz", "GET /sign-in", "POST /sign-in",
        "GET /api/v1/auth/callback", "POST /api/v1/webhooks/qbo",
        "GET /static/ledgerguard.css", "GET /static/icon.svg",
    }  # fmt: skip

    for asked, answer in scanned(app, base).items():
        assert "Very Private" not in answer.text, asked
        method, path = asked.split()[:2]
        if f"{method} {path}" not in allowed and method in ("GET", "POST"):
            assert answer.status_code == 401, asked


@pytest.mark.parametrize("path", ["/", "/companies/9341453474484455", "/sign-in", "/nowhere"])
def test_pages_load_nothing_from_elsewhere_and_run_nothing(edge: Edge, path: str) -> None:
    add(edge.control)
    page = Browser(create_app(edge)).get(path).text

    loaded = re.findall(r"<(?:link|img)[^>]+(?:href|src)=\"([^\"]+)\"", page)
    assert all(each.startswith("/static/") for each in loaded)
    assert not re.search(r"<script|<style|<iframe|\sstyle=|\son[a-z]+=|javascript:", page)


def test_there_are_no_interactive_api_pages(edge: Edge) -> None:
    app = create_app(edge)

    assert {ask(app, path).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_oauth_routes_are_read_with_get_only(edge: Edge, method: str) -> None:
    app = create_app(edge)

    assert ask(app, "/api/v1/auth/callback", method=method).status_code == 405


def test_health_says_nothing_about_companies(edge: Edge) -> None:
    app = create_app(edge)

    assert ask(app, "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_for_the_head_alone(edge: Edge, path: str) -> None:
    """Monitors do by default (RFC 9110, 9.3.2), and would call the server down."""
    answer = ask(create_app(edge), path, method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")
    edge.control.close()


PUBLIC = "https://books.example.com"


def public(edge: Edge) -> Edge:
    changed = {"intuit_redirect_uri": f"{PUBLIC}/api/v1/auth/callback"}
    return replace(edge, settings=edge.settings.model_copy(update=changed))


@pytest.mark.parametrize("base", [PUBLIC, "http://books.example.com"])
def test_https_is_remembered_where_it_is_used(edge: Edge, base: str) -> None:
    """A proxy that ends https may pass requests on as http, under the public name."""
    headers = ask(create_app(public(edge)), "/healthz", base=base).headers

    assert headers["strict-transport-security"].startswith("max-age=")


def test_http_on_this_machine_is_never_asked_to_use_https(edge: Edge) -> None:
    headers = ask(create_app(public(edge)), "/healthz", base="http://localhost").headers

    assert "strict-transport-security" not in headers
