"""How each endpoint shows a record: the same version has other members by query and by read.

As captured in 2020, 2022 and 2026: a read of Invoice has ``InvoiceLink``, of Item
``DeferredRevenue``, of Vendor ``BillRate`` and ``CostRate``, of Customer ``DefaultTaxCodeRef``
and lacks ``ClientEntityId`` and ``V4IDPseudonym``, which only a query shows. A table holds the
form of the query; which one change data capture has is not known, hence a switch.

The download link of an attachment is signed anew whenever it is shown, and lives 900 seconds.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from ledgerguard_pipeline.sandbox.answers.replies import dumps, with_bare_date
from ledgerguard_pipeline.sandbox.api.downloads import signed
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.books.header import (
    DAY_DATED,
    WITH_MODIFIER,
    with_both_times,
    without_modifier,
)
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline.sandbox.switches import Switches

Endpoint = Literal["query", "by_id", "cdc", "read"]
"""``by_id``: a query that names its ids."""

_ONLY_READ: dict[str, dict[str, object]] = {
    "Invoice": {"InvoiceLink": "https://connect.intuit.com/portal/app/CommerceNetwork/view/scs-v1"},
    "Item": {"DeferredRevenue": False},
    "Vendor": {"BillRate": 0, "CostRate": 0},
    "Customer": {"DefaultTaxCodeRef": {"value": "2"}},
}
_ONLY_QUERY = {"Customer": frozenset({"ClientEntityId", "V4IDPseudonym"})}
_OWN: dict[str, object] = {"CustomExtensions": []}
_LINK = re.compile(rb'("TempDownloadUri":"[^"?]*/download/(\d+)/(\d+)\?)[^"]*"')
_TEXT = re.compile(
    rb'("(?:DisplayName|Name|DocNumber|PrivateNote|Description|Note)":"(?:[^"\\\\]|\\\\.)*)'
)
_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def shown(
    table: EntityTable, row: Row, endpoint: Endpoint, switches: Switches, now: float
) -> bytes:
    """The record's bytes as this endpoint answers them."""
    stub = switches.stubs.get(f"{table.entity}/{row.id}")
    if stub is not None and endpoint in stub.endpoints:
        return _stub(row, table.body(row), stub.shape)
    body = _in_form(table.entity, table.body(row), endpoint, switches)
    if table.entity == "Attachable":
        body = _linked(body, switches, now)
    if (table.entity, row.id) in switches.cut_text:
        body = _TEXT.sub(rb"\1\\ud83d", body, count=1)
    if table.entity in switches.day_times:
        return with_bare_date(body)
    if table.entity in DAY_DATED & switches.full_times:
        return with_both_times(body, row.created, row.updated)
    if table.entity in WITH_MODIFIER and not switches.last_modified_by:
        return without_modifier(body)
    return body


def plain(table: EntityTable, endpoint: Endpoint, switches: Switches) -> bool:
    """Whether every record of a table is shown just as it lies there."""
    if table.entity in switches.day_times | (DAY_DATED & switches.full_times):
        return False
    if table.entity in WITH_MODIFIER and not switches.last_modified_by:
        return False
    signed_anew = switches.links == "fresh" or not switches.link_member
    if switches.stubs or switches.cut_text or (table.entity == "Attachable" and signed_anew):
        return False
    form = {"read": switches.read_form, "cdc": switches.cdc_form}.get(endpoint, "query")
    return form == "query"


def _in_form(entity: str, body: bytes, endpoint: Endpoint, switches: Switches) -> bytes:
    form = {"read": switches.read_form, "cdc": switches.cdc_form}.get(endpoint, "query")
    if form == "read":
        return _reshaped(body, _ONLY_READ.get(entity), _ONLY_QUERY.get(entity))
    return _reshaped(body, _OWN, frozenset({"domain"})) if form == "own" else body


def _reshaped(body: bytes, more: dict[str, object] | None, less: frozenset[str] | None) -> bytes:
    """Members added at the end or taken away; the bytes of every value stay."""
    if more is None and less is None:
        return body
    members = {name: bytes(raw) for name, raw in _DECODE(body).items()}
    kept = {name: raw for name, raw in members.items() if name not in (less or frozenset())}
    kept |= {name: dumps(value) for name, value in (more or {}).items() if name not in kept}
    return b"{" + b",".join(dumps(name) + b":" + raw for name, raw in kept.items()) + b"}"


def _linked(body: bytes, switches: Switches, now: float) -> bytes:
    if not switches.link_member:
        return _reshaped(body, None, frozenset({"TempDownloadUri"}))
    return _signed(body, now) if switches.links == "fresh" else body


def _signed(body: bytes, now: float) -> bytes:
    def fresh(found: re.Match[bytes]) -> bytes:
        return found[1] + signed(found[2].decode(), found[3].decode(), now).encode() + b'"'

    return _LINK.sub(fresh, body)


def _stub(row: Row, body: bytes, shape: str) -> bytes:
    if shape == "short":
        members = _DECODE(body)
        kept = {
            name: bytes(members[name])
            for name in ("domain", "sparse", "Id", "SyncToken", "MetaData")
            if name in members
        }
        return b"{" + b",".join(dumps(name) + b":" + raw for name, raw in kept.items()) + b"}"
    head: dict[str, object] = {"domain": "QBO"}
    head |= {"sparse": True} if shape == "sparse" else {"status": "Voided"}
    meta = {"LastUpdatedTime": write_time(row.updated)}
    return dumps(head | {"Id": row.id, "MetaData": meta})
