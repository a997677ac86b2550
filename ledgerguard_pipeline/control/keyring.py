"""The encryption keys of an installation and what they seal.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. A sealed text names its key, so a ring
of several keys opens old ciphertexts while the newest seals new ones; the context (environment,
company, field) is authenticated with it, so a row moved elsewhere does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ledgerguard_pipeline.errors import KeyUnavailable
from ledgerguard_pipeline.settings import Settings

KEY_FILE = "encryption.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "lg1"


@dataclass(frozen=True, slots=True)
class Key:
    """One AES-256 key; ``id`` is a fingerprint that may be shown."""

    id: str
    material: bytes = field(repr=False)


class Keyring:
    """Seals and opens secrets; the first key is the newest.

    The ring comes from ``LEDGERGUARD_ENCRYPTION_KEYS``, else from the key file in the home,
    which is generated (mode 0600) when the first secret is sealed.
    """

    def __init__(self, keys: tuple[Key, ...], key_file: Path | None) -> None:
        self._keys = keys
        self._key_file = key_file
        self._lock = threading.Lock()

    @classmethod
    def open(cls, settings: Settings) -> Keyring:
        """Read the ring.

        Raises:
            KeyUnavailable: a key is malformed, or the key file is damaged or readable by others.
        """
        configured = settings.ledgerguard_encryption_keys
        if configured is not None:
            keys = _parse(configured.get_secret_value(), "LEDGERGUARD_ENCRYPTION_KEYS")
            return cls(keys, None)
        path = settings.ledgerguard_home / KEY_FILE
        return cls(_read(path) if path.exists() else (), path)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(key.id for key in self._keys) or 'empty'})"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Fingerprints, newest first."""
        return tuple(key.id for key in self._keys)

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

    def unseal(self, sealed: str, context: str) -> str:
        """Decrypt with the key the text names.

        Raises:
            KeyUnavailable: that key is not in the ring, or the text was altered or belongs to
                another company, field or environment. The message names the key, never the text.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        kind, _, rest = sealed.partition(".")
        key_id, _, body = rest.partition(".")
        if kind != _FORMAT:
            raise KeyUnavailable(
                f"The stored secret for {context} has no known format: it was altered. "
                "Restore the control database from a backup, or connect the company again."
            )
        key = self._find(key_id)
        if key is None:
            shown = ", ".join(self.key_ids) or "none"
            raise KeyUnavailable(
                f"The stored secret for {context} was sealed with key {key_id[:16]!r}, which is "
                f"not in the ring (present: {shown}). Put that key back into "
                f"LEDGERGUARD_ENCRYPTION_KEYS or the key file, or connect the company again."
            )
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
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

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Keys for something else than sealing, one per key of the ring, newest first.

        Raises:
            KeyUnavailable: the key file could not be made or read.
        """
        self._newest()
        with self._lock:
            label = b"ledgerguard derived key|" + purpose.encode()
            return tuple(hmac.digest(key.material, label, "sha256") for key in self._keys)

    def _find(self, key_id: str) -> Key | None:
        """The key of that id; another process may have made or extended the file since."""
        with self._lock:
            found = _by_id(self._keys, key_id)
            if found is None and self._key_file is not None and self._key_file.exists():
                self._keys = _read(self._key_file)
                found = _by_id(self._keys, key_id)
            return found

    def _newest(self) -> Key:
        with self._lock:
            if not self._keys and self._key_file is not None:
                self._keys = _generate(self._key_file)
            return self._keys[0]


def new_key() -> str:
    """A fresh key in the form ``LEDGERGUARD_ENCRYPTION_KEYS`` takes."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _by_id(keys: tuple[Key, ...], key_id: str) -> Key | None:
    return next((key for key in keys if key.id == key_id), None)


def _aad(key_id: str, context: str) -> bytes:
    return f"{_FORMAT}|{key_id}|{context}".encode()


def _parse(text: str, where: str) -> tuple[Key, ...]:
    keys: list[Key] = []
    for part in text.replace(",", "\n").split():
        try:
            material = base64.b64decode(part, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            material = b""
        if len(material) != _KEY_BYTES:
            raise KeyUnavailable(
                f"Key {len(keys) + 1} of {where} is not 32 bytes in base64. Restore it from your "
                "backup; a fresh one cannot open the tokens stored so far."
            )
        fingerprint = hashlib.sha256(b"ledgerguard key id" + material).hexdigest()[:12]
        keys.append(Key(fingerprint, material))
    if not keys:
        raise KeyUnavailable(
            f"{where} holds no key. Restore it from your backup; without it the stored tokens "
            "cannot be opened and every company has to be connected again."
        )
    return tuple(keys)


def _read(path: Path) -> tuple[Key, ...]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(64 * 1024)
    except OSError as error:
        raise KeyUnavailable(
            f"The key file {path} cannot be read ({error.strerror}). Give it to the user that "
            "runs ledgerguard."
        ) from None
    if mode & 0o077:
        raise KeyUnavailable(
            f"The key file {path} is open to other users (mode {mode:04o}). Run "
            f"`chmod 600 {path}`, and rotate the key if others could read it."
        )
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        text = "damaged"
    return _parse(text, f"the key file {path}")


def _generate(path: Path) -> tuple[Key, ...]:
    """Make the key file unless another process just did: linking it in place is atomic."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{new_key()}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyUnavailable(
            f"The key file {path} could not be written ({error.strerror}). Make the folder "
            "writable, or set LEDGERGUARD_ENCRYPTION_KEYS."
        ) from None
    return _read(path)
