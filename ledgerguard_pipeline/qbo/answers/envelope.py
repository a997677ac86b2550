"""One answer of the API, opened: its members, its server time, or the error it really is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import QBOAPIError, ServiceUnavailable
from ledgerguard_pipeline.qbo.answers.faults import Where, error_for, fault_in, fault_of, printable
from ledgerguard_pipeline.qbo.answers.payload import (
    Members,
    Origin,
    Rows,
    members_of,
    read_rows,
    rows_key,
)
from ledgerguard_pipeline.values import Source, parse_instant


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What came back over HTTP, body complete."""

    status: int
    body: bytes
    where: Where
    received_at: datetime
    date: str | None = None
    retry_after: float | None = None

    def origin(self, source: Source) -> Origin:
        """Lineage of its rows."""
        return Origin(source, self.where.intuit_tid, self.received_at)

    def open(self) -> Members:
        """The members of a good answer.

        Raises:
            QBOAPIError: the typed refusal; a fault inside HTTP 200 counts as one.
            ServiceUnavailable: the body is not the JSON it claims to be.
        """
        if not 200 <= self.status < 300:
            raise self._refusal()
        try:
            members = members_of(self.body)
        except ValueError as error:
            if fault_of(self.body) is not None:
                raise self._refusal() from None
            raise self.unreadable(str(error)) from None
        if (fault := fault_in(members)) is not None:
            raise error_for(self.status, fault, self.where, retry_after=self.retry_after)
        return members

    def time(self, members: Members) -> datetime:
        """The server's time of the answer, in UTC.

        Raises:
            ServiceUnavailable: it names none; no watermark may rest on a local clock.
        """
        try:
            return parse_instant(msgspec.json.decode(members.get("time", b""), type=str))
        except (ValueError, msgspec.MsgspecError):
            pass
        try:
            stamp = parsedate_to_datetime(self.date or "")
        except ValueError:
            raise self.unreadable("it carries no server time") from None
        return stamp.replace(tzinfo=stamp.tzinfo or UTC).astimezone(UTC)

    def rows(self, group: Members, entity: EntityType, source: Source) -> Rows:
        """The rows of one type inside a ``QueryResponse``; none where it is empty.

        Raises:
            ServiceUnavailable: the list is not complete, or rows came under a foreign name.
        """
        key = rows_key(group, entity)
        try:
            if key is None:
                stray = [name for name, value in group.items() if value[:1] == b"["]
                if stray:
                    raise ValueError(f"rows came under {stray[0][:40]!r}")
                return Rows()
            return read_rows(group[key], entity, self.origin(source))
        except ValueError as error:
            raise self.unreadable(str(error)) from None

    def inner(self, members: Members, key: str) -> Members:
        """The members of an object one level down.

        Raises:
            ServiceUnavailable: there is no such object.
        """
        try:
            return members_of(members[key])
        except (KeyError, ValueError):
            raise self.unreadable(f"it has no {key}") from None

    def unreadable(self, why: str) -> ServiceUnavailable:
        """The error of an answer that is not what it claims to be; worth a retry."""
        return ServiceUnavailable(
            f"QuickBooks sent an answer that cannot be read ({printable(why, 120)}). Nothing was "
            "stored; the next sync tries again.",
            realm_id=self.where.realm_id,
            entity=self.where.entity,
            intuit_tid=self.where.intuit_tid,
            status=self.status,
        )

    def _refusal(self) -> QBOAPIError:
        return error_for(
            self.status,
            fault_of(self.body),
            self.where,
            body=self.body,
            retry_after=self.retry_after,
        )
