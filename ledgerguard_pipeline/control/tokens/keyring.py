"""The encryption keys of an installation and what they seal.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. A sealed text names its key, so a ring
of several keys opens old ciphertexts while the newest seals new ones; the context (environment,
company, field) is authenticated with it, so a row moved elsewhere does not open.

Decision 27 in docs/decisions.md.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.tokens.keyfile import (
    KEY_FILE,
    Key,
    make_keys,
    new_key,
    parse_keys,
    read_keys,
    replace_keys,
)
from ledgerguard_pipeline.errors import KeyUnavailable

__all__ = ["KEY_FILE", "Key", "Keyring", "new_key", "sealed_with"]

_NONCE_BYTES = 12
_FORMAT = "lg1"
_Stamp = tuple[int, int, int]
_Change = Callable[[tuple[Key, ...]], tuple[Key, ...]]


def sealed_with(sealed: str) -> str | None:
    """The id of the key a sealed text names; None if it is no sealed text. Needs no key."""
    kind, _, rest = sealed.partition(".")
    key_id, dot, _ = rest.partition(".")
    return key_id[:16] if kind == _FORMAT and dot and key_id else None


class Keyring:
    """Seals and opens secrets; the first key is the newest. Thread-safe.

    The ring comes from ``LEDGERGUARD_ENCRYPTION_KEYS``, else from the key file in the home,
    which is generated (mode 0600) when the first secret is sealed. A file that was rotated is
    noticed before the next secret is sealed, in every process that has it open.
    """

    def __init__(self, keys: tuple[Key, ...], key_file: Path | None) -> None:
        self._keys = keys
        self._key_file = key_file
        self._stamp: _Stamp | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> Keyring:
        """Read the ring.

        Raises:
            KeyUnavailable: a key is malformed, or the key file is damaged or readable by others.
        """
        configured = settings.ledgerguard_encryption_keys
        if configured is not None:
            keys = parse_keys(configured.get_secret_value(), "LEDGERGUARD_ENCRYPTION_KEYS")
            return cls(keys, None)
        ring = cls((), settings.ledgerguard_home / KEY_FILE)
        ring._catch_up()
        return ring

    def __repr__(self) -> str:
        return f"Keyring({', '.join(key.id for key in self._keys) or 'empty'})"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Fingerprints, newest first."""
        return tuple(key.id for key in self._keys)

    @property
    def key_file(self) -> Path | None:
        """Where the ring is kept; None where it comes from ``LEDGERGUARD_ENCRYPTION_KEYS``."""
        return self._key_file

    def newest(self) -> str:
        """The id of the key that seals now; generates the key file where there is none.

        Raises:
            KeyUnavailable: nothing could be sealed now.
        """
        return self._newest().id

    def seal(self, plain: str, context: str) -> str:
        """Encrypt with the newest key, bound to ``context``.

        Raises:
            KeyUnavailable: the key file could not be made or read.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._newest()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key.material).encrypt(nonce, plain.encode(), _aad(key.id, context))
        return f"{_FORMAT}.{key.id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Keys for something else than sealing, one per key of the ring, newest first.

        Raises:
            KeyUnavailable: the key file could not be made or read.
        """
        label = b"ledgerguard derived key|" + purpose.encode()
        self._newest()
        with self._lock:
            return tuple(hmac.digest(key.material, label, "sha256") for key in self._keys)

    def names(self) -> tuple[str, ...]:
        """What tells this installation from others, one name per key, newest first.

        Anybody may see them: a name discloses nothing of its key.

        Raises:
            KeyUnavailable: the key file could not be made or read.
        """
        return tuple(each.hex()[:16] for each in self.derived("installation"))

    def unseal(self, sealed: str, context: str) -> str:
        """Decrypt with the key the text names.

        Raises:
            KeyUnavailable: that key is not in the ring, or the text was altered or belongs to
                another company, field or environment. The message names the key, never the text.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key_id = sealed_with(sealed)
        if key_id is None:
            raise KeyUnavailable(
                f"The stored secret for {context} has no known format: it was altered. "
                "Restore the control database from a backup, or connect the company again."
            )
        key = self._find(key_id)
        if key is None:
            shown = ", ".join(self.key_ids) or "none"
            raise KeyUnavailable(
                f"The stored secret for {context} was sealed with key {key_id!r}, which is "
                f"not in the ring (present: {shown}). Put that key back into "
                f"LEDGERGUARD_ENCRYPTION_KEYS or the key file, or connect the company again."
            )
        try:
            raw = base64.b64decode(sealed.split(".", 2)[2], altchars=b"-_", validate=True)
            plain = AESGCM(key.material).decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _aad(key_id, context)
            )
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"The stored secret for {context} does not open with key {key_id}: it was altered "
                "or moved from another row. Restore the control database from a backup, or "
                "connect the company again."
            ) from None
        return plain.decode()

    def add_key(self) -> str:
        """Put a fresh key in front of the key file; the others go on opening. Returns its id.

        Raises:
            KeyUnavailable: the ring is no file, or the file cannot be read or written.
        """
        (key,) = parse_keys(new_key(), "a fresh key")
        self._rewrite(lambda keys: (key, *keys))
        return key.id

    def drop_keys(self, key_ids: Collection[str]) -> None:
        """Take keys out of the key file for good; the newest is never taken.

        Raises:
            KeyUnavailable: the ring is no file, or the file cannot be read or written.
        """
        self._rewrite(lambda keys: (keys[0], *(key for key in keys[1:] if key.id not in key_ids)))

    def _rewrite(self, change: _Change) -> None:
        if self._key_file is None:
            raise KeyUnavailable(
                "The keys come from LEDGERGUARD_ENCRYPTION_KEYS, which only you can change."
            )
        with self._lock:
            replace_keys(self._key_file, change(read_keys(self._key_file)))
            self._refresh(self._key_file)

    def holds(self, key_id: str) -> bool:
        """Whether tokens that key sealed can be opened.

        Raises:
            KeyUnavailable: the key file is damaged or open to others.
        """
        return self._find(key_id) is not None

    def _find(self, key_id: str) -> Key | None:
        """The key of that id; another process may have made or extended the file since."""
        with self._lock:
            found = _by_id(self._keys, key_id)
            if found is None and self._key_file is not None and self._key_file.exists():
                self._refresh(self._key_file)
                found = _by_id(self._keys, key_id)
            return found

    def _newest(self) -> Key:
        with self._lock:
            self._catch_up()
            if not self._keys and self._key_file is not None:
                self._keys = make_keys(self._key_file)
                self._stamp = _stamp(self._key_file)
            return self._keys[0]

    def _catch_up(self) -> None:
        """Read the file again if it is another one than was read.

        A secret sealed with a key that is on no disk could never be opened again, so a file
        that has gone is an error as soon as keys were read from it.
        """
        path = self._key_file
        if path is None:
            return
        stamp = _stamp(path)
        if stamp is None and self._keys:
            raise KeyUnavailable(
                f"The key file {path} is gone; it held key {self._keys[0].id}. Put it back from "
                "your backup before anything else is stored."
            )
        if stamp != self._stamp:
            self._refresh(path)

    def _refresh(self, path: Path) -> None:
        # The stamp first: a file replaced in between is then read once more, never missed.
        stamp = _stamp(path)
        self._keys = read_keys(path)
        self._stamp = stamp


def _stamp(path: Path) -> _Stamp | None:
    """A value that changes whenever the file is replaced; None without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyUnavailable(
            f"The key file {path} cannot be read ({error.strerror}). Give it to the user that "
            "runs ledgerguard."
        ) from None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _by_id(keys: tuple[Key, ...], key_id: str) -> Key | None:
    return next((key for key in keys if key.id == key_id), None)


def _aad(key_id: str, context: str) -> bytes:
    return f"{_FORMAT}|{key_id}|{context}".encode()
