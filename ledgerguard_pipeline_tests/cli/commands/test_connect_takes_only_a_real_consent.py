from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, finish, start

DIRECT = build_opener(ProxyHandler({}))


@pytest.fixture
def ready(callback_port: int, settings: Settings) -> int:
    """Everything set up to connect; the port the callback will be served on."""
    return callback_port


def visit(url: str) -> tuple[int, str]:
    try:
        with DIRECT.open(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def first_line(process: subprocess.Popen[str], *, stderr: bool = False) -> str:
    stream = process.stderr if stderr else process.stdout
    assert stream is not None
    return stream.readline()


def stored_companies() -> list[str]:
    with ControlPlane.open(load_settings()) as control:
        return [company.realm_id for company in control.companies.list()]


def test_consent_connects_the_company(ready: int, sandbox: SandboxServer) -> None:
    process = start("connect", "--no-browser", "--json")
    link = first_line(process, stderr=True).strip()

    status, page = visit(sandbox.consent(link))
    outcome = finish(process)

    assert status == 200
    assert "is connected" in page
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out) == {  # one document; the link stands on stderr
        "realm_id": sandbox.realm_id,
        "name": sandbox.companies()[0]["name"],
        "environment": "sandbox",
        "is_connected": True,
    }
    assert stored_companies() == [sandbox.realm_id]


@pytest.mark.parametrize("path", ["/api/v1/auth/callback/", "/back/", "/", ""])
def test_the_redirect_uri_goes_to_intuit_as_it_is_registered(
    ready: int, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Intuit compares it with the app's list, a slash at its end included."""
    registered = f"http://localhost:{ready}{path}"
    monkeypatch.setenv("INTUIT_REDIRECT_URI", registered)
    monkeypatch.setattr(sandbox.world, "redirect_uris", frozenset({registered}))
    process = start("connect", "--no-browser")
    link = first_line(process).strip()

    assert parse_qs(urlsplit(link).query)["redirect_uri"] == [registered]
    assert visit(sandbox.consent(link))[0] == 200
    assert finish(process).code == 0
    assert stored_companies() == [sandbox.realm_id]


def test_the_link_is_the_first_line_for_people_too(ready: int, sandbox: SandboxServer) -> None:
    process = start("connect", "--no-browser")
    link = first_line(process).strip()

    assert parse_qs(urlsplit(link).query)["response_type"] == ["code"]
    visit(sandbox.consent(link))
    assert finish(process).code == 0


def _denied(sandbox: SandboxServer, link: str) -> str:
    return sandbox.consent(link, allow=False)


def _forged(sandbox: SandboxServer, link: str) -> str:
    state = parse_qs(urlsplit(link).query)["state"][0]
    return sandbox.consent(link).replace(state, "A" * len(state))


def _without_state(sandbox: SandboxServer, link: str) -> str:
    return sandbox.consent(link).partition("?")[0] + "?code=x&realmId=9341453474484455"


def _made_up_code(sandbox: SandboxServer, link: str) -> str:
    code = parse_qs(urlsplit(callback := sandbox.consent(link)).query)["code"][0]
    return callback.replace(code, "made-up-code")


def _other_company(sandbox: SandboxServer, link: str) -> str:
    return sandbox.consent(link).replace(sandbox.realm_id, "9999999999999999")


@pytest.mark.parametrize(
    "callback", [_denied, _forged, _without_state, _made_up_code, _other_company]
)
def test_any_other_callback_gets_a_4xx_page_and_stores_nothing(
    ready: int, sandbox: SandboxServer, callback: Callable[[SandboxServer, str], str]
) -> None:
    process = start("connect", "--no-browser")

    status, page = visit(callback(sandbox, first_line(process).strip()))
    outcome = finish(process)

    assert 400 <= status < 500
    assert "Nothing was stored" in page
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("ledgerguard: ")
    assert "Traceback" not in outcome.err
    assert stored_companies() == []


def test_a_wrong_client_secret_is_named_and_stores_nothing(
    ready: int, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "not-the-secret")
    process = start("connect", "--no-browser")

    status, page = visit(sandbox.consent(first_line(process).strip()))
    outcome = finish(process)

    assert 400 <= status < 500
    assert outcome.code == 2
    assert "INTUIT_CLIENT_SECRET" in outcome.err
    assert "not-the-secret" not in outcome.err + outcome.out + page
    assert stored_companies() == []


def test_waiting_ends(ready: int, ledgerguard: Ledgerguard) -> None:
    outcome = ledgerguard("connect", "--no-browser", "--timeout", "1")

    assert outcome.code == 2
    assert "No consent arrived within 1 seconds" in outcome.err
    assert stored_companies() == []


def test_a_taken_callback_port_is_reported_before_a_link_is_shown(
    ready: int, ledgerguard: Ledgerguard, home: Path
) -> None:
    from ledgerguard_pipeline.web.serving import listen

    sockets = listen("localhost", ready)
    try:
        outcome = ledgerguard("connect", "--no-browser")
    finally:
        for each in sockets:
            each.close()

    assert outcome.code == 2
    assert outcome.out == ""
    assert f"Port {ready}" in outcome.err
    assert not home.exists()


def test_a_redirect_to_another_machine_is_not_waited_for(
    ready: int, ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("INTUIT_REDIRECT_URI", "https://books.example.com/callback")

    outcome = ledgerguard("connect", "--no-browser")

    assert outcome.code == 2
    assert "`ledgerguard web`" in outcome.err
    assert not home.exists()
