"""Silver's share of a load: what is recorded of it, and its checks.

Silver was written with Bronze, so its materializations are recorded with it. Its checks are judged
once per company, when everything the load brought is there.

An invoice may be loaded before its customer, so references are looked at when the last step of a
company is over. A company that has nothing new is not looked at. As with Bronze's checks every
company's own result is kept, and each evaluation is about all companies.

Decisions 47 and 71 in docs/decisions.md.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterEvent
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.control.company_state.check_faults import CheckFault, Judged
from ledgerguard_pipeline.defs.bronze.checks import CheckOutcome, KnownChecks, ReportedCheck, noted
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.keys import silver_key
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.silver.checks.check import RESOLVED, SilverFinding, checks_of
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:  # loading the definitions must stay quick: no DuckDB
    from ledgerguard_pipeline.installation import Installation

NAMES = frozenset(check.name for entity in ENTITIES for check in checks_of(entity))
"""Of Silver's checks; Bronze's have other names, so both are kept side by side."""


def judge_changes(
    installation: "Installation", realm: RealmId, changed: Sequence[EntityResult]
) -> list[str]:
    """Judge what these results changed, keep the outcomes; names of the entities judged.

    References that led nowhere may have been waiting for what came now, so they are judged again.

    Raises:
        LedgerGuardError: they could not be judged; the last results stay.
    """
    return judge_many(installation, {realm: changed})


def judge_many(
    installation: "Installation", changed: Mapping[RealmId, Sequence[EntityResult]]
) -> list[str]:
    """As ``judge_changes``, for several companies together.

    Raises:
        LedgerGuardError: they could not be judged; the last results stay.
    """
    from ledgerguard_pipeline.silver.checks.load import Loads, check_loads

    loads: Loads = {
        realm: {each.entity: each.load_ids for each in results if each.written or each.deleted}
        for realm, results in changed.items()
    }
    loads = {realm: mine for realm, mine in loads.items() if mine}
    if not loads or installation.settings.ledgerguard_silver != "on":
        return []
    kept = {entity.name for entity in installation.settings.kept_entities}
    faulty: dict[RealmId, set[str]] = {}
    for fault in installation.control.check_faults.of(loads):
        if (
            fault.check in NAMES
            and fault.entity in kept
            and (fault.entity in loads[fault.realm_id] or fault.check == RESOLVED.name)
        ):
            faulty.setdefault(fault.realm_id, set()).add(fault.entity)
    found = check_loads(installation.bronze, loads, faulty)
    judged: dict[RealmId, list[Judged]] = {}
    for realm in loads:
        for entity, findings in found[realm].items():
            judged.setdefault(realm, []).extend(noted(entity, outcomes(realm, findings)))
    installation.control.check_faults.judged_together(judged)
    return list(dict.fromkeys(entity for mine in found.values() for entity in mine))


def outcomes(realm: str, findings: Sequence[SilverFinding]) -> list[CheckOutcome]:
    """Findings of one company as outcomes of its checks."""
    return [
        CheckOutcome(
            realm,
            each.check.name,
            None if each.passed else f"{each.cases:,} found: {each.text}",
            severe=each.check.severe,
            figures={"cases": dg.MetadataValue.int(each.cases)},
        )
        for each in findings
    ]


def reported(
    entity: EntityType,
    faults: Sequence[CheckFault],
    found: Sequence[CheckOutcome] = (),
    names: Mapping[str, str] | None = None,
) -> list[ReportedCheck]:
    """The checks of an entity's Silver over all companies; those that never fail hard only warn."""
    known = KnownChecks.of(entity.name, faults, found, names)
    return [known.reported(check.name, severe=check.severe) for check in checks_of(entity)]


def tell(
    step: StepExecutionContext, entities: Collection[str], faults: Sequence[CheckFault]
) -> None:
    """Report the checks of these entities' Silver, as events of a step."""
    for name in entities:
        entity = entity_type(name)
        for each in reported(entity, faults):
            DagsterEvent.asset_check_evaluation(step, each.evaluation(silver_key(entity)))


def silver_materializations(
    result: EntityResult | None, names: CompanyNames
) -> list[dg.AssetMaterialization]:
    """The materialization of an entity's Silver, if the load changed anything.

    ``names`` are those of the companies.

    For companies whose Silver is level with Bronze (``BronzeStore.followed``) only: Silver that
    failed was logged, and the next commit makes up for it.
    """
    if result is None or not result.written + result.deleted:
        return []
    return [
        dg.AssetMaterialization(
            silver_key(entity_type(result.entity)),
            partition=result.realm_id,
            metadata={
                **names.metadata(str(result.realm_id), result.entity),
                "objects written": dg.MetadataValue.int(result.written),
                "objects removed": dg.MetadataValue.int(result.deleted),
            },
        )
    ]
