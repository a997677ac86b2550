from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, Keyring, new_key
from ledgerguard_pipeline.errors import KeyUnavailable

CONTEXT = "sandbox/1234567890/access_token"


@pytest.fixture
def key_file(settings: Settings) -> Path:
    settings.ledgerguard_home.mkdir(mode=0o700)
    return settings.ledgerguard_home / KEY_FILE


def test_a_key_is_generated_once_for_its_owner_alone(settings: Settings, key_file: Path) -> None:
    sealed = Keyring.open(settings).seal("secret", CONTEXT)

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert Keyring.open(settings).unseal(sealed, CONTEXT) == "secret"
    assert [path.name for path in key_file.parent.iterdir()] == [KEY_FILE]


def test_opening_alone_generates_no_key(settings: Settings, key_file: Path) -> None:
    with ControlPlane.open(settings):
        assert not key_file.exists()


def test_rings_opened_at_once_agree_on_one_key(settings: Settings, key_file: Path) -> None:
    rings = [Keyring.open(settings) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda ring: ring.seal("secret", CONTEXT), rings))

    late = Keyring.open(settings)
    assert [late.unseal(each, CONTEXT) for each in sealed] == ["secret"] * 8


@pytest.mark.parametrize(
    "content",
    ["", "\n", "short", "!" * 44, new_key()[:-8], "é" * 44],
    ids=["empty", "blank", "short", "no base64", "cut off", "not ASCII"],
)
def test_a_damaged_key_file_stops_the_start_with_the_remedy(
    settings: Settings, key_file: Path, content: str
) -> None:
    key_file.write_text(content, encoding="utf-8")
    key_file.chmod(0o600)

    with pytest.raises(KeyUnavailable, match="Restore it from your backup") as caught:
        ControlPlane.open(settings)
    assert str(key_file) in str(caught.value)
    assert caught.value.exit_code == 2
    assert key_file.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_file_others_can_read_stops_the_start(
    settings: Settings, key_file: Path, mode: int
) -> None:
    key_file.write_text(new_key())
    key_file.chmod(mode)

    with pytest.raises(KeyUnavailable, match="chmod 600"):
        ControlPlane.open(settings)


def test_a_ring_opened_before_the_first_key_finds_it_later(
    settings: Settings, key_file: Path
) -> None:
    early = Keyring.open(settings)
    sealed = Keyring.open(settings).seal("secret", CONTEXT)
    assert early.unseal(sealed, CONTEXT) == "secret"

    key_file.write_text(f"{new_key()}\n{key_file.read_text()}")
    rotated = Keyring.open(settings).seal("secret", CONTEXT)
    assert early.unseal(rotated, CONTEXT) == "secret"


def test_a_key_that_is_gone_is_named_and_not_silently_replaced(
    settings: Settings, key_file: Path
) -> None:
    ring = Keyring.open(settings)
    sealed = ring.seal("secret", CONTEXT)
    key_file.unlink()

    with pytest.raises(KeyUnavailable, match=ring.key_ids[0]):
        Keyring.open(settings).unseal(sealed, CONTEXT)
    assert not key_file.exists()


def test_a_malformed_key_in_the_environment_is_counted_not_shown(settings: Settings) -> None:
    keys = SecretStr(f"{new_key()},not-a-key-at-all")
    with pytest.raises(KeyUnavailable, match="Key 2 of LEDGERGUARD_ENCRYPTION_KEYS") as caught:
        Keyring.open(settings.model_copy(update={"ledgerguard_encryption_keys": keys}))
    assert "not-a-key" not in str(caught.value)


def test_the_ring_shows_fingerprints_only(settings: Settings) -> None:
    key = new_key()
    ring = Keyring.open(settings.model_copy(update={"ledgerguard_encryption_keys": SecretStr(key)}))
    assert key not in repr(ring) + repr(ring.__dict__["_keys"])
    assert ring.key_ids[0] in repr(ring)


def test_the_home_and_the_database_are_private(settings: Settings) -> None:
    with ControlPlane.open(settings):
        home = settings.ledgerguard_home
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        assert set(modes.values()) == {0o600}, modes
