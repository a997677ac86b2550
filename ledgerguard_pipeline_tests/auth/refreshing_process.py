"""Processes that all want a company's token at the same moment, for the tests beside this.

``python -m ...holders HOME CONTROL_URL REDIS_URL BASE_URL PROCESSES`` forks them, lets them go at
once and prints one line each: the version and value they got, or the error. A killed child prints
nothing and makes this process exit with 9.
"""

from __future__ import annotations

import os
import sys

import structlog
from pydantic import SecretStr

from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline_tests.auth.conftest import REALM, oauth_of


def _want(settings: Settings, base_url: str, gate: int) -> None:
    with ControlPlane.open(settings) as plane:
        token_provider = TokenProvider(plane, oauth_of(base_url))
        os.read(gate, 1)
        try:
            token = token_provider.current(REALM)
            line = f"{token.version} {token.value.get_secret_value()}\n"
        except LedgerGuardError as error:
            line = f"{type(error).__name__} {error.message}\n"
        os.write(sys.stdout.fileno(), line.encode())


def main(arguments: list[str]) -> int:
    home, url, redis_url, base_url, processes = arguments
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = load_settings(
        ledgerguard_home=home,
        ledgerguard_control_url=SecretStr(url) if url else None,
        ledgerguard_redis_url=SecretStr(redis_url) if redis_url else None,
    )
    with ControlPlane.open(settings) as plane:
        plane.tokens.load(REALM)
    gate, opener = os.pipe()
    children = []
    for _ in range(int(processes)):
        child = os.fork()
        if child == 0:
            os.close(opener)
            failed = True
            try:
                _want(settings, base_url, gate)
                failed = False
            finally:
                os._exit(failed)
        children.append(child)
    os.close(opener)  # every child's read ends now
    ended = [os.waitpid(child, 0)[1] for child in children]
    return max(os.WTERMSIG(status) if os.WIFSIGNALED(status) else status >> 8 for status in ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
