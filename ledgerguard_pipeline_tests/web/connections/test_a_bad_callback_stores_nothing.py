"""The whole way, from the browser over the sandbox's consent page to the control plane."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi import FastAPI

from ledgerguard_pipeline.control.storage.schema import oauth_states
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.conftest import SandboxFactory
from ledgerguard_pipeline_tests.web.browser import Browser

Params = dict[str, str]
Spoil = Callable[[Installation, SandboxServer, Params], Params]


@pytest.fixture
def app(installation: Installation) -> FastAPI:
    return create_app(installation)


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app)


def consent(browser: Browser, sandbox: SandboxServer, *, allow: bool = True) -> Params:
    """From the Connect button to the callback, whose parameters are returned unsent."""
    answer = browser.get("/api/v1/auth/connect")
    assert answer.status_code == 302
    callback = urlsplit(sandbox.consent(answer.headers["location"], allow=allow))
    return {name: values[0] for name, values in parse_qs(callback.query).items()}


def come_back(browser: Browser, params: Params) -> tuple[int, str]:
    answer = browser.get(f"/api/v1/auth/callback?{urlencode(params)}")
    return answer.status_code, answer.text


def stored(installation: Installation) -> dict[RealmId, Tokens | None]:
    control = installation.control
    return {
        company.realm_id: control.tokens.load(company.realm_id)
        for company in control.companies.list()
    }


def without(*names: str) -> Spoil:
    def spoil(_: Installation, __: SandboxServer, params: Params) -> Params:
        return {name: value for name, value in params.items() if name not in names}

    return spoil


def with_(**values: str) -> Spoil:
    def spoil(_: Installation, __: SandboxServer, params: Params) -> Params:
        return {**params, **values}

    return spoil


def expired(installation: Installation, _: SandboxServer, params: Params) -> Params:
    control = installation.control
    with control.database.write("test") as connection:
        connection.execute(
            oauth_states.update().values(expires_at=control.now() - timedelta(seconds=1))
        )
    return params


def of_another_company(_: Installation, sandbox: SandboxServer, params: Params) -> Params:
    return {**params, "realmId": next(r for r in sandbox.realms if r != params["realmId"])}


def exchanged_elsewhere(installation: Installation, _: SandboxServer, params: Params) -> Params:
    """Somebody else was faster with the code."""
    installation.oauth.exchange(params["code"])
    return params


@pytest.fixture(scope="module")
def two_companies(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(build_companies(2, seed=1, invoices=1))


@pytest.fixture
def sandbox(two_companies: SandboxServer) -> SandboxServer:
    """In place of the usual one: somebody may name a company that is not theirs."""
    return two_companies


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(without("state"), id="no state"),
        pytest.param(with_(state=""), id="an empty state"),
        pytest.param(with_(state="A" * 43), id="a forged state"),
        pytest.param(with_(state="\ud83d\ude00\x00"), id="a state that is no text"),
        pytest.param(expired, id="an expired state"),
        pytest.param(without("code"), id="no code"),
        pytest.param(with_(code="made-up"), id="a made-up code"),
        pytest.param(exchanged_elsewhere, id="a code used before"),
        pytest.param(without("realmId"), id="no company"),
        pytest.param(with_(realmId="../../x"), id="an invalid company id"),
        pytest.param(with_(realmId="9999999999999999"), id="a company that does not exist"),
        pytest.param(of_another_company, id="a company the token cannot read"),
        pytest.param(with_(error="access_denied"), id="an error beside a code"),
    ],
)
def test_it_gets_a_clear_4xx_page_and_nothing_is_stored(
    installation: Installation, sandbox: SandboxServer, browser: Browser, spoil: Spoil
) -> None:
    params = consent(browser, sandbox)
    status, page = come_back(
        browser, {k: _sendable(v) for k, v in spoil(installation, sandbox, params).items()}
    )

    assert 400 <= status < 500
    assert "Nothing was stored" in page
    for secret in (params["code"], params["state"]):
        assert secret not in page
    assert stored(installation) == {}


def test_a_denied_consent_stores_nothing(
    installation: Installation, sandbox: SandboxServer, browser: Browser
) -> None:
    params = consent(browser, sandbox, allow=False)
    assert params["error"] == "access_denied"
    status, page = come_back(browser, params)
    assert status == 400
    assert "The consent was denied" in page
    assert stored(installation) == {}


def test_a_replayed_callback_changes_nothing(
    installation: Installation, sandbox: SandboxServer, browser: Browser
) -> None:
    params = consent(browser, sandbox)
    assert come_back(browser, params)[0] == 200
    before = stored(installation)
    assert len(before) == 1

    for _ in range(2):
        status, page = come_back(browser, params)
        assert status == 400
        assert "Nothing was stored" in page
    assert stored(installation) == before


def test_a_state_of_one_browser_is_none_in_another(
    installation: Installation, sandbox: SandboxServer, browser: Browser, app: FastAPI
) -> None:
    """Otherwise a link sent to somebody would connect the sender's company here."""
    params = consent(browser, sandbox)
    victim = Browser(app)
    consent(victim, sandbox)
    status, _ = come_back(victim, params)
    assert status == 400
    assert stored(installation) == {}


def test_a_reconnect_with_another_company_leaves_the_first_as_it_was(
    installation: Installation, sandbox: SandboxServer, browser: Browser
) -> None:
    first, second = map(RealmId, sandbox.realms)
    assert come_back(browser, consent(browser, sandbox))[0] == 200
    before = stored(installation)
    assert set(before) == {first}

    answer = browser.get("/api/v1/auth/connect")
    callback = urlsplit(sandbox.consent(answer.headers["location"], second))
    params = {name: values[0] for name, values in parse_qs(callback.query).items()}
    assert come_back(browser, params)[0] == 200
    after = stored(installation)
    assert set(after) == {first, second}
    assert after[first] == before[first]


def _sendable(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
