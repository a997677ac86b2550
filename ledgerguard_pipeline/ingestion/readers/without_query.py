"""Types without a query: what changes and reads by id can show of them.

QuickBooks documents it of one type and may say it of any other in some company. It is an outcome:
the changes of 30 days tell what is new, and what Bronze holds besides is read by its id.

Where one record cannot be shown, change data capture refuses the type as a whole, and there is no
smaller answer to ask for than what changed later. So as much of that as can be had is stored, the
watermark stays, and the failure names the time between which the record changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ledgerguard_pipeline.bronze.loads import StoredVersion
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import PoisonPage, QBOAPIError, RequestRejected
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, EntityPlan
from ledgerguard_pipeline.ingestion.queries.cdc import (
    EntityChanges,
    NotByChanges,
    Outcome,
    read_changes,
)
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries, LiveRecords, ids_of
from ledgerguard_pipeline.ingestion.readers.base import BronzeState, Chunk, CountComparison
from ledgerguard_pipeline.ingestion.readers.not_offered import not_offered
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import RealmId

_HALVINGS = 8
"""Calls to find out what can be shown: of 29 days they leave less than three hours open."""

_CLOSE_ENOUGH = timedelta(seconds=2)


class WithoutQuery:
    """One type of one company, asked for by changes and by id; ``held`` objects are in Bronze."""

    def __init__(
        self,
        client: QBOClient,
        plan: EntityPlan,
        queries: EntityQueries,
        bronze: BronzeState,
        realm_id: RealmId,
        *,
        held: int,
    ) -> None:
        self._client = client
        self._plan = plan
        self._queries = queries
        self._bronze = bronze
        self._realm_id = realm_id
        self._held = held

    def chunks(self, refusal: RequestRejected, comparison: CountComparison) -> Iterator[Chunk]:
        """What can be had; ``refusal`` is what a query was answered.

        Raises:
            PoisonPage: a record that cannot be shown hides others; what could be had is stored.
            RequestRejected: there are more changes than one answer holds.
            QBOAPIError, RightsInDoubt: the type could not be read.
        """
        entity = self._plan.entity
        if entity.optional and not self._held:
            # Never seen here, and a type that cannot even be counted is not offered.
            comparison.note = not_offered(self._queries, self._held)
            return
        since = self._queries.now() - CDC_REACH
        outcome = self._since(since)
        if isinstance(outcome, EntityChanges):
            yield self._whole(outcome, comparison)
        elif not isinstance(outcome, NotByChanges):
            raise outcome
        elif outcome.passing:
            self._queries.note_without_query()
            yield from self._in_part(since, outcome, refusal)
        else:
            # Neither query nor changes: nothing here can be listed.
            comparison.note = not_offered(self._queries, self._held)

    def _whole(self, outcome: EntityChanges, comparison: CountComparison) -> Chunk:
        self._queries.note_without_query()
        met = {record.id for record in outcome.records} | ids_of(outcome.rejects)
        held = self._bronze.live_ids(self._realm_id, self._plan.entity) if self._held else ()
        unmet = sorted(set(held) - met)
        rest = self._queries.one_by_one(unmet, outcome.time)
        comparison.note = (
            f"it has no query: the changes of {CDC_REACH.days} days and {len(unmet)} objects "
            "known by id were read"
        )
        watermark = outcome.time if self._plan.advances else None
        return _chunk(outcome, rest, watermark)

    def _in_part(
        self, since: datetime, outcome: NotByChanges, refusal: RequestRejected
    ) -> Iterator[Chunk]:
        """What changed after the record that cannot be shown, as near to it as calls reach."""
        first, last = since, self._queries.now()
        found: EntityChanges | None = None
        for _ in range(_HALVINGS):
            if last - first <= _CLOSE_ENOUGH:
                break
            middle = first + (last - first) / 2
            shown = self._since(middle)
            if isinstance(shown, EntityChanges):
                found, last = shown, middle
            elif isinstance(shown, NotByChanges):
                first, outcome = middle, shown
            else:
                raise shown
        if found is not None:
            yield _chunk(found, LiveRecords(), None)
        raise self._hidden(outcome, first, last, refusal)

    def _hidden(
        self, outcome: NotByChanges, first: datetime, last: datetime, refusal: RequestRejected
    ) -> QBOAPIError:
        name, fault = self._plan.entity.name, outcome.fault
        between = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
        if fault is None:
            return RequestRejected(
                f"More {name} objects changed {between} than one answer of change data capture "
                f"holds, and QuickBooks serves no query of them. What changed later is stored. "
                "Events and later changes go on; tell Intuit's support, with the intuit_tid.",
                entity=name,
                intuit_tid=refusal.intuit_tid,
            )
        error = PoisonPage(
            f"QuickBooks cannot show one {name} object that changed {between} "
            f"({fault.message.rstrip('.')}), and as the type has no query it hides those that "
            "changed before it. What changed later is stored. Open the objects of that time in "
            "QuickBooks and save them again, or tell Intuit's support, with the intuit_tid.",
            entity=name,
            fault_code=fault.fault_code,
            intuit_tid=fault.intuit_tid,
            status=fault.status,
        )
        error.said = fault.said
        return error

    def _since(self, since: datetime) -> Outcome:
        entity = self._plan.entity
        if not entity.cdc or self._queries.lacks(Capability.CHANGES):
            return NotByChanges("the company's change data capture does not cover the type")
        self._queries.calls += 1
        return read_changes(self._client, [entity], since, known=self._ended)[entity.name]

    def _ended(
        self, wanted: Mapping[EntityType, Sequence[str]]
    ) -> dict[str, dict[str, StoredVersion]]:
        """What Bronze holds as gone: what lives is compared byte by byte, as in any walk.

        Names of other objects move in a row without a new version of it.
        """
        held = self._bronze.versions(self._realm_id, wanted)
        return {
            name: {id: version for id, version in versions.items() if version.state.gone}
            for name, versions in held.items()
        }


def _chunk(outcome: EntityChanges, rest: LiveRecords, watermark: datetime | None) -> Chunk:
    records = (*outcome.records, *rest.records)
    size = sum(len(record.payload or b"") for record in records)
    return Chunk(records, (*outcome.rejects, *rest.rejects), size, watermark)
