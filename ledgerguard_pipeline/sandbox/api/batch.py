"""The batch endpoint: up to 30 items, each with its own answer or fault, HTTP 200 for all.

Intuit: "Batch operations" page. Writes are refused item by item: the books of the sandbox change
through its control endpoint only.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal, TimedOut, unsupported
from ledgerguard_pipeline.sandbox.answers.replies import dumps, fault_member

MAX_ITEMS = 30
"""By Intuit's present page; others name 10, 25 and 50, so a switch may say otherwise."""


class CdcQuery(msgspec.Struct):
    """The members of a ``CDCQuery`` item."""

    entities: str = msgspec.field(name="Entities", default="")
    changed_since: str = msgspec.field(name="ChangedSince", default="")


class Item(msgspec.Struct):
    """One ``BatchItemRequest``; members of other kinds of items are not looked at."""

    id: str | None = msgspec.field(name="bId", default=None)
    query: str | None = msgspec.field(name="Query", default=None)
    cdc: CdcQuery | None = msgspec.field(name="CDCQuery", default=None)
    operation: str | None = None


class _Body(msgspec.Struct):
    items: list[Item] = msgspec.field(name="BatchItemRequest", default_factory=list)


_BODY = msgspec.json.Decoder(_Body)
"""Made here and not at first use: msgspec 0.22 crashes where several threads use a type first."""


Member = tuple[bytes, int]
"""A JSON member such as ``"QueryResponse":{...}`` and how many rows it holds."""


def read_items(body: bytes, most: int = MAX_ITEMS) -> list[Item]:
    """The items of a request body.

    Raises:
        Refusal: 2010 for a body that is no batch, 1040 for too many items.
    """
    try:
        items = _BODY.decode(body).items
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(
            "2010", "Request has invalid or unsupported property", f"Property Name:{error}"
        ) from None
    if len(items) > most:
        raise Refusal(
            "1040",
            "Batch size exceeds allowed limit",
            f"Batch size {len(items)} exceeds the allowed limit of {most}",
        )
    return items


def answer_items(
    items: list[Item],
    run_query: Callable[[str], Member],
    run_cdc: Callable[[str, str], Member],
    injected: Callable[[str], Refusal | None],
    *,
    id_last: bool = True,
) -> Member:
    """The ``BatchItemResponse`` member; a refused item carries a Fault, the others go on.

    ``bId`` comes after the content of its item, as captured, or (``id_last`` false) before it.
    ``injected`` is asked with each statement or entity list for a Fault to give instead.
    """
    parts: list[bytes] = []
    total = 0
    for item in items:
        try:
            refusal = injected(item.query or (item.cdc.entities if item.cdc else ""))
            if refusal is not None:
                raise refusal
            if item.query is not None:
                member, rows = run_query(item.query)
            elif item.cdc is not None:
                member, rows = run_cdc(item.cdc.entities, item.cdc.changed_since)
            else:
                raise unsupported(f"Operation {item.operation or 'unknown'} is not supported.")
        except TimedOut:
            raise
        except Refusal as fault:
            member, rows = fault_member(fault), 0
        members = [member] if item.id is None else [member, b'"bId":' + dumps(item.id)]
        parts.append(b"{" + b",".join(members if id_last else members[::-1]) + b"}")
        total += rows
    return b'"BatchItemResponse":[' + b",".join(parts) + b"]", total
