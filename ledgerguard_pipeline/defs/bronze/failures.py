"""Typed errors as Dagster failures: what happened, where, and what to do about it."""

from collections.abc import Sequence

import dagster as dg

from ledgerguard_pipeline.errors import LedgerGuardError, NeedsHuman, Transient

COMPANIES = "companies"
"""The metadata of a failed step that names the companies it failed for."""


def failure_of(errors: Sequence[LedgerGuardError]) -> dg.Failure:
    """The failure of a step: its first error in full, the others by their messages."""
    first = errors[0]
    metadata = {
        "error": type(first).__name__,
        "what_to_do": advice(first),
        "realm": first.realm_id,
        "entity": first.entity,
        "fault_code": first.fault_code,
        "intuit_tid": first.intuit_tid,
        "http_status": None if first.status is None else str(first.status),
        "also_failed": "\n".join(str(error) for error in errors[1:]) or None,
        COMPANIES: ", ".join(dict.fromkeys(each.realm_id for each in errors if each.realm_id))
        or None,
    }
    if len(errors) > 1:
        metadata |= {error_of(each.realm_id): str(each) for each in errors if each.realm_id}
    failure = dg.Failure(
        description=str(first),
        metadata={
            name: dg.MetadataValue.text(value)
            for name, value in metadata.items()
            if value is not None
        },
        allow_retries=all(isinstance(error, Transient) for error in errors),
    )
    failure.__cause__ = first
    return failure


def error_of(realm: str) -> str:
    """The metadata of a failed step that holds one company's error."""
    return f"error of {realm}"


def advice(error: LedgerGuardError) -> str:
    """One sentence for the operator; the error's own message says the particulars."""
    if isinstance(error, NeedsHuman):
        return "Do what the message says; until then this entity keeps its rows."
    if isinstance(error, Transient):
        return "Nothing: the next scheduled sync resumes where this one stopped."
    return (
        "Look up the fault code in Intuit's documentation; quote intuit_tid when asking Intuit. "
        "The rows loaded before are untouched."
    )
