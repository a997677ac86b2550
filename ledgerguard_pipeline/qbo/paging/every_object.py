"""Walking all objects of a type for users of the client: each once, whatever others edit.

The pages are those every reader gets (``pager``); what is special here is that nothing is handed
out twice, while a sync may meet an object again and finds it stored already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import structlog

from ledgerguard_pipeline.capabilities import Capabilities
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import RequestRejected
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.qbo.paging.page_walk import NewRows
from ledgerguard_pipeline.qbo.paging.pager import Pager, QueryPage
from ledgerguard_pipeline.qbo.queries.statement import INACTIVE, LAST_UPDATED_TIME, Condition
from ledgerguard_pipeline.values import Record

_log = structlog.get_logger("ledgerguard_pipeline.qbo")


def walk(
    query_page: QueryPage,
    entity: EntityType,
    *,
    since: datetime | None = None,
    where: Sequence[Condition] = (),
    page_rows: int = MAX_ROWS,
    capabilities: Capabilities | None = None,
) -> Iterator[NewRows]:
    """Every object that exists throughout the walk, each once, as pages of new rows.

    An object edited while it is being read may come a second time in its newer version. Objects
    created during the walk may or may not be part of it. ``since`` keeps to objects updated at
    or after that time.

    Raises:
        QBOAPIError: a page could not be read.
    """
    conditions = list(where)
    if since is not None and entity.timestamps:
        conditions.append(Condition(LAST_UPDATED_TIME, ">=", since))
    pager = Pager(
        query_page, entity, capabilities, where=conditions, most=page_rows, isolating=False
    )
    seen: dict[str, Record] = {}
    yield from _new(pager, seen, forgetting=not entity.inactive_apart)
    if not entity.inactive_apart or any(each.name.casefold() == "active" for each in conditions):
        return
    apart = [*conditions, INACTIVE]
    pager = Pager(query_page, entity, capabilities, where=apart, most=page_rows, isolating=False)
    # Where nobody may name it, the rows above are all there are.
    with suppress(RequestRejected):
        yield from _new(pager, seen, forgetting=False)


def _new(pager: Pager, seen: dict[str, Record], *, forgetting: bool) -> Iterator[NewRows]:
    """The rows of a walk that were not ``seen``; ``forgetting`` keeps memory flat."""
    rejected: set[bytes | None] = set()
    for stretch in pager.walk(None):
        records: list[Record] = []
        for record in stretch.records:
            before = seen.get(record.id)
            if before is None or before.last_updated_at != record.last_updated_at:
                seen[record.id] = record
                records.append(record)
        rejects = [reject for reject in stretch.rejects if reject.payload not in rejected]
        rejected |= {reject.payload for reject in rejects}
        yield replace(stretch, records=records, rejects=rejects)
        covered_to = stretch.covered_to
        if covered_to is not None and forgetting:
            # Only what lies at or behind it can come again.
            for id in [
                id
                for id, record in seen.items()
                if (key := pager.key(record)) is not None and key < covered_to
            ]:
                del seen[id]


def readable(entity: EntityType, stretches: Iterator[NewRows]) -> Iterator[Record]:
    """The records of a walk, for callers without a quarantine; what cannot be read is logged."""
    for stretch in stretches:
        for reject in stretch.rejects:
            _log.warning(
                "qbo_row_unreadable",
                entity=entity.name,
                id=reject.id,
                reason=reject.reason,
                intuit_tid=reject.request_id,
            )
        yield from stretch.records
