"""The data checks of an entity: judged company by company, reported over all companies.

Dagster shows the last evaluation of a check, whichever company it was about. So each company's
own result is kept in the control plane (``control/company_state/check_faults.py``) until that company is
judged again, and every evaluation is about all of them: a check is green only while no company
fails it. Partitioned checks would not do: their partitions are the asset's, company by window, so
a fault of a past window would stay red forever, and the overview would still show whichever
company came last.

Decision 47 in docs/decisions.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import dagster as dg

from ledgerguard_pipeline.control.company_state.check_faults import EVERY_ENTITY, CheckFault, Judged
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.bronze.company_table import CompanyRow, company_table
from ledgerguard_pipeline.defs.bronze.metadata import Loaded, Metadata, finding_metadata
from ledgerguard_pipeline.defs.company_names import label
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.errors import CompanyBusy, LedgerGuardError
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.values import Mode, RealmId

LOADED = "every_company_loaded"
ACCOUNTED = "every_row_accounted_for"
UNIQUE = "unique_per_company"
ONE_ROW = "one_row_per_version"
COMPLETE = "complete_against_count"
QUARANTINE = "quarantine_empty"

EVENTS = f"{LOADED}/events"
"""Kept apart from a sync's failure and reported as ``LOADED``: reading a few objects by id proves
nothing about a type that cannot be synced."""

_WARN, _ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

SHOWN = 50
"""Companies named in one evaluation; how many fail is said in any case."""

_DESCRIPTIONS = {
    LOADED: "The last load of this entity succeeded in every company.",
    ACCOUNTED: (
        "Rows written, deleted, unchanged, stale and quarantined add up to rows fetched, in the "
        "last load of every company."
    ),
    UNIQUE: "No (realm_id, id) appears twice in the current view.",
    ONE_ROW: (
        "No version (realm_id, id, last_updated_at, sync_token) has a second row, unless "
        "bronze._restatements says why."
    ),
    COMPLETE: (
        "Bronze holds as many objects of every company as Intuit's COUNT(*), when last asked."
    ),
    QUARANTINE: "No company has records of this entity in bronze._quarantine.",
}


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of one company's load.

    ``fault`` says what is wrong, None if nothing is. ``conclusive`` is False where this load
    tells nothing about the check, so that an older fault stays.
    """

    realm_id: str
    check: str
    fault: str | None = None
    severe: bool = True
    conclusive: bool = True
    figures: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedCheck:
    """A check over all companies, as Dagster sees it: ``description`` names those that fail it."""

    check: str
    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Metadata
    description: str = ""

    def result(self, key: dg.AssetKey) -> dg.AssetCheckResult:
        """For a step that returns its checks."""
        return dg.AssetCheckResult(
            check_name=self.check,
            asset_key=key,
            passed=self.passed,
            severity=self.severity,
            description=self.description or None,
            metadata=self.metadata,
        )

    def evaluation(self, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
        """For who reports it as an event."""
        return dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=self.check,
            passed=self.passed,
            severity=self.severity,
            description=self.description or None,
            metadata=self.metadata,
        )


@dataclass(frozen=True, slots=True)
class KnownChecks:
    """All that is known of the checks of one entity when they are reported."""

    entity: str
    faults: Sequence[CheckFault]
    outcomes: Sequence[CheckOutcome] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        entity: str,
        faults: Sequence[CheckFault],
        outcomes: Sequence[CheckOutcome] = (),
        names: Mapping[str, str] | None = None,
    ) -> Self:
        """``faults`` may be about other entities too; ``names`` are those of companies by id.

        Companies of the installation that the project has not chosen are none of its checks' business.
        """
        chosen = current_site().works_on
        mine = [
            each
            for each in faults
            if each.entity in (entity, EVERY_ENTITY) and chosen(each.realm_id)
        ]
        known = {str(each.realm_id): each.company for each in mine if each.company}
        return cls(entity, mine, outcomes, {**known, **(names or {})})

    def reported(self, check: str, *, severe: bool = True) -> ReportedCheck:
        """One check over all companies; ``severe`` says how bad a failure would be, if nothing does."""
        failing = [each for each in self.faults if _shown_as(each.check) == check]
        judged = [each for each in self.outcomes if _shown_as(each.check) == check]
        realms = list(dict.fromkeys(str(each.realm_id) for each in failing))
        figures: dict[str, Metadata] = {}
        for outcome in judged:
            figures[outcome.realm_id] = figures.get(outcome.realm_id, {}) | outcome.figures
        looked_at = {each.realm_id for each in judged if each.conclusive}
        rows = [
            CompanyRow(
                self.names.get(each.realm_id, ""),
                each.realm_id,
                "fails" if each.severe else "warns",
                each.since,
                each.text,
                figures.get(each.realm_id, {}),
            )
            for each in failing[:SHOWN]
        ]
        rows += [
            CompanyRow(
                self.names.get(realm, ""),
                realm,
                "passes" if realm in looked_at else "not looked at",
                figures=shown,
            )
            for realm, shown in figures.items()
            if realm not in realms
        ]
        metadata: Metadata = {"companies that fail": dg.MetadataValue.int(len(realms))}
        if rows:
            metadata["companies"] = company_table(rows)
        # A check that passes shows how bad a failure would be, as one that fails does.
        found = [each.severe for each in failing or judged]
        return ReportedCheck(
            check,
            passed=not failing,
            severity=_ERROR if any(found or [severe]) else _WARN,
            metadata=metadata,
            description=self._said(failing, len(realms)),
        )

    def _said(self, failing: Sequence[CheckFault], companies: int) -> str:
        """One sentence for people who look at a list of checks."""
        if not failing:
            return "No company fails it."
        first = failing[0]
        more = f" {companies - 1} more in the table." if companies > 1 else ""
        name = label(self.names.get(first.realm_id, ""), first.realm_id)
        return f"{name}: {first.text}{more}"


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """Checks of one asset over all companies that can be judged by the control plane alone.

    ``judge`` is called only if at least one of the ``keys`` was evaluated before.
    """

    keys: Callable[[], Sequence[dg.AssetCheckKey]]
    judge: Callable[[ControlPlane], Sequence[dg.AssetCheckResult]]


def check_names(*, derived: bool = False) -> tuple[str, ...]:
    """The checks of an entity, or of a view derived from one."""
    return (UNIQUE,) if derived else tuple(_DESCRIPTIONS)


def check_specs(key: dg.AssetKey, *, derived: bool = False) -> list[dg.AssetCheckSpec]:
    """The checks every load reports; each names the companies in its metadata."""
    return [
        dg.AssetCheckSpec(name, asset=key, description=_DESCRIPTIONS[name])
        for name in check_names(derived=derived)
    ]


def judge(loaded: Loaded) -> list[CheckOutcome]:
    """The checks of one company's load."""
    realm, audit = loaded.realm_id, loaded.audit
    outcomes = [
        CheckOutcome(
            realm,
            UNIQUE,
            f"{audit.duplicates} rows appear twice." if audit.duplicates else None,
            figures={"duplicates": dg.MetadataValue.int(audit.duplicates)},
        )
    ]
    if loaded.result is None:
        return outcomes
    doubled = f"{audit.doubled} rows double a version." if audit.doubled else None
    waiting = f"{audit.quarantined} records are in quarantine." if audit.quarantined else None
    return [
        *judge_result(loaded.result),
        *outcomes,
        CheckOutcome(
            realm, ONE_ROW, doubled, figures={"doubled": dg.MetadataValue.int(audit.doubled)}
        ),
        CheckOutcome(
            realm,
            QUARANTINE,
            waiting,
            severe=False,
            figures={"quarantined": dg.MetadataValue.int(audit.quarantined)},
        ),
    ]


def judge_result(result: EntityResult) -> list[CheckOutcome]:
    """What the load itself shows, without looking at Bronze."""
    if result.status == "failed":
        return [_load_failed(result.realm_id, result.mode, result.error or "It failed.")]
    by_events = result.mode is Mode.WEBHOOK
    realm, done = str(result.realm_id), result.status == "ok"
    loads = [CheckOutcome(realm, EVENTS, conclusive=done)]
    if not by_events:
        loads.append(CheckOutcome(realm, LOADED, conclusive=done))
    missing = result.fetched - (
        result.written + result.deleted + result.unchanged + result.stale + result.quarantined
    )
    return [
        *loads,
        CheckOutcome(
            realm,
            ACCOUNTED,
            f"{missing} of {result.fetched} rows fetched are not accounted for."
            if missing
            else None,
            conclusive=done and (bool(missing) or not by_events),
            figures={"unaccounted": dg.MetadataValue.int(missing)},
        ),
        _complete(result),
    ]


def failed(realm_id: str, mode: Mode, error: LedgerGuardError) -> list[CheckOutcome]:
    """A load that failed; somebody else's lease on the company is no failure of it."""
    return [] if isinstance(error, CompanyBusy) else [_load_failed(realm_id, mode, str(error))]


def noted(entity: str, outcomes: Sequence[CheckOutcome]) -> list[Judged]:
    """What the control plane keeps of results for one company."""
    found = [
        Judged(entity, each.check, each.fault, each.severe) for each in outcomes if each.conclusive
    ]
    if any(each.check in (LOADED, EVENTS) and each.fault is None for each in found):
        found.append(Judged(EVERY_ENTITY, LOADED))
    return found


def faults_of(entity: str, outcomes: Sequence[CheckOutcome]) -> list[CheckFault]:
    """The faults of these companies alone, where those of the others cannot be read."""
    now = datetime.now(UTC)
    return [
        CheckFault(RealmId(each.realm_id), entity, each.check, each.severe, each.fault, now)
        for each in outcomes
        if each.fault is not None
    ]


def _load_failed(realm_id: str, mode: Mode, text: str) -> CheckOutcome:
    return CheckOutcome(realm_id, EVENTS if mode is Mode.WEBHOOK else LOADED, text)


def _complete(result: EntityResult) -> CheckOutcome:
    realm = str(result.realm_id)
    if result.expected is None or result.stored is None:
        unknown = dg.MetadataValue.text("not in this run; changes since the watermark were applied")
        return CheckOutcome(realm, COMPLETE, conclusive=False, figures={"counted": unknown})
    figures: Metadata = {
        "expected": dg.MetadataValue.int(result.expected),
        "stored": dg.MetadataValue.int(result.stored),
    }
    if result.finding is not None:
        figures |= finding_metadata(result.finding)
    differs = f"Intuit counts {result.expected}, Bronze holds {result.stored}."
    return CheckOutcome(
        realm,
        COMPLETE,
        None if result.expected == result.stored else differs,
        # The books may change between COUNT and the last page; the nightly reconcile decides.
        severe=result.finding is not None,
        figures=figures,
    )


def _shown_as(check: str) -> str:
    return LOADED if check == EVENTS else check
