"""What PostgreSQL meant by refusing, judged by its SQLSTATE: its words may be in any language.

libpq gives no SQLSTATE where a login fails, only the server's sentence in the server's language
(``lc_messages`` can be set by superusers only, and not before the login). libpq's trace has it: so
a login that a server answered with a refusal is done once more, traced. Codes: PostgreSQL,
appendix A "Error Codes"; message fields: "Frontend/Backend Protocol".

Decision 52 in docs/decisions.md.
"""

from __future__ import annotations

import os
import re
import select
import time
from contextlib import suppress

import psycopg
from psycopg import pq

_REFUSING = ("28", "3D", "42", "22", "0A")
"""Classes that stay until somebody corrects a setting: who may log in, to which database, with
which parameters."""

_PASSING = ("08", "40", "53", "55", "57", "58")
"""Classes that pass: connections, conflicts, resources, locks, operators, the system."""

_REPLY = re.compile(r"[^:\s][^:\n]{0,40}:  \S")
"""How libpq writes any message of a server, ``SEVERITY:  text``, whatever the language."""

_ASKS_IN_VAIN = "fe_sendauth"
"""In libpq's sentence where a server asks for a password and the address has none."""
_INVALID_PASSWORD = "28P01"  # noqa: S105  # a code, not a password

_TRACED = re.compile(rb'(?:^|\t)B\t\d+\tErrorResponse\t.* C "([0-9A-Z]{5})"', re.MULTILINE)
_LONGEST_TRACE = 1 << 20


def refuses(sqlstate: str | None) -> bool:
    """Whether an answer stays the same until somebody corrects a setting."""
    return sqlstate is not None and sqlstate[:2] in _REFUSING


def passes(sqlstate: str | None) -> bool:
    """Whether an answer may be another one in a moment."""
    return sqlstate is not None and sqlstate[:2] in _PASSING


def quotes_server(text: str) -> bool:
    """Whether an error's text holds a sentence of a server: one was reached, and it refused."""
    return _REPLY.search(text) is not None


def login_refused(error: BaseException, conninfo: str, *, seconds: float = 10.0) -> bool:
    """Whether the login that failed with this error would always fail.

    A server that was not reached at all refused nothing; where it answered, one traced login
    tells what it meant. ``seconds`` is how long that may take.
    """
    known = error.sqlstate if isinstance(error, psycopg.Error) else None
    if known is not None:
        return refuses(known)
    text = str(error)
    answered = quotes_server(text) or _ASKS_IN_VAIN in text
    return answered and refuses(login_sqlstate(conninfo, seconds=seconds))


def login_sqlstate(conninfo: str, *, seconds: float = 10.0) -> str | None:
    """The SQLSTATE with which a server refuses this login; None if it does not, or is not there.

    A server that asks for a password where there is none refuses the password.

    The trace holds the password and exists in memory alone, for the length of this call.
    """
    if not hasattr(os, "memfd_create"):
        return None
    trace = os.memfd_create("login", os.MFD_CLOEXEC)
    try:
        return _traced(conninfo, trace, time.monotonic() + seconds)
    except (psycopg.Error, OSError):
        return None
    finally:
        with suppress(OSError):
            os.ftruncate(trace, 0)
        os.close(trace)


def _traced(conninfo: str, trace: int, deadline: float) -> str | None:
    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        connection.trace(trace)
        state: int = pq.PollingStatus.WRITING
        while state in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
            left = deadline - time.monotonic()
            if connection.status == pq.ConnStatus.BAD or left <= 0:
                break
            reading = state == pq.PollingStatus.READING
            waits = [connection.socket]
            select.select(waits if reading else [], [] if reading else waits, [], left)
            state = connection.connect_poll()
        connection.untrace()
        without_password = connection.needs_password
    finally:
        connection.finish()
    os.lseek(trace, 0, os.SEEK_SET)
    found = _TRACED.findall(os.read(trace, _LONGEST_TRACE))
    if found:
        sqlstate: str = found[-1].decode()
        return sqlstate
    return _INVALID_PASSWORD if without_password else None
