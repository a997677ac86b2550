"""From the bytes of a delivery to change events, in both shapes Intuit uses.

Since July 2026 a delivery is a JSON array of CloudEvents, possibly of several companies; before,
it was an object with ``eventNotifications`` (Intuit's "Webhooks" page and its notice of
2025-11-12). Both are read whatever the app is set to. Nothing here raises for what was sent: a
part that cannot be used is reported beside the others, so one bad event never costs its
neighbours. Whatever names a company, a type and an object is an event, however strange the rest
of it: an event only ever causes a read.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from ledgerguard_pipeline.change_events import ChangeEvent, Operation, Unreadable, readable_type
from ledgerguard_pipeline.qbo.answers.payload import BOM, elements_of, members_of
from ledgerguard_pipeline.values import REALM_FORM

Shape = Literal["cloudevents", "legacy", "unknown"]

MOST_EVENTS = 20_000
"""The most events read from one delivery; the rest is reported as unreadable."""

MOST_UNREADABLE = 100
"""Unreadable parts listed one by one; the raw body, which is kept, has the rest."""

_UNUSABLE = (msgspec.MsgspecError, RecursionError, ValueError)
_REALM = re.compile(REALM_FORM, re.ASCII)
_NAME = re.compile(r"[A-Za-z]{1,60}", re.ASCII)
_OBJECT = re.compile(r"[A-Za-z0-9_\-]{1,64}", re.ASCII)
_EVENT = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_EXCERPT = 200

_OPERATIONS = {
    "created": Operation.CREATE,
    "updated": Operation.UPDATE,
    "deleted": Operation.DELETE,
    "merged": Operation.MERGE,
    "voided": Operation.VOID,
    "emailed": Operation.EMAILED,
    **{each.value.casefold(): each for each in Operation if each is not Operation.OTHER},
}

_Text = str | int | float | bool | None


class _CloudEvent(msgspec.Struct, gc=False):
    """The fields of a CloudEvent that matter; ids may arrive as numbers."""

    id: _Text = None
    source: _Text = None
    type: _Text = None
    time: _Text = None
    intuitentityid: _Text = None
    intuitaccountid: _Text = None
    data: msgspec.Raw = msgspec.Raw()


class _Entity(msgspec.Struct, gc=False):
    name: _Text = None
    id: _Text = None
    operation: _Text = None
    lastUpdated: _Text = None  # noqa: N815  # Intuit's spelling
    deletedId: _Text = None  # noqa: N815  # the same


@dataclass(slots=True)
class Delivered:
    """What one delivery holds. ``events`` may name one identity twice."""

    shape: Shape = "unknown"
    events: list[ChangeEvent] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def parse(body: bytes) -> Delivered:
    """Read a delivery; whatever was sent, this returns."""
    found = Delivered()
    reader = _Reader(found, hashlib.sha256(body).hexdigest())
    text = body.removeprefix(BOM).strip()
    try:
        if text[:1] == b"[":
            parts, members = elements_of(text), None
        else:
            parts, members = [text], members_of(text)
    except (ValueError, RecursionError) as error:
        reader.reject(text, f"the delivery is no JSON array or object ({_first_line(error)})")
        return found
    if members is not None and "eventNotifications" in members:
        reader.notifications(members["eventNotifications"])
    elif members is not None and "type" not in members:
        reader.reject(text, "the delivery has neither of the shapes Intuit documents")
    else:
        found.shape = "cloudevents"
        for part in parts:
            reader.element(part)
    return found


class _Reader:
    """Reads the parts of one delivery; ``salt`` tells deliveries apart where ids are missing."""

    def __init__(self, found: Delivered, salt: str) -> None:
        self._found = found
        self._salt = salt
        self._alike: Counter[str] = Counter()

    def element(self, raw: bytes) -> None:
        if self._full(raw):
            return
        try:
            event = _decoded(raw, _CloudEvent)
        except _UNUSABLE as error:
            self.reject(raw, f"the event cannot be read ({_first_line(error)})")
            return
        if event.type is None and b'"eventNotifications"' in raw:
            self.notifications(members_of(raw).get("eventNotifications", b""))
            return
        realm, kind = _reported(event.intuitaccountid, _REALM), _kind(event.type)
        try:
            self._found.events.append(self._cloud_event(event, kind))
        except ValueError as error:
            why = f"the event cannot be read ({_first_line(error)})"
            self.reject(raw, why, realm, "" if kind is None else _known(kind[0]))

    def notifications(self, raw: bytes) -> None:
        self._found.shape = "legacy"
        try:
            parts = elements_of(raw)
        except (ValueError, RecursionError) as error:
            self.reject(raw, f"eventNotifications cannot be read ({_first_line(error)})")
            return
        for part in parts:
            realm = ""
            try:
                members = members_of(part)
                realm = _text(_value(members.get("realmId", b"")), _REALM, "realmId")
                changed = members_of(members.get("dataChangeEvent", b""))
                entities = elements_of(changed.get("entities", b""))
            except _UNUSABLE as error:
                why = f"the notification cannot be read ({_first_line(error)})"
                self.reject(part, why, realm)
                continue
            for entity in entities:
                self._legacy(realm, entity)

    def reject(self, raw: bytes, reason: str, realm: str = "", entity: str = "") -> None:
        """Report a part that cannot be used; the delivery's raw body keeps its bytes."""
        if len(self._found.unreadable) > MOST_UNREADABLE:
            return
        if len(self._found.unreadable) == MOST_UNREADABLE:
            self._rest(raw, "more parts of this delivery cannot be read; its raw body has them")
            return
        # By what the part is, not by its place among the unreadable ones: a version that can read
        # one of them knows the others by the same keys.
        same = hashlib.sha256(raw).hexdigest()
        key = _digest("unreadable part", self._salt, same, str(self._alike[same]))
        self._alike[same] += 1
        self._report(key, reason, raw, realm, entity)

    def _rest(self, raw: bytes, reason: str) -> None:
        """Report that more follows; where it begins may change, that there is more does not."""
        self._report(_digest("unreadable rest", self._salt, reason), reason, raw)

    def _report(self, key: str, reason: str, raw: bytes, realm: str = "", entity: str = "") -> None:
        self._found.unreadable.append(
            Unreadable(key, _printable(reason), _excerpt(raw), realm, entity)
        )

    def _full(self, raw: bytes) -> bool:
        if len(self._found.events) < MOST_EVENTS:
            return False
        if not any(each.reason.startswith("more than") for each in self._found.unreadable):
            self._rest(raw, f"more than {MOST_EVENTS} events in one delivery; sync the company")
        return True

    def _cloud_event(self, event: _CloudEvent, kind: tuple[str, str] | None) -> ChangeEvent:
        if kind is None:
            raise ValueError("its type is not qbo.<entity>.<operation>")
        name, word = kind
        realm = _text(event.intuitaccountid, _REALM, "intuitaccountid")
        object_id = _object_id(event.intuitentityid, "intuitentityid")
        occurred_at = _instant(event.time)
        absorbed = _absorbed(_member(bytes(event.data), "deletedid"))
        given = event.id if isinstance(event.id, str) and _EVENT.fullmatch(event.id) else None
        # The id alone should do (CloudEvents: source and id); with what it is about beside it, an
        # id used twice by mistake can cost a read, but never hide a change.
        key = _digest(
            "cloudevent", str(event.source), str(event.id), realm, str(event.type), object_id,
            "" if event.id is not None else self._moment(event.time),
        )  # fmt: skip
        operation = _OPERATIONS.get(word.casefold(), Operation.OTHER)
        return _event(key, given, realm, name, object_id, operation, occurred_at, absorbed)

    def _legacy(self, realm: str, raw: bytes) -> None:
        if self._full(raw):
            return
        named = ""
        try:
            entity = _decoded(raw, _Entity)
            named = _known(_reported(entity.name, _NAME))
            name = _text(entity.name, _NAME, "name")
            object_id = _object_id(entity.id, "id")
        except _UNUSABLE as error:
            why = f"the entity cannot be read ({_first_line(error)})"
            self.reject(raw, why, realm, named)
            return
        absorbed = _absorbed(entity.deletedId)
        word = str(entity.operation)
        key = _digest(
            "legacy", realm, name.casefold(), object_id, word, absorbed or "",
            self._moment(entity.lastUpdated),
        )  # fmt: skip
        operation = _OPERATIONS.get(word.casefold(), Operation.OTHER)
        occurred_at = _instant(entity.lastUpdated)
        event = _event(key, None, realm, name, object_id, operation, occurred_at, absorbed)
        self._found.events.append(event)

    def _moment(self, time: object) -> str:
        """Without a time, two changes look the same: only the same delivery is a duplicate."""
        return str(time) if time is not None else self._salt


def _event(
    key: str,
    given: str | None,
    realm: str,
    name: str,
    object_id: str,
    operation: Operation,
    occurred_at: datetime | None,
    absorbed: str | None,
) -> ChangeEvent:
    return ChangeEvent(
        key=key,
        event_id=given or f"made-{key[:32]}",
        realm_id=realm,
        entity=_known(name),
        object_id=object_id,
        operation=operation,
        occurred_at=occurred_at,
        absorbed_id=absorbed,
    )


_VALUE: msgspec.json.Decoder[_Text] = msgspec.json.Decoder(_Text)
_Form = TypeVar("_Form", _CloudEvent, _Entity)


def _decoded(raw: bytes, form: type[_Form]) -> _Form:
    """The fields of an object; one of an unusable kind counts as missing.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        return msgspec.json.decode(raw, type=form)
    except _UNUSABLE:
        members = members_of(raw)
    given: dict[str, Any] = {
        name: _value(members.get(name, b"")) for name in form.__struct_fields__ if name != "data"
    }
    if "data" in members:
        given["data"] = msgspec.Raw(members["data"])
    return form(**given)


def _value(raw: bytes) -> _Text:
    """A text, a number, a flag, or None for anything else."""
    try:
        given: _Text = _VALUE.decode(raw)
    except _UNUSABLE:
        return None
    return given


def _member(raw: bytes, name: str) -> _Text:
    """A member of an object, whatever the case of its name; None where there is none."""
    if not raw.startswith(b"{"):
        return None
    try:
        members = members_of(raw)
    except (ValueError, RecursionError):
        return None
    found = (value for key, value in members.items() if key.casefold() == name)
    return _value(next(found, b""))


def _kind(given: _Text) -> tuple[str, str] | None:
    """Entity and operation of a CloudEvent's type; what follows, such as a version, is no matter.

    Intuit documents ``qbo.<entity>.<operation>.v1``.
    """
    parts = str(given).strip().split(".") if isinstance(given, str) else []
    at = next((number for number, part in enumerate(parts) if part.casefold() == "qbo"), -1) + 1
    if at == 0:
        at = next((number for number, part in enumerate(parts) if readable_type(part)), len(parts))
    name = re.sub("[-_ ]", "", parts[at]) if at < len(parts) else ""
    if _NAME.fullmatch(name) is None:
        return None
    return name, parts[at + 1] if at + 1 < len(parts) else ""


def _known(name: str) -> str:
    """The registry's spelling where it knows the type."""
    known = readable_type(name)
    return name if known is None else known.name


def _absorbed(value: _Text) -> str | None:
    """The object a merge ended; an empty or unusable id names none."""
    try:
        return _object_id(value, "deletedid")
    except ValueError:
        return None


def _reported(value: _Text, pattern: re.Pattern[str]) -> str:
    """A text of this form, or nothing."""
    try:
        return _text(value, pattern, "")
    except ValueError:
        return ""


def _text(value: _Text, pattern: re.Pattern[str], what: str) -> str:
    usable = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(value).strip() if usable else ""
    if pattern.fullmatch(text) is None:
        raise ValueError(f"its {what} is missing or not usable")
    return text


def _object_id(value: _Text, what: str) -> str:
    """Events of employees pad ids with zeros; objects themselves do not carry them."""
    text = _text(value, _OBJECT, what)
    return (text.lstrip("0") or "0") if text.isdigit() else text


def _instant(value: _Text) -> datetime | None:
    """A time of any precision; Intuit's are UTC, so one without an offset is taken as such."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value.strip())
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _digest(*parts: str) -> str:
    joined = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()


def _excerpt(raw: bytes) -> str:
    return _printable(raw[:_EXCERPT].decode("ascii", "replace"))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_EXCERPT]


def _printable(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)
