"""How far full walks got, written with the rows they brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ledgerguard_pipeline.bronze.loads import Load, WalkStep
from ledgerguard_pipeline.bronze.write.arrow_rows import id_table
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.backends.base import OpenStore
    from ledgerguard_pipeline.bronze.write.transaction import Transaction

_COLUMNS = (
    "realm_id",
    "entity",
    "walk_id",
    "started_at",
    "cursor",
    "rows",
    "done",
    "track_seen",
    "began_at",
    "saved_at",
    "load_id",
)
_REMEMBER_SEEN = "INSERT INTO _walk_seen SELECT $realm, $entity, $walk, id FROM incoming"
_FORGET_SEEN = "DELETE FROM _walk_seen WHERE realm_id = ? AND entity = ? AND walk_id <> ?"
_READ_WALKS_OF = (
    "SELECT realm_id, entity, walk_id, began_at FROM _walks WHERE realm_id IN (SELECT unnest(?)) "
    "QUALIFY row_number() OVER (PARTITION BY realm_id, entity ORDER BY saved_at DESC) = 1"
)
_FORGET_WALK = "DELETE FROM _walks WHERE realm_id = ? AND entity = ?"
Stored = tuple[str, datetime]
"""Id of a company's latest walk of an entity type, and when its first step was committed."""


class WalkSteps:
    """The steps of walks that are committed together, each of another company or entity type."""

    def __init__(self, session: OpenStore, transaction: Transaction, loads: Sequence[Load]) -> None:
        self._connection = session.connection
        self._transaction = transaction
        self._replaces = not session.lake
        """A lake only adds, and the newest counts."""
        self._rows: list[tuple[object, ...]] = []
        walking = sorted({str(load.realm_id) for load in loads})
        rows = self._connection.execute(_READ_WALKS_OF, [walking]).fetchall()
        self._stored: dict[tuple[str, str], Stored] = {
            (str(realm), str(entity)): (str(walk_id), began_at)
            for realm, entity, walk_id, began_at in rows
        }

    def add(self, load: Load, step: WalkStep, met: Sequence[str], loaded_at: datetime) -> datetime:
        """Note a step that ``met`` these ids; when the first step of its walk was committed."""
        realm, entity = str(load.realm_id), load.entity.name
        stored = self._stored.get((realm, entity))
        began_at = loaded_at
        if stored is not None:
            if stored[0] == step.walk_id:
                began_at = stored[1]
            else:
                self._later(_FORGET_SEEN, realm, entity, step.walk_id)
            if self._replaces:
                self._later(_FORGET_WALK, realm, entity)
        self._rows.append(
            (
                realm,
                entity,
                step.walk_id,
                step.started_at,
                step.cursor,
                step.rows,
                step.done,
                step.track_seen,
                began_at,
                loaded_at,
                str(load.load_id),
            )
        )
        if step.track_seen and met:
            values = {"realm": realm, "entity": entity, "walk": step.walk_id}
            self._transaction.later(partial(self._remember, met, values))
        return began_at

    def _remember(self, met: Sequence[str], values: dict[str, str]) -> None:
        self._connection.register("incoming", id_table(met))
        try:
            self._connection.execute(_REMEMBER_SEEN, values)
        finally:
            self._connection.unregister("incoming")

    def _later(self, statement: str, *values: str) -> None:
        self._transaction.later(partial(self._connection.execute, statement, list(values)))

    def save(self) -> None:
        """Write the steps that were noted."""
        self._transaction.later(
            partial(insert_rows, self._connection, "_walks", _COLUMNS, self._rows)
        )
