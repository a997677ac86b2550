"""The data checks of a sweep: companies judged one by one, each check reported once, at its end.

An idle company without faults is not looked at. Of one that changed, only the entities that
changed are counted in Bronze. However many companies there are, a sweep reports each check of an
entity at most once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from dagster import DagsterEvent
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.bronze.read.audit import audit
from ledgerguard_pipeline.control.company_state.check_faults import EVERY_ENTITY, Judged
from ledgerguard_pipeline.defs.bronze.checks import (
    LOADED,
    QUARANTINE,
    UNIQUE,
    KnownChecks,
    check_names,
    judge,
    judge_result,
    noted,
)
from ledgerguard_pipeline.defs.bronze.metadata import Loaded
from ledgerguard_pipeline.defs.bronze.silver_checks import NAMES, judge_changes, tell
from ledgerguard_pipeline.defs.keys import asset_key, derived_from
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import BronzeError, ControlError

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.fleet import Visit
    from ledgerguard_pipeline.installation import Installation

_log = structlog.get_logger(__name__)


class SweepChecks:
    """Judges the visits of one sweep over ``entities``."""

    def __init__(self, installation: "Installation", entities: Sequence[EntityType]) -> None:
        self._installation = installation
        self._entities = {each.name: each for each in entities}
        self._touched: dict[str, None] = {}
        self._silver: dict[str, None] = {}
        self._faulty: dict[str, set[tuple[str, str]]] = {}
        for fault in installation.control.check_faults.read():
            if fault.check in NAMES:
                continue  # Silver's are judged by what changed
            self._faulty.setdefault(fault.realm_id, set()).add((fault.entity, fault.check))

    def add(self, visit: "Visit") -> None:
        """Judge one company; checks that cannot be judged now keep their last result."""
        try:
            judged = self._judged(visit)
            if judged:
                self._installation.control.check_faults.judged(visit.realm_id, judged)
            changed = judge_changes(self._installation, visit.realm_id, visit.changed)
            self._silver |= dict.fromkeys(changed)
        except (ControlError, BronzeError) as error:
            _log.warning("checks_not_judged", realm_id=visit.realm_id, message=error.message)

    def tell(self, step: StepExecutionContext) -> None:
        """Report the checks of every entity something happened to, over all companies."""
        if not self._touched and not self._silver:
            return
        try:
            faults = self._installation.control.check_faults.read()
        except ControlError as error:
            _log.warning("check_faults_not_read", message=error.message)
            return
        for name in self._touched:
            entity = self._entities[name]
            every: list[EntityType | DerivedEntity] = [entity, *derived_from(entity)]
            for each in every:
                company_status = KnownChecks.of(each.name, faults)
                for check in check_names(derived=isinstance(each, DerivedEntity)):
                    evaluation = company_status.reported(check).evaluation(asset_key(each))
                    DagsterEvent.asset_check_evaluation(step, evaluation)
        tell(step, self._silver, faults)

    def _judged(self, visit: "Visit") -> list[Judged]:
        from ledgerguard_pipeline.ingestion.fleet import Ending

        faulty = self._faulty.get(visit.realm_id, set())
        results = {each.entity: each for each in visit.result.results}
        if not results:
            if visit.ending is not Ending.FAILED:
                return []
            self._touched |= dict.fromkeys(self._entities)
            return [Judged(EVERY_ENTITY, LOADED, str(visit.error))]
        changed = [each.entity for each in visit.changed]
        failed = [name for name, each in results.items() if each.status == "failed"]
        if not changed and not failed and not faulty:
            return []
        names = {name for name, _ in faulty}
        self._touched |= dict.fromkeys(
            name
            for name in self._entities
            if name in changed or name in failed or name in names or EVERY_ENTITY in names
        )
        judged = [
            one for name, result in results.items() for one in noted(name, judge_result(result))
        ]
        counted = [
            name
            for name in results
            if name in changed or {(name, UNIQUE), (name, QUARANTINE)} & faulty
        ]
        return judged + self._counted(visit, counted)

    def _counted(self, visit: "Visit", names: Sequence[str]) -> list[Judged]:
        """What only Bronze shows."""
        entities = [entity_type(name) for name in names]
        every: list[EntityType | DerivedEntity] = [
            *entities,
            *(derived for entity in entities for derived in derived_from(entity)),
        ]
        if not every:
            return []
        found = audit(self._installation.bronze, visit.realm_id, every)
        results = {each.entity: each for each in visit.result.results}
        return [
            judged
            for each in every
            for judged in noted(
                each.name,
                [
                    outcome
                    for outcome in judge(
                        Loaded(visit.realm_id, results.get(each.name), found[each.name])
                    )
                    if outcome.check in (UNIQUE, QUARANTINE)
                ],
            )
        ]
