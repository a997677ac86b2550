"""Batch answers: many statements in one call, each with its own outcome.

Intuit answers 200 even when every item failed and promises no order, so items are matched by
``bId``; an item without an answer is a failure of that item, never an empty result.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ledgerguard_pipeline.errors import QBOAPIError, ServiceUnavailable
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.faults import Where, error_for, fault_in, renewable
from ledgerguard_pipeline.qbo.answers.pages import Page, total_of
from ledgerguard_pipeline.qbo.answers.payload import Members, elements_of, members_of
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Source


def read_batch_pages(
    answer: ApiAnswer, statements: Sequence[Query]
) -> tuple[list[Page | QBOAPIError], int]:
    """One page or error per statement, in their order, and the number of rows in all.

    Raises:
        QBOAPIError: the whole batch was refused, or an item complains about the token.
        ServiceUnavailable: the answer cannot be read.
    """
    items, rows = read_batch_items(answer, statements)
    return [item for item in items if not isinstance(item, int)], rows


def read_batch_counts(
    answer: ApiAnswer, statements: Sequence[Query]
) -> tuple[dict[str, int | QBOAPIError], int]:
    """The count, or the error, of each statement by entity name.

    Raises:
        QBOAPIError: as ``read_batch_pages``.
    """
    items, _ = read_batch_items(answer, statements)
    return {
        statement.entity.name: item
        for statement, item in zip(statements, items, strict=True)
        if not isinstance(item, Page)
    }, 0


def read_batch_items(
    answer: ApiAnswer, statements: Sequence[Query]
) -> tuple[list[Page | int | QBOAPIError], int]:
    """A page, a count or an error per statement, and the number of rows in all.

    Raises:
        QBOAPIError: as ``read_batch_pages``.
    """
    members = answer.open()
    time = answer.time(members)
    items = batch_items(answer, members)
    outcomes: list[Page | int | QBOAPIError] = []
    rows = 0
    for index, statement in enumerate(statements):
        found = _item(answer, items, index, statement)
        if isinstance(found, QBOAPIError):
            outcomes.append(found)
            continue
        group, size = found
        name = statement.entity.name
        try:
            if statement.counting:
                outcomes.append(total_of(group))
                continue
            read = answer.rows(group, statement.entity, Source.QUERY)
        except ServiceUnavailable as error:
            error.entity = name
            outcomes.append(error)
        except ValueError as error:
            outcomes.append(_missing(answer, name, str(error)))
        else:
            rows += read.count
            outcomes.append(
                Page(
                    statement.entity,
                    read.records + read.tombstones,
                    read.rejects,
                    read.count,
                    time,
                    answer.where.intuit_tid,
                    size,
                    statement.limit,
                )
            )
    return outcomes, rows


def batch_items(answer: ApiAnswer, members: Members) -> dict[str, Members]:
    """The items of a batch answer by their ``bId``.

    Raises:
        ServiceUnavailable: they cannot be read.
    """
    try:
        parts = [members_of(item) for item in elements_of(members.get("BatchItemResponse", b""))]
        return {msgspec.json.decode(part["bId"], type=str): part for part in parts if "bId" in part}
    except (ValueError, msgspec.MsgspecError) as error:
        raise answer.unreadable(f"its BatchItemResponse: {error}") from None


def batch_item(
    answer: ApiAnswer, items: dict[str, Members], bid: str, entity: str
) -> Members | QBOAPIError:
    """One item, or the fault in its place.

    Raises:
        QBOAPIError: its fault complains about the token, so the whole batch must be repeated.
    """
    part = items.get(bid)
    if part is None:
        return _missing(answer, entity, "the batch left this item out")
    fault = fault_in(part)
    if fault is None:
        return part
    where = Where(answer.where.realm_id, entity, answer.where.intuit_tid)
    error = error_for(answer.status, fault, where, retry_after=answer.retry_after)
    if renewable(error):
        # A token refused for one item is refused for the batch: renew it and ask again.
        raise error
    return error


def _item(
    answer: ApiAnswer, items: dict[str, Members], index: int, statement: Query
) -> tuple[Members, int] | QBOAPIError:
    name = statement.entity.name
    part = batch_item(answer, items, f"q{index}", name)
    if isinstance(part, QBOAPIError):
        return part
    try:
        body = part["QueryResponse"]
        return members_of(body), len(body)
    except (KeyError, ValueError) as error:
        return _missing(answer, name, f"its QueryResponse: {error}")


def _missing(answer: ApiAnswer, entity: str, why: str) -> ServiceUnavailable:
    error = answer.unreadable(why)
    error.entity = entity
    return error
