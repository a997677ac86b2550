"""How an error reaches the user: one sentence on stderr, its JSON on stdout, an exit code."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from ledgerguard_pipeline.cli.output import printable, write_json
from ledgerguard_pipeline.errors import LedgerGuardError

DEBUG_VARIABLE = "LEDGERGUARD_DEBUG"


def report(error: BaseException, *, machine: bool) -> int:
    """Tell the user, and return the exit code.

    ``machine`` adds ``{"error": {...}}`` on stdout. A traceback appears only with
    ``LEDGERGUARD_DEBUG`` set; a traceback never shows local variables.
    """
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(bool(error.code))
    if os.environ.get(DEBUG_VARIABLE):
        from ledgerguard_pipeline.observability.redaction import redact

        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    code, document = describe(error)
    sys.stderr.write(f"ledgerguard: {document['message']}\n")
    if machine:
        write_json({"error": document})
    return code


def describe(error: BaseException) -> tuple[int, dict[str, object]]:
    """The exit code and the JSON form of an error."""
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130, _document("Interrupted", "Stopped before it was done.", 130)
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
        text = error.format_message().rstrip(".?")
        return 2, _document("BadInputError", f"{text}. `ledgerguard --help` lists the options.", 2)
    return 1, _document(
        type(error).__name__,
        f"An unexpected {type(error).__name__} stopped the command; set {DEBUG_VARIABLE}=1 and "
        "run it again to see where, and please report it.",
        1,
    )


def _document(kind: str, message: str, code: int) -> dict[str, object]:
    return {"type": kind, "message": printable(" ".join(message.split())), "exit_code": code}
