"""Bodies as Intuit sends them, in both shapes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

REALM = "9341453474484455"
TIME = "2026-11-20T10:00:00Z"

_PAST = {
    "Create": "created",
    "Update": "updated",
    "Delete": "deleted",
    "Merge": "merged",
    "Void": "voided",
    "Emailed": "emailed",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change to announce."""

    entity: str = "Invoice"
    id: str = "12"
    operation: str = "Update"
    realm: str = REALM
    time: str | None = TIME
    absorbed: str | None = None
    event_id: str | None = None


def cloud_events(changes: Iterable[Change]) -> bytes:
    """The current shape: a JSON array of CloudEvents."""
    events: list[dict[str, object]] = []
    for index, change in enumerate(changes):
        event: dict[str, object] = {
            "specversion": "1.0",
            "id": change.event_id or f"{index}-{change.entity}-{change.id}-{change.time}",
            "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
            "type": f"qbo.{change.entity.lower()}.{_PAST[change.operation]}.v1",
            "datacontenttype": "application/json",
            "intuitentityid": change.id,
            "intuitaccountid": change.realm,
        }
        if change.time is not None:
            event["time"] = change.time
        if change.absorbed is not None:
            event["data"] = {"deletedid": change.absorbed}
        events.append(event)
    return json.dumps(events).encode()


def legacy(changes: Iterable[Change]) -> bytes:
    """The former shape, grouped by company."""
    by_realm: dict[str, list[dict[str, str]]] = {}
    for change in changes:
        entity = {"name": change.entity, "id": change.id, "operation": change.operation}
        if change.time is not None:
            entity["lastUpdated"] = change.time
        if change.absorbed is not None:
            entity["deletedId"] = change.absorbed
        by_realm.setdefault(change.realm, []).append(entity)
    notifications = [
        {"realmId": realm, "dataChangeEvent": {"entities": entities}}
        for realm, entities in by_realm.items()
    ]
    return json.dumps({"eventNotifications": notifications}).encode()
