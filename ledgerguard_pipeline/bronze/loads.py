"""Loads for Bronze and their results: plain values, no SQL.

Decision 35 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.values import LoadId, Mode, RealmId, Record, Reject, RunId, State

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkStep:
    """How far a full walk got with this load; committed together with the rows.

    ``started_at`` is the server's time before the walk's first call, ``cursor`` the CreateTime
    text of the last safely committed row, after what the reader has to know of the way there,
    ``rows`` the rows read so far. With ``track_seen`` the ids of the load are remembered, so that
    ``BronzeStore.unseen`` can name what the walk did not meet.
    """

    walk_id: str
    started_at: datetime
    cursor: str | None
    rows: int
    done: bool
    track_seen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The stored state of the latest full walk of one entity type of one company.

    ``began_at`` and ``saved_at`` are Bronze's own commit times of its first and last step.
    """

    walk_id: str
    started_at: datetime
    cursor: str | None
    rows: int
    done: bool
    track_seen: bool
    began_at: datetime
    saved_at: datetime

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """The row of ``READ_WALK``."""
        walk_id, started_at, cursor, rows, done, track_seen, began_at, saved_at = row
        return cls(
            walk_id=walk_id,
            started_at=started_at,
            cursor=cursor,
            rows=rows,
            done=done,
            track_seen=track_seen,
            began_at=began_at,
            saved_at=saved_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Records of one entity type of one company, committed as a whole or not at all.

    A long load may be committed in chunks that share one ``load_id``; ``final`` is set on the last.
    ``whole`` says that it met all rows of the entity type, without a walk.
    ``watermark`` None leaves the high-water mark alone; an older one than the stored is ignored.
    With ``recorded`` false a load that brings nothing but a watermark leaves no row in ``_loads``:
    of a thousand idle companies there would be millions a day.
    """

    load_id: LoadId | str
    realm_id: RealmId | str
    entity: EntityType
    mode: Mode
    run_id: RunId | str | None
    records: Sequence[Record]
    started_at: datetime
    rejects: Sequence[Reject] = ()
    watermark: datetime | None = None
    walk: WalkStep | None = None
    whole: bool = False
    api_calls: int = 0
    fetched_bytes: int = 0
    final: bool = True
    recorded: bool = True

    @property
    def quiet(self) -> bool:
        """True where only the watermark may move and no load record is wanted."""
        empty = not self.records and not self.rejects and self.walk is None
        return empty and not self.recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOutcome:
    """What became of a load's records.

    Always ``fetched == written + deleted + unchanged + stale + quarantined``: ``written`` counts
    versions of living objects, ``deleted`` tombstones (deleted or merged), ``unchanged`` records
    whose bytes Bronze holds already, ``stale`` records older than the newest known version.
    ``new_fields`` names field paths (``Line[].Amount``) never seen before on an entity type that
    was loaded completely at least once; a known path of a new kind reads ``path:kind``.
    ``live_delta`` is by how many living objects the entity grew (or shrank), ``waiting`` how many
    unresolved records it has in quarantine once this is committed. Of the ``written`` ones,
    ``updated`` are new states of objects that were held alive, and ``renamed`` are rows in which
    only the names of other objects differ (``CustomerRef.name``).
    """

    load_id: str
    realm_id: str
    entity: str
    fetched: int
    written: int
    deleted: int
    unchanged: int
    stale: int
    quarantined: int
    new_fields: tuple[str, ...] = ()
    live_delta: int = 0
    waiting: int = 0
    updated: int = 0
    renamed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """The header of an object's newest version, tombstones included."""

    state: State
    last_updated_at: datetime | None
    fetched_at: datetime
    sync_token: str | None
    merged_into: str | None
    payload_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRecord:
    """The latest load of an entity type, its chunks added up."""

    load_id: str
    entity: str
    mode: Mode
    run_id: str | None
    final: bool
    fetched: int
    written: int
    deleted: int
    unchanged: int
    stale: int
    quarantined: int
    api_calls: int
    fetched_bytes: int
    watermark: datetime | None
    started_at: datetime
    loaded_at: datetime

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Self:
        """The record of a row of ``_loads``, whose columns have the order of the fields."""
        load_id, entity, mode, *rest = row
        names = [field.name for field in fields(cls)][3:]
        return cls(
            load_id=load_id, entity=entity, mode=Mode(mode), **dict(zip(names, rest, strict=True))
        )


class Answer(NamedTuple):
    """The result of a read-only statement."""

    columns: list[str]
    rows: list[tuple[object, ...]]

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame of Python objects: decimals stay decimals."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=distinct(self.columns), dtype=object)


def distinct(columns: Sequence[str]) -> list[str]:
    """Names of columns made unique, as joins repeat them: ``id``, ``id_2``."""
    taken, names = set(columns), list[str]()
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in taken):
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names
