"""A walk that goes on is read as it was begun, or begins anew.

A walk may be resumed days later, after ``LEDGERGUARD_CUSTOM_FIELDS`` or what the company allows has
changed, and by a newer program. Its rows would then have been read with all custom fields in one
part and with fewer in another, and nobody would read the latter again. So a cursor says whether all
rows up to it were read with all fields. It is committed with the rows, so the two cannot disagree; that
an interrupted walk of an older version is read from its beginning is the price.
"""

from __future__ import annotations

from ledgerguard_pipeline.bronze.loads import Walk
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.qbo.queries.custom_fields import CustomFields

_WHOLE = "all-fields@"


class ReadSoFar:
    """Whether all rows that a walk has read until now have all custom fields of their type."""

    def __init__(self, entity: EntityType, fields: CustomFields, resume: Walk | None) -> None:
        """Rows before the cursor of ``resume`` were read by somebody else."""
        self._fields = fields
        self._whole = entity.custom_fields and (resume is None or _is_whole(resume))

    def noted(self, cursor: str | None) -> str | None:
        """The cursor to store, of rows that were read just now."""
        self._whole = self._whole and self._fields.whole
        return f"{_WHOLE}{cursor}" if cursor is not None and self._whole else cursor


def begins_behind(walk: Walk | None) -> str | None:
    """From where a walk goes on; None if it begins."""
    return None if walk is None or walk.cursor is None else walk.cursor.removeprefix(_WHOLE)


def may_go_on(walk: Walk, entity: EntityType, fields: CustomFields) -> bool:
    """Whether the rest of a walk would be read with no more than its first part was."""
    return not entity.custom_fields or not fields.whole or _is_whole(walk)


def _is_whole(walk: Walk) -> bool:
    # Without a cursor it is read from its beginning.
    return walk.cursor is None or walk.cursor.startswith(_WHOLE)
