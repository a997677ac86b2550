"""How an error reaches the user: one sentence on stderr, its JSON on stdout, an exit code."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from ledgerguard_pipeline.cli.output import printable, write_json
from ledgerguard_pipeline.cli.streams import tell
from ledgerguard_pipeline.config.refused_values import plain
from ledgerguard_pipeline.errors import LedgerGuardError

INTERRUPTED = 130
"""The exit code of what was ended by Ctrl-C, as shells have it: 128 and the signal's number."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)

_HELP_WANTED = "NoArgsIsHelpError"
"""Typer keeps this class to itself."""

DEBUG_VARIABLE = "LEDGERGUARD_DEBUG"

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Without the name of a file it is the output, or what a library writes."""

_WRONG_PATH = (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError)

_POSSIBLE = re.compile(r"\.? \(Possible options?: (.+)\)$")
_UNKNOWN = re.compile(r"No such command\b")


@contextmanager
def ending_as_by_ctrl_c() -> Iterator[None]:
    """Inside the block SIGTERM (a time limit, a shutdown) and SIGHUP (a lost terminal) clean up first.

    They end a process at once otherwise, and what it was writing stays. A signal that is ignored, as
    below ``nohup``, stays so.
    """
    ending = [each for each in _ENDING if signal.getsignal(each) is signal.SIG_DFL]

    def interrupt(*_: object) -> None:
        for each in ending:  # a second one must not end the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in ending:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in ending:
            signal.signal(each, signal.SIG_DFL)


def report(error: BaseException, *, machine: bool, command: str = "ledgerguard") -> int:
    """Tell the user, and return the exit code.

    ``machine`` adds ``{"error": {...}}`` on stdout; ``command`` is what was asked for. A traceback appears only with
    ``LEDGERGUARD_DEBUG`` set; a traceback never shows local variables.
    """
    if isinstance(error, typer.TyperException) and type(error).__name__ == _HELP_WANTED:
        # No fault: whoever gives no command is shown which there are.
        sys.stdout.write(f"{error.format_message()}\n")
        return 0
    if isinstance(error, typer.Exit) and error.exit_code != INTERRUPTED:
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if os.environ.get(DEBUG_VARIABLE):
        from ledgerguard_pipeline.observability.redaction import redact

        tell(redact("".join(traceback.format_exception(error))))
    code, document = describe(error, command)
    tell(f"ledgerguard: {document['message']}\n")
    if machine:
        with suppress(OSError):  # the disk that the output goes to may be what is full
            write_json({"error": document})
    return code


def describe(error: BaseException, command: str = "ledgerguard") -> tuple[int, dict[str, object]]:
    """The exit code and the JSON form of an error of ``command``."""
    if isinstance(error, KeyboardInterrupt | typer.Abort | typer.Exit):
        text = "Stopped before it was done; what was stored stays."
        return INTERRUPTED, _document("Interrupted", text, INTERRUPTED)
    if isinstance(error, LedgerGuardError):
        where = {
            "realm_id": error.realm_id,
            "entity": error.entity,
            "fault_code": error.fault_code,
            "intuit_tid": error.intuit_tid,
        }
        known = {name: value for name, value in where.items() if value is not None}
        document = _document(type(error).__name__, str(error), error.exit_code)
        return error.exit_code, {**document, **known}
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = command if context is None else context.command_path
        said = error.format_message()
        what = "commands" if _UNKNOWN.match(said) else "options"
        text = f"{_as_sentences(said)} `{command} --help` lists the {what}."
        return 2, _document("BadInputError", text, 2)
    if isinstance(error, OSError) and error.filename is not None:
        code = 2 if isinstance(error, _WRONG_PATH) or error.errno == errno.EROFS else 1
        return code, _document(
            type(error).__name__,
            f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}. Check the path, who "
            "owns it and whether the disk has room.",
            code,
        )
    if isinstance(error, FileNotFoundError):
        text = "The working folder does not exist any more; change into one that does."
        return 2, _document(type(error).__name__, text, 2)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        text = f"Something could not be written: {error.strerror}. Make room, then run it again."
        return 1, _document(type(error).__name__, text, 1)
    return 1, _document(
        type(error).__name__,
        f"An unexpected {type(error).__name__} stopped the command; set {DEBUG_VARIABLE}=1 and "
        "run it again to see where, and please report it.",
        1,
    )


def _as_sentences(text: str) -> str:
    """What Typer says, in plainer words and with its guess as a question."""
    text = _POSSIBLE.sub(r". Did you mean \1", plain(text).rstrip(".?"))
    return f"{text}?" if "Did you mean" in text else f"{text}."


def _document(kind: str, message: str, code: int) -> dict[str, object]:
    return {"type": kind, "message": printable(" ".join(message.split())), "exit_code": code}
