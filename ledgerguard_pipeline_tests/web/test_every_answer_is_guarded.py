from __future__ import annotations

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


def test_https_is_remembered_where_the_callback_uses_it(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(
        update={"intuit_redirect_uri": "https://books.example.com/api/v1/auth/callback"}
    )
    app = create_app(edge)

    assert ask(app, "/healthz").headers["strict-transport-security"].startswith("max-age=")
