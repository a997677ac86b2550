from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.conftest import Edge

CONNECT = "/api/v1/auth/connect"
TOKEN = "made-up-admin-token"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what these tests are about


def with_token(edge: Edge) -> Edge:
    edge.settings = edge.settings.model_copy(update={"ledgerguard_admin_token": SecretStr(TOKEN)})
    return edge


def asked(
    edge: Edge, *, bind: str, base: str, path: str = CONNECT, credentials: str | None = None
) -> int:
    headers = {} if credentials is None else {b"authorization": credentials.encode("latin-1")}
    return ask(create_app(edge, host=bind), path, base=base, headers=headers).status_code


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.5", "books.example.com"])
def test_listening_beyond_loopback_without_a_token_is_refused(edge: Edge, host: str) -> None:
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_ADMIN_TOKEN"):
        create_app(edge, host=host)


@pytest.mark.parametrize("base", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000"])
def test_on_this_machine_no_token_is_needed(edge: Edge, base: str) -> None:
    assert asked(edge, bind="127.0.0.1", base=base) == 302


def test_a_foreign_name_for_a_loopback_server_is_refused(edge: Edge) -> None:
    """A page anywhere can make a browser resolve its own name to 127.0.0.1."""
    assert asked(edge, bind="127.0.0.1", base="http://evil.example") == 403


def test_a_proxied_server_takes_the_token(edge: Edge) -> None:
    edge = with_token(edge)
    base = "https://books.example.com"

    assert asked(edge, bind="127.0.0.1", base=base) == 401
    assert asked(edge, bind="127.0.0.1", base=base, credentials=f"Bearer {TOKEN}") == 302


@pytest.mark.parametrize(
    "credentials,status",
    [
        (f"Bearer {TOKEN}", 302),
        (basic(TOKEN), 302),
        (f"Bearer {TOKEN}x", 401),
        (basic("wrong"), 401),
        ("Basic not-base64!", 401),
        ("Bearer ", 401),
        (TOKEN, 401),
        ("Bearer \xe4\xf6", 401),
    ],
)
def test_beyond_loopback_only_the_token_opens(edge: Edge, credentials: str, status: int) -> None:
    given = asked(
        with_token(edge), bind=EVERYWHERE, base="http://localhost", credentials=credentials
    )

    assert given == status


@pytest.mark.parametrize(
    "path,status",
    [("/healthz", 200), ("/readyz", 200), ("/api/v1/auth/callback", 400), ("/sign-in", 200)],
)
def test_health_and_callback_stay_open(edge: Edge, path: str, status: int) -> None:
    base = "http://books.example.com"

    assert asked(with_token(edge), bind=EVERYWHERE, base=base, path=path) == status


def test_an_admin_token_that_can_be_guessed_is_refused_beyond_loopback(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(update={"ledgerguard_admin_token": SecretStr("short")})

    with pytest.raises(ConfigurationError, match="nobody can guess"):
        create_app(edge, host=EVERYWHERE)
