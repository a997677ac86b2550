"""Child processes kept as one: if one ends, all end, and the last words of the dead are shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from ledgerguard_pipeline.cli.local import guard
from ledgerguard_pipeline.cli.output import printable
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import LedgerGuardError

_GRACE_SECONDS = 15.0
_TAIL_BYTES = 2000
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ChildDied(LedgerGuardError):
    """A supervised process ended although nobody asked it to."""


class StopRequested(Exception):
    """SIGINT or SIGTERM arrived: stop everything in order; not an error."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ends: bool = False
    """Whether it ends by itself when its work is done, well or not."""


class Children:
    """Starts processes, watches them, and stops all of them at the end of the block.

    Each child leads its own process group, so a Ctrl-C reaches only this process, which then
    stops the children in reverse order of their start: first those that use the others. Should this
    process be killed, a guard stops them (``guard.py``). Open files of ``inherited``
    descriptors stay open in them, so that a lock lasts as long as any of them.
    """

    def __init__(
        self,
        log_directory: Path,
        stop_signal: StopSignal,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        inherited: Sequence[int] = (),
        grace_seconds: float = _GRACE_SECONDS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._logs = log_directory
        self._stop_signal = stop_signal
        self._environment = dict(os.environ if environment is None else environment)
        self._folder = folder
        self._inherited = tuple(inherited)
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._guard = subprocess.Popen(  # noqa: S603 - a fixed command of ours, no shell
            [sys.executable, "-I", guard.__file__, str(self._grace_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._inform_guard(guard.DONE)
        with suppress(OSError):
            self._guard.communicate()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        ends: bool = False,
    ) -> Child:
        """Start ``command`` with ``environment`` added to the common one.

        One that ``ends`` may do so without ending the others.
        """
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - a fixed command of ours, no shell
                list(command),
                env={**self._environment, **(environment or {})},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._inherited,
            )
        self._inform_guard(str(process.pid))
        child = Child(name, process, log, ends)
        self._children.append(child)
        return child

    def _inform_guard(self, line: str) -> None:
        pipe = self._guard.stdin
        if pipe is not None:
            with suppress(OSError):
                pipe.write(f"{line}\n")
                pipe.flush()

    def check(self) -> None:
        """Raise if this process was asked to stop or a child has ended.

        Raises:
            StopRequested: a signal arrived.
            ChildDied: a child ended; with its exit code and the end of its log.
        """
        self._stop_signal.check()
        for child in self._children:
            code = child.process.poll()
            if code is not None and not child.ends:
                raise ChildDied(
                    f"The {child.name} stopped by itself ({_ending(code)}), so the others were "
                    f"stopped too; its log is {child.log} and ends: {_tail(child.log)}"
                )

    def watch(self) -> None:
        """Block until ``check`` raises."""
        while True:
            self.check()
            self._clock.sleep(0.5)

    def stop(self) -> None:
        """SIGTERM to every child, newest first; SIGKILL to groups that outlive the grace."""
        deadline = self._clock.monotonic() + self._grace_seconds
        for child in reversed(self._children):
            _signal(child, signal.SIGTERM)
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - self._clock.monotonic()))
            # Whatever the child itself left behind goes with it.
            _signal(child, signal.SIGKILL)
            child.process.wait()
        self._children.clear()


class StopSignal:
    """Remembers that SIGINT or SIGTERM arrived; ``check`` turns it into StopRequested.

    A flag, not an exception out of the handler: that could strike between starting a child and
    remembering it. Waits notice it within half a second.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Self:
        self._before = {each: signal.signal(each, self._ask) for each in _STOP_SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def check(self) -> None:
        """Raise StopRequested if a signal has arrived."""
        if self._asked:
            raise StopRequested

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


def python(*arguments: str) -> list[str]:
    """A command of this very Python; ``-P`` keeps the working folder out of its imports."""
    return [sys.executable, "-P", *arguments]


def _signal(child: Child, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _tail(log: Path) -> str:
    text = log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()][-3:]
    from ledgerguard_pipeline.observability.redaction import redact

    return printable(redact(" / ".join(lines))) or "(it is empty)"
