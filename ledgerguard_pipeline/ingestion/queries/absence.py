"""Silence proves nothing: what must be shown before an object counts as deleted.

A grant whose person lost rights was seen to get empty answers instead of faults, for all kinds of
transactions, while accounts went on working. So what an answer merely lacks is no deletion: a
sample of it is read singly, and only error 610, which says of one object that it is gone, lets
the deletions be written. A deletion that Intuit announces in so many words, by an event or by
change data capture, still has to be confirmed by an answer that shows anything at all.

Decision 44 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    AccessDenied,
    FeatureUnavailable,
    NotFound,
    PoisonPage,
    RequestRejected,
    RightsInDoubt,
    UnreadableRecord,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.values import Record

SAMPLE = 5
"""Objects read singly before many are believed gone: each costs a call, and a person's rights
hide all of a type or none."""

GONE = "610"

_CLOSED = 403

_NO_ID = "2030"
"""A read takes no such id: those of tax codes built into a company are words. Then it says nothing of
the object, and a type that shows others is believed."""


def fallen(shown: int | None, held: int) -> bool:
    """Whether Intuit shows nothing of a type any more, or less than half of what Bronze holds."""
    return shown is not None and 2 * shown < held


def prove_gone(
    client: QBOClient,
    entity: EntityType,
    ids: Sequence[str],
    *,
    called: Callable[[], None] = lambda: None,
) -> None:
    """Return if single reads confirm that a sample of these objects is gone.

    ``called`` is notified of each read.

    Raises:
        RightsInDoubt: an object of the sample is there, or a read does not say that it is gone.
        LedgerGuardError: a read failed for a reason of its own; nothing is known then.
    """
    chosen, confirmed = sample(ids), False
    for id in chosen:
        called()
        try:
            found = look(client, entity, id, missing=len(ids))
        except UnreadableRecord:
            why = "still finds it"
        except (RequestRejected, PoisonPage) as error:
            if error.fault_code == _NO_ID:
                continue
            why = f"was refused ({error.message})"
        else:
            if isinstance(found, NotFound):
                confirmed = True
                continue
            why = "still finds it"
        raise RightsInDoubt(doubt_text(entity, len(ids), id, why), entity=entity.name)
    if chosen and not confirmed:
        called()
        if not client.query_page(entity, Query.select(entity, limit=1)).rows:
            why = "is not possible, and nothing else of the type is shown"
            raise RightsInDoubt(doubt_text(entity, len(ids), chosen[0], why), entity=entity.name)


def look(client: QBOClient, entity: EntityType, id: str, *, missing: int) -> Record | NotFound:
    """The object as a single read shows it, or the error 610 that says it is gone.

    ``missing`` objects of the type are looked for; a doubt names their number.

    Raises:
        RightsInDoubt: the read shows no object and does not say that it is gone either.
        LedgerGuardError: the read failed for a reason of its own; nothing is known then.
    """
    try:
        return client.get_entity(entity.name, id)
    except NotFound as error:
        if error.fault_code == GONE:
            return error
        why = "was answered without the object and without a fault"
    except AccessDenied as error:
        if error.status != _CLOSED:
            raise
        why = f"was refused ({error.message})"
    except FeatureUnavailable as error:
        why = f"was refused ({error.message})"
    raise RightsInDoubt(doubt_text(entity, missing, id, why), entity=entity.name)


def sample(ids: Sequence[str], size: int = SAMPLE) -> list[str]:
    """Some of the ids, spread over all of them from the first to the last."""
    ordered = sorted(ids, key=lambda id: (len(id), id))
    if len(ordered) <= size:
        return ordered
    return [ordered[index * (len(ordered) - 1) // (size - 1)] for index in range(size)]


def doubt_text(entity: EntityType, missing: int, id: str, why: str) -> str:
    """What people are shown: what was seen, what it may mean, what to do."""
    return (
        f"QuickBooks' answers lack {missing} {entity.name} objects, but a single read of {id} "
        f"{why}: the consenting person may have lost rights. Nothing was deleted and the type is "
        "not read further. Have an administrator check that person's role in QuickBooks, or "
        "connect the company again as an administrator."
    )
