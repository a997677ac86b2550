"""What comes back for one statement or one read: a page, a count, or a single object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import NotFound, QBOAPIError, UnreadableRecord
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.faults import printable
from ledgerguard_pipeline.qbo.answers.payload import Members
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.values import Record, Reject, Source


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one statement. ``rows`` counts all of them, ``rejects`` included.

    ``time`` is the server's own time of the answer (UTC), ``bytes`` the size of its body,
    ``limit`` how many rows were asked for in the end; None where it is as many as at first.
    """

    entity: EntityType
    records: list[Record]
    rejects: list[Reject]
    rows: int
    time: datetime
    request_id: str | None
    bytes: int
    limit: int | None = None

    @property
    def full(self) -> bool:
        """Whether there may be more rows than these."""
        return self.rows >= (self.limit or MAX_ROWS)


class Counts(dict[str, "int | QBOAPIError"]):
    """Objects per entity name, or the fault that kept one from being counted.

    ``time`` is the server's time (UTC) before which all counts were taken.
    """

    def __init__(
        self, counts: Mapping[str, int | QBOAPIError], time: datetime, request_id: str | None
    ) -> None:
        super().__init__(counts)
        self.time = time
        self.request_id = request_id


def read_page(answer: ApiAnswer, entity: EntityType) -> tuple[Page, int]:
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


def read_count(answer: ApiAnswer) -> tuple[int, int]:
    """The ``totalCount`` of a counting statement.

    Raises:
        QBOAPIError: the answer is a refusal, or holds no count.
    """
    members = answer.inner(answer.open(), "QueryResponse")
    try:
        return total_of(members), 0
    except ValueError as error:
        raise answer.unreadable(str(error)) from None


def total_of(group: Members) -> int:
    """The ``totalCount`` of a counting statement.

    Raises:
        ValueError: there is none.
    """
    try:
        return msgspec.json.decode(group["totalCount"], type=int)
    except (KeyError, msgspec.MsgspecError):
        raise ValueError("it holds no totalCount") from None


def read_link(answer: ApiAnswer) -> tuple[str, int]:
    """The address that an answer of ``/download`` consists of; empty where there is no file.

    Raises:
        QBOAPIError: the answer is a refusal.
    """
    if 200 <= answer.status < 300:
        text = answer.body.decode("utf-8", "replace").strip().strip('"')
        return (text if "://" in text else ""), 0
    answer.open()
    return "", 0


def read_single(answer: ApiAnswer, entity: EntityType) -> tuple[Record, int]:
    """The one object of a read, under its own key or inside a ``QueryResponse``.

    Raises:
        NotFound: there is none.
        UnreadableRecord: there is one, and its row cannot be read.
        QBOAPIError: the answer is a refusal, or cannot be read.
    """
    members = answer.open()
    if "QueryResponse" in members:
        members = answer.inner(members, "QueryResponse")
    rows = answer.rows(members, entity, Source.READ)
    if rows.records:
        return rows.records[0], 1
    if rows.rejects and entity.kind is Kind.SINGLETON:
        # A company's own row is read to see whether it answers at all.
        raise answer.unreadable(rows.rejects[0].reason)
    if rows.rejects:
        error = UnreadableRecord(
            f"QuickBooks sent this {entity.name} in a form that cannot be read "
            f"({printable(rows.rejects[0].reason, 120)}). Save it again in QuickBooks.",
            realm_id=answer.where.realm_id,
            entity=entity.name,
            intuit_tid=answer.where.intuit_tid,
            status=answer.status,
        )
        error.row = rows.rejects[0]
        raise error
    raise NotFound(
        f"QuickBooks has no such {entity.name}.",
        realm_id=answer.where.realm_id,
        entity=entity.name,
        intuit_tid=answer.where.intuit_tid,
        status=answer.status,
    )
