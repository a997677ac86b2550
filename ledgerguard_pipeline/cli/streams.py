"""The standard streams of a command: there, whoever reads them, and able to carry any text."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

_STANDARD = (0, 1, 2)


class Output(io.TextIOWrapper):
    """Standard output that may be left by its reader (``| head``).

    What comes after that goes nowhere. The command ends as it would have: with its own exit code.
    """

    def write(self, text: str) -> int:
        """As ever, or nowhere."""
        try:
            return super().write(text)
        except BrokenPipeError:
            self._left()
            return len(text)

    def flush(self) -> None:
        """As ever, or nowhere."""
        try:
            super().flush()
        except BrokenPipeError:
            self._left()

    def _left(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Make the standard streams usable, once, before anything else is opened.

    One that the caller closed (``2>&-``) is opened to nowhere: otherwise the next file that is
    opened, such as a database, would get its number and whatever somebody prints. Text for people
    that the locale cannot write is written as escapes, data is UTF-8 everywhere (``data``).
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(
                os.devnull, os.O_RDWR
            )  # takes the lowest number that is free, which is this one
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, _opened(number))
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        encoding, lines = out.encoding, out.line_buffering
        whole = encoding.casefold() == "utf-8"
        errors = out.errors if whole else "backslashreplace"
        sys.stdout = Output(out.detach(), encoding, errors, line_buffering=lines)


def data() -> TextIO:
    """Standard output for programs: JSON, CSV and YAML are UTF-8, whatever the locale is."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", errors="strict")
    return out


def tell(text: str) -> None:
    """Write on standard error, if anybody is left who reads it."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _opened(number: int) -> TextIO:
    return open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
