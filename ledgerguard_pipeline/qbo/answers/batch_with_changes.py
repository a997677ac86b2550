"""One batch call that asks for changes and runs statements at the same time.

Intuit's batch schema has a ``CDCQuery`` item beside ``Query``; with it an incremental sync of
all types is one call, those included that change data capture leaves out.

Decision 16 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import QBOAPIError
from ledgerguard_pipeline.qbo.answers.batch import read_batch_items
from ledgerguard_pipeline.qbo.answers.cdc import Changes, read_batch_changes
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.queries.statement import Query


@dataclass(frozen=True, slots=True)
class BatchWithChanges:
    """``items`` answers the statements in their order: a page, a count, or that item's error.

    ``changes`` is None where none were asked for, and an error where the batch did not serve
    them; change data capture is then asked in a call of its own.
    """

    items: list[Page | int | QBOAPIError]
    changes: Changes | QBOAPIError | None

    @property
    def outcomes(self) -> list[object]:
        """All of it in one list, in the end what was said of single types in place of their changes."""
        if isinstance(self.changes, Changes):
            return [*self.items, *self.changes.outcomes]
        return [*self.items, self.changes]


def read_with_changes(
    answer: ApiAnswer, statements: Sequence[Query], types: Sequence[EntityType]
) -> tuple[BatchWithChanges, int]:
    """The answer and the number of rows in it.

    Raises:
        QBOAPIError: the whole batch was refused.
    """
    items, rows = read_batch_items(answer, statements)
    if not types:
        return BatchWithChanges(items, None), rows
    changes = read_batch_changes(answer, types)
    if isinstance(changes, Changes):
        rows += sum(group.rows for group in changes.groups.values())
    return BatchWithChanges(items, changes), rows
