"""Statements in as few calls as a company's batch takes items: how many differs between Intuit's pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ledgerguard_pipeline.errors import RequestRejected
from ledgerguard_pipeline.qbo.queries.statement import Query

T = TypeVar("T")

_TOO_MANY = "1040"


def in_parts(
    statements: Sequence[Query],
    send: Callable[[Sequence[Query]], list[T]],
    *,
    most: int | None = None,
) -> list[T]:
    """What ``send`` returns for all of them, in their order; asked in halves where they are too many.

    It is given ``most`` statements at once.

    Raises:
        QBOAPIError, QBOAuthError: as ``send``.
    """
    if most is not None and len(statements) > most:
        return [*in_parts(statements[:most], send), *in_parts(statements[most:], send, most=most)]
    try:
        return send(statements)
    except RequestRejected as refusal:
        if refusal.fault_code != _TOO_MANY or len(statements) == 1:
            raise
    half = len(statements) // 2
    return [*in_parts(statements[:half], send), *in_parts(statements[half:], send)]
