"""Rows that a type's queries may hide because they are inactive.

Queries hide inactive members of a list unless they name ``Active``. Of customer types, journal codes and
what belongs to tax no page says that, and the tax codes built into a company have no ``Active`` at all,
so that a condition on it may leave them out. So these types are read without the condition, as far as
that goes, and what it may hide is asked for in a statement of its own: whichever is true of a
company, the two together show everything, and what both show is stored once.

Decision 102 in docs/decisions.md.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field

from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    Transient,
)
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.queries.statement import INACTIVE, Query
from ledgerguard_pipeline.values import Record, Reject

_NOT_ASKED_FOR = (RequestRejected, FeatureUnavailable)
"""A company that lets nobody name ``Active`` of a type shows all its rows in every query."""


@dataclass(frozen=True, slots=True)
class InactiveRows:
    """What asking for the inactive rows alone has shown."""

    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def inactive_rows(
    queries: EntityQueries, found: Page | QBOAPIError | None, pool: Executor | None
) -> InactiveRows:
    """The inactive rows of a type; none where its other queries show them as well.

    ``found`` is what a batch answered to the same question, where it was asked there.

    Raises:
        QBOAPIError: they could not be read.
    """
    if not queries.entity.inactive_apart or isinstance(found, _NOT_ASKED_FOR):
        return InactiveRows()
    try:
        if found is None or isinstance(found, Transient):
            found = queries.page(Query.inactive(queries.entity, queries.rows_at_once))
    except PoisonPage as error:
        found = error
    except _NOT_ASKED_FOR:
        return InactiveRows()
    if isinstance(found, Page) and not found.full:
        return InactiveRows(found.records, found.rejects)
    if isinstance(found, QBOAPIError) and not isinstance(found, PoisonPage):
        raise found
    walked = InactiveRows()
    for stretch in queries.among(INACTIVE).walk(pool):
        walked.records.extend(stretch.records)
        walked.rejects.extend(stretch.rejects)
    return walked
