"""From the bytes of an answer to records, without ever re-serialising one.

msgspec's ``Raw`` keeps each row exactly as it was sent (key order, spacing inside the row,
number texts); only the few header fields Bronze keys on are decoded, and money stays text. A
whole page is decoded in two C calls; only when that fails is it taken apart row by row, so that
one unreadable row becomes one ``Reject`` and the page goes on.

Decision 5 in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.members import always_there
from ledgerguard_pipeline.qbo.answers import json_scan
from ledgerguard_pipeline.values import Record, Reject, Source, State, parse_instant

BOM = b"\xef\xbb\xbf"
_DATE_LENGTH = len("2024-05-07")
_DEEP = (msgspec.MsgspecError, RecursionError)

Members = Mapping[str, bytes]
"""The members of a JSON object, each still as the bytes it came in."""


class _Meta(msgspec.Struct, gc=False):
    CreateTime: str | None = None
    LastUpdatedTime: str | None = None


class _Header(msgspec.Struct, gc=False):
    Id: str
    SyncToken: str | None = None
    MetaData: _Meta | None = None
    Active: bool | None = None
    status: str | None = None
    sparse: msgspec.Raw = msgspec.Raw()
    TotalAmt: msgspec.Raw = msgspec.Raw()
    PrivateNote: msgspec.Raw = msgspec.Raw()


class _Loose(msgspec.Struct, gc=False):
    """The same fields for a row whose types surprise; each is judged on its own."""

    Id: msgspec.Raw = msgspec.Raw()
    SyncToken: msgspec.Raw = msgspec.Raw()
    MetaData: _Meta | None = None
    Active: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    sparse: msgspec.Raw = msgspec.Raw()
    TotalAmt: msgspec.Raw = msgspec.Raw()
    PrivateNote: msgspec.Raw = msgspec.Raw()
    SourceCurrencyCode: str | None = None
    TargetCurrencyCode: str | None = None
    AsOfDate: str | None = None


class _Wrapper(msgspec.Struct, gc=False):
    """The members beside the object that a template wraps."""

    status: str | None = None
    MetaData: _Meta | None = None


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_HEADERS = msgspec.json.Decoder(list[_Header])
_HEADER = msgspec.json.Decoder(_Header)
_LOOSE = msgspec.json.Decoder(_Loose)
_BESIDE = msgspec.json.Decoder(_Wrapper)
_TEXT = msgspec.json.Decoder(str)
_AMOUNT = b'"Amount"'
_SOME_AMOUNT = re.compile(rb'"Amount"\s*:\s*"?-?[0.]*[1-9]')
"""An amount of a line that is not zero; inside a text the quotes would be escaped."""


@lru_cache(maxsize=65_536)
def _instant(text: str) -> datetime:
    """A time, or the start of a day where Intuit tells no more than the date."""
    return parse_instant(f"{text}T00:00:00Z" if len(text) == _DATE_LENGTH else text)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows came from; the same for every row of an answer."""

    source: Source
    request_id: str | None
    fetched_at: datetime


@dataclass(slots=True)
class Rows:
    """What a list of rows held."""

    records: list[Record] = field(default_factory=list)
    tombstones: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def count(self) -> int:
        """All rows, unreadable ones included."""
        return len(self.records) + len(self.tombstones) + len(self.rejects)


def members_of(body: bytes) -> Members:
    """The members of a JSON object; a byte order mark is skipped.

    Raises:
        ValueError: it is no complete JSON object.
    """
    text = body.removeprefix(BOM)
    try:
        return {key: bytes(raw) for key, raw in _MEMBERS.decode(text).items()}
    except _DEEP:
        return json_scan.members(text)


def elements_of(array: bytes) -> list[bytes]:
    """The elements of a JSON array (a lone object counts as an array of one).

    Raises:
        ValueError: it is neither.
    """
    if array[:1] == b"{":
        return [array]
    if array[:1] != b"[":
        raise ValueError("a list of rows was expected")
    try:
        return [bytes(raw) for raw in _RAWS.decode(array)]
    except _DEEP:
        return json_scan.split(array)


def rows_key(members: Members, entity: EntityType) -> str | None:
    """Under which key an answer carries the rows of this type; None where it has none."""
    wanted = {key.casefold() for key in entity.json_keys}
    return next((key for key in members if key.casefold() in wanted), None)


def read_rows(array: bytes, entity: EntityType, origin: Origin) -> Rows:
    """Every row of a JSON array as a record, a tombstone or a reject.

    Raises:
        ValueError: the array itself is not complete; the answer cannot be trusted.
    """
    if entity.kind is not Kind.TEMPLATE and array[:1] == b"[":
        try:
            headers = _HEADERS.decode(array)
            raws = _RAWS.decode(array)
        except _DEEP:
            pass
        else:
            return _read_page(headers, raws, entity, origin)
    rows = Rows()
    for element in elements_of(array):
        _read_row(element, entity, origin, rows)
    return rows


def _read_page(
    headers: list[_Header], raws: list[msgspec.Raw], entity: EntityType, origin: Origin
) -> Rows:
    rows = Rows()
    keep = rows.records.append
    source, request_id, fetched_at = origin.source, origin.request_id, origin.fetched_at
    active, plain = State.ACTIVE, entity.kind is not Kind.TRANSACTION
    always = always_there(entity.name)
    for header, raw in zip(headers, raws, strict=True):
        payload = bytes(raw)
        if not (payload.isascii() or _is_utf8(payload)):
            rows.rejects.append(_reject(header.Id, "it is not UTF-8", payload, origin))
            continue
        meta = header.MetaData
        created = updated = None
        try:
            if meta is not None:
                if meta.CreateTime is not None:
                    created = _instant(meta.CreateTime)
                if meta.LastUpdatedTime is not None:
                    updated = _instant(meta.LastUpdatedTime)
        except ValueError as error:
            rows.rejects.append(
                _reject(header.Id, f"its time is unreadable: {error}", payload, origin)
            )
            continue
        if not header.Id:
            rows.rejects.append(_reject(None, "its Id is empty", payload, origin))
            continue
        if (
            header.status is None
            and header.Active is not False
            and (plain or not _voided(header, payload))
            and _entire(header, payload, always)
        ):
            keep(
                Record(
                    header.Id,
                    header.SyncToken,
                    active,
                    created,
                    updated,
                    payload,
                    source,
                    request_id,
                    fetched_at,
                )
            )
            continue
        _keep(rows, entity, origin, payload, header, created, updated)
    return rows


def _read_row(payload: bytes, entity: EntityType, origin: Origin, rows: Rows) -> None:
    """One row on its own; whatever is wrong with it stays with it."""
    id: str | None = None
    try:
        if not _is_utf8(payload):
            raise ValueError("it is not UTF-8")
        inner = _unwrapped(payload) if entity.kind is Kind.TEMPLATE else payload
        try:
            header = _HEADER.decode(inner)
        except msgspec.ValidationError:
            header = _tolerant(inner, entity)
        id = header.Id
        if not id:
            raise ValueError("its Id is empty")
        if inner is not payload and header.status is None:
            # A deleted template has its status beside the wrapped type, not in it; its time perhaps too.
            beside = _BESIDE.decode(payload)
            header.status, header.MetaData = beside.status, header.MetaData or beside.MetaData
        meta = header.MetaData or _Meta()
        created = _instant(meta.CreateTime) if meta.CreateTime is not None else None
        updated = _instant(meta.LastUpdatedTime) if meta.LastUpdatedTime is not None else None
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        rows.rejects.append(_reject(id or _id_of(payload), str(error), payload, origin))
        return
    _keep(rows, entity, origin, payload, header, created, updated)


def _keep(
    rows: Rows,
    entity: EntityType,
    origin: Origin,
    payload: bytes,
    header: _Header,
    created: datetime | None,
    updated: datetime | None,
) -> None:
    state = _state(entity, header, payload)
    record = Record(
        header.Id,
        header.SyncToken,
        state,
        created,
        updated,
        None if state.gone else payload,
        origin.source,
        origin.request_id,
        origin.fetched_at,
        whole=state.gone or _entire(header, payload, always_there(entity.name)),
    )
    (rows.tombstones if state.gone else rows.records).append(record)


def _entire(header: _Header, payload: bytes, always: Sequence[bytes]) -> bool:
    """Whether a living row shows its whole object, as far as the row itself can tell."""
    if header.status is not None or bytes(header.sparse) in (b"true", b'"true"'):
        return False
    for name in always:  # noqa: SIM110  # all() takes twice as long, for every row that is read
        if name not in payload:
            return False
    return True


def _state(entity: EntityType, header: _Header, payload: bytes) -> State:
    if header.status is not None and header.status.casefold() == "deleted":
        return entity.gone_state
    if header.Active is False and (entity.soft_delete or entity.inactive_apart):
        return State.INACTIVE
    if entity.kind is Kind.TRANSACTION and _voided(header, payload):
        return State.VOIDED
    return State.ACTIVE


def _voided(header: _Header, payload: bytes) -> bool:
    """A void keeps its row: total and lines become zero and the note starts with ``Voided``.

    The total alone says nothing: an entry of the journal has none, and credits settle without
    money. A transfer has an ``Amount`` instead.
    """
    note = header.PrivateNote
    if not bytes(note).startswith((b'"Voided', b'"\\u')):
        return False
    total = bytes(header.TotalAmt)
    try:
        zero = Decimal(total.decode()) == 0 if total else _AMOUNT in payload
        voided = zero and _TEXT.decode(note).startswith("Voided")
    except (InvalidOperation, UnicodeDecodeError, msgspec.MsgspecError):
        return False
    return voided and _SOME_AMOUNT.search(payload) is None


def _unwrapped(payload: bytes) -> bytes:
    """The object inside a template's wrapper (``{"Invoice": {...}}``)."""
    members = members_of(payload)
    if "Id" in members:
        return payload
    objects = [value for value in members.values() if value[:1] == b"{"]
    if not objects:
        raise ValueError("the template wraps no object")
    # Its times may stand beside the object; only the object has an Id.
    return next((value for value in objects if "Id" in members_of(value)), objects[0])


def _tolerant(payload: bytes, entity: EntityType) -> _Header:
    """A header from a row whose types drifted; only the key and the times must be right."""
    loose = _LOOSE.decode(payload)
    raw_id = bytes(loose.Id)
    if raw_id[:1] == b'"':
        id = _TEXT.decode(raw_id)
    elif raw_id and raw_id != b"null":
        raise ValueError("its Id is not a text")
    else:
        id = _natural_id(loose, entity)
    token = bytes(loose.SyncToken)
    if token[:1] == b'"':
        sync_token: str | None = _TEXT.decode(token)
    else:
        sync_token = token.decode() if token not in (b"", b"null") else None
    return _Header(
        id,
        sync_token,
        loose.MetaData,
        Active=False if bytes(loose.Active) in (b"false", b'"false"') else None,
        status=_text_of(bytes(loose.status)),
        sparse=loose.sparse,
        TotalAmt=loose.TotalAmt,
        PrivateNote=loose.PrivateNote,
    )


def _text_of(raw: bytes) -> str | None:
    """A text, or the bytes of whatever is there instead; None if nothing is."""
    if raw in (b"", b"null"):
        return None
    return _TEXT.decode(raw) if raw[:1] == b'"' else raw.decode()


def _natural_id(loose: _Loose, entity: EntityType) -> str:
    """The key of rows that Intuit sends without an Id: singletons and exchange rates."""
    if entity.kind is Kind.SINGLETON:
        return "1"
    parts = (loose.SourceCurrencyCode, loose.TargetCurrencyCode, loose.AsOfDate)
    if entity.kind is Kind.OTHER and all(parts):
        return "/".join(part for part in parts if part)
    raise ValueError("it has no Id")


def _id_of(payload: bytes) -> str | None:
    """The id of an unreadable row where one can be made out, for the quarantine."""
    try:
        raw = json_scan.members(payload).get("Id", b"")
        return _TEXT.decode(raw) if raw[:1] == b'"' else (raw.decode() or None)
    except (ValueError, msgspec.MsgspecError):
        return None


def _reject(id: str | None, reason: str, payload: bytes, origin: Origin) -> Reject:
    return Reject(id, reason, payload, origin.source, origin.request_id, origin.fetched_at)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
