"""Batches: filled with as few calls as possible, and asked for piece by piece where they fail.

Each is filled below what Intuit hands out in one answer. Whether the ceiling of 1000 objects holds
per item of a batch or per answer is not documented; filled this way it does not matter.

One type of a batch, or its size, can be the reason why all of it is refused or takes too long.
None of the others may be dragged along. What fails inside a batch with a failure that may pass is
asked for once more in a call of its own, where it is repeated as any call is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    AccessDenied,
    AnswerTooBig,
    FeatureUnavailable,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
    Transient,
)
from ledgerguard_pipeline.qbo.answers.fault_rules import TOO_BIG
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.intuit_limits import MAX_BATCH, ROWS_PER_BATCH
from ledgerguard_pipeline.qbo.queries.statement import Query

T = TypeVar("T")

ONE_OF_THEM = (RequestRejected, PoisonPage, FeatureUnavailable, AccessDenied)
"""Refusals of a whole call that one of the types in it may be the reason of."""


def packed(items: Sequence[T], rows: Callable[[T], int]) -> list[list[T]]:
    """The items in batches, first fit, largest first; ``rows`` is how many an item may bring.

    An item that alone exceeds a batch gets one of its own.
    """
    batches: list[tuple[int, list[T]]] = []
    for weight, item in sorted(((rows(item), item) for item in items), key=lambda each: -each[0]):
        for at, (filled, members) in enumerate(batches):
            if filled + weight <= ROWS_PER_BATCH and len(members) < MAX_BATCH:
                members.append(item)
                batches[at] = (filled + weight, members)
                break
        else:
            batches.append((weight, [item]))
    return [members for _, members in batches]


def prove_answering(client: QBOClient, error: QBOAPIError) -> None:
    """Before many calls replace one that was too slow or forbidden: is anything answered at all?

    Raises:
        QBOAPIError, QBOAuthError: Intuit is down, or refuses the company as a whole, so asking
            piece by piece would only take longer.
    """
    too_slow = isinstance(error, AnswerTooBig) and error.fault_code != TOO_BIG
    if too_slow or isinstance(error, AccessDenied):
        client.company_info()


def read_each(
    client: QBOClient,
    queries: Sequence[tuple[EntityType, Query]],
    *,
    spoiling: tuple[type[QBOAPIError], ...] = ONE_OF_THEM,
) -> Sequence[Page | QBOAPIError]:
    """The page of every statement, or why it has none; a batch, or call by call.

    ``spoiling`` are the refusals that a single statement may be the reason of.

    Raises:
        QBOAPIError, QBOAuthError: a call failed for a reason that no single statement is.
    """
    pages: Sequence[Page | QBOAPIError | None] = [None] * len(queries)
    if len(queries) > 1:
        try:
            pages = client.query_batch(queries)
        except spoiling as error:
            prove_answering(client, error)
    found: list[Page | QBOAPIError] = []
    for (entity, query), page in zip(queries, pages, strict=True):
        if page is not None and not isinstance(page, Transient):
            found.append(page)
            continue
        try:
            found.append(client.query_page(entity, query))
        except spoiling as error:
            found.append(error)
        except ServiceUnavailable as error:
            if page is None:
                raise
            found.append(error)  # the batch answered for the others
    return found


def count_each(
    client: QBOClient, entities: Sequence[EntityType]
) -> Mapping[str, int | QBOAPIError]:
    """Intuit's count of every type, or why it has none; a batch, or call by call.

    Raises:
        QBOAPIError, QBOAuthError: a call failed for a reason that no single type is.
    """
    counts: dict[str, int | QBOAPIError] = {}
    answered = True
    try:
        counts = dict(client.count_batch(entities))
    except ONE_OF_THEM as error:
        prove_answering(client, error)
        answered = False
    for entity in entities:
        if answered and not isinstance(counts.get(entity.name), Transient):
            continue
        try:
            counts[entity.name] = client.count_entities(entity.name)
        except ONE_OF_THEM as error:
            counts[entity.name] = error
        except ServiceUnavailable as error:
            if not answered:
                raise
            counts[entity.name] = error
    return counts
