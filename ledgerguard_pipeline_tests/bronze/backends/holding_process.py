"""A process of its own that holds a Bronze file: ``python holder.py PATH [read_only]``.

It prints ``held`` once it has the file, lets go when its input ends and prints ``released``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Holder:
    """Holds the file open from another process until released."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(path), "ro" if read_only else "rw"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "held\n"
        self.pid = self._process.pid

    def release(self) -> None:
        """Let go and come back when the file is free."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self.release()


if __name__ == "__main__":
    import duckdb

    connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "ro")
    print("held", flush=True)
    sys.stdin.read()
    connection.close()
    print("released", flush=True)
