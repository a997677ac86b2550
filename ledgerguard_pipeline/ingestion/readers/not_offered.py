"""What a company does not offer is an outcome, not a failure, and is not asked for every time.

A type that change data capture refuses in a company is queried there, in the batch that queries
others anyway; a type that the company's edition lacks is left alone. Once a day each is looked
at again, one of them in a sync, so that no sync makes more than one call for it. What was loaded
before and is refused now is said apart: it may be rights that were lost.

Decision 68 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ledgerguard_pipeline.capabilities import WITHHELD as WITHHELD_VALUE
from ledgerguard_pipeline.capabilities import Capabilities, Capability, Seen
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.readers.base import Chunk, CountComparison
from ledgerguard_pipeline.values import Mode

NOT_OFFERED = "this company's edition has no such objects"


WITHHELD = (
    "QuickBooks refuses the type, of which Bronze holds objects: the company's edition changed, or "
    "the consenting person lost rights"
)


def not_offered(queries: EntityQueries, held: int) -> str:
    """Remember that QuickBooks refuses the type; returns what results say of it.

    ``held`` objects of it are in Bronze.
    """
    queries.refused(held)
    return WITHHELD if held else NOT_OFFERED


def as_offered(
    plans: Sequence[EntityPlan], known: Capabilities, *, everything: bool
) -> tuple[EntityPlan, ...]:
    """The plans as far as the company is known to serve them.

    With ``everything`` what is missing is looked at again now: somebody asked for all there is.
    """
    seen = {plan.entity.name: _missing(plan, known) for plan in plans}
    old = {name: each for name, each in seen.items() if each is not None and known.is_old(each[1])}
    look = min(old, key=lambda name: old[name][1].seen_at, default=None)
    adapted: list[EntityPlan] = []
    for plan in plans:
        found = seen[plan.entity.name]
        again = plan.entity.name == look
        if found is None:
            adapted.append(plan)
        elif found[0] is Capability.OFFERED:
            withheld = found[1].value == WITHHELD_VALUE
            absent = replace(plan, offered=False, withheld=withheld)
            adapted.append(plan if again or everything else absent)
        else:
            counted = plan.entity.countable
            adapted.append(replace(plan, mode=Mode.QUERY, count_after=counted, look=again))
    return tuple(adapted)


def _missing(plan: EntityPlan, known: Capabilities) -> tuple[Capability, Seen] | None:
    wanted = [Capability.OFFERED]
    if plan.mode is Mode.CDC:
        wanted.append(Capability.CHANGES)
    for capability in wanted:
        seen = known.seen(plan.entity.name, capability)
        if seen is not None and seen.value in ("no", WITHHELD_VALUE):
            return capability, seen
    return None


class AbsentReader:
    """A type the company is known not to offer: nothing is asked, nothing is stored."""

    def __init__(self, plan: EntityPlan, queries: EntityQueries) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison(note=WITHHELD if plan.withheld else NOT_OFFERED)

    @property
    def mode(self) -> Mode:
        """As changes would be read: a type without a watermark is not read in full here either."""
        return Mode.QUERY if self.plan.mode is Mode.FULL else self.plan.mode

    @property
    def ready(self) -> bool:
        """There is no chunk to be ready."""
        return False

    def chunks(self) -> Iterator[Chunk]:
        """None."""
        yield from ()

    def activate(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is under way."""
