from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import KeyUnavailable, LostRace
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.tokens.raw_tokens import (
    cells,
    move_to_production,
    overwrite,
)
from ledgerguard_pipeline_tests.stores import OpenPlane, on_all_stores

pytestmark = on_all_stores

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def grant(clock: FakeClock, name: str = "one") -> Tokens:
    return Tokens(
        access_token=SecretStr(f"access-{name}"),
        refresh_token=SecretStr(f"refresh-{name}"),
        access_expires_at=clock.now() + timedelta(hours=1),
        refresh_expires_at=clock.now() + timedelta(days=100),
        hard_expires_at=None,
    )


def test_a_grant_comes_back_as_it_was_stored(plane: ControlPlane, clock: FakeClock) -> None:
    stored = plane.tokens.replace(REALM, grant(clock), None)

    assert stored.version == 1
    assert plane.tokens.load(REALM) == stored
    assert plane.tokens.load(OTHER) is None
    assert plane.tokens.version(REALM) == 1


def test_secrets_show_neither_at_rest_nor_in_a_repr(plane: ControlPlane, clock: FakeClock) -> None:
    stored = plane.tokens.replace(REALM, grant(clock), None)

    at_rest = "".join(cells(plane, REALM).values())
    assert "access-one" not in at_rest + repr(stored)
    assert "refresh-one" not in at_rest + repr(stored)


def test_only_the_version_that_was_read_can_be_replaced(
    plane: ControlPlane, clock: FakeClock
) -> None:
    first = plane.tokens.replace(REALM, grant(clock), None)
    second = plane.tokens.replace(REALM, grant(clock, "two"), first.version)

    for late in (None, first.version, 99):
        with pytest.raises(LostRace):
            plane.tokens.replace(REALM, grant(clock, "late"), late)
    assert plane.tokens.load(REALM) == second


def test_a_forgotten_grant_cannot_be_replaced_by_a_late_writer(
    plane: ControlPlane, clock: FakeClock
) -> None:
    stored = plane.tokens.replace(REALM, grant(clock), None)
    plane.tokens.forget(REALM)

    with pytest.raises(LostRace):
        plane.tokens.replace(REALM, grant(clock, "late"), stored.version)
    assert plane.tokens.load(REALM) is None


def test_a_row_moved_to_another_company_does_not_open(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.tokens.replace(REALM, grant(clock), None)
    plane.tokens.replace(OTHER, grant(clock, "two"), None)
    overwrite(plane, OTHER, **cells(plane, REALM))

    with pytest.raises(KeyUnavailable, match="moved from another row"):
        plane.tokens.load(OTHER)
    assert plane.tokens.load(REALM) is not None


def test_a_refresh_token_stored_as_an_access_token_does_not_open(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.tokens.replace(REALM, grant(clock), None)
    overwrite(plane, REALM, access_token=cells(plane, REALM)["refresh_token"])

    with pytest.raises(KeyUnavailable, match="access_token"):
        plane.tokens.load(REALM)


def test_a_sandbox_token_does_not_open_in_production(
    plane: ControlPlane, open_plane: OpenPlane, clock: FakeClock
) -> None:
    plane.tokens.replace(REALM, grant(clock), None)
    production = open_plane(clock=clock, intuit_env=Environment.PRODUCTION)
    assert production.tokens.load(REALM) is None

    move_to_production(plane, REALM)
    with pytest.raises(KeyUnavailable):
        production.tokens.load(REALM)


@pytest.mark.parametrize("index", [0, 10, 30, -3])
def test_an_altered_ciphertext_does_not_open(
    plane: ControlPlane, clock: FakeClock, index: int
) -> None:
    plane.tokens.replace(REALM, grant(clock), None)
    sealed = list(cells(plane, REALM)["access_token"])
    sealed[index] = "A" if sealed[index] != "A" else "B"
    overwrite(plane, REALM, access_token="".join(sealed))

    with pytest.raises(KeyUnavailable) as caught:
        plane.tokens.load(REALM)
    assert "access-one" not in str(caught.value)


@pytest.mark.parametrize("sealed", ["", "x", "lg1", "lg1.", "lg1..", "access-one", "lg1.é.é"])
def test_what_was_never_a_ciphertext_does_not_open(
    plane: ControlPlane, clock: FakeClock, sealed: str
) -> None:
    plane.tokens.replace(REALM, grant(clock), None)
    overwrite(plane, REALM, access_token=sealed)

    with pytest.raises(KeyUnavailable):
        plane.tokens.load(REALM)


def test_every_key_of_the_ring_opens_and_the_newest_seals(
    open_plane: OpenPlane, clock: FakeClock
) -> None:
    old, new = new_key(), new_key()
    before = open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(old))
    stored = before.tokens.replace(REALM, grant(clock), None)
    both = open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(f"{new},{old}"))
    assert both.tokens.load(REALM) == stored

    rotated = both.tokens.replace(REALM, stored, stored.version)
    after = open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(new))
    assert after.tokens.load(REALM) == rotated


def test_a_retired_key_is_named_with_the_remedy(open_plane: OpenPlane, clock: FakeClock) -> None:
    before = open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(new_key()))
    before.tokens.replace(REALM, grant(clock), None)
    after = open_plane(clock=clock, ledgerguard_encryption_keys=SecretStr(new_key()))

    with pytest.raises(KeyUnavailable) as caught:
        after.tokens.load(REALM)
    message = str(caught.value)
    assert before.keyring.key_ids[0] in message
    assert after.keyring.key_ids[0] in message
    assert "LEDGERGUARD_ENCRYPTION_KEYS" in message


def test_an_attempt_is_on_record_until_its_outcome_is(
    plane: ControlPlane, clock: FakeClock
) -> None:
    stored = plane.tokens.replace(REALM, grant(clock), None)
    assert plane.tokens.attempt(REALM) is None

    plane.tokens.note_attempt(REALM, stored)
    clock.advance(30)
    again = plane.tokens.note_attempt(REALM, stored)
    assert plane.tokens.attempt(REALM) == again
    assert (again.tries, again.started_at) == (2, clock.now())
    assert again.old_token_sha256 == stored.refresh_sha256

    newer = plane.tokens.replace(REALM, grant(clock, "two"), stored.version)
    assert plane.tokens.attempt(REALM) is None
    assert plane.tokens.note_attempt(REALM, newer).tries == 1
    plane.tokens.clear_attempt(REALM)
    assert plane.tokens.attempt(REALM) is None
