"""``qbo/books/journal``: brought up to date and compared in one step, so that it is one snapshot.

A partition is a company. The checks are about all companies, as the last evaluation is what Dagster
shows: they read ``silver.tie_out``, which keeps what differs in each until it agrees again.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.bronze.assets import KINDS, OWNERS
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import QuickBooks
from ledgerguard_pipeline.defs.keys import JOURNAL_JOB, JOURNAL_KEY
from ledgerguard_pipeline.defs.partitions import realm_partitions
from ledgerguard_pipeline.errors import CallBudgetSpent, LedgerGuardError
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level, TieOut
from ledgerguard_pipeline.tieout.tables import JOURNAL_COLUMNS
from ledgerguard_pipeline.values import parse_realm

BALANCED = "every_transaction_balances"
TIED_OUT = "equals_the_trial_balance"
LEVELS = {BALANCED: Level.BALANCED, TIED_OUT: Level.TRIAL_BALANCE}
SHOWN = 50
"""Differences listed in one evaluation; how many there are is said in any case."""
_DESCRIPTIONS = {
    BALANCED: "Debits and credits of every transaction of the journal are equal, in every company.",
    TIED_OUT: (
        "Every account stands at what Intuit's TrialBalance says, to the last digit, in every "
        "company. Accounts in other currencies, which Intuit revalues, are shown and do not fail."
    ),
}
SCHEMA = dg.TableSchema(
    columns=[dg.TableColumn(name=name, type=type_) for name, type_ in JOURNAL_COLUMNS.items()]
)


def build_journal_asset() -> dg.AssetsDefinition:
    """The journal of every company, with its checks."""

    @dg.asset(
        key=JOURNAL_KEY,
        group_name="books",
        description="Every leg of every transaction, as Intuit's JournalReport shows them.",
        kinds=KINDS,
        owners=OWNERS,
        tags={"ledgerguard/kind": "journal"},
        metadata={"dagster/column_schema": SCHEMA, "dagster/table_name": "silver.journal"},
        partitions_def=realm_partitions,
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(check, asset=JOURNAL_KEY, description=said)
            for check, said in _DESCRIPTIONS.items()
        ],
    )
    def journal(
        context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # bare names
        try:
            metadata = _brought_up_to_date(context, quickbooks, duckdb)
        except CallBudgetSpent as error:
            context.log.warning(error.message)
            context.log_event(
                dg.AssetObservation(
                    JOURNAL_KEY,
                    partition=context.partition_key,
                    metadata={"left_out": error.message},
                )
            )
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        else:
            yield dg.MaterializeResult(asset_key=JOURNAL_KEY, metadata=metadata)
        known = TieOut(quickbooks.installation(context, duckdb).bronze.workspace).read_all()
        for check, level in LEVELS.items():
            yield _judged(check, [(realm, each) for realm, each in known if each.level is level])

    return journal


def build_journal_job() -> AssetJob:
    """The journal alone, for one company."""
    return dg.define_asset_job(
        JOURNAL_JOB,
        selection=dg.AssetSelection.assets(JOURNAL_KEY),
        description="Bring a company's journal up to date and compare it with Intuit's reports.",
        executor_def=dg.in_process_executor,
    )


def _brought_up_to_date(
    context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
) -> Metadata:
    """Load what changed; compare today and the last closed month."""
    from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
    from ledgerguard_pipeline.tieout.journal_sync import JournalSync
    from ledgerguard_pipeline.tieout.levels import Levels

    realm = parse_realm(context.partition_key)
    installation = quickbooks.installation(context, duckdb)
    installation.control.budget.require("Comparing the journal")
    client, store = installation.client(realm), installation.bronze
    calls = client.stats.metered_calls
    loads = ReportLoads(client, store, realm, context.run.run_id)
    sync = JournalSync(loads, store, realm, installation.clock)
    levels = Levels(loads, store, realm, sync)
    load = sync.bring_up_to_date()
    levels.balanced()
    for end in _ends(datetime.now(UTC).date()):
        levels.trial_balance(end)
    legs, transactions = sync.journal.count(realm)
    return {
        "legs": dg.MetadataValue.int(legs),
        "transactions": dg.MetadataValue.int(transactions),
        "legs_read": dg.MetadataValue.int(load.legs),
        "spans": dg.MetadataValue.text(
            ", ".join(f"{first} to {last}" for first, last in load.spans)
        ),
        "metered_calls": dg.MetadataValue.int(client.stats.metered_calls - calls),
    }


def _ends(today: date) -> tuple[date, date]:
    return today.replace(day=1) - timedelta(days=1), today


def _judged(check: str, found: Sequence[tuple[str, Difference]]) -> dg.AssetCheckResult:
    failing = [pair for pair in found if pair[1].kind is DifferenceClass.UNEXPLAINED]
    listed = "\n".join(f"{realm}: {each.message}" for realm, each in found[:SHOWN])
    counts = {kind: sum(each.kind is kind for _, each in found) for kind in DifferenceClass}
    return dg.AssetCheckResult(
        asset_key=JOURNAL_KEY,
        check_name=check,
        passed=not failing,
        severity=dg.AssetCheckSeverity.ERROR,
        description=None if not failing else f"{failing[0][0]}: {failing[0][1].message}",
        metadata={
            "differences": dg.MetadataValue.int(len(found)),
            **{kind.value: dg.MetadataValue.int(count) for kind, count in counts.items()},
            **({"listed": dg.MetadataValue.md(listed)} if listed else {}),
        },
    )
