from __future__ import annotations

import base64
import socket

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving
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
    "header",
    ["Forwarded: for=203.0.113.9", "Via: 1.1 edge", "X-Forwarded-For: 203.0.113.9",
     "X-Forwarded-Host: books.example.com", "X-Real-IP: 203.0.113.9"],
)  # fmt: skip
def test_a_proxy_that_hides_the_public_name_takes_the_token(edge: Edge, header: str) -> None:
    """Apache and tunnels that rewrite ``Host`` make every stranger look like this machine."""
    assert spoken(with_token(edge), header) == 401
    assert spoken(edge, header, f"Authorization: Bearer {TOKEN}") == 302
    assert spoken(edge, "X-Request-Id: 1") == 302, "no proxy"


def test_nginx_as_it_comes_takes_the_token(edge: Edge) -> None:
    """It puts its own target into ``Host``, adds no header, and speaks HTTP/1.0."""
    assert spoken(with_token(edge), "Connection: close", version="1.0") == 401
    assert spoken(edge, f"Authorization: Bearer {TOKEN}", version="1.0") == 302


def spoken(edge: Edge, *headers: str, version: str = "1.1") -> int:
    """The status of an answer to a loopback name, over a socket."""
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with serving(create_app(edge), sockets), socket.create_connection(("127.0.0.1", port)) as link:
        lines = [f"GET {CONNECT} HTTP/{version}", f"Host: 127.0.0.1:{port}", *headers, "", ""]
        link.sendall("\r\n".join(lines).encode())
        status = int(link.makefile("rb").readline().split()[1])
    for each in sockets:
        each.close()
    return status


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
