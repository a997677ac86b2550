"""Change data capture: one answer for many types, and how far it can be trusted.

Intuit's "Change Data Capture" page: at most 1000 objects in an answer, no paging, tombstones
after the live objects of each group, 30 days back. Its samples disagree on what the counters
count, so only rows are counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import QBOAPIError, ServiceUnavailable
from ledgerguard_pipeline.qbo.answers.batch import batch_item, batch_items
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.faults import Fault, Where, error_for, fault_in, renewable
from ledgerguard_pipeline.qbo.answers.payload import Members, elements_of, members_of, rows_key
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.qbo.queries.read_requests import CHANGES_ITEM
from ledgerguard_pipeline.values import Record, Reject, Source

REACH_DAYS = 30


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """What changed in one type; ``fault`` is set where Intuit may have failed this type."""

    entity: EntityType
    records: list[Record]
    tombstones: list[Record]
    rejects: list[Reject]
    fault: QBOAPIError | None = None

    @property
    def rows(self) -> int:
        """All objects Intuit put into the group."""
        return len(self.records) + len(self.tombstones) + len(self.rejects)


@dataclass(frozen=True, slots=True)
class Changes:
    """One change-data-capture answer, by entity name; every requested type has a group.

    ``capped`` means the answer may be cut at Intuit's 1000 objects: tombstones come last in a
    group, so deletes are what a cut loses first. ``time`` is the server's (UTC).
    """

    groups: Mapping[str, ChangeGroup]
    time: datetime
    request_id: str | None
    capped: bool

    @property
    def faults(self) -> list[QBOAPIError]:
        """What Intuit said of types in place of their changes."""
        return [group.fault for group in self.groups.values() if group.fault is not None]

    @property
    def outcomes(self) -> list[object]:
        """These changes, or what was said in place of all of them; then what was said of types."""
        faults = self.faults
        return [faults[0] if faults and len(faults) == len(self.groups) else self, *faults]


def read_changes(answer: ApiAnswer, types: Sequence[EntityType]) -> tuple[Changes, int]:
    """The groups of an answer, one per requested type, and the number of objects in it.

    A fault inside the answer hits every type without rows: it names none, and groups come in
    another order than they were asked for in (the page's own sample), so no silence proves
    anything. Where one type was asked for, it is the answer's own.

    Raises:
        QBOAPIError: the whole answer is a refusal, or a fault inside complains about the token.
        ServiceUnavailable: it cannot be read.
    """
    members = answer.open()
    changes = _changes(answer, answer.time(members), _parts(answer, members), types)
    if len(types) == 1 and changes.faults:
        # So it is repeated like any other call, and a failure that does not pass is a record's.
        raise changes.faults[0]
    return changes, sum(group.rows for group in changes.groups.values())


def read_batch_changes(answer: ApiAnswer, types: Sequence[EntityType]) -> Changes | QBOAPIError:
    """The changes a batch brought beside its statements, or why it did not.

    Raises:
        QBOAPIError: a fault inside complains about the token, so the whole batch must be repeated.
    """
    members = answer.open()
    item = batch_item(answer, batch_items(answer, members), CHANGES_ITEM, f"{len(types)} types")
    if isinstance(item, QBOAPIError):
        return item
    inner = item.get("CDCResponse")
    if inner is None:
        return answer.unreadable("the batch left the change data capture item out")
    # Inside a batch the list may come bare, as one object of it.
    wrapped = inner if inner[:1] == b"[" else b"[" + inner + b"]"
    try:
        parts = _parts(answer, {"CDCResponse": wrapped})
        return _changes(answer, answer.time(members), parts, types)
    except ServiceUnavailable as error:
        return error


def _changes(
    answer: ApiAnswer, time: datetime, parts: Sequence[Members], types: Sequence[EntityType]
) -> Changes:
    groups: dict[str, ChangeGroup] = {}
    found: Fault | None = None
    for part in parts:
        fault = fault_in(part)
        if fault is not None:
            error = error_for(answer.status, fault, answer.where, retry_after=answer.retry_after)
            if renewable(error):
                # A token refused for one type is refused for all: renew it and ask again.
                raise error
            found = fault
            continue
        known = [type for type in types if rows_key(part, type) is not None]
        if not known and any(value[:1] == b"[" for value in part.values()):
            raise answer.unreadable("it holds changes of a type that was not asked for")
        for type in known:
            rows = answer.rows(part, type, Source.CDC)
            old = groups.get(type.name, ChangeGroup(type, [], [], []))
            groups[type.name] = ChangeGroup(
                type,
                old.records + rows.records,
                old.tombstones + rows.tombstones,
                old.rejects + rows.rejects,
            )
    for type in types:
        groups.setdefault(type.name, ChangeGroup(type, [], [], [], _said(answer, found, type)))
    total = sum(group.rows for group in groups.values())
    # Any group of 1000 also makes a total of 1000, so one comparison covers both readings.
    return Changes(groups, time, answer.where.intuit_tid, total >= MAX_ROWS)


def _parts(answer: ApiAnswer, members: Members) -> list[Members]:
    """The objects below every ``QueryResponse``, faults included, in the order they came."""
    try:
        responses = [members_of(item) for item in elements_of(members.get("CDCResponse", b""))]
        parts: list[Members] = []
        for response in responses:
            if fault_in(response) is not None or "QueryResponse" not in response:
                parts.append(response)
                continue
            parts.extend(members_of(item) for item in elements_of(response["QueryResponse"]))
    except ValueError as error:
        raise answer.unreadable(f"its CDCResponse: {error}") from None
    return parts


def _said(answer: ApiAnswer, fault: Fault | None, type: EntityType) -> QBOAPIError | None:
    if fault is None:
        return None
    where = Where(answer.where.realm_id, type.name, answer.where.intuit_tid)
    return error_for(answer.status, fault, where, retry_after=answer.retry_after)
