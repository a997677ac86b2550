from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, Keyring, new_key, sealed_with
from ledgerguard_pipeline.errors import KeyUnavailable

CONTEXT = "sandbox/1234567890/access_token"


@pytest.fixture
def key_file(settings: Settings) -> Path:
    settings.ledgerguard_home.mkdir(mode=0o700)
    return settings.ledgerguard_home / KEY_FILE


def test_another_process_seals_with_the_new_key_at_once(settings: Settings, key_file: Path) -> None:
    running, rotating = Keyring.open(settings), Keyring.open(settings)
    old = running.seal("secret", CONTEXT)
    new = rotating.add_key()

    assert sealed_with(running.seal("secret", CONTEXT)) == new
    assert running.key_ids == rotating.key_ids == (new, sealed_with(old))
    assert rotating.unseal(old, CONTEXT) == "secret"


def test_a_dropped_key_opens_nothing_any_more(settings: Settings, key_file: Path) -> None:
    ring = Keyring.open(settings)
    old = ring.seal("secret", CONTEXT)
    new = ring.add_key()
    ring.drop_keys([str(sealed_with(old)), new, "unknown"])

    assert ring.key_ids == Keyring.open(settings).key_ids == (new,), "the newest always stays"
    with pytest.raises(KeyUnavailable, match=str(sealed_with(old))):
        ring.unseal(old, CONTEXT)


def test_the_file_stays_private_and_nothing_is_left_beside_it(
    settings: Settings, key_file: Path
) -> None:
    ring = Keyring.open(settings)
    ring.newest()
    left_over = key_file.with_name(f".{KEY_FILE}.0123456789abcdef")
    left_over.write_text("of a process that was killed")
    ring.add_key()

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [path.name for path in key_file.parent.iterdir()] == [KEY_FILE]


def test_a_full_disk_leaves_the_old_ring(
    settings: Settings, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Keyring.open(settings)
    old = ring.newest()
    content = key_file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(KeyUnavailable, match="No space left"):
            ring.add_key()
    assert key_file.read_bytes() == content
    assert ring.newest() == old


def test_nothing_is_sealed_with_a_key_that_is_on_no_disk(
    settings: Settings, key_file: Path
) -> None:
    ring = Keyring.open(settings)
    sealed = ring.seal("secret", CONTEXT)
    key_file.unlink()

    with pytest.raises(KeyUnavailable, match="is gone"):
        ring.seal("secret", CONTEXT)
    assert ring.unseal(sealed, CONTEXT) == "secret", "what it knows it still opens"
    assert not key_file.exists()


def test_a_file_opened_to_others_while_it_is_used_is_noticed(
    settings: Settings, key_file: Path
) -> None:
    ring = Keyring.open(settings)
    ring.newest()
    key_file.write_text(f"{new_key()}\n{key_file.read_text()}")
    key_file.chmod(0o644)

    with pytest.raises(KeyUnavailable, match="chmod 600"):
        ring.seal("secret", CONTEXT)


def test_keys_of_the_environment_are_only_the_operators_to_change(settings: Settings) -> None:
    keys = SecretStr(new_key())
    ring = Keyring.open(settings.model_copy(update={"ledgerguard_encryption_keys": keys}))
    with pytest.raises(KeyUnavailable, match="only you"):
        ring.add_key()
    with pytest.raises(KeyUnavailable, match="only you"):
        ring.drop_keys([])


@pytest.mark.parametrize(
    "text", ["", "x", "lg1", "lg1.", "lg1..body", "lg2.key.body", "access-one"]
)
def test_what_is_no_sealed_text_names_no_key(text: str) -> None:
    assert sealed_with(text) is None
