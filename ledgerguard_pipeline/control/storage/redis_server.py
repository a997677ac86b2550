"""One Redis for the processes of an installation: how it is reached, retried and trusted.

A call that gets no usable answer is repeated until a deadline, so a restart or a failover costs
a pause. Whatever is called may therefore run twice; the scripts of the stores carry a name of
their own per call, by which a repetition is recognised. Scripts are sent again where the server
has forgotten them.

Decision 30 in docs/decisions.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import structlog

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Backoff, Clock
from ledgerguard_pipeline.config.redis_url import redis_address
from ledgerguard_pipeline.control.storage.redis_durability import durability
from ledgerguard_pipeline.errors import ControlUnavailable, ControlUnreachable

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["CLOCK_LUA", "RedisServer", "call_name", "durability", "key", "microseconds", "moment"]

PATIENCE_SECONDS = 15.0
"""How long a call is repeated while the server is away: longer than a restart or a failover."""

ANSWER_SECONDS = 5.0
ON_DISK_SECONDS = 3.0
"""How long a write may take to reach the disk; below ``ANSWER_SECONDS``."""

WAITS_FOR_DISK = (7, 2)
"""The release that can tell when a write is on disk (WAITAOF)."""

_RETRYING = Backoff(first=0.05, longest=1.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PREFIX = "ledgerguard"

CLOCK_LUA = """
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end
local function text(number) return string.format('%.0f', number) end
"""
"""Time in microseconds: the server's, unless a test gives its own. Numbers keep all digits."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class _Script(Protocol):
    def __call__(self, *, keys: Sequence[str], args: Sequence[str | int | float]) -> object: ...


class RedisServer:
    """The connections of one process to one Redis. Thread-safe; a fork gets its own."""

    def __init__(self, url: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self.address = redis_address(url)
        self.clock = clock
        self.patience_seconds = PATIENCE_SECONDS
        self._version: tuple[int, ...] | None = None
        self._scripts: dict[str, _Script] = {}
        self._client: Redis = Redis.from_url(
            self.address.url,
            decode_responses=True,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            health_check_interval=30,
            # More threads than this never call at once; a pool that is full would refuse them.
            max_connections=1_000,
            # The one layer of retries is ``run``: it knows the deadline.
            retry=Retry(NoBackoff(), 0),
        )

    def reach(self) -> None:
        """Make sure at the start that the server answers.

        Raises:
            ControlUnreachable: it does not; the message names the setting.
        """
        patience, self.patience_seconds = self.patience_seconds, 0.0
        try:
            self.run(lambda client: client.ping())
        except ControlUnavailable as error:
            raise ControlUnreachable(
                f"The Redis server at {self.address.shown} cannot be used: "
                f"{_cause(error.__cause__ or error)}. Start it, or correct LEDGERGUARD_REDIS_URL."
            ) from error
        finally:
            self.patience_seconds = patience

    def run(self, call: Callable[[Redis], _T]) -> _T:
        """What ``call`` returns; repeated while the server is away, so it may run twice.

        Raises:
            ControlUnavailable: no usable answer within ``PATIENCE_SECONDS``, or a refusal.
        """
        from redis.exceptions import BusyLoadingError, ReadOnlyError, RedisError
        from redis.exceptions import ConnectionError as NotConnected
        from redis.exceptions import TimeoutError as NoAnswer

        waits = _RETRYING.within(self.patience_seconds, self.clock)
        while True:
            try:
                return call(self._client)
            except (NotConnected, NoAnswer, BusyLoadingError, ReadOnlyError) as error:
                if waits.over or _refused(error):
                    raise self._failed(error) from error
                if not waits.begun:
                    _log.warning(
                        "redis_unreachable", server=self.address.shown, reason=_cause(error)
                    )
                self._client.connection_pool.disconnect(inuse_connections=False)
                waits.wait()
            except RedisError as error:
                raise self._failed(error) from error

    def holds(self, name: str) -> bool:
        """Whether there is anything under a key of this product.

        Raises:
            ControlUnavailable: as ``run``.
        """
        return bool(self.run(lambda client: client.exists(key(name))))

    def script(self, text: str, keys: Sequence[str], args: Sequence[str | int | float]) -> object:
        """Run a script; a power cut of the server may lose its writes.

        Raises:
            ControlUnavailable: as ``run``.
        """
        if text not in self._scripts:
            self._scripts[text] = cast(_Script, self._client.register_script(text))
        return self.run(lambda _: self._scripts[text](keys=keys, args=args))

    def durable_script(
        self, text: str, keys: Sequence[str], args: Sequence[str | int | float]
    ) -> object:
        """Run a script and return when Redis says that its writes are on disk.

        Before 7.2 it cannot say so: then ``appendfsync always`` is what makes it so
        (``redis_durability`` tells). Where Redis keeps no append-only file there is nothing to
        wait for.

        Raises:
            ControlUnavailable: as ``run``, or the write was not on disk in time.
        """
        waits = self.version() >= WAITS_FOR_DISK

        def write(client: Redis) -> list[object]:
            # One pipeline is one connection: WAITAOF waits for what its own connection wrote.
            pipe = client.pipeline(transaction=False)
            pipe.eval(text, len(keys), *keys, *args)
            if waits:
                pipe.waitaof(1, 0, int(ON_DISK_SECONDS * 1000))
            answers: list[object] = pipe.execute(raise_on_error=False)
            if isinstance(answers[0], Exception):
                raise answers[0]
            return answers

        answers = self.run(write)
        if waits and isinstance(answers[1], list) and not int(answers[1][0]):
            raise ControlUnavailable(
                f"Redis ({self.address.shown}) took a write but did not have it on disk within "
                f"{ON_DISK_SECONDS:g} s. Look at its disk, and set appendfsync to everysec or "
                "always; the write will be retried."
            )
        return answers[0]

    def version(self) -> tuple[int, ...]:
        """The server's release, asked once; (0,) where it does not tell."""
        if self._version is None:
            from redis.exceptions import NoPermissionError

            def ask(client: Redis) -> str:
                try:
                    return str(client.info("server").get("redis_version", "0"))
                except NoPermissionError:
                    # Every user may say hello, and the server introduces itself.
                    answer: object = client.execute_command("HELLO")  # type: ignore[no-untyped-call]
                    return str(answer.get("version", "0")) if isinstance(answer, dict) else "0"

            parts = self.run(ask).split(".")
            self._version = tuple(int(part) for part in parts if part.isdecimal()) or (0,)
        return self._version

    def concerns(self) -> list[str]:
        """What may lose a token or show the password, a sentence each with the remedy.

        Raises:
            ControlUnavailable: as ``run``.
        """
        found = self.run(durability)
        if self.address.in_clear:
            found.append(
                f"What goes to {self.address.shown} is not encrypted on its way, the password "
                "neither. Use rediss:// unless the network between is yours alone."
            )
        return found

    def now_argument(self) -> str:
        """What scripts take for the time: nothing, so that the server's counts, but in tests."""
        return "" if self.clock is SYSTEM_CLOCK else str(microseconds(self.clock.now()))

    def now(self) -> datetime:
        """The server's time in UTC, or a test's."""
        if self.clock is not SYSTEM_CLOCK:
            return self.clock.now()
        seconds, micros = self.run(lambda client: client.time())
        return _EPOCH + timedelta(seconds=seconds, microseconds=micros)

    def close(self) -> None:
        """Close this process's connections."""
        self._client.close()

    def _failed(self, error: Exception) -> ControlUnavailable:
        return ControlUnavailable(
            f"Redis ({self.address.shown}) could not be used: {_cause(error)}. Nothing is lost; "
            "start it, or check LEDGERGUARD_REDIS_URL, then try again."
        )


def key(*parts: str) -> str:
    """A key of this product: ``ledgerguard:...``; the part in braces keeps a company together."""
    return ":".join((_PREFIX, *parts))


def microseconds(moment: datetime) -> int:
    """An instant as the scripts keep it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int | str) -> datetime:
    """An instant out of a script's microseconds."""
    return _EPOCH + timedelta(microseconds=int(value))


def call_name() -> str:
    """A name for one call, by which its repetition is recognised."""
    return secrets.token_hex(8)


def _refused(error: Exception) -> bool:
    from redis.exceptions import AuthenticationError, AuthorizationError, MaxConnectionsError

    return isinstance(error, AuthenticationError | AuthorizationError | MaxConnectionsError)


def _cause(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
