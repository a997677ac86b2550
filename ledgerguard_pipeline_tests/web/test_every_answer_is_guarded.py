from __future__ import annotations

from dataclasses import replace

import pytest

from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.conftest import Edge

PATHS = ("/healthz", "/api/v1/auth/connect", "/api/v1/auth/callback", "/nowhere", "/docs")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("base", ["http://localhost", "http://evil.example"])
def test_security_headers_are_on_every_answer(edge: Edge, path: str, base: str) -> None:
    headers = ask(create_app(edge), path, base=base).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


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


PUBLIC = "https://books.example.com"


def public(edge: Edge) -> Edge:
    changed = {"intuit_redirect_uri": f"{PUBLIC}/api/v1/auth/callback"}
    return replace(edge, settings=edge.settings.model_copy(update=changed))


@pytest.mark.parametrize("base", [PUBLIC, "http://books.example.com"])
def test_https_is_remembered_where_it_is_used(edge: Edge, base: str) -> None:
    """A proxy that ends https may pass requests on as http, under the public name."""
    headers = ask(create_app(public(edge)), "/healthz", base=base).headers

    assert headers["strict-transport-security"].startswith("max-age=")


def test_http_on_this_machine_is_never_told_to_use_https(edge: Edge) -> None:
    headers = ask(create_app(public(edge)), "/healthz", base="http://localhost").headers

    assert "strict-transport-security" not in headers
