"""The calls an incremental sync shares between entities: one, when nothing special happens.

All types that change data capture covers are asked in one call. Where other types are due too,
their queries and counts travel with it in one batch; if a company's batch does not serve change
data capture, it is asked apart. A type that is read from the start of the day lets the shared call
reach as far back; where the day does not fit into an answer, it is asked apart too.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    LedgerGuardError,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    RightsInDoubt,
)
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.batches import ONE_OF_THEM, prove_answering
from ledgerguard_pipeline.ingestion.queries.cdc import Outcome, nothing_known, read_changes
from ledgerguard_pipeline.ingestion.queries.whole_objects import Known
from ledgerguard_pipeline.qbo.answers.batch_with_changes import BatchWithChanges
from ledgerguard_pipeline.qbo.answers.cdc import Changes
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.intuit_limits import MAX_BATCH, MAX_ROWS
from ledgerguard_pipeline.qbo.paging.page_size import PageSize
from ledgerguard_pipeline.qbo.queries.statement import LAST_UPDATED_TIME, Condition, Query
from ledgerguard_pipeline.values import Mode

SAME_CALL = timedelta(days=1)
"""Entities whose watermarks lie this close share a call; a laggard gets its own, so that its
long reach does not fill everybody's answer."""

EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first page of a type's changes and its count, where the shared batch brought them.

    ``page`` is None when it could not be had or may be cut; the type is then queried alone.
    """

    page: Page | None
    count: int | None


class SharedChanges:
    """Resolves the changes of each CDC entity and the first page of each queried one."""

    def __init__(
        self,
        client: QBOClient,
        plans: Sequence[EntityPlan],
        pool: Executor,
        *,
        known: Known = nothing_known,
    ) -> None:
        """``known`` is what Bronze holds, so that the same version is not read twice."""
        self._client = client
        self._known = known
        self._pool = pool
        plans = [plan for plan in plans if plan.offered]
        self._looks = [plan for plan in plans if plan.look]
        self._captured = [plan for plan in plans if plan.mode is Mode.CDC]
        self._queried = [
            plan for plan in plans if plan.mode is Mode.QUERY and plan.since is not None
        ][: (MAX_BATCH - 1) // 2]
        self.changes: dict[str, Future[Outcome]] = {
            plan.entity.name: Future() for plan in self._captured
        }
        self.pages: dict[str, Future[FirstPage]] = {
            plan.entity.name: Future() for plan in self._queried
        }

    def begin(self) -> None:
        """Start the calls in the background."""
        groups = _groups(self._captured)
        if self._queried:
            together = groups.pop(0) if groups else []
            self._pool.submit(self._guarded, together, self._queried)
        for group in groups:
            self._pool.submit(self._guarded, group, [])
        for plan in self._looks:
            self._pool.submit(self._look, plan)

    def _look(self, plan: EntityPlan) -> None:
        """Whether change data capture takes a type that it refused a day ago."""
        known, name = self._client.capabilities, plan.entity.name
        try:
            self._client.changes([plan.entity], plan.since or EARLIEST)
        except (PoisonPage, RequestRejected, FeatureUnavailable):
            known.note(name, Capability.CHANGES, "no")
        except LedgerGuardError:
            return  # nothing was said about the type
        else:
            known.drop(name, Capability.CHANGES)

    def _guarded(self, captured: list[EntityPlan], queried: list[EntityPlan]) -> None:
        try:
            if queried:
                self._together(captured, queried)
            else:
                self._settle(captured, None)
        except BaseException as error:  # noqa: BLE001  # every waiting entity must learn of it
            for plan in captured:
                _fail(self.changes[plan.entity.name], error)
            for plan in queried:
                _fail(self.pages[plan.entity.name], error)

    def _together(self, captured: list[EntityPlan], queried: list[EntityPlan]) -> None:
        counted = [plan for plan in queried if plan.count_after and plan.entity.countable]
        queries = [(plan.entity, self._since(plan)) for plan in queried]
        queries += [(plan.entity, Query.count(plan.entity)) for plan in counted]
        entities, since = _asked(captured)
        try:
            answer = self._client.batch_with_changes(queries, entities, since)
        except ONE_OF_THEM as error:
            # Every type is then asked on its own, and changes in a call of theirs.
            prove_answering(self._client, error)
            answer = BatchWithChanges([error] * len(queries), None)
        pages, counts = answer.items[: len(queried)], answer.items[len(queried) :]
        rows = sum(page.rows for page in pages if isinstance(page, Page))
        changes = answer.changes if isinstance(answer.changes, Changes) else None
        if changes is not None:
            rows += sum(group.rows for group in changes.groups.values())
        cut = rows >= MAX_ROWS
        by_name = {
            plan.entity.name: count
            for plan, count in zip(counted, counts, strict=True)
            if isinstance(count, int)
        }
        for plan, page in zip(queried, pages, strict=True):
            usable = isinstance(page, Page) and not cut
            if (
                isinstance(page, Page)
                and page.rows
                and self._client.custom_fields.asked_of(plan.entity)
            ):
                usable = False  # a batch may leave some of their custom fields out
            name = plan.entity.name
            self.pages[name].set_result(
                FirstPage(page if isinstance(page, Page) and usable else None, by_name.get(name))
            )
        self._settle(captured, None if cut else changes)

    def _settle(self, captured: list[EntityPlan], first: Changes | None) -> None:
        if not captured:
            return
        entities, since = _asked(captured)
        if since is None:
            return
        whole_day = [plan for plan in captured if plan.whole_day]
        if whole_day and len(whole_day) < len(captured):
            first = first or self._reaching(entities, since)
            if first is None or first.capped:
                self._settle([plan for plan in captured if not plan.whole_day], None)
                self._settle(whole_day, None)
                return
        outcomes = read_changes(self._client, entities, since, first, known=self._known)
        for plan in captured:
            future = self.changes[plan.entity.name]
            outcome = outcomes[plan.entity.name]
            if isinstance(outcome, QBOAPIError | RightsInDoubt):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _reaching(self, entities: Sequence[EntityType], since: datetime) -> Changes | None:
        """One answer since the start of a day, or None where it is refused for a part of it."""
        try:
            return self._client.changes(entities, since)
        except ONE_OF_THEM:
            return None

    def _since(self, plan: EntityPlan) -> Query:
        """The changes of a type as far as one answer holds them: then their order is no matter."""
        conditions = [] if plan.since is None else [Condition(LAST_UPDATED_TIME, ">=", plan.since)]
        if plan.until is not None:
            conditions.append(Condition(LAST_UPDATED_TIME, "<", plan.until))
        rows = PageSize(plan.entity.name, self._client.capabilities).rows
        return Query.select(plan.entity, conditions, limit=rows)


def _asked(captured: Sequence[EntityPlan]) -> tuple[list[EntityType], datetime | None]:
    instants = [plan.since for plan in captured if plan.since is not None]
    return [plan.entity for plan in captured], min(instants, default=None)


def _groups(captured: Sequence[EntityPlan]) -> list[list[EntityPlan]]:
    """Split by watermark; the group of the newest comes first."""
    ordered = sorted(
        (plan for plan in captured if plan.since is not None),
        key=lambda plan: plan.since or EARLIEST,
        reverse=True,
    )
    groups: list[list[EntityPlan]] = []
    for plan in ordered:
        newest = groups[-1][0].since if groups else None
        if newest is not None and plan.since is not None and newest - plan.since <= SAME_CALL:
            groups[-1].append(plan)
        else:
            groups.append([plan])
    return groups


def _fail(future: Future[Outcome] | Future[FirstPage], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
