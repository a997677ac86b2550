"""The key file of an installation: read, made, and replaced as a whole.

It holds one key a line, newest first, mode 0600. It is never edited in place: a draft beside it is
written, fsync'd and moved over it (POSIX ``rename``), so that a crash leaves the old ring or the
new one, never a part.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import KeyUnavailable

KEY_FILE = "encryption.key"
_KEY_BYTES = 32
_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """One AES-256 key; ``id`` is a fingerprint that may be shown."""

    id: str
    material: bytes = field(repr=False)


def new_key() -> str:
    """A fresh key in the form ``LEDGERGUARD_ENCRYPTION_KEYS`` and the key file take."""
    return _text(secrets.token_bytes(_KEY_BYTES))


def parse_keys(text: str, where: str) -> tuple[Key, ...]:
    """The keys of a text, in its order; ``where`` names it in the errors.

    Raises:
        KeyUnavailable: a key is malformed, or there is none.
    """
    keys: list[Key] = []
    for part in text.replace(",", "\n").split():
        try:
            material = base64.b64decode(part, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            material = b""
        if len(material) != _KEY_BYTES:
            raise KeyUnavailable(
                f"Key {len(keys) + 1} of {where} is not 32 bytes in base64. Restore it from your "
                "backup; a new one cannot open the tokens stored so far."
            )
        fingerprint = hashlib.sha256(b"ledgerguard key id" + material).hexdigest()[:12]
        keys.append(Key(fingerprint, material))
    if not keys:
        raise KeyUnavailable(
            f"{where} holds no key. Restore it from your backup; without it the stored tokens "
            "cannot be opened and every company has to be connected again."
        )
    return tuple(dict.fromkeys(keys))


def read_keys(path: Path) -> tuple[Key, ...]:
    """The ring in the file.

    Raises:
        KeyUnavailable: it cannot be read, is open to other users, or is damaged.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_LARGEST)
    except OSError as error:
        raise KeyUnavailable(
            f"The key file {path} cannot be read ({error.strerror}). Give it to the user that "
            "runs ledgerguard."
        ) from None
    if mode & 0o077:
        raise KeyUnavailable(
            f"The key file {path} is open to other users (mode {mode:04o}). Run "
            f"`chmod 600 {path}`, and `ledgerguard keys rotate` if others could read it."
        )
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        text = "damaged"
    return parse_keys(text, f"the key file {path}")


def make_keys(path: Path) -> tuple[Key, ...]:
    """A file with one fresh key, unless another process just made it: linking is atomic.

    Raises:
        KeyUnavailable: it cannot be written or read.
    """
    with _draft(path, f"{new_key()}\n") as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return read_keys(path)


def replace_keys(path: Path, keys: Sequence[Key]) -> None:
    """Put this ring in place of the file's; one writer at a time (the caller holds a lease).

    Raises:
        KeyUnavailable: it cannot be written; the old ring stays.
    """
    for left_over in path.parent.glob(f".{path.name}.*"):
        left_over.unlink(missing_ok=True)  # of a process that was killed here
    with _draft(path, "".join(f"{_text(key.material)}\n" for key in keys)) as draft:
        crashpoint("before_key_file_replace")
        draft.replace(path)


@contextmanager
def _draft(path: Path, content: str) -> Iterator[Path]:
    """A durable private file beside ``path``; changes that the block makes to it are durable as well."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, content.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        yield draft
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


def _text(material: bytes) -> str:
    return base64.urlsafe_b64encode(material).decode()
