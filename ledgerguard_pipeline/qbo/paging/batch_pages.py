"""Statements in one call, with those apart whose custom fields a batch might leave out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
)
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.queries.custom_fields import (
    HONOURED,
    REFUSED,
    UNPROVEN,
    CustomFields,
    shows_more,
)
from ledgerguard_pipeline.qbo.queries.statement import Query

Outcome = Page | QBOAPIError
Asked = tuple[EntityType, Query]

_ITS_OWN = (RequestRejected, PoisonPage, FeatureUnavailable)
"""Errors of a single statement, as an item of a batch would give them."""


class SendBatch(Protocol):
    """Sends statements in one call; ``include`` asks for all custom fields."""

    def __call__(self, statements: Sequence[Query], *, include: bool) -> list[Outcome]: ...


class SendQuery(Protocol):
    """Sends one statement in a call of its own."""

    def __call__(self, entity: EntityType, query: Query) -> Page: ...


class BatchOfPages:
    """Reads several statements so that no row loses custom fields."""

    def __init__(self, fields: CustomFields, batch: SendBatch, query: SendQuery) -> None:
        self._fields = fields
        self._batch = batch
        self._query = query

    def read(self, queries: Sequence[Asked]) -> list[Outcome]:
        """One page or error per statement, in their order.

        Raises:
            QBOAPIError, QBOAuthError: the batch as a whole failed.
        """
        careful = [self._fields.asked_of(entity) and not self._fields.refused
                   for entity, _ in queries]  # fmt: skip
        if not any(careful):
            return self._together(queries, include=False)
        state = self._fields.batch
        if state in (None, HONOURED):
            try:
                pages = self._together(queries, include=True)
            except RequestRejected:
                pages = self._apart(queries, careful)
                self._fields.note_batch(REFUSED)
                return pages
            return pages if state == HONOURED else self._proven(queries, careful, pages)
        return self._apart(queries, careful)

    def _together(self, queries: Sequence[Asked], *, include: bool) -> list[Outcome]:
        return self._batch([query for _, query in queries], include=include)

    def _proven(
        self, queries: Sequence[Asked], careful: Sequence[bool], pages: list[Outcome]
    ) -> list[Outcome]:
        """Believe the batch if it shows a field that only the parameter brings; ask again if not."""
        unsure = []
        for index, page in enumerate(pages):
            if careful[index] and isinstance(page, Page) and page.records:
                if shows_more(queries[index][0], page.records):
                    self._fields.note_batch(HONOURED)
                    return pages
                unsure.append(index)
        for index in unsure:
            pages[index] = self._alone(queries[index])
        if unsure:
            self._fields.note_batch(UNPROVEN)
        return pages

    def _apart(self, queries: Sequence[Asked], careful: Sequence[bool]) -> list[Outcome]:
        rest = [asked for asked, alone in zip(queries, careful, strict=True) if not alone]
        together = iter(self._together(rest, include=False) if rest else [])
        return [
            self._alone(asked) if alone else next(together)
            for asked, alone in zip(queries, careful, strict=True)
        ]

    def _alone(self, asked: Asked) -> Outcome:
        try:
            return self._query(*asked)
        except _ITS_OWN as error:
            return error
