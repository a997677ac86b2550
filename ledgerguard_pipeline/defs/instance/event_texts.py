"""Materializations of one load as the JSON that Dagster stores, written from their common parts.

They differ in their asset, their partition and a few figures; run, step, time and tags are the
same, and windows that were completed together share their metadata. Dagster builds an event of each
and its text from all its parts anew. Here what is common is written once: the text of the first of
them, as Dagster writes it, is cut at what differs, so a release of Dagster that writes it another
way is noticed, and every event is left to Dagster then.

Decision 93 in docs/decisions.md.
"""

import json
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Self

from dagster import (
    AssetKey,
    AssetMaterialization,
    EventLogEntry,
    IntMetadataValue,
    MetadataValue,
    TextMetadataValue,
    UrlMetadataValue,
)
from dagster._core.events import StepMaterializationData
from dagster._serdes import pack_value, serialize_value

if TYPE_CHECKING:
    from ledgerguard_pipeline.defs.instance.event_rows import Batch

_PLAIN = {IntMetadataValue: int, TextMetadataValue: str, UrlMetadataValue: str}
"""Metadata whose text is kept, since companies and entities share most of it; 0 is not False."""
_KNOWN_ENTRIES = 4096


class Text(NamedTuple):
    """An event's text, and the asset and partition that it is about, as columns hold them."""

    text: str
    asset: str
    partition: str | None


class _Frame(NamedTuple):
    """The text of an event without its data and its message."""

    before: str
    between: str
    end: str

    @classmethod
    def of(cls, model: EventLogEntry) -> Self | None:
        """Cut from the text of this event; None if Dagster writes it in another way or order."""
        data = model.get_dagster_event().event_specific_data
        if not isinstance(data, StepMaterializationData) or data.asset_lineage:
            return None
        head, tail = _data(data.materialization)
        mine = f"{head}{json.dumps(data.materialization.partition)}{tail}"
        before, found, rest = serialize_value(model).partition(mine)
        message = f'"message": {json.dumps(model.get_dagster_event().message)}'
        between, message_found, end = rest.partition(message)
        return cls(before, f'{between}"message": ', end) if found and message_found else None


def texts_of(batch: "Batch") -> list[Text] | None:
    """What Dagster would store of each, in their order; None if only Dagster can tell."""
    frame = _Frame.of(batch.model)
    if frame is None or any(each.tags is not None for each in batch.found):
        return None
    texts: list[Text] = []
    last: tuple[object, object, object] | None = None
    head = tail = asset = ""
    for each in batch.found:
        key, partition = each.asset_key, each.partition
        # The windows of an asset follow each other and share what is the same.
        same = last and last[0] is key and last[1] is each.metadata and last[2] == each.description
        if not same:
            last = (key, each.metadata, each.description)
            head, tail = _data(each)
            head = f"{frame.before}{head}"
            tail = f"{tail}{frame.between}{json.dumps(batch.message(each))}{frame.end}"
            asset = _column(key)
        text = f"{head}{json.dumps(partition)}{tail}"
        texts.append(Text(text, asset, str(partition) if partition else None))
    return texts


def _data(found: AssetMaterialization) -> tuple[str, str]:
    """The data of an event up to its partition, and behind it."""
    entries = ", ".join(_entry(label, value) for label, value in found.metadata.items())
    before = (
        '{"__class__": "StepMaterializationData", "asset_lineage": [], "materialization": '
        f'{{"__class__": "AssetMaterialization", "asset_key": {_key(found.asset_key)}, '
        f'"description": {json.dumps(found.description)}, '
        f'"metadata_entries": [{entries}], "partition": '
    )
    return before, ', "tags": null}}'


def _entry(label: str, value: MetadataValue) -> str:
    kind, content = type(value), value.value
    if isinstance(content, int | str) and _PLAIN.get(kind) is type(content):
        return _known_entry(label, kind, content)
    return _new_entry(label, value)


@lru_cache(_KNOWN_ENTRIES)
def _known_entry(label: str, kind: type[MetadataValue], content: int | str) -> str:
    return _new_entry(label, kind(content))  # type: ignore[call-arg]  # each takes its value


def _new_entry(label: str, value: MetadataValue) -> str:
    entry = {
        "__class__": "EventMetadataEntry",
        "description": None,
        "entry_data": pack_value(value),  # type: ignore[call-overload]  # each is one of its kinds
        "label": label,
    }
    return json.dumps(entry, sort_keys=True)


@lru_cache(_KNOWN_ENTRIES)
def _key(key: AssetKey) -> str:
    return serialize_value(key)


@lru_cache(_KNOWN_ENTRIES)
def _column(key: AssetKey) -> str:
    return key.to_string()
