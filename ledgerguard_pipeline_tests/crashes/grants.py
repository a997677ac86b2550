"""Killed while tokens are refreshed, sealed anew or moved, and while companies come and go."""

from __future__ import annotations

import os

import pytest

from ledgerguard_pipeline.auth.key_rotation import key_uses, rotate_keys
from ledgerguard_pipeline.auth.token_migration import move_tokens
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.errors import ReauthorizationRequired
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, store_grant
from ledgerguard_pipeline_tests.auth.consents import callback, connector_of
from ledgerguard_pipeline_tests.auth.token_endpoint import refusal
from ledgerguard_pipeline_tests.crashes.stage import Stage


def refreshing(stage: Stage, point: str) -> None:
    stage.endpoint.keep_values()
    with stage.plane() as control:
        store_grant(control, "refresh-1")
    stage.dies(point, "refresh", stage.endpoint.base_url)
    with stage.plane(stage.later()) as control:
        noted = control.tokens.attempt(REALM)
        assert noted is not None, "the next one knows that a refresh was cut off"
        assert control.tokens.version(REALM) == 1
        assert TokenProvider(control, stage.oauth).current(REALM).version == 2
        assert control.tokens.attempt(REALM) is None
    assert stage.endpoint.refreshes == 2


def reviving(stage: Stage, point: str) -> None:
    stage.endpoint.keep_values()
    stage.endpoint.scripted.append(refusal("invalid_grant"))
    with stage.plane() as control:
        store_grant(control, "refresh-1")
        with pytest.raises(ReauthorizationRequired):
            TokenProvider(control, stage.oauth).current(REALM)
    stage.dies(point, "confirm", stage.endpoint.base_url)
    clock = stage.later()
    clock.advance(3 * 3600)
    with stage.plane(clock) as control:
        assert TokenProvider(control, stage.oauth).current(REALM).version == 2
        assert control.companies.require(REALM).status is ConnectionStatus.CONNECTED


def connecting(stage: Stage, point: str) -> None:
    stage.endpoint.codes.add("code-1")
    stage.dies(point, "connect", stage.endpoint.base_url)
    _connected_again(stage)


def disconnecting(stage: Stage, point: str) -> None:
    _connected_again(stage)
    stage.dies(point, "disconnect", stage.endpoint.base_url)
    with stage.plane(stage.later()) as control:
        connector = connector_of(control, stage.oauth, stage.endpoint.base_url)
        assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED
        assert control.tokens.version(REALM) is None
    assert stage.endpoint.valid == {"refresh-1"}, "no grant lives on but one that is nobody's"
    _connected_again(stage)


def rotating(stage: Stage, point: str) -> None:
    realms = [RealmId(str(1_000_000_000 + each)) for each in range(3)]
    with stage.plane() as control:
        known = {realm: store_grant(control, f"r-{realm}", realm=realm) for realm in realms}
        (old,) = control.keyring.key_ids
    stage.dies(point, "rotate")
    with stage.plane() as control:
        assert {realm: control.tokens.load(realm) for realm in realms} == known
    with stage.plane(stage.later()) as control:
        rotation = rotate_keys(control)
        assert not rotation.unopened
        assert control.keyring.key_ids == (rotation.key_id,)
        assert rotation.key_id != old
        assert {key.id: key.tokens for key in key_uses(control)} == {rotation.key_id: 6}
        assert {realm: control.tokens.load(realm) for realm in realms} == known
    assert list(stage.home.glob(".*key*")) == [], "a draft would hold keys"


def moving(stage: Stage, point: str) -> None:
    with stage.plane() as control:
        known = {realm: store_grant(control, f"r-{realm}", realm=realm) for realm in (REALM, OTHER)}
    to_redis = "LEDGERGUARD_REDIS_URL" not in os.environ
    stage.monkeypatch.setenv("LEDGERGUARD_REDIS_URL", stage.redis)
    stage.dies(point, "move", "redis" if to_redis else "database")
    with stage.plane(stage.later(), moving=True) as control:
        assert move_tokens(control, to_redis=to_redis).moved == 2
    if not to_redis:
        stage.monkeypatch.delenv("LEDGERGUARD_REDIS_URL")
    with stage.plane() as control:
        for realm, tokens in known.items():
            moved = control.tokens.load(realm)
            assert moved is not None
            assert moved.refresh_token == tokens.refresh_token


def _connected_again(stage: Stage) -> None:
    stage.endpoint.codes.add("code-1")
    with stage.plane(stage.later()) as control:
        connector = connector_of(control, stage.oauth, stage.endpoint.base_url)
        company = connector.complete(callback(connector))
        assert company.status is ConnectionStatus.CONNECTED
        assert control.companies.require(REALM) == company
        assert TokenProvider(control, stage.oauth).current(REALM).realm_id == REALM
