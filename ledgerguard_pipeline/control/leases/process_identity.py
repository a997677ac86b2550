"""Who holds something: a name for this process by which others can tell that it has died."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


def this_process() -> str:
    """A name for the running process, unique over reboots, containers and reused pids."""
    return _name(os.getpid())


def name_of(pid: int) -> str:
    """The name of a process of this machine, as it would call itself."""
    return f"{_machine()}:{pid}:{_started(pid)}"


def reachable(holder: str) -> int | None:
    """The pid of a process that lives where we can see it; None if it died or lives elsewhere."""
    machine, _, rest = holder.partition(":")
    pid, _, started = rest.partition(":")
    if machine != _machine() or not pid.isdecimal() or not started:
        return None
    return int(pid) if _started(int(pid)) == started else None


def has_died(holder: str) -> bool:
    """True only if that process is certainly gone: it lived where we can see it, and does not."""
    machine, _, rest = holder.partition(":")
    pid, _, started = rest.partition(":")
    if machine != _machine() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


@lru_cache(maxsize=1)
def _name(pid: int) -> str:
    return name_of(pid)


@lru_cache(maxsize=1)
def _machine() -> str:
    """One boot of one host, seen from one pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return f"{socket.gethostname()}-host".replace(":", "-")
    return f"{boot}-{namespace}"


def _started(pid: int) -> str:
    """When the process began, in clock ticks since boot; empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _alive_without_proc(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _alive_without_proc(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
