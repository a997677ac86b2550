"""Webhook events in both of Intuit's shapes.

Facts: Intuit's webhooks page and its sample payloads, legacy ``eventNotifications`` and
CloudEvents. Samples differ in the form of ``id``, the precision of ``time`` and the presence of
``data``; so do these.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Literal

import msgspec

from ledgerguard_pipeline.sandbox.books.change import Change
from ledgerguard_pipeline.sandbox.webhooks.switches import WebhookSwitches

_C, _U, _D, _M, _V, _E = "Create", "Update", "Delete", "Merge", "Void", "Emailed"

# fmt: off
OPERATIONS: dict[str, tuple[str, ...]] = {
    "Account": (_C, _U, _D, _M), "Bill": (_C, _U, _D), "BillPayment": (_C, _U, _D, _V),
    "Budget": (_C, _U), "ChangeOrder": (_C, _U, _D), "Class": (_C, _U, _D, _M),
    "CompanyCurrency": (_C, _U), "JournalCode": (_C, _U),
    "CreditMemo": (_C, _U, _D, _V, _E), "Customer": (_C, _U, _D, _M),
    "Department": (_C, _U, _M), "Deposit": (_C, _U, _D), "Employee": (_C, _U, _D, _M),
    "Estimate": (_C, _U, _D, _E), "Invoice": (_C, _U, _D, _V, _E), "Item": (_C, _U, _D, _M),
    "JournalEntry": (_C, _U, _D), "Payment": (_C, _U, _D, _V, _E), "PaymentMethod": (_C, _U, _M),
    "Preferences": (_U,), "Purchase": (_C, _U, _D, _V), "PurchaseOrder": (_C, _U, _D, _E),
    "RefundReceipt": (_C, _U, _D, _V, _E), "SalesReceipt": (_C, _U, _D, _V, _E),
    "TaxAgency": (_C, _U), "Term": (_C, _U), "TimeActivity": (_C, _U, _D),
    "Transfer": (_C, _U, _D, _V), "Vendor": (_C, _U, _D, _M), "VendorCredit": (_C, _U, _D),
}
"""Intuit's table of entities and operations; what is not in it sends nothing."""
# fmt: on

_NAMES = {"CompanyCurrency": "Currency"}
"""Where webhooks know a type by another name than queries do."""

_PAST = {
    _C: "created",
    _U: "updated",
    _D: "deleted",
    _M: "merged",
    _E: "emailed",
}
_FRACTIONS = (0, 3, 9)
_PADDED = 18
"""Digits of an employee's id in events; the object itself has it without the zeros in front."""


class Event(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """One event, whichever shape it is sent in. ``number`` counts from 1 in the order of edits."""

    number: int
    id: str
    realm: str
    entity: str
    entity_id: str
    op: str
    time: str
    deleted_id: str | None = None
    terse: bool = False
    """Sent without ``data`` and ``datacontenttype``, as some of Intuit's samples are."""


def event_of(
    realm: str, change: Change, number: int, rng: Random, inactive_as: Literal["Update", "Delete"]
) -> Event | None:
    """The event of a change, or None where Intuit sends none."""
    known = OPERATIONS.get(change.entity, ())
    op = change.op
    if change.made_inactive and inactive_as in known:
        op = inactive_as
    if op not in known:
        return None
    guid = uuid.UUID(int=rng.getrandbits(128), version=4)
    name = _NAMES.get(change.entity, change.entity)
    long = rng.random() < 0.5
    return Event(
        number=number,
        id=f"{guid}-{name}-{change.id}" if long else str(guid),
        realm=realm,
        entity=name,
        entity_id=change.id,
        op=op,
        time=_time(change.at, rng),
        deleted_id=change.deleted_id,
        terse=change.deleted_id is None and rng.random() < 0.3,
    )


def body_of(events: Sequence[Event], switches: WebhookSwitches, source: str) -> bytes:
    """The bytes of one delivery."""
    if switches.shape == "legacy":
        return msgspec.json.encode(_legacy(events))
    return msgspec.json.encode([_cloud(event, switches, source) for event in events])


def source_of(client_id: str) -> str:
    """The ``source`` of an app's events: opaque, the same for all of them."""
    digest = hashlib.sha256(client_id.encode()).digest()
    return f"intuit.{base64.urlsafe_b64encode(digest).decode()}"


def _cloud(event: Event, switches: WebhookSwitches, source: str) -> dict[str, object]:
    word = switches.void_word if event.op == _V else _PAST[event.op]
    no_id = {"deletedid": ""} if switches.empty_deleted_id else {}
    padded = event.entity_id.zfill(_PADDED) if event.entity == "Employee" else event.entity_id
    written: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": f"qbo.{event.entity.lower()}.{word}.{switches.type_version}",
        "time": event.time,
        "intuitentityid": padded,
        "intuitaccountid": event.realm,
    }
    if no_id or not event.terse:
        written["datacontenttype"] = "application/json"
        written["data"] = no_id if event.deleted_id is None else {"deletedid": event.deleted_id}
    return written


def _legacy(events: Sequence[Event]) -> dict[str, object]:
    by_realm: dict[str, list[dict[str, str]]] = {}
    for event in events:
        entry = {
            "name": event.entity,
            "id": event.entity_id,
            "operation": event.op,
            "lastUpdated": event.time,
        }
        if event.deleted_id is not None:
            entry["deletedId"] = event.deleted_id
        by_realm.setdefault(event.realm, []).append(entry)
    return {
        "eventNotifications": [
            {"realmId": realm, "dataChangeEvent": {"entities": entries}}
            for realm, entries in by_realm.items()
        ]
    }


def _time(at: int, rng: Random) -> str:
    """UTC, with as many decimals as Intuit happens to write: none, three or nine."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = rng.choice(_FRACTIONS)
    fraction = f".{rng.randrange(10**digits):0{digits}}" if digits else ""
    return f"{text}{fraction}Z"
