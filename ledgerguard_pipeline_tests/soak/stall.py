"""A process that stops with Intuit's answer in hand, and wakes up when others have newer tokens.

The lease on the grant has ended by then, somebody else has refreshed twice, and the value the
sleeper holds was superseded. Stored, it would end the connection at the next refresh.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ledgerguard_pipeline.auth.refresh_lease import LEASE_SECONDS, refresh_lease
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Environment, parse_realm
from ledgerguard_pipeline_tests.soak.processes import halt, resume

if TYPE_CHECKING:
    from ledgerguard_pipeline_tests.soak.actions import Actions

_SLOW_SECONDS = 2.0
"""How long the token endpoint's answer takes to arrive: time to make the store wait."""
_ASKED_SECONDS = 60.0
"""Until a sync is done, or asks for tokens: it may have to wait for another of the company."""


def stall(actions: Actions, realm: str, entity: str) -> bool:
    """Let it happen to one company that nothing else touches meanwhile; False if it did not."""
    sandbox, services, journal = actions.sandbox, actions.services, actions.journal
    command = ("sync", "--company", realm, "--entity", entity)
    if services.run(*command, seconds=_ASKED_SECONDS) != 0:
        journal.note("action", f"{realm} could not be synced, so no refresh of it is stalled")
        return False
    sandbox.clear_faults()
    sandbox.inject("slow_body", endpoint="token", next=1, seconds=_SLOW_SECONDS)
    asked = _token_calls(sandbox)
    actions.expire(realm)
    first = services.begin(*command)
    try:
        if not _until(
            lambda: _token_calls(sandbox) > asked or first.poll() is not None, _ASKED_SECONDS
        ):
            return False
        sleeper = None
        with services.grants.writes_waiting():
            time.sleep(_SLOW_SECONDS + 1)  # the answer arrives and cannot be stored
            owner = services.grants.owner(refresh_lease(Environment.SANDBOX, parse_realm(realm)))
            if owner is not None and owner == first.pid and halt(owner):
                sleeper = owner
        if sleeper is None:
            journal.note("action", f"nobody was refreshing {realm} when it was to be stalled")
            return False
        journal.note("action", f"process {sleeper} stalls with fresh tokens of {realm} in hand")
        actions.ending.wait(LEASE_SECONDS + 1)
        with actions.rotation():
            for _ in range(2):
                actions.expire(realm)
                services.run(*command)
        journal.note("action", f"process {sleeper} wakes up; its tokens were superseded twice")
        resume(sleeper)
        services.end(first, _ASKED_SECONDS)
        actions.expire(realm)
        services.run(*command)
        return True
    finally:
        resume(first.pid)
        services.end(first, _ASKED_SECONDS)


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
