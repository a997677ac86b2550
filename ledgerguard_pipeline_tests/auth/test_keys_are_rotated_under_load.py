"""``rotate_keys``: crashes, refreshes at the same time, tokens that do not open."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from ledgerguard_pipeline.auth.key_rotation import ROTATION_LEASE, key_uses, rotate_keys
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.leases.process_identity import this_process
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import tokens as table
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, new_key
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import ConfigurationError, ControlUnavailable, KeyUnavailable
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane, on_all_stores

ROOT = Path(__file__).parents[2]
POINTS = [
    "before_key_file_replace",
    "after_new_key",
    "after_token_resealed",
    "after_token_resealed:3",
    "before_key_retired",
    "before_key_file_replace:2",
    "after_key_retired",
]


def realms(count: int) -> list[RealmId]:
    return [RealmId(str(1_000_000_000 + each)) for each in range(count)]


def loaded(plane: ControlPlane, realm: RealmId) -> Tokens:
    tokens = plane.tokens.load(realm)
    assert tokens is not None
    return tokens


@on_all_stores
def test_every_token_moves_to_a_new_key_and_the_old_one_is_dropped(
    plane: ControlPlane, open_plane: OpenPlane, store_settings: Settings
) -> None:
    before = {realm: store_grant(plane, f"r-{realm}", realm=realm) for realm in realms(3)}
    (old,) = plane.keyring.key_ids

    rotation = rotate_keys(plane)

    assert rotation.made
    assert (rotation.resealed, rotation.retired, rotation.kept) == (3, (old,), ())
    assert plane.keyring.key_ids == (rotation.key_id,)
    assert rotation.key_id != old
    later = open_plane()
    assert {realm: loaded(later, realm) for realm in before} == before
    assert (store_settings.ledgerguard_home / KEY_FILE).read_text().count("\n") == 1


@pytest.mark.parametrize(
    "store_settings,point",
    [
        *(("sqlite", point) for point in POINTS),
        # Where the tokens are makes a difference at these two only.
        *(
            (store, point)
            for store in ("postgresql", "redis")
            for point in ("after_token_resealed:3", "before_key_retired")
        ),
    ],
    indirect=["store_settings"],
)
def test_a_rotation_killed_anywhere_loses_nothing_and_is_finished_by_the_next(
    store_settings: Settings, open_plane: OpenPlane, point: str
) -> None:
    before = open_plane()
    known = {realm: store_grant(before, f"r-{realm}", realm=realm) for realm in realms(5)}
    (old,) = before.keyring.key_ids

    killed = _rotate_in_a_process(store_settings, crash_at=point)
    assert killed.returncode == -9, killed.stderr
    between = open_plane()
    assert {realm: loaded(between, realm) for realm in known} == known, "nothing waits for it"

    plane = open_plane(clock=FakeClock(between.now()))
    rotation = rotate_keys(plane)
    assert not rotation.unopened
    assert rotation.made is (point in ("before_key_file_replace", "after_key_retired"))
    assert plane.keyring.key_ids == (rotation.key_id,)
    assert rotation.key_id != old
    assert {key.id: key.tokens for key in key_uses(plane)} == {rotation.key_id: 10}
    assert {realm: loaded(open_plane(), realm) for realm in known} == known
    files = [path.name for path in store_settings.ledgerguard_home.glob(f".{KEY_FILE}.*")]
    assert files == [], "a draft would hold keys"


@on_all_stores
def test_refreshes_go_on_while_keys_change(
    open_plane: OpenPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint
) -> None:
    """A process with a ring of its own, opened before, refreshes all the time."""
    running, rotating = open_plane(), open_plane()
    store_grant(running, "refresh-1")
    token_provider = TokenProvider(running, oauth)
    done = threading.Event()
    failures: list[BaseException] = []

    def refresh() -> None:
        token = token_provider.current(REALM)
        try:
            while not done.is_set():
                token = token_provider.renew(REALM, token)
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=refresh)
    worker.start()
    try:
        rotations = [rotate_keys(rotating) for _ in range(8)]
        # How often the other thread got to it meanwhile is up to the machine.
        while endpoint.refreshes < 3 and worker.is_alive() and len(rotations) < 500:
            rotations.append(rotate_keys(rotating))
    finally:
        done.set()
        worker.join()

    assert failures == []
    assert len({rotation.key_id for rotation in rotations}) == len(rotations)
    assert not any(rotation.kept or rotation.unopened for rotation in rotations)
    stored = loaded(open_plane(), REALM)
    assert endpoint.refreshes > 1
    assert {stored.refresh_token.get_secret_value()} == endpoint.valid
    assert running.keyring.newest() == rotations[-1].key_id


def test_a_token_that_comes_while_a_key_is_dropped_is_sealed_with_the_new_one(
    open_plane: OpenPlane,
) -> None:
    """The dangerous moment: sealed with the old key, stored after nobody has it any more."""
    running, rotating = open_plane(), open_plane()
    old = store_grant(running, "refresh-1")
    (retired,) = running.keyring.key_ids
    ring = rotating.keyring
    ring.add_key()
    for row in rotating.tokens.sealed():
        rotating.tokens.rotate(row)
    arriving = threading.Thread(target=running.tokens.replace, args=(REALM, old, old.version))

    def drop(key_ids: Collection[str]) -> None:
        arriving.start()
        arriving.join(0.3)
        assert arriving.is_alive(), "nothing is stored before the key is gone"
        ring.drop_keys(key_ids)

    assert rotating.tokens.retire([retired], drop) == {retired}
    arriving.join()
    stored = loaded(open_plane(), REALM)
    assert (stored.version, stored.refresh_token) == (2, old.refresh_token)
    assert [use.tokens for use in key_uses(rotating)] == [2]


def test_a_token_sealed_before_a_rotation_and_stored_after_it_began_still_opens(
    open_plane: OpenPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company is connected at the very moment; no row of it tells the rotation to wait."""
    running, rotating = open_plane(), open_plane()
    store_grant(running, "refresh-1")
    grant = loaded(running, REALM)
    seal, sealed, go_on = running.keyring.seal, threading.Event(), threading.Event()

    def slowly(plain: str, context: str) -> str:
        text = seal(plain, context)
        if context.endswith("refresh_token"):
            sealed.set()
            assert go_on.wait(60)
        return text

    monkeypatch.setattr(running.keyring, "seal", slowly)
    arriving = threading.Thread(target=running.tokens.replace, args=(OTHER, grant, None))
    arriving.start()
    assert sealed.wait(60)
    rotation = threading.Thread(target=rotate_keys, args=(rotating,))
    rotation.start()
    rotation.join(1.0)
    go_on.set()
    arriving.join()
    rotation.join()

    later = open_plane()
    assert loaded(later, OTHER).refresh_token == grant.refresh_token
    assert rotate_keys(later).unopened == ()


def test_two_rotations_at_once_wait_for_each_other(plane: ControlPlane) -> None:
    store_grant(plane, "refresh-1")
    owner = f"{this_process()}/another"
    assert plane.leases.acquire(ROTATION_LEASE, owner, 1000) is not None
    with pytest.raises(ControlUnavailable, match="key rotation"):
        rotate_keys(plane)
    assert len(plane.keyring.key_ids) == 1


def test_what_does_not_open_is_named_and_kept_with_its_key(
    plane: ControlPlane, open_plane: OpenPlane
) -> None:
    for realm in (REALM, OTHER):
        store_grant(plane, f"r-{realm}", realm=realm)
    (old,) = plane.keyring.key_ids
    _swap(plane, REALM, "access_token", "refresh_token")

    rotation = rotate_keys(plane)

    (broken,) = rotation.unopened
    assert broken.realm_id == REALM
    for word in ("access_token", old, "moved from another row", "connect the company again"):
        assert word in broken.reason
    assert (rotation.resealed, rotation.retired, rotation.kept) == (1, (), (old,))
    loaded(open_plane(), OTHER)
    with pytest.raises(KeyUnavailable, match=old):
        plane.tokens.load(REALM)

    again = rotate_keys(plane)
    assert (again.made, again.resealed, again.kept) == (False, 0, (old,))
    plane.tokens.forget(REALM)
    assert rotate_keys(plane).retired == (old,)


def test_tokens_whose_key_is_lost_are_counted_under_it(
    plane: ControlPlane, open_plane: OpenPlane, store_settings: Settings
) -> None:
    store_grant(plane, "refresh-1")
    (old,) = plane.keyring.key_ids
    (store_settings.ledgerguard_home / KEY_FILE).write_text(f"{new_key()}\n")
    later = open_plane()

    newest, lost = key_uses(later)
    assert (newest.newest, newest.present, newest.tokens) == (True, True, 0)
    assert (lost.id, lost.present, lost.tokens, lost.companies) == (old, False, 2, 1)
    (broken,) = rotate_keys(later).unopened
    assert f"{old!r}, which is not in the ring" in broken.reason


def test_a_lost_key_file_is_not_replaced_by_a_new_key(
    plane: ControlPlane, open_plane: OpenPlane, store_settings: Settings
) -> None:
    store_grant(plane, "refresh-1")
    key_file = store_settings.ledgerguard_home / KEY_FILE
    key_file.unlink()
    with pytest.raises(KeyUnavailable, match=f"need key {plane.keyring.key_ids[0]}"):
        rotate_keys(open_plane())
    assert not key_file.exists()


def test_with_keys_of_the_environment_the_first_one_takes_over(open_plane: OpenPlane) -> None:
    old, new = new_key(), new_key()
    alone = open_plane(ledgerguard_encryption_keys=SecretStr(old))
    store_grant(alone, "refresh-1")
    with pytest.raises(ConfigurationError, match="in front of it"):
        rotate_keys(alone)

    both = open_plane(ledgerguard_encryption_keys=SecretStr(f"{new},{old}"))
    rotation = rotate_keys(both)
    newest, older = both.keyring.key_ids
    assert (rotation.key_id, rotation.retired) == (newest, (older,))
    assert (rotation.made, rotation.resealed) == (False, 1)
    loaded(open_plane(ledgerguard_encryption_keys=SecretStr(new)), REALM)


def test_a_token_is_not_asked_for_that_could_not_be_stored(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    store_settings: Settings,
) -> None:
    store_grant(plane, "refresh-1", life=60)
    (store_settings.ledgerguard_home / KEY_FILE).unlink()
    with pytest.raises(KeyUnavailable, match="is gone"):
        token_provider.current(REALM)
    assert endpoint.refreshes == 0
    assert loaded(plane, REALM).access_expires_at - plane.now() == timedelta(seconds=60)


def _swap(plane: ControlPlane, realm: RealmId, one: str, other: str) -> None:
    row = table.c.realm_id == realm
    with plane.database.write("test") as connection:
        connection.execute(
            update(table).where(row).values({one: table.c[other], other: table.c[one]})
        )


def _rotate_in_a_process(settings: Settings, *, crash_at: str) -> subprocess.CompletedProcess[str]:
    url, redis = settings.ledgerguard_control_url, settings.ledgerguard_redis_url
    command = [sys.executable, "-m", "ledgerguard_pipeline.cli", "keys", "rotate", "--json"]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LEDGERGUARD_HOME": str(settings.ledgerguard_home),
            "LEDGERGUARD_CONTROL_URL": url.get_secret_value() if url else "",
            "LEDGERGUARD_REDIS_URL": redis.get_secret_value() if redis else "",
            "LEDGERGUARD_CRASH_AT": crash_at,
        },
    )
