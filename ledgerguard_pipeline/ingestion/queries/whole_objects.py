"""Read objects whole, by query: the one form in which Bronze keeps them.

Intuit answers different members for one version of an object by query and by a read of its id;
which form change data capture has is not known, and its rows were seen to be mere stubs. So a
row of another read, or one that is not whole by its own account, says only that its object
changed. Here such objects are asked for by query: up to a hundred of a type in a statement,
statements of several types in a batch. What a query shows is what is stored.

Where the query does not show it, in this order: the row at hand, if it is whole (nothing may be
lost, and one kind of read may lag behind another); a single read of the object; and where that
shows no whole object either, quarantine. Types that cannot be queried are read one by one.

Decision 53 in docs/decisions.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from ledgerguard_pipeline.bronze.loads import StoredVersion
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    BadInputError,
    FeatureUnavailable,
    NoQuery,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    UnreadableRecord,
)
from ledgerguard_pipeline.ingestion.queries.absence import GONE
from ledgerguard_pipeline.ingestion.queries.batches import packed, read_each
from ledgerguard_pipeline.ingestion.queries.entity_queries import (
    IDS_PER_QUERY,
    EntityQueries,
    LiveRecords,
)
from ledgerguard_pipeline.members import called_sparse, lacking
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Record, Reject, Source, State

_NO_QUERY = (RequestRejected, FeatureUnavailable)
_QUERY = Capability.QUERY
_SECOND = timedelta(seconds=1)


class Known(Protocol):
    """What Bronze holds of some objects of one company."""

    def __call__(
        self, wanted: Mapping[EntityType, Sequence[str]]
    ) -> Mapping[str, Mapping[str, StoredVersion]]:
        """Newest versions by entity name and id; unknown objects are left out."""
        ...


@dataclass(slots=True)
class Shown:
    """What queries show of the objects of one type that were asked for.

    Both stay empty where Intuit does not answer such a query; ``error`` is set where it failed.
    """

    entity: EntityType
    alive: dict[str, Record] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    rejects: dict[str, Reject] = field(default_factory=dict)
    """Of those unreadable, the rows that were sent."""
    time: datetime | None = None
    request_id: str | None = None
    error: QBOAPIError | None = None

    def add(self, live: LiveRecords, ids: Sequence[str]) -> None:
        """Note what asking for some of them has shown."""
        if self.entity.kind is Kind.SINGLETON:
            # A company has one, whatever id was announced.
            self.alive.update((id, record) for record in live.records for id in ids)
        self.alive.update((record.id, record) for record in live.records)
        self.unreadable |= live.unreadable
        self.rejects.update((each.id, each) for each in live.rejects if each.id is not None)
        self.time, self.request_id = live.time, live.request_id


@dataclass(slots=True)
class Settled:
    """Records that may be stored and rows that go to quarantine; ``gone`` are those of them
    that no query shows and a read says, by error 610, to be gone.
    """

    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)


def ask(client: QBOClient, wanted: Mapping[EntityType, Iterable[str]]) -> dict[str, Shown]:
    """Query these objects, in as few calls as they fit into; by entity name.

    One type's failure is its own. A record that Intuit cannot serve is found by halving.

    Raises:
        QBOAPIError, QBOAuthError: a batch as a whole failed.
    """
    statements = [
        (entity, ids[at : at + IDS_PER_QUERY])
        for entity, ids in ((entity, sorted(set(ids))) for entity, ids in wanted.items())
        if not client.capabilities.denied(entity.name, _QUERY)
        for at in range(0, len(ids), IDS_PER_QUERY)
    ]
    found = {entity.name: Shown(entity) for entity in wanted}
    for batch in packed(statements, lambda statement: len(statement[1])):
        queries = [(entity, _statement(entity, ids)) for entity, ids in batch]
        for (entity, ids), answer in zip(batch, read_each(client, queries), strict=True):
            _note(client, found[entity.name], ids, answer)
    return found


def settle(client: QBOClient, shown: Shown, rows: Sequence[Record]) -> Settled:
    """What to store for rows that say their objects changed, given what queries show.

    Raises:
        QBOAPIError, QBOAuthError: a single read failed for another reason than the object.
    """
    settled = Settled()
    for row in {row.id: row for row in rows}.values():
        found = shown.alive.get(row.id)
        if found is not None and (found.whole or _shows_all(shown.entity, found)):
            # Asked for by its id it has all its type always has: a status alone is no lack.
            settled.records.append(msgspec.structs.replace(found, whole=True))
        elif row.id in shown.unreadable:
            sent = shown.rejects.get(row.id)
            settled.rejects.append(sent or _reject(row, "Intuit cannot serve this record"))
        elif found is None and row.whole:
            settled.records.append(row)
        else:
            _alone(client, shown.entity, row, found, settled)
    return settled


def announced(id: str, now: datetime) -> Record:
    """What is known of an object before it is read: that there is one."""
    return Record(
        id=id,
        sync_token=None,
        state=State.ACTIVE,
        created_at=None,
        last_updated_at=None,
        payload=None,
        source=Source.RECONCILE,
        request_id=None,
        fetched_at=now,
        whole=False,
    )


def completed(
    client: QBOClient,
    entity: EntityType,
    rows: Sequence[Record],
    known: Known | None = None,
) -> Settled:
    """These rows of one type, with every row that is not whole read again.

    A row that Bronze holds in these very bytes was read again when it came: some objects lack a
    member however they are asked for.

    Raises:
        QBOAPIError, QBOAuthError: reading again failed; nothing is known then.
    """
    parts = [row for row in rows if not row.whole]
    if not parts:
        return Settled(list(rows))
    held = {} if known is None else known({entity: [row.id for row in parts]})
    before = held.get(entity.name, {})
    done = {row.id for row in parts if _same_bytes(entity, row, before.get(row.id))}
    rows = [msgspec.structs.replace(row, whole=True) if row.id in done else row for row in rows]
    parts = [row for row in rows if not row.whole]
    if not parts:
        return Settled(rows)
    shown = ask(client, {entity: [row.id for row in parts]})[entity.name]
    if shown.error is not None:
        raise shown.error
    settled = settle(client, shown, parts)
    settled.records[:0] = [row for row in rows if row.whole]
    return settled


def same_version(row: Record, held: StoredVersion | None) -> bool:
    """Whether Bronze holds this very version of the object already, in the form it keeps.

    Intuit's times are whole seconds, and a balance may move twice in one without a new SyncToken:
    what was read in the second of its change may be the first of two such states. Then only a row
    that looks the same as a whole is taken for it.
    """
    if held is None or held.last_updated_at is None or not looks_alike(row, held):
        return False
    # A clock that ran ahead says nothing of when the held row was read.
    later = held.fetched_at - held.last_updated_at >= _SECOND and held.fetched_at <= row.fetched_at
    return later or (held.payload_sha256 == hashlib.sha256(row.payload or b"").hexdigest())


def looks_alike(row: Record, held: StoredVersion | None) -> bool:
    """Whether id, time and SyncToken are those of the living state that Bronze holds."""
    return (
        held is not None
        and held.payload_sha256 is not None
        and not held.state.gone
        and row.last_updated_at is not None
        and held.last_updated_at == row.last_updated_at
        and held.sync_token == row.sync_token
    )


def _same_bytes(entity: EntityType, row: Record, held: StoredVersion | None) -> bool:
    """Whether Bronze holds this very row, and it does not call itself a mere part."""
    payload = row.payload or b""
    return (
        held is not None
        and held.payload_sha256 == hashlib.sha256(payload).hexdigest()
        and _believable(entity, row)
    )


def _alone(
    client: QBOClient, entity: EntityType, row: Record, found: Record | None, settled: Settled
) -> None:
    """One object that no query shows whole, by a read of its id."""
    try:
        read = client.get_entity(entity.name, row.id)
    except NotFound as error:
        if found is None and error.fault_code == GONE:
            settled.gone.add(row.id)
        settled.rejects.append(
            _reject(
                row, "it was announced to have changed, but neither a query nor a read shows it"
            )
        )
        return
    except UnreadableRecord as error:
        if isinstance(error.row, Reject):
            settled.rejects.append(error.row)
            return
        read = None
    except (*_NO_QUERY, PoisonPage, BadInputError):
        read = None
    if read is not None and (read.whole or _shows_all(entity, read)):
        settled.records.append(msgspec.structs.replace(read, whole=True))
    elif found is not None and all(
        each is None or _believable(entity, each) for each in (found, read)
    ):
        # Asked again, in another way, it says the same: this object has no such member.
        settled.records.append(msgspec.structs.replace(found, whole=True))
    else:
        settled.rejects.append(_reject(row, "only a part of it was sent, however it was asked for"))


def _shows_all(entity: EntityType, record: Record) -> bool:
    payload = record.payload or b""
    return not lacking(entity.name, payload) and not called_sparse(payload)


def _believable(entity: EntityType, record: Record) -> bool:
    """Whether a row may be its whole object: it lacks nothing, or claims to be no part."""
    payload = record.payload or b""
    if not lacking(entity.name, payload):
        return True
    return not called_sparse(payload) and b'"status"' not in payload


def _note(client: QBOClient, shown: Shown, ids: Sequence[str], answer: Page | QBOAPIError) -> None:
    queries, live = EntityQueries(client, shown.entity), LiveRecords()
    try:
        if isinstance(answer, Page):
            queries.take(ids, answer, live)
        elif isinstance(answer, PoisonPage | RequestRejected):
            if isinstance(answer, NoQuery):
                return
            if isinstance(answer, RequestRejected) and (len(ids) == 1 or queries.lacks(_QUERY)):
                return
            # Fewer may be served where so many are refused, whatever that refusal says.
            live = queries.alive(ids)
        elif not isinstance(answer, _NO_QUERY):
            shown.error = answer
            return
    except _NO_QUERY:
        return
    except QBOAPIError as error:
        shown.error = error
        return
    shown.add(live, ids)


def _statement(entity: EntityType, ids: Sequence[str]) -> Query:
    if entity.kind is Kind.SINGLETON:
        return Query.select(entity, limit=None)
    return Query.ids(entity, ids)


def _reject(row: Record, reason: str) -> Reject:
    return Reject(row.id, reason, row.payload, row.source, row.request_id, row.fetched_at)
