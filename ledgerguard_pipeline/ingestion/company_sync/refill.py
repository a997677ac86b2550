"""Read types in full once when more is asked for than what their rows were read with.

An older version of the program, ``LEDGERGUARD_CUSTOM_FIELDS=first-three`` or a company that refused
to show all of them leave rows with fewer fields than there are, and rows that nobody edits are not
read again by changes. Version 0.1.0 did not ask for inactive tax codes either (``inactive_rows``). So
what a type's rows were read with is remembered where the sync states are.
An older copy of Bronze may hold rows that were read before that note was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ledgerguard_pipeline.capabilities import Capability, Subject
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.ingestion.company_sync.entity_load import EntityLoad
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import Mode

ALL, FIRST_THREE = "all", "first-three"
_MARGIN = timedelta(minutes=15)
"""How far the clock of the notes may be from Intuit's, whose time the watermarks are."""


class Refill:
    """The types of one company whose rows may lack custom fields, or that may lack inactive rows.

    Without sync states (a client used on its own) nothing is remembered, and nothing is read again.
    """

    def __init__(self, client: QBOClient, *, remembers: bool) -> None:
        self._client = client
        self._remembers = remembers

    def doubt(self, restored: Mapping[str, datetime | None]) -> None:
        """Forget how rows were read where the note may be younger than the rows.

        ``restored`` are the types of which Bronze is an older copy, with its watermarks.
        """
        if not self._remembers:
            return
        known = self._client.capabilities
        for name, watermark in restored.items():
            for capability in (Capability.CUSTOM_FIELDS_HELD, Capability.INACTIVE_HELD):
                noted = known.seen(name, capability)
                if noted is not None and (watermark is None or noted.seen_at > watermark - _MARGIN):
                    known.drop(name, capability)

    def planned(self, plans: Sequence[EntityPlan], request: SyncRequest) -> list[EntityPlan]:
        """The plans, with a full read of every type that may lack something."""
        given = request.window is not None or request.since is not None or request.reconcile
        if given or not self._remembers:
            return list(plans)
        return [
            replace(plan, mode=Mode.FULL, since=None)
            if plan.mode in (Mode.CDC, Mode.QUERY) and self._lacking(plan.entity)
            else plan
            for plan in plans
        ]

    def _lacking(self, entity: EntityType) -> bool:
        fields = (
            entity.custom_fields and self._client.custom_fields.whole and self._held(entity) != ALL
        )
        return fields or (entity.inactive_apart and not self._inactive_held(entity))

    def ended(self, loads: Sequence[EntityLoad]) -> None:
        """Remember how the rows of these types were read; writes only changes."""
        if not self._remembers:
            return
        self._client.custom_fields.prove(self._client.get_entity)
        found: dict[Subject, str] = {}
        for load in loads:
            entity = load.reader.plan.entity
            if not load.completed:
                continue
            full = load.reader.mode is Mode.FULL
            if entity.inactive_apart and full and not self._inactive_held(entity):
                found[entity.name, Capability.INACTIVE_HELD] = "yes"
            if not entity.custom_fields:
                continue
            if not self._client.custom_fields.whole:
                value = FIRST_THREE
            elif full:
                value = ALL
            else:
                continue
            if self._held(entity) != value:
                found[entity.name, Capability.CUSTOM_FIELDS_HELD] = value
        self._client.capabilities.note_all(found)

    def _inactive_held(self, entity: EntityType) -> bool:
        return self._client.capabilities.seen(entity.name, Capability.INACTIVE_HELD) is not None

    def _held(self, entity: EntityType) -> str | None:
        seen = self._client.capabilities.seen(entity.name, Capability.CUSTOM_FIELDS_HELD)
        return None if seen is None else seen.value
