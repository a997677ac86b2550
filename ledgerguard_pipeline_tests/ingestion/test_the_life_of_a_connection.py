"""Connections that end, break off and come back, against the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ledgerguard_pipeline.auth import refresh as module
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import (
    BadInputError,
    ConfigurationError,
    LedgerGuardError,
    ReauthorizationRequired,
)
from ledgerguard_pipeline.health.rules import WARN_DAYS
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline.values import Environment, Mode, RealmId
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect

ENTITIES = entity_types(["Invoice", "Customer"])
DAY = 86_400


class CutError(BaseException):
    """Ends an operation where a power cut would."""


def sync(installation: Installation, realm: RealmId) -> SyncResult:
    with installation.service(realm).open_sync(SyncRequest(realm, ENTITIES)) as running:
        return running.run()


def status(installation: Installation, realm: RealmId) -> ConnectionStatus:
    return installation.control.companies.require(realm).status


def tokens(installation: Installation, realm: RealmId) -> Tokens:
    found = installation.control.tokens.load(realm)
    assert found is not None
    return found


def asked(sandbox: SandboxServer, endpoints: Iterable[str]) -> int:
    return sum(call.endpoint in set(endpoints) for call in sandbox.pop_log())


@pytest.fixture
def realm(connected: Installation, sandbox: SandboxServer) -> RealmId:
    return RealmId(sandbox.realm_id)


@pytest.mark.parametrize("grace", [DAY, 0], ids=["with grace", "without"])
def test_a_rotated_token_lost_in_a_crash_lives_on_where_intuit_gives_grace(
    connected: Installation,
    sandbox: SandboxServer,
    realm: RealmId,
    grace: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Intuit's texts disagree whether the value before the last one is good for another day."""

    def cut(name: str) -> None:
        if name == "after_token_response":
            raise CutError

    sandbox.set(rotate_after_seconds=0, rotation_grace_seconds=grace)
    token_provider = TokenProvider(connected.control, connected.oauth)
    with monkeypatch.context() as patch:
        patch.setattr(module, "crashpoint", cut)
        with pytest.raises(CutError):
            token_provider.renew(realm, token_provider.current(realm))
    later = TokenProvider(connected.control, connected.oauth)
    rejected = later.current(realm)
    if grace:
        assert later.renew(realm, rejected).version == 2
        assert status(connected, realm) is ConnectionStatus.CONNECTED
    else:
        sandbox.pop_log()
        for _ in range(3):
            with pytest.raises(ReauthorizationRequired, match="cut off"):
                later.renew(realm, rejected)
        assert asked(sandbox, ["token"]) == 1, "tried once more, and never in a loop"


def test_a_disconnect_at_intuit_is_noticed_and_pauses_that_company_only(
    sandbox_factory: SandboxFactory, settings: Settings
) -> None:
    sandbox = sandbox_factory(build_companies(2, seed=1, invoices=5))
    first, second = map(RealmId, sandbox.realms)
    base = {"intuit_base_url": sandbox.base_url}
    with Installation.open(settings.model_copy(update=base)) as both:
        for realm in (first, second):
            connect(both, sandbox, realm)
        sandbox.disconnect(first)
        assert not sync(both, first).ok
        assert sync(both, second).ok
        assert status(both, first) is ConnectionStatus.NEEDS_REAUTH
        assert status(both, second) is ConnectionStatus.CONNECTED

        sandbox.pop_log()
        with pytest.raises(ReauthorizationRequired, match="ledgerguard connect"):
            both.client(first)
        assert sandbox.pop_log() == [], "a paused company costs no call"


def test_a_token_intuit_refuses_although_it_just_gave_it_pauses_the_company_at_once(
    connected: Installation, sandbox: SandboxServer, realm: RealmId
) -> None:
    sandbox.inject("unauthorized", next=1_000)
    sandbox.pop_log()
    result = sync(connected, realm)
    assert not result.ok
    assert status(connected, realm) is ConnectionStatus.NEEDS_REAUTH
    assert asked(sandbox, ["token"]) <= 2, "not one refresh per entity and try"


@pytest.mark.parametrize("how", ["by command", "at Intuit"])
def test_a_reconnected_company_goes_on_from_its_watermark(
    connected: Installation, sandbox: SandboxServer, realm: RealmId, how: str
) -> None:
    assert {each.mode for each in sync(connected, realm).results} == {Mode.FULL}
    if how == "by command":
        connected.connector.disconnect(realm)
    else:
        sandbox.disconnect()
        assert not sync(connected, realm).ok
    invoice = next(iter(sandbox.truth("Invoice").bodies()))
    sandbox.edit("update", "Invoice", invoice)
    with pytest.raises(LedgerGuardError):
        connected.service(realm)

    connect(connected, sandbox)
    result = sync(connected, realm)
    assert result.ok
    assert {each.entity: each.mode for each in result.results}["Invoice"] is Mode.CDC
    assert result.total_entities_written == 1


def test_a_disconnect_ends_the_grant_at_intuit_before_it_is_forgotten_here(
    connected: Installation, sandbox: SandboxServer, realm: RealmId
) -> None:
    before = tokens(connected, realm)
    connected.connector.disconnect(realm)
    assert status(connected, realm) is ConnectionStatus.DISCONNECTED
    assert connected.control.tokens.load(realm) is None
    with pytest.raises(ReauthorizationRequired):
        connected.oauth.refresh(before.refresh_token)
    with pytest.raises(BadInputError, match="disconnected"):
        connected.client(realm)


def test_neither_environment_uses_a_company_of_the_other(
    connected: Installation, sandbox: SandboxServer, realm: RealmId
) -> None:
    production = connected.settings.model_copy(update={"intuit_env": Environment.PRODUCTION})
    sandbox.pop_log()
    with Installation.open(production) as other:
        assert other.control.tokens.load(realm) is None
        for use in (other.client, other.token_provider.current, other.connector.disconnect):
            with pytest.raises(ConfigurationError, match="INTUIT_ENV"):
                use(realm)
    assert sandbox.pop_log() == [], "refused before any call"
    assert status(connected, realm) is ConnectionStatus.CONNECTED


def test_both_ends_of_a_grant_are_known_from_the_first_day_and_follow_every_refresh(
    connected: Installation, realm: RealmId
) -> None:
    def days() -> tuple[float, float]:
        life = connected.control.tokens.lives()[realm]
        assert life.refresh_expires_at is not None
        assert life.hard_expires_at is not None
        now = connected.control.now()
        ends = (life.refresh_expires_at - now, life.hard_expires_at - now)
        return (ends[0].total_seconds() / DAY, ends[1].total_seconds() / DAY)

    assert 100 < days()[0] <= 101
    assert 5 * 365 - 1 < days()[1] < 5 * 366 + 1
    connected.token_provider.renew(realm, connected.token_provider.current(realm))
    assert min(days()) > max(WARN_DAYS)
