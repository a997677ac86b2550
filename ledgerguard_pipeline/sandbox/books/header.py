"""The members every object starts with, and how each type writes its times.

As captured in 2026, MetaData of invoices, bills and purchase orders names the user who changed
them last, between the two times. As documented, MetaData of inventory adjustments has nothing but
the date of the last change.
"""

from __future__ import annotations

import re

from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time

DAY_DATED = frozenset({"InventoryAdjustment"})
WITH_MODIFIER = frozenset({"Invoice", "Bill", "PurchaseOrder"})
MODIFIER = "9341453474480017"
"""The number of the one user who works in these books."""
MODIFIER_TEXT = f'"LastModifiedByRef":{{"value":"{MODIFIER}"}},'

_META = re.compile(rb'"MetaData":\{[^{}]*\}')


def head(entity: str, id: str, created: int, updated: int, token: int) -> Doc:
    """Domain, Id, SyncToken and MetaData; times in epoch seconds."""
    times: Doc = {"CreateTime": write_time(created)}
    if entity in WITH_MODIFIER:
        times["LastModifiedByRef"] = {"value": MODIFIER}
    if entity in DAY_DATED:
        times = {}
    return {
        "domain": "QBO",
        "sparse": False,
        "Id": id,
        "SyncToken": str(token),
        "MetaData": times | {"LastUpdatedTime": stamp(entity, updated)},
    }


def stamp(entity: str, updated: int) -> str:
    """The ``LastUpdatedTime`` of an object changed at that moment (epoch seconds)."""
    return day_text(updated) if entity in DAY_DATED else write_time(updated)


def with_both_times(body: bytes, created: int, updated: int) -> bytes:
    """A record whose MetaData has the two times of other types in place of a bare date."""
    times = f'"CreateTime":"{write_time(created)}","LastUpdatedTime":"{write_time(updated)}"'
    return _META.sub(f'"MetaData":{{{times}}}'.encode(), body, count=1)


def without_modifier(body: bytes) -> bytes:
    """A record whose MetaData names no user, as before 2026."""
    return body.replace(MODIFIER_TEXT.encode(), b"", 1)
