"""Types that are not read for a while, because their answers went silent about living objects.

A type that went silent is looked at again once an hour, and at once when the company was
connected anew or somebody asks for it. Then it is read in full: changes while it was silent
was never shown by any answer, so no watermark reaches back to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ledgerguard_pipeline.control.company_state.doubted_types import Doubt
from ledgerguard_pipeline.errors import RightsInDoubt
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.readers.base import Chunk, CountComparison
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.values import Mode

LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SortedPlans:
    """Plans to carry out as they are, types to read in full again, and types left alone."""

    usual: list[EntityPlan]
    again: list[EntityPlan]
    stopped: list[tuple[EntityPlan, Doubt]]


def sort_out(
    plans: Sequence[EntityPlan],
    doubts: Sequence[Doubt],
    request: SyncRequest,
    *,
    connected_at: datetime | None,
    now: datetime,
) -> SortedPlans:
    """What becomes of each plan, given the types whose answers are doubted."""
    by_name: Mapping[str, Doubt] = {each.entity: each for each in doubts}
    found = SortedPlans([], [], [])
    for plan in plans:
        doubt = by_name.get(plan.entity.name)
        if doubt is None:
            found.usual.append(plan)
            continue
        anew = connected_at is not None and connected_at > doubt.looked_at
        if request.full or request.reconcile or anew or now - doubt.looked_at >= LOOK_AGAIN:
            found.again.append(replace(plan, mode=Mode.FULL, since=None, until=None, advances=True))
        else:
            found.stopped.append((plan, doubt))
    return found


class StoppedReader:
    """A reader of nothing: it says why its type is not read."""

    def __init__(self, plan: EntityPlan, queries: EntityQueries, doubt: Doubt) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison()
        self._doubt = doubt

    @property
    def mode(self) -> Mode:
        return self.plan.mode

    @property
    def ready(self) -> bool:
        """Never: there is nothing to commit."""
        return False

    def activate(self) -> None:
        """Nothing is read."""

    def close(self) -> None:
        """Nothing was fetched ahead."""

    def chunks(self) -> Iterator[Chunk]:
        yield from ()
        again = self._doubt.looked_at + LOOK_AGAIN
        raise RightsInDoubt(
            f"QuickBooks' answers lack {self.plan.entity.name} objects that are not deleted, since "
            f"{self._doubt.found_at:%Y-%m-%d %H:%M} UTC: the consenting person may have lost "
            "rights. Nothing is deleted and the type is not read until "
            f"{again:%Y-%m-%d %H:%M} UTC; `ledgerguard sync --full` checks at once. Let an "
            "administrator check that person's role in QuickBooks, or connect the company again "
            "as an administrator.",
            entity=self.plan.entity.name,
        )
