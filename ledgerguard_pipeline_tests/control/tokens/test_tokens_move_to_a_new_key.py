"""What changing keys needs of a token store, whichever holds the tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import KeyUnavailable
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane, on_all_stores

pytestmark = on_all_stores

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def grant(clock: FakeClock, name: str = "one") -> Tokens:
    return Tokens(
        SecretStr(f"access-{name}"),
        SecretStr(f"refresh-{name}"),
        clock.now() + timedelta(hours=1),
        None,
        None,
    )


@pytest.fixture
def keys() -> tuple[str, str]:
    return new_key(), new_key()


@pytest.fixture
def before(open_plane: OpenPlane, clock: FakeClock, keys: tuple[str, str]) -> ControlPlane:
    return open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(keys[1]))


@pytest.fixture
def both(open_plane: OpenPlane, clock: FakeClock, keys: tuple[str, str]) -> ControlPlane:
    return open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(",".join(keys)))


def test_a_token_sealed_anew_is_the_same_token(
    before: ControlPlane, both: ControlPlane, clock: FakeClock
) -> None:
    stored = before.tokens.replace(REALM, grant(clock), None)
    new, old = both.keyring.key_ids
    (row,) = both.tokens.sealed()
    assert (row.realm_id, row.key_ids) == (REALM, (old, old))

    assert both.tokens.rotate(row) is True
    (row,) = both.tokens.sealed()
    assert row.key_ids == (new, new)
    assert both.tokens.load(REALM) == stored, "the version too: a refresh under way goes on"
    assert both.tokens.rotate(row) is False
    with pytest.raises(KeyUnavailable, match=new):
        before.tokens.load(REALM)


def test_tokens_of_the_other_environment_move_too(
    before: ControlPlane,
    both: ControlPlane,
    open_plane: OpenPlane,
    clock: FakeClock,
    keys: tuple[str, str],
) -> None:
    production = open_plane(
        clock=clock,
        intuit_env=Environment.PRODUCTION,
        ledgerguard_encryption_keys=SecretStr(",".join(keys)),
    )
    before.tokens.replace(REALM, grant(clock), None)
    theirs = production.tokens.replace(OTHER, grant(clock, "two"), None)
    rows = {row.realm_id: row for row in before.tokens.sealed()}
    assert rows[OTHER].environment is Environment.PRODUCTION

    with pytest.raises(KeyUnavailable):
        before.tokens.rotate(rows[OTHER])
    assert both.tokens.rotate(rows[OTHER]) is False
    assert both.tokens.rotate(rows[REALM]) is True
    assert production.tokens.load(OTHER) == theirs


def test_a_refresh_that_was_under_way_stores_its_answer(
    before: ControlPlane, both: ControlPlane, clock: FakeClock
) -> None:
    stored = before.tokens.replace(REALM, grant(clock), None)
    before.tokens.note_attempt(REALM, stored)
    (row,) = both.tokens.sealed()
    both.tokens.rotate(row)
    assert both.tokens.attempt(REALM) is not None

    newer = both.tokens.replace(REALM, grant(clock, "two"), stored.version)
    assert newer.version == stored.version + 1
    assert both.tokens.rotate(row) is False, "sealed with the newest key already"
    assert both.tokens.load(REALM) == newer


def test_a_company_that_is_gone_is_left_gone(
    before: ControlPlane, both: ControlPlane, clock: FakeClock
) -> None:
    before.tokens.replace(REALM, grant(clock), None)
    (row,) = before.tokens.sealed()
    before.tokens.forget(REALM)

    assert both.tokens.rotate(row) is False
    assert both.tokens.sealed() == []


def test_only_a_key_nothing_needs_is_dropped(
    before: ControlPlane, both: ControlPlane, clock: FakeClock
) -> None:
    before.tokens.replace(REALM, grant(clock), None)
    both.tokens.replace(OTHER, grant(clock, "two"), None)
    new, old = both.keyring.key_ids
    dropped: list[str] = []

    assert both.tokens.retire([old, "unknown"], dropped.extend) == {"unknown"}
    for row in both.tokens.sealed():
        both.tokens.rotate(row)
    assert both.tokens.retire([old], dropped.extend) == {old}
    assert dropped == ["unknown", old]
    assert both.tokens.retire([new], dropped.extend) == frozenset()


def test_a_failing_drop_leaves_everything_as_it_was(plane: ControlPlane, clock: FakeClock) -> None:
    stored = plane.tokens.replace(REALM, grant(clock), None)

    def fail(_: object) -> None:
        raise KeyUnavailable("The disk is full.")

    with pytest.raises(KeyUnavailable):
        plane.tokens.retire(["unknown"], fail)
    assert plane.tokens.replace(REALM, replace(stored), stored.version).version == 2
