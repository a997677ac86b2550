"""The checks of ``ledgerguard doctor`` on PostgreSQL and Redis, if configured."""

from __future__ import annotations

from collections.abc import Callable

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good, misconfigured
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import ConfigurationError, ControlUnreachable, LedgerGuardError

_NEXT = "See the message; nothing was changed."


def server_findings(settings: Settings) -> list[CheckResult]:
    """Whether the configured servers answer, and which of them may lose data; only reads."""
    return [*postgres(settings), *redis(settings)]


def postgres(settings: Settings) -> list[CheckResult]:
    """The control plane's server; nothing to find where it is a file."""
    url = settings.ledgerguard_control_url
    if url is None:
        return []

    def look() -> list[CheckResult]:
        from ledgerguard_pipeline.control.storage.database import Database
        from ledgerguard_pipeline.control.storage.postgres_durability import durability

        if url.get_secret_value().startswith("sqlite"):
            return []
        database = Database(url.get_secret_value())
        try:
            database.reach()
            shown = database.url.render_as_string(hide_password=True)
            return _reported("PostgreSQL", durability(database), f"{shown} answers.")
        finally:
            database.close()

    return _looked("PostgreSQL", look)


def redis(settings: Settings) -> list[CheckResult]:
    """The server of tokens, leases and limiter; nothing to find where none is configured."""
    url = settings.ledgerguard_redis_url
    if url is None:
        return []

    def look() -> list[CheckResult]:
        from ledgerguard_pipeline.control.storage.redis_server import RedisServer

        server = RedisServer(url.get_secret_value())
        try:
            server.reach()
            concerns = server.concerns()
            version = ".".join(map(str, server.version()))
            return _reported(
                "Redis", concerns, f"{server.address.shown} answers (release {version})."
            )
        finally:
            server.close()

    return _looked("Redis", look)


def _looked(topic: str, look: Callable[[], list[CheckResult]]) -> list[CheckResult]:
    try:
        return look()
    except (ControlUnreachable, ConfigurationError) as error:
        return [misconfigured(topic, error.message, _NEXT)]
    except LedgerGuardError as error:
        return [broken(topic, error.message, _NEXT)]


def _reported(topic: str, concerns: list[str], fine: str) -> list[CheckResult]:
    if not concerns:
        return [good(topic, fine)]
    # The last sentence of a concern is its remedy.
    parted = (concern.rstrip(".").rpartition(". ") for concern in concerns)
    return [advice(topic, f"{what}.", f"{remedy}.") for what, _, remedy in parted]
