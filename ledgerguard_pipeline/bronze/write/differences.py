"""How two payloads of one version differ: in form, in names, in values, or not at all.

A version is one state of an object: company, id, LastUpdatedTime and SyncToken. Its bytes may
still differ. Names of other objects (``CustomerRef.name``) change without any sign when those
are renamed. Balances may move twice within a second. Another kind of read, or another setting,
shows more or fewer members. And the same members may come in another order.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from ledgerguard_pipeline.members import without_signed_links


class Difference(StrEnum):
    """What a payload of the same version says beside the one that is held."""

    SAME = "same"
    """The same members with the same values."""
    RENAMED = "renamed"
    """Only names of referenced objects differ (``*Ref.name``)."""
    RESTATED = "restated"
    """Values differ although Intuit moved neither the time nor the token."""
    WIDENED = "widened"
    """Nothing differs, but there are more members."""
    NARROWED = "narrowed"
    """Nothing that both have differs, but members are missing: another form, or a part."""
    REVIVED = "revived"
    """The object was held as gone and is alive in the state it had."""


_FIELDS = "CustomField"


def difference(held: bytes, incoming: bytes) -> Difference:
    """How ``incoming`` differs from ``held``; only top-level members and custom fields are form.

    A plain answer shows the first three custom fields, and another setting or a company that
    refuses to show all of them shows fewer of an object that nobody edited.

    Payloads that are no JSON objects differ in their values.
    """
    one, other = _members(held), _members(incoming)
    if one is None or other is None:
        return Difference.RESTATED
    if one == other:
        return Difference.SAME
    one, other = _nameless(one), _nameless(other)
    if one == other:
        return Difference.RENAMED
    fewer = _is_part(other.get(_FIELDS), one.get(_FIELDS))
    if fewer or _is_part(one.get(_FIELDS), other.get(_FIELDS)):
        one, other = {**one, _FIELDS: None}, {**other, _FIELDS: None}
    if any(one[name] != other[name] for name in one.keys() & other.keys()):
        return Difference.RESTATED
    if one.keys() - other.keys() or (fewer and not other.keys() - one.keys()):
        return Difference.NARROWED
    return Difference.WIDENED


def lacking(held: bytes, incoming: bytes) -> frozenset[str]:
    """Top-level members that ``held`` has and ``incoming`` has not."""
    one, other = _members(held), _members(incoming)
    if one is None or other is None:
        return frozenset()
    return frozenset(one.keys() - other.keys())


def _members(payload: bytes) -> dict[str, Any] | None:
    """The object, every number as its text; None where it is none."""
    try:
        document = json.loads(without_signed_links(payload), parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_part(fewer: Any, more: Any) -> bool:
    """Whether one list of custom fields holds some of the other's and nothing else."""
    if not isinstance(fewer, list) or not isinstance(more, list):
        return False
    return len(fewer) < len(more) and all(each in more for each in fewer)


def _nameless(value: Any) -> Any:
    """The same without the names beside references' values."""
    if isinstance(value, list):
        return [_nameless(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: each for name, each in inner.items() if name != "name"}
        if key.endswith("Ref") and isinstance(inner, dict) and "value" in inner
        else _nameless(inner)
        for key, inner in value.items()
    }
