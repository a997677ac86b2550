"""A home in which a process is killed, and the looks at it before and after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.auth.conftest import oauth_of
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.conftest import OWN_PREFIXES
from ledgerguard_pipeline_tests.crashes import deeds, mortal
from ledgerguard_pipeline_tests.hygiene.project import ROOT


class Mortals(Closing):
    """Processes that are killed at a crash point, forked from one that imported everything."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the processes
        self._parent = subprocess.Popen(
            [sys.executable, "-m", mortal.__name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )

    def close(self) -> None:
        """End the parent; its children are dead by then."""
        self._parent.communicate()
        self._said.close()

    def end_of(self, deed: str, *arguments: str, variables: Mapping[str, str]) -> int:
        """How a child that does this ended: an exit code, or a signal as a negative number."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        order = {"deed": deed, "arguments": arguments, "variables": dict(variables)}
        self._parent.stdin.write(json.dumps(order).encode() + b"\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def last_words(self) -> str:
        self._said.seek(0)
        return self._said.read().decode()[-3_000:]


@dataclass
class Stage:
    """One home on one kind of store, with everything that a deed needs besides it."""

    mortals: Mortals
    home: Path
    bronze: str
    """Where the Bronze store is: a path, or the URL of a lake."""
    endpoint: TokenEndpoint
    redis: str
    """The URL of a Redis; the settings name it if tokens are there from the beginning."""
    make_lake: Callable[[], str]
    """The URL of an empty lake."""
    sandbox: SandboxServer
    monkeypatch: pytest.MonkeyPatch
    killed: list[str] = field(default_factory=list)

    @property
    def oauth(self) -> OAuthEndpoint:
        return oauth_of(self.endpoint.base_url)

    def dies(self, point: str, deed: str, *arguments: str) -> None:
        """Do something in a process that is killed at a crash point."""
        own = {name: value for name, value in os.environ.items() if name.startswith(OWN_PREFIXES)}
        variables = {**own, "LEDGERGUARD_CRASH_AT": point}
        ended = self.mortals.end_of(deed, *arguments, variables=variables)
        assert ended == -signal.SIGKILL, self.mortals.last_words()
        self.killed.append(point)

    def plane(self, clock: Clock = SYSTEM_CLOCK, *, moving: bool = False) -> ControlPlane:
        """The control plane; close it before the next process is killed."""
        return deeds.plane(clock, moving=moving)

    def later(self) -> FakeClock:
        """A clock on which the leases of the dead are waited out at once."""
        with self.plane(moving=True) as control:
            return FakeClock(control.now())
