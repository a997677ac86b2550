"""Tokens in Redis: the same sealed texts as in the database, in one hash per company.

Every change is one script that compares before it writes, so nothing comes in between. No key
expires. A key of the ring that was retired is on record, and nothing sealed with it is taken any
more: between the look for tokens it seals and its removal none can slip in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, cast

from pydantic import SecretStr

from ledgerguard_pipeline.control.storage.redis_server import (
    CLOCK_LUA,
    RedisServer,
    call_name,
    key,
    microseconds,
    moment,
)
from ledgerguard_pipeline.control.tokens.keyring import Keyring, sealed_with
from ledgerguard_pipeline.control.tokens.location import TOKEN_INDEX
from ledgerguard_pipeline.control.tokens.sealing import SEALED_FIELDS, Sealer
from ledgerguard_pipeline.control.tokens.sql_store import (
    RefreshAttempt,
    SealedRow,
    TokenLife,
    Tokens,
)
from ledgerguard_pipeline.errors import KeyUnavailable, LostRace
from ledgerguard_pipeline.values import Environment, RealmId

if TYPE_CHECKING:
    from redis import Redis

_INDEX = key(TOKEN_INDEX)
"""The companies that have tokens, as ``environment:realm``."""

_RETIRED = key("retired-keys")
_REASON_LIMIT = 300

_ENDS = ("access_expires_at", "refresh_expires_at", "hard_expires_at")

_REPLACE = (
    CLOCK_LUA
    + """
local tokens, attempt, index, retired = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local given, call, member, expected, version, sealer = unpack(ARGV, 1, 6)
local stored = redis.call('HMGET', tokens, 'version', 'call')
if stored[2] == call then return 'stored' end
if (stored[1] or '') ~= expected then return 'lost' end
if redis.call('SISMEMBER', retired, sealer) == 1 then return 'retired' end
redis.call('HSET', tokens, 'version', version, 'call', call, 'updated_at', text(clock(given)),
  unpack(ARGV, 7))
redis.call('SADD', index, member)
redis.call('DEL', attempt)
return 'stored'
"""
)

_FORGET = """
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
return 1
"""

_NOTE = (
    CLOCK_LUA
    + """
local given, call, old = ARGV[1], ARGV[2], ARGV[3]
local noted = redis.call('HMGET', KEYS[1], 'old_token_sha256', 'tries', 'started_at', 'call',
  'reason')
if noted[4] == call then return {noted[2], noted[3], noted[5] or ''} end
local same = noted[1] == old
local tries = same and noted[2] + 1 or 1
if not same then redis.call('HDEL', KEYS[1], 'reason') end
local now = text(clock(given))
redis.call('HSET', KEYS[1], 'old_token_sha256', old, 'tries', text(tries), 'started_at', now,
  'call', call)
return {text(tries), now, same and noted[5] or ''}
"""
)

_REASON = """
if redis.call('HGET', KEYS[1], 'old_token_sha256') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'reason', ARGV[2])
end
return 1
"""

_ROTATE = """
local tokens, retired = KEYS[1], KEYS[2]
local sealer, old_access, old_refresh, access, refresh = unpack(ARGV)
local stored = redis.call('HMGET', tokens, 'access_token', 'refresh_token')
if stored[1] == access and stored[2] == refresh then return 'stored' end
if stored[1] ~= old_access or stored[2] ~= old_refresh then return 'lost' end
if redis.call('SISMEMBER', retired, sealer) == 1 then return 'retired' end
redis.call('HSET', tokens, 'access_token', access, 'refresh_token', refresh)
return 'stored'
"""


class RedisTokenStore:
    """Tokens of the environment the plane was opened for, as ``sql_store.TokenStore`` keeps them."""

    def __init__(self, server: RedisServer, keyring: Keyring, environment: Environment) -> None:
        self._server = server
        self._sealer = Sealer(keyring)
        self._environment = environment

    def load(self, realm: RealmId) -> Tokens | None:
        """The stored grant, or None.

        Raises:
            KeyUnavailable: it does not open: wrong key, altered, or moved from another row.
            ControlUnavailable: Redis gave no usable answer.
        """
        row = self._row(self._environment, realm)
        if not row:
            return None
        return Tokens(
            access_token=self._unsealed(realm, "access_token", row),
            refresh_token=self._unsealed(realm, "refresh_token", row),
            access_expires_at=moment(row["access_expires_at"]),
            refresh_expires_at=_moment(row["refresh_expires_at"]),
            hard_expires_at=_moment(row["hard_expires_at"]),
            version=int(row["version"]),
        )

    def replace(self, realm: RealmId, grant: Tokens, expected_version: int | None) -> Tokens:
        """Store ``grant`` if the stored version is still ``expected_version`` (None: no row).

        When it returns, the grant is on the disk of Redis as far as Redis can tell (see
        ``RedisServer.durable_script``). The note of an attempt is cleared with it.

        Raises:
            LostRace: another process stored a grant first; nothing was written.
            KeyUnavailable: it could not be sealed; nothing was written.
            ControlUnavailable: Redis gave no usable answer, or did not reach its disk.
        """
        version = (expected_version or 0) + 1
        call = call_name()

        def write(sealer: str, access: str, refresh: str) -> object:
            fields: dict[str, str | int] = {
                "access_token": access,
                "refresh_token": refresh,
                "access_expires_at": microseconds(grant.access_expires_at),
                "refresh_expires_at": _text(grant.refresh_expires_at),
                "hard_expires_at": _text(grant.hard_expires_at),
            }
            return self._server.durable_script(
                _REPLACE,
                [*self._keys(self._environment, realm), _INDEX, _RETIRED],
                [
                    self._server.now_argument(),
                    call,
                    _member(self._environment, realm),
                    "" if expected_version is None else expected_version,
                    version,
                    sealer,
                    *chain.from_iterable(fields.items()),
                ],
            )

        if not self._sealed_with_a_kept_key(
            self._environment, realm, (grant.access_token, grant.refresh_token), write
        ):
            raise LostRace(
                "Another process stored newer tokens for this company; they are used instead.",
                realm_id=realm,
            )
        return replace(grant, version=version)

    def version(self, realm: RealmId) -> int | None:
        """The stored version, or None; needs no key."""
        tokens = self._keys(self._environment, realm)[0]
        found = self._server.run(lambda client: client.hget(tokens, "version"))
        return None if found is None else int(cast(str, found))

    def lives(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, TokenLife]:
        """The life of every stored grant, or of those of some companies; needs no key."""
        mine = self._mine(realms)
        rows = self._fields(mine, *_ENDS, "refresh_token", "version")
        return {
            realm: TokenLife(
                moment(access),
                _moment(refresh),
                _moment(hard),
                sealed_with(sealed or "") or "",
                int(version or 1),
            )
            for (_, realm), (access, refresh, hard, sealed, version) in zip(mine, rows, strict=True)
            if access
        }

    def forget(self, realm: RealmId) -> None:
        """Remove the grant and any note of an attempt."""
        keys = [*self._keys(self._environment, realm), _INDEX]
        self._server.durable_script(_FORGET, keys, [_member(self._environment, realm)])

    def note_attempt(self, realm: RealmId, current: Tokens) -> RefreshAttempt:
        """Write down, durably and before the call, that this refresh token is being used.

        Raises:
            KeyUnavailable: an answer could not be sealed now, so Intuit must not be asked.
            ControlUnavailable: Redis gave no usable answer, or did not reach its disk.
        """
        self._sealer.keyring.newest()
        args = [self._server.now_argument(), call_name(), current.refresh_sha256]
        keys = [self._keys(self._environment, realm)[1]]
        noted = cast(tuple[str, str, str], self._server.durable_script(_NOTE, keys, args))
        tries, started, reason = noted
        return RefreshAttempt(current.refresh_sha256, moment(started), int(tries), reason or None)

    def note_reason(self, realm: RealmId, attempt: RefreshAttempt, reason: str) -> None:
        """Write down why an attempt came to nothing, for everybody who is asked about it."""
        keys = [self._keys(self._environment, realm)[1]]
        self._server.script(_REASON, keys, [attempt.old_token_sha256, reason[:_REASON_LIMIT]])

    def attempts(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, RefreshAttempt]:
        """Every refresh whose outcome is not on record, or those of some companies."""
        mine = self._mine(realms)

        def read(client: Redis) -> list[dict[str, str]]:
            pipe = client.pipeline(transaction=False)
            for environment, realm in mine:
                pipe.hgetall(self._keys(environment, realm)[1])
            return pipe.execute()

        rows = self._server.run(read) if mine else []
        return {realm: _attempt(row) for (_, realm), row in zip(mine, rows, strict=True) if row}

    def attempt(self, realm: RealmId) -> RefreshAttempt | None:
        """The refresh whose outcome is not on record, if any."""
        attempt = self._keys(self._environment, realm)[1]
        row = cast("dict[str, str]", self._server.run(lambda client: client.hgetall(attempt)))
        return _attempt(row) if row else None

    def clear_attempt(self, realm: RealmId) -> None:
        """Drop the note: Intuit answered, and the answer was a definite no."""
        attempt = self._keys(self._environment, realm)[1]
        self._server.run(lambda client: client.delete(attempt))

    def sealed(self) -> list[SealedRow]:
        """Every stored grant of every environment, with the keys its tokens need; opens none."""
        members = self._members()
        rows = self._fields(members, *SEALED_FIELDS)
        return [
            SealedRow(environment, realm, tuple(sealed_with(text or "") for text in row))
            for (environment, realm), row in zip(members, rows, strict=True)
            if any(row)
        ]

    def rotate(self, row: SealedRow) -> bool:
        """Seal one stored grant again with the newest key; False if it is so already, or gone.

        Raises:
            KeyUnavailable: it does not open, as ``load``; it stays as it was.
            ControlUnavailable: Redis gave no usable answer, or did not reach its disk.
        """
        environment, realm = row.environment, row.realm_id
        stored = self._row(environment, realm)
        if not stored:
            return False
        old = (stored["access_token"], stored["refresh_token"])
        if {sealed_with(text) for text in old} == {self._sealer.keyring.newest()}:
            return False
        secrets = [
            self._sealer.unseal(environment, realm, name, text)
            for name, text in zip(SEALED_FIELDS, old, strict=True)
        ]

        def write(sealer: str, access: str, refresh: str) -> object:
            return self._server.durable_script(
                _ROTATE,
                [self._keys(environment, realm)[0], _RETIRED],
                [sealer, *old, access, refresh],
            )

        return self._sealed_with_a_kept_key(environment, realm, (secrets[0], secrets[1]), write)

    def retire(
        self, key_ids: Collection[str], drop: Callable[[Collection[str]], None]
    ) -> frozenset[str]:
        """Call ``drop`` with those of the keys that protect no stored token, and return them.

        From the moment they are on record nothing sealed with them is stored any more, so no
        token is ever left behind that only a dropped key opens.
        """
        wanted = frozenset(key_ids) - {self._sealer.keyring.newest()}
        if not wanted:
            return wanted
        self._server.run(lambda client: client.sadd(_RETIRED, *wanted))
        released = wanted
        try:
            used = {key_id for row in self.sealed() for key_id in row.key_ids}
            unused = wanted - used
            if unused:
                drop(unused)
            released = wanted - unused
        finally:
            if released:
                self._server.run(lambda client: client.srem(_RETIRED, *released))
        return unused

    def _sealed_with_a_kept_key(
        self,
        environment: Environment,
        realm: RealmId,
        secrets: tuple[SecretStr, SecretStr],
        write: Callable[[str, str, str], object],
    ) -> bool:
        """Seal both and write them; once more where the key was retired meanwhile.

        False if the stored value is not the one the writer had seen.
        """
        sealer = ""
        for _ in range(2):
            access, refresh = (
                self._sealer.seal(environment, realm, name, secret)
                for name, secret in zip(SEALED_FIELDS, secrets, strict=True)
            )
            sealer = sealed_with(access) or ""
            answer = write(sealer, access, refresh)
            if answer != "retired":
                return answer == "stored"
        raise KeyUnavailable(
            f"Key {sealer} was retired, but this process still seals with it: nothing was stored. "
            "Restart it with the ring that `ledgerguard keys` shows."
        )

    def _unsealed(self, realm: RealmId, name: str, row: Mapping[str, str]) -> SecretStr:
        return self._sealer.unseal(self._environment, realm, name, row.get(name, ""))

    def _row(self, environment: Environment, realm: RealmId) -> dict[str, str]:
        tokens = self._keys(environment, realm)[0]
        return cast("dict[str, str]", self._server.run(lambda client: client.hgetall(tokens)))

    def _members(self) -> list[tuple[Environment, RealmId]]:
        """Whose tokens are stored, in one order."""
        found = cast("set[str]", self._server.run(lambda client: client.smembers(_INDEX)))
        parted = (member.partition(":") for member in sorted(found))
        return [(Environment(name), RealmId(realm)) for name, _, realm in parted]

    def _mine(self, realms: Sequence[RealmId] | None) -> list[tuple[Environment, RealmId]]:
        """Those of this environment, or those of them that are asked for."""
        chosen = None if realms is None else frozenset(realms)
        return [
            (environment, realm)
            for environment, realm in self._members()
            if environment is self._environment and (chosen is None or realm in chosen)
        ]

    def _fields(
        self, members: Sequence[tuple[Environment, RealmId]], *names: str
    ) -> list[list[str | None]]:
        """These fields of many grants in one go."""

        def read(client: Redis) -> list[list[str | None]]:
            pipe = client.pipeline(transaction=False)
            for environment, realm in members:
                pipe.hmget(self._keys(environment, realm)[0], list(names))
            return pipe.execute()

        return self._server.run(read) if members else []

    def _keys(self, environment: Environment, realm: RealmId) -> list[str]:
        company = f"{{{_member(environment, realm)}}}"
        return [key(company, "tokens"), key(company, "attempt")]


def _attempt(row: Mapping[str, str]) -> RefreshAttempt:
    return RefreshAttempt(
        row["old_token_sha256"],
        moment(row["started_at"]),
        int(row["tries"]),
        row.get("reason") or None,
    )


def _member(environment: Environment, realm: RealmId) -> str:
    return f"{environment.value}:{realm}"


def _text(value: datetime | None) -> str | int:
    return "" if value is None else microseconds(value)


def _moment(value: str | None) -> datetime | None:
    return moment(value) if value else None
