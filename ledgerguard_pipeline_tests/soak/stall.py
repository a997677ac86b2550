"""A process that stops with Intuit's answer in hand, and wakes up when others have newer tokens.

The lease on the grant has ended by then, somebody else has refreshed twice, and the value the
sleeper holds was superseded. Stored, it would end the connection at the next refresh.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledgerguard_pipeline.auth.refresh_lease import refresh_lease
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Environment, parse_realm
from ledgerguard_pipeline_tests.soak.books import CALM_TYPES
from ledgerguard_pipeline_tests.soak.one_at_a_time import OneAtATime
from ledgerguard_pipeline_tests.soak.processes import halt, resume

if TYPE_CHECKING:
    from ledgerguard_pipeline_tests.soak.actions import Actions

_ATTEMPTS = 3
"""Somebody else may refresh first, or the disk be full just then."""
_SLOW_SECONDS = 2.0
"""How long the token endpoint's answer takes to arrive: time to make the store wait."""
_ASKED_SECONDS = 60.0
"""Until a sync is done, or asks for tokens: it may have to wait for another of the company."""


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A command halted with an answer it could not store, since ``since`` (monotonic seconds)."""

    process: subprocess.Popen[bytes]
    realm: str
    since: float


class Stalls:
    """The sleepers of a soak, one at a time: of two, one would hold the only tokens that are valid.

    What they touch is in ``quiet`` meanwhile: companies that other actions leave alone.
    """

    def __init__(self, actions: Actions, quiet: set[str]) -> None:
        self._actions = actions
        self._quiet = quiet
        self._one = OneAtATime(actions.ending)
        self._sleeper: Sleeper | None = None

    def begin(self, realm: str) -> None:
        """The first one, who sleeps until he is carried out."""
        self._quiet.add(realm)
        self._sleeper = put_to_sleep(self._actions, realm)

    def carry_out(self, realm: str) -> None:
        """Put one to sleep, if none sleeps, and wake him."""
        with self._one.entered() as mine:
            if not mine:
                return
            self._quiet.add(realm)
            try:
                sleeper, self._sleeper = self._sleeper, None
                for _attempt in range(_ATTEMPTS):
                    if sleeper is not None or self._actions.ending.is_set():
                        break
                    sleeper = put_to_sleep(self._actions, realm)
                if sleeper is not None:
                    self._actions.lost_answers += 1
                    wake(self._actions, sleeper)
            finally:
                self._quiet.discard(realm)


def put_to_sleep(actions: Actions, realm: str) -> Sleeper | None:
    """Halt a sync of a company that nothing else touches; None if somebody else refreshed first."""
    sandbox, services, journal = actions.sandbox, actions.services, actions.journal
    if services.run(*_command(realm), seconds=_ASKED_SECONDS) != 0:
        journal.note("action", f"{realm} could not be synced, so no refresh of it is stalled")
        return None
    actions.clear_faults()
    sandbox.inject("slow_body", endpoint="token", next=1, seconds=_SLOW_SECONDS)
    asked = _token_calls(sandbox)
    actions.expire(realm)
    process = services.begin(*_command(realm))
    _until(lambda: _token_calls(sandbox) > asked or process.poll() is not None, _ASKED_SECONDS)
    with services.grants.writes_waiting():
        time.sleep(_SLOW_SECONDS + 1)  # the answer arrives and cannot be stored
        owner = services.grants.owner(refresh_lease(Environment.SANDBOX, parse_realm(realm)))
        halted = owner == process.pid and halt(process.pid)
    if halted:
        actions.halted += 1
        journal.note("action", f"process {process.pid} halts with fresh tokens of {realm} in hand")
        return Sleeper(process, realm, time.monotonic())
    journal.note("action", f"nobody was refreshing {realm} when it was to be stalled")
    services.end(process, _ASKED_SECONDS)
    return None


def wake(actions: Actions, sleeper: Sleeper) -> None:
    """Let its lease end and others refresh twice; then it goes on with what it has."""
    services, realm, process = actions.services, sleeper.realm, sleeper.process
    try:
        actions.ending.wait(sleeper.since + actions.lease_seconds + 1 - time.monotonic())
        with actions.rotation():
            for _ in range(2):
                actions.expire(realm)
                services.run(*_command(realm))
        actions.journal.note("action", f"process {process.pid} wakes up; its tokens are superseded")
    finally:
        resume(process.pid)
        services.end(process, _ASKED_SECONDS)
    actions.expire(realm)
    services.run(*_command(realm))


def _command(realm: str) -> tuple[str, ...]:
    return ("sync", "--company", realm, "--entity", CALM_TYPES[0])


def _token_calls(sandbox: SandboxServer) -> int:
    """How often the token endpoint was called so far."""
    calls = sandbox.stats()["oauth_calls"]
    return int(calls.get("token", 0)) if isinstance(calls, dict) else 0


def _until(ask: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask():
            return True
        time.sleep(0.05)
    return False
