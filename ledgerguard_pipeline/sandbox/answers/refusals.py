"""Refusals of the accounting layer: the codes and texts Intuit documents."""

from __future__ import annotations

from collections.abc import Callable


class Refusal(Exception):
    """An error entry of a ``Fault`` body, and the HTTP status that goes with it.

    Intuit: "Error codes" page; the pairing with HTTP 400 is theirs as well.
    """

    def __init__(
        self,
        code: str,
        message: str,
        detail: str,
        *,
        kind: str = "ValidationFault",
        status: int = 400,
    ) -> None:
        super().__init__(f"{code} {message}: {detail}")
        self.code = code
        self.message = message
        self.detail = detail
        self.kind = kind
        self.status = status


def invalid_query(detail: str) -> Refusal:
    """4001: the statement parses but asks for what cannot be asked."""
    return Refusal("4001", "Invalid query", f"QueryValidationError: {detail}")


def unsupported(detail: str) -> Refusal:
    """500 "Unsupported Operation": also bad paths and a ``changedSince`` too old (HTTP 400)."""
    return Refusal("500", "Unsupported Operation", detail)


def lacking(entity: str) -> Refusal:
    """5030: the company's edition has no such feature."""
    return Refusal("5030", "Feature Not Supported", f"Feature Not Supported Error : {entity}")


def not_found(*, deleted: bool = False) -> Refusal:
    """610: there is no such object, or somebody deleted it."""
    why = (
        "Another user has deleted this transaction."
        if deleted
        else "Something you're trying to use has been made inactive. Check the fields with "
        "accounts, customers, items, vendors or employees."
    )
    return Refusal("610", "Object Not Found", f"Object Not Found : {why}")


def poisoned() -> Refusal:
    """4002: one record of the answer cannot be read by Intuit itself, so the answer fails."""
    return Refusal(
        "4002",
        "Error processing query",
        "QueryProcessingError: To email address entered is invalid",
    )


class TimedOut(Refusal):
    """504 of the gateway, in XML whatever was asked for; it ends a batch as a whole."""

    def __init__(self) -> None:
        super().__init__(
            "6002",
            "message=GatewayTimeout; errorCode=006002; statusCode=504",
            "The request took too long",
            kind="SERVICE",
            status=504,
        )


def failed() -> Refusal:
    """500 / 10000: something broke, and Intuit does not say what."""
    return Refusal(
        "10000",
        "An application error has occurred while processing your request",
        "System Failure Error",
        kind="SystemFault",
        status=500,
    )


def too_many(answer: str) -> Refusal:
    """What asking for more rows than an answer can hold gets."""
    if answer == "too_big":
        return Refusal("10100", "Result set too big", "Reduce the number of rows asked for")
    return _KINDS[answer]()


def unsorted(answer: str, why: str) -> Refusal:
    """What asking for rows in an order that is not to be had gets."""
    return invalid_query(why) if answer == "invalid" else _KINDS[answer]()


_KINDS: dict[str, Callable[[], Refusal]] = {
    "invalid": lambda: invalid_query("MAXRESULTS is out of range"),
    "too_slow": TimedOut,
    "failure": failed,
    "unreadable": poisoned,
    "unsupported": lambda: unsupported("Operation query is not supported."),
}
