"""Changing the encryption key under a running installation.

A key file with more than one key is a rotation under way: whoever runs it again finishes it
instead of making yet another key. Each company is sealed anew in a transaction of its own, so a
crash loses at most the place in the list; an old key leaves the file only in a transaction that
saw that nothing needs it and during which nothing can be stored.

Decision 27 in docs/decisions.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import structlog

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import SealedRow
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import ConfigurationError, KeyUnavailable
from ledgerguard_pipeline.values import Environment, RealmId

ROTATION_LEASE = "key rotation"
_LEASE_SECONDS = 60.0
_WAIT_SECONDS = 15.0
"""Long enough for the lease of a killed rotation to be taken over."""
_RENEW_EVERY = 50
_PASSES = 3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One key: whether the ring holds it, whether it seals now, and what it still protects.

    ``id`` is None for tokens that were altered so that their key is unknown.
    """

    id: str | None
    newest: bool
    present: bool
    tokens: int
    companies: int


@dataclass(frozen=True, slots=True)
class Unopened:
    """A company whose tokens could not be sealed anew; they stayed as they were."""

    environment: Environment
    realm_id: RealmId
    reason: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation came to; ``retired`` keys protect nothing and may be thrown away."""

    key_id: str
    made: bool
    """False where a rotation begun earlier was finished, or the keys come from the environment."""
    companies: int
    resealed: int
    retired: tuple[str, ...]
    kept: tuple[str, ...]
    """Older keys that are still needed."""
    unopened: tuple[Unopened, ...]
    key_file: str | None


def key_uses(control: ControlPlane) -> list[KeyUse]:
    """The keys of the ring, newest first, then those that stored tokens need and nobody has."""
    ring = control.keyring.key_ids
    tokens: Counter[str | None] = Counter()
    companies: Counter[str | None] = Counter()
    for row in control.tokens.sealed():
        tokens.update(row.key_ids)
        companies.update(set(row.key_ids))
    lost = sorted(tokens.keys() - set(ring), key=str)
    return [
        KeyUse(key, key == next(iter(ring), None), key in ring, tokens[key], companies[key])
        for key in (*ring, *lost)
    ]


def rotate_keys(control: ControlPlane) -> Rotation:
    """Seal every token with a new key and drop the old ones; may run while tokens are refreshed.

    With ``LEDGERGUARD_ENCRYPTION_KEYS`` the first key there is the new one and nothing is
    dropped: only the operator can change that variable.

    Raises:
        ConfigurationError: the variable names one key only, so there is none to change to.
        KeyUnavailable: the key file cannot be read or written.
        ControlUnavailable: another rotation is under way, or the store is down.
    """
    with control.leases.holding(
        ROTATION_LEASE, ttl_seconds=_LEASE_SECONDS, wait_seconds=_WAIT_SECONDS
    ) as held:
        lease = held
        made = _begin(control)
        unopened: dict[tuple[Environment, RealmId], Unopened] = {}
        resealed = 0
        # Processes that still run with an older ring may seal with its key meanwhile.
        for _ in range(_PASSES):
            due = [row for row in _due(control) if (row.environment, row.realm_id) not in unopened]
            for done, row in enumerate(due, 1):
                try:
                    resealed += control.tokens.rotate(row)
                except KeyUnavailable as error:
                    unopened[row.environment, row.realm_id] = Unopened(
                        row.environment, row.realm_id, error.message
                    )
                crashpoint("after_token_resealed")
                if done % _RENEW_EVERY == 0:
                    lease = control.leases.renew(lease, _LEASE_SECONDS)
            if not due:
                break
        retired = _retire(control)
        rotation = Rotation(
            key_id=control.keyring.newest(),
            made=made,
            companies=len(control.tokens.sealed()),
            resealed=resealed,
            retired=retired,
            kept=tuple(key for key in control.keyring.key_ids[1:] if key not in retired),
            unopened=tuple(unopened.values()),
            key_file=None if control.keyring.key_file is None else str(control.keyring.key_file),
        )
    _log.info(
        "keys_rotated",
        key_id=rotation.key_id,
        resealed=resealed,
        retired=list(retired),
        unopened=len(unopened),
    )
    return rotation


def _begin(control: ControlPlane) -> bool:
    """Have a new key in front of the ring; True if one was made."""
    ring = control.keyring
    if ring.key_file is None:
        (newest, *older), due = ring.key_ids, _due(control)
        if not older and not due:
            raise ConfigurationError(
                f"LEDGERGUARD_ENCRYPTION_KEYS holds key {newest} only, and all tokens are sealed "
                "with it. Put a new key (`openssl rand -base64 32`) in front of it, separated by "
                "a comma, restart every process and run this again."
            )
        return False
    stored = control.tokens.sealed()
    if stored and not ring.key_file.exists():
        needed = sorted({str(key) for row in stored for key in row.key_ids})
        raise KeyUnavailable(
            f"The key file {ring.key_file} is gone, and stored tokens need key "
            f"{', '.join(needed)}. Put it back from your backup, or connect the companies again."
        )
    ring.newest()  # notices a file that another process replaced
    if len(ring.key_ids) > 1:
        return False
    ring.add_key()
    crashpoint("after_new_key")
    return True


def _due(control: ControlPlane) -> list[SealedRow]:
    newest = control.keyring.newest()
    return [row for row in control.tokens.sealed() if set(row.key_ids) != {newest}]


def _retire(control: ControlPlane) -> tuple[str, ...]:
    """Keys that protect nothing any more; out of the file where they come from one."""
    older = control.keyring.key_ids[1:]
    if control.keyring.key_file is None:
        used = {key for row in control.tokens.sealed() for key in row.key_ids}
        return tuple(key for key in older if key not in used)
    crashpoint("before_key_retired")
    gone = control.tokens.retire(older, control.keyring.drop_keys)
    crashpoint("after_key_retired")
    return tuple(key for key in older if key in gone)
