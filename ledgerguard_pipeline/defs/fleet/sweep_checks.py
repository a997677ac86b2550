"""The data checks of a sweep: companies judged one by one, each check reported once, at its end.

An idle company without faults is not looked at. Of one that changed, only the entities that
changed are counted in Bronze. Companies are looked at together, so that a check of an entity type
is one statement for up to a hundred of them. However many there are, a sweep reports each check
of an entity at most once.

Decision 91 in docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from dagster import DagsterEvent
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.bronze.read.audit_many import audit_many
from ledgerguard_pipeline.control.company_state.check_faults import EVERY_ENTITY, Judged
from ledgerguard_pipeline.defs.bronze.checks import (
    LOADED,
    ONE_ROW,
    QUARANTINE,
    UNIQUE,
    KnownChecks,
    check_names,
    judge,
    judge_result,
    noted,
)
from ledgerguard_pipeline.defs.bronze.metadata import Loaded
from ledgerguard_pipeline.defs.bronze.silver_results import NAMES, judge_many, tell
from ledgerguard_pipeline.defs.instance.step_events import stored_together
from ledgerguard_pipeline.defs.keys import asset_key, derived_from
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import BronzeError, ControlError
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.fleet import Visit
    from ledgerguard_pipeline.installation import Installation

COUNTED = frozenset({UNIQUE, ONE_ROW, QUARANTINE})
"""Checks that only Bronze shows."""
TOGETHER = 100
"""Companies that are judged together at most."""
_log = structlog.get_logger(__name__)


class SweepChecks:
    """Judges the visits of one sweep over ``entities``."""

    def __init__(self, installation: "Installation", entities: Sequence[EntityType]) -> None:
        self._installation = installation
        self._entities = {each.name: each for each in entities}
        self._touched: dict[str, None] = {}
        self._silver: dict[str, None] = {}
        self._waiting: list[Visit] = []
        self._faulty: dict[str, set[tuple[str, str]]] = {}
        for fault in installation.control.check_faults.read():
            if fault.check in NAMES:
                continue  # Silver's are judged by what changed
            self._faulty.setdefault(fault.realm_id, set()).add((fault.entity, fault.check))

    def add(self, visit: "Visit") -> None:
        """One more company, which is judged with those that follow."""
        self._waiting.append(visit)
        if len(self._waiting) >= TOGETHER:
            self._judge()

    def _judge(self) -> None:
        """Judge who waits for it; checks that cannot be judged now keep their last result."""
        visits, self._waiting = self._waiting, []
        try:
            judged = {visit.realm_id: self._shown(visit) for visit in visits}
            for realm, counted in self._counted(visits).items():
                judged[realm] += counted
            self._installation.control.check_faults.judged_together(judged)
            changed = {visit.realm_id: visit.changed for visit in visits}
            self._silver |= dict.fromkeys(judge_many(self._installation, changed))
        except (ControlError, BronzeError) as error:
            realms = [visit.realm_id for visit in visits][:10]
            _log.warning("checks_not_judged", realms=realms, message=error.message)

    def tell(self, step: StepExecutionContext) -> None:
        """Report the checks of every entity something happened to, over all companies."""
        self._judge()
        if not self._touched and not self._silver:
            return
        try:
            faults = self._installation.control.check_faults.read()
        except ControlError as error:
            _log.warning("check_faults_not_read", message=error.message)
            return
        with stored_together(step):
            for name in self._touched:
                entity = self._entities[name]
                every: list[EntityType | DerivedEntity] = [entity, *derived_from(entity)]
                for each in every:
                    company_status = KnownChecks.of(each.name, faults)
                    for check in check_names(derived=isinstance(each, DerivedEntity)):
                        evaluation = company_status.reported(check).evaluation(asset_key(each))
                        DagsterEvent.asset_check_evaluation(step, evaluation)
            tell(step, self._silver, faults)

    def _shown(self, visit: "Visit") -> list[Judged]:
        """What the visit itself shows."""
        from ledgerguard_pipeline.ingestion.fleet import Ending

        results = visit.result.results
        if not results:
            if visit.ending is not Ending.FAILED:
                return []
            self._touched |= dict.fromkeys(self._entities)
            return [Judged(EVERY_ENTITY, LOADED, str(visit.error))]
        changed = {each.entity for each in visit.changed}
        failed = {each.entity for each in results if each.status == "failed"}
        faulty = {name for name, _ in self._faulty.get(visit.realm_id, ())}
        if not changed and not failed and not faulty:
            return []
        self._touched |= dict.fromkeys(
            name
            for name in self._entities
            if name in changed | failed | faulty or EVERY_ENTITY in faulty
        )
        return [one for each in results for one in noted(each.entity, judge_result(each))]

    def _counted(self, visits: Sequence["Visit"]) -> Mapping[RealmId, list[Judged]]:
        """What only Bronze shows."""
        wanted = {visit.realm_id: self._to_count(visit) for visit in visits}
        wanted = {realm: every for realm, every in wanted.items() if every}
        if not wanted:
            return {}
        found = audit_many(self._installation.bronze.workspace, wanted)
        results = {
            (visit.realm_id, each.entity): each for visit in visits for each in visit.result.results
        }
        return {
            realm: [
                judged
                for each in every
                for judged in noted(
                    each.name,
                    [
                        outcome
                        for outcome in judge(
                            Loaded(realm, results.get((realm, each.name)), found[realm][each.name])
                        )
                        if outcome.check in COUNTED
                    ],
                )
            ]
            for realm, every in wanted.items()
        }

    def _to_count(self, visit: "Visit") -> list[EntityType | DerivedEntity]:
        faulty = self._faulty.get(visit.realm_id, set())
        changed = {each.entity for each in visit.changed}
        entities = [
            entity_type(each.entity)
            for each in visit.result.results
            if each.entity in changed or {(each.entity, check) for check in COUNTED} & faulty
        ]
        return [*entities, *(derived for entity in entities for derived in derived_from(entity))]
