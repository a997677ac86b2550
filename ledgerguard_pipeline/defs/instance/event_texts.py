"""Events as the JSON that Dagster stores, where many of them have most of it in common.

The materializations of one load differ in their asset, their partition and a few figures; run, step
and tags are the same, and windows that were completed together share their metadata. Dagster
builds each text from its parts anew. Here what is common is written once: the text of one event, as
Dagster writes it, is cut at what differs, so a release of Dagster that writes it another way is
noticed, and every event is left to Dagster then.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from dagster import AssetKey, AssetMaterialization, EventLogEntry, MetadataValue
from dagster._core.events import StepMaterializationData
from dagster._serdes import pack_value, serialize_value


class _Frame(NamedTuple):
    """A text without its data, its message and its time."""

    before: str
    behind_data: str
    behind_message: str
    end: str


class EventTexts:
    """The texts of events that are stored together; as long as it lives, so must they."""

    def __init__(self) -> None:
        self._frames: dict[object, _Frame | None] = {}
        self._metadata: dict[int, str] = {}
        self._keys: dict[AssetKey, str] = {}

    def of(self, event: EventLogEntry) -> str:
        """The text of an event, the same as Dagster's."""
        materialization = _plain_materialization(event)
        if materialization is None:
            return serialize_value(event)
        data = self._data(materialization)
        common = _common(event)
        if common not in self._frames:
            self._frames[common] = _cut(serialize_value(event), data, event)
        frame = self._frames[common]
        if frame is None:
            return serialize_value(event)
        message = json.dumps(event.get_dagster_event().message)
        return (
            f"{frame.before}{data}{frame.behind_data}{message}{frame.behind_message}"
            f"{json.dumps(event.timestamp)}{frame.end}"
        )

    def _data(self, found: AssetMaterialization) -> str:
        key = self._keys.get(found.asset_key)
        if key is None:
            key = self._keys[found.asset_key] = serialize_value(found.asset_key)
        return (
            '{"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": '
            f'{{"__class__": "AssetMaterialization", "asset_key": {key}, '
            f'"description": {json.dumps(found.description)}, '
            f'"metadata_entries": {self._entries(found.metadata)}, '
            f'"partition": {json.dumps(found.partition)}, "tags": null}}}}'
        )

    def _entries(self, metadata: Mapping[str, MetadataValue]) -> str:
        known = self._metadata.get(id(metadata))
        if known is None:
            entries = [
                {
                    "__class__": "EventMetadataEntry",
                    "description": None,
                    "entry_data": pack_value(value),  # type: ignore[call-overload]  # each is one of its kinds
                    "label": label,
                }
                for label, value in metadata.items()
            ]
            known = self._metadata[id(metadata)] = json.dumps(entries, sort_keys=True)
        return known


def _plain_materialization(event: EventLogEntry) -> AssetMaterialization | None:
    """What was materialized, if it has nothing that is rare."""
    data = event.dagster_event.event_specific_data if event.dagster_event else None
    if not isinstance(data, StepMaterializationData) or data.asset_lineage:
        return None
    found = data.materialization
    return None if found.tags is not None else found


def _common(event: EventLogEntry) -> object:
    """Equal for events whose texts differ in data, message and time only."""
    inner = event.get_dagster_event()
    entry = event._replace(timestamp=0.0, dagster_event=None)
    tags = inner.logging_tags
    shared = inner._replace(event_specific_data=None, message=None, logging_tags=None)
    return entry, shared, None if tags is None else tuple(tags.items())


def _cut(text: str, data: str, event: EventLogEntry) -> _Frame | None:
    """The text where it shows these; None if Dagster writes them in another way or order."""
    message = f'"message": {json.dumps(event.get_dagster_event().message)}'
    time = f'"timestamp": {json.dumps(event.timestamp)}'
    before, found, rest = text.partition(data)
    behind_data, message_found, rest = rest.partition(message)
    behind_message, time_found, end = rest.rpartition(time)
    if not (found and message_found and time_found):
        return None
    return _Frame(before, f'{behind_data}"message": ', f'{behind_message}"timestamp": ', end)
