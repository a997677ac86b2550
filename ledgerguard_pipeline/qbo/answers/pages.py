"""Answers to one statement or one read: a page, a count, or a single object."""

from __future__ import annotations

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import NotFound
from ledgerguard_pipeline.qbo.answers.batch import total_of
from ledgerguard_pipeline.qbo.answers.envelope import Answer
from ledgerguard_pipeline.qbo.answers.values import Page
from ledgerguard_pipeline.values import Record, Source


def read_page(answer: Answer, entity: EntityType) -> tuple[Page, int]:
    """The rows of a statement.

    Raises:
        QBOAPIError: the answer is a refusal, or cannot be read.
    """
    members = answer.open()
    rows = answer.rows(answer.inner(members, "QueryResponse"), entity, Source.QUERY)
    page = Page(
        entity,
        rows.records + rows.tombstones,
        rows.rejects,
        rows.count,
        answer.time(members),
        answer.where.intuit_tid,
        len(answer.body),
    )
    return page, page.rows


def read_count(answer: Answer) -> tuple[int, int]:
    """The ``totalCount`` of a counting statement.

    Raises:
        QBOAPIError: the answer is a refusal, or holds no count.
    """
    members = answer.inner(answer.open(), "QueryResponse")
    try:
        return total_of(members), 0
    except ValueError as error:
        raise answer.unreadable(str(error)) from None


def read_link(answer: Answer) -> tuple[str, int]:
    """The address that an answer of ``/download`` consists of; empty where there is no file.

    Raises:
        QBOAPIError: the answer is a refusal.
    """
    if 200 <= answer.status < 300:
        text = answer.body.decode("utf-8", "replace").strip().strip('"')
        return (text if "://" in text else ""), 0
    answer.open()
    return "", 0


def read_single(answer: Answer, entity: EntityType) -> tuple[Record, int]:
    """The one object of a read, under its own key or inside a ``QueryResponse``.

    Raises:
        NotFound: there is none.
        QBOAPIError: the answer is a refusal, or cannot be read.
    """
    members = answer.open()
    if "QueryResponse" in members:
        members = answer.inner(members, "QueryResponse")
    rows = answer.rows(members, entity, Source.READ)
    if rows.records:
        return rows.records[0], 1
    if rows.rejects:
        raise answer.unreadable(rows.rejects[0].reason)
    raise NotFound(
        f"QuickBooks has no such {entity.name}.",
        realm_id=answer.where.realm_id,
        entity=entity.name,
        intuit_tid=answer.where.intuit_tid,
        status=answer.status,
    )
