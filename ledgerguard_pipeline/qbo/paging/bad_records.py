"""Read a page in which some record makes Intuit refuse the whole answer (4002, 10000).

The page is halved until each refusing position stands alone. Then the stretches between those
positions are read as whole pages, and at the end every position is asked once more: rows can
only shift to the left, so a position that still refuses proves that nothing moved meanwhile and
that no row fell between two reads.

Where both halves of a refused stretch are served, no record is the reason but how many were asked
for, by whatever code that is refused. Then the first part is handed out at once, as a shorter page.

Before all that one call asks for a position far behind the last row. No record can be the reason
there, so if that is refused as well, the type is refused as a whole and halving would only burn
some two hundred calls to find out nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import IngestionError, PoisonPage
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.paging.page_walk import Fetch
from ledgerguard_pipeline.qbo.queries.statement import BEYOND
from ledgerguard_pipeline.values import Reject, Source

ATTEMPTS = 3
MOST_POISON = 50
"""Refusing records in one page before the page is given up: something else is wrong then."""


class _TooMany(Exception):
    """Not a record is the reason of a refusal but the number of rows."""


def isolated(
    fetch: Fetch,
    anchor: datetime | None,
    start: int,
    limit: int,
    refusal: PoisonPage,
    entity: EntityType,
    clock: Clock,
) -> Page:
    """A page that was refused, without the records that are the reason; those are rejects.

    Where its size was the reason it is shorter, and ``limit`` says how many rows it covers.

    Raises:
        PoisonPage: there are too many of them.
        IngestionError: rows kept moving meanwhile.
    """
    for _ in range(ATTEMPTS):
        page = _salvage(fetch, anchor, start, limit, refusal, entity, clock)
        if page is not None:
            return page
    raise IngestionError(
        "Rows kept moving while an unreadable record was being isolated; the next sync "
        "tries again.",
        entity=refusal.entity,
        realm_id=refusal.realm_id,
    )


def blame_a_record(fetch: Fetch, anchor: datetime | None, refusal: PoisonPage) -> None:
    """Return if a record may be the reason of a refusal.

    Raises:
        PoisonPage: no record is, because not even an empty page is served.
    """
    try:
        fetch(anchor, BEYOND, 1)
    except PoisonPage:
        raise PoisonPage(
            "Intuit refuses every query of this type, even one that finds no rows, so no single "
            "record can be set aside. Nothing of it was stored; the next sync tries again.",
            realm_id=refusal.realm_id,
            entity=refusal.entity,
            fault_code=refusal.fault_code,
            intuit_tid=refusal.intuit_tid,
            status=refusal.status,
        ) from refusal


def _salvage(
    fetch: Fetch,
    anchor: datetime | None,
    start: int,
    limit: int,
    refusal: PoisonPage,
    entity: EntityType,
    clock: Clock,
) -> Page | None:
    poison: list[tuple[int, PoisonPage]] = []
    served: list[Page] = []
    try:
        for position, error in _refusing(fetch, anchor, start, limit, refusal, served):
            poison.append((position, error))
            if len(poison) > MOST_POISON:
                raise refusal
    except _TooMany:
        if poison and poison[0][0] == start:
            again = _read(fetch, anchor, start, 1)
            alone = _merge(entity, clock.now(), [], poison[:1])
            return replace(alone, limit=1) if again is None else None
        return served[0]
    pages: list[Page] = []
    at = start
    for border in [*(position for position, _ in poison), start + limit]:
        if border > at:
            page = _read(fetch, anchor, at, border - at)
            if page is None:
                return None
            pages.append(page)
        at = border + 1
    for position, _ in poison:
        if _read(fetch, anchor, position, 1) is not None:
            return None
    return _merge(entity, clock.now(), pages, poison)


def _refusing(
    fetch: Fetch,
    anchor: datetime | None,
    start: int,
    limit: int,
    refusal: PoisonPage,
    served: list[Page],
) -> Iterable[tuple[int, PoisonPage]]:
    """Positions that refuse on their own, ascending, inside a stretch known to refuse.

    Parts that are ``served`` are kept, the leftmost first, each with the rows it covers.

    Raises:
        _TooMany: both halves of a stretch are served that was refused as a whole.
    """
    if limit == 1:
        yield start, refusal
        return
    half, before = limit // 2, len(served)
    for part, size in ((start, half), (start + half, limit - half)):
        try:
            page = fetch(anchor, part, size)
        except PoisonPage as error:
            yield from _refusing(fetch, anchor, part, size, error, served)
        else:
            served.append(replace(page, limit=size))
            if part != start and len(served) == before + 2 and served[before].limit == half:
                raise _TooMany


def _read(fetch: Fetch, anchor: datetime | None, start: int, limit: int) -> Page | None:
    try:
        return fetch(anchor, start, limit)
    except PoisonPage:
        return None


def _merge(
    entity: EntityType, now: datetime, pages: list[Page], poison: list[tuple[int, PoisonPage]]
) -> Page:
    rejects = [reject for page in pages for reject in page.rejects]
    for position, error in poison:
        rejects.append(
            Reject(
                id=None,
                reason=f"Intuit cannot serve this record: {error.message} "
                f"(fault {error.fault_code}, at position {position} of its page walk)",
                payload=None,
                source=Source.QUERY,
                request_id=error.intuit_tid,
                fetched_at=now,
            )
        )
    return Page(
        entity=entity,
        records=[record for page in pages for record in page.records],
        rejects=rejects,
        rows=sum(page.rows for page in pages) + len(poison),
        time=min((page.time for page in pages), default=now),
        request_id=pages[0].request_id if pages else None,
        bytes=sum(page.bytes for page in pages),
    )
