"""``qbo/ledger/journal`` and ``postings``: brought up to date and compared in one step, so that both are
one snapshot.

A partition is a company. The checks are about all companies, as the last evaluation is what Dagster
shows: they read ``silver.tie_out``, which keeps what differs in each until it agrees again, and the
control plane, which knows what kept each from being compared. Nothing is said of companies that were
disconnected or forgotten (decision 47).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.defs.bronze.assets import KINDS
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import (
    QuickBooks,
    bronze_of,
    quickbooks_of,
)
from ledgerguard_pipeline.defs.freshness import nightly_policy
from ledgerguard_pipeline.defs.keys import JOURNAL_JOB, connection_key, journal_key, postings_key
from ledgerguard_pipeline.defs.partitions import realm_partitions
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.defs.tieout.checks import DESCRIPTIONS, LEVELS, judged
from ledgerguard_pipeline.errors import CallBudgetSpent, LedgerGuardError
from ledgerguard_pipeline.silver.books_tables import JOURNAL, POSTINGS
from ledgerguard_pipeline.tieout.differences import Level, TieOut
from ledgerguard_pipeline.tieout.findings import finding_of
from ledgerguard_pipeline.values import parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.tieout.document_levels.matched import Coverage
    from ledgerguard_pipeline.tieout.proof import ProofResult

SCHEMA, POSTINGS_SCHEMA = (
    dg.TableSchema(
        columns=[
            dg.TableColumn(name=each.name, type=each.kind.sql, description=each.meaning)
            for each in table.columns
        ]
    )
    for table in (JOURNAL, POSTINGS)
)


def build_journal_asset() -> dg.AssetsDefinition:
    """Journal and postings of every company, with the checks that compare them."""
    spec = _spec(
        "journal",
        journal_key(),
        connection_key(),
        "Every leg of every transaction, as Intuit's JournalReport shows them.",
        SCHEMA,
    )
    postings = _spec(
        "postings",
        postings_key(),
        spec.key,
        "The legs of every document by Intuit's posting rules, each with its rule and how sure it is.",
        POSTINGS_SCHEMA,
    )

    @dg.multi_asset(
        name=current_site().name("ledger"),
        specs=[each.replace_attributes(skippable=True) for each in (spec, postings)],
        check_specs=[
            dg.AssetCheckSpec(check, asset=spec.key, description=said)
            for check, said in DESCRIPTIONS.items()
        ],
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def ledger(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # bare names
        quickbooks, duckdb = quickbooks_of(context), bronze_of(context)
        result: ProofResult | None = None
        try:
            result = _proved(context, quickbooks, duckdb)
        except CallBudgetSpent as error:
            context.log.warning(error.message)
            context.log_event(
                dg.AssetObservation(
                    journal_key(),
                    partition=context.partition_key,
                    metadata={"left_out": error.message},
                )
            )
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        installation = quickbooks.installation(context, duckdb)
        names = quickbooks.names(context, duckdb)
        if result is not None and result.journal is not None:
            yield dg.MaterializeResult(
                asset_key=journal_key(),
                metadata={**names.metadata(context.partition_key), **_metadata(result)},
            )
            if any(each.level is Level.DERIVED and each.finding is None for each in result.levels):
                yield dg.MaterializeResult(
                    asset_key=postings_key(),
                    metadata={
                        **names.metadata(context.partition_key),
                        "documents": dg.MetadataValue.int(result.checked[Level.DERIVED]),
                    },
                )
        control = installation.control
        chosen = current_site().works_on
        # A company that was forgotten may have left its rows, and nobody compares them again.
        mine = {
            each.realm_id
            for each in control.companies.list()
            if each.status is not ConnectionStatus.DISCONNECTED and chosen(each.realm_id)
        }
        known = [
            (names.label(realm), each)
            for realm, each in TieOut(installation.bronze.workspace).read_all()
            if realm in mine or realm == context.partition_key
        ]
        hindered = control.tie_outs.hindered()
        for check, level in LEVELS.items():
            yield judged(
                check,
                [pair for pair in known if pair[1].level is level],
                [
                    f"{names.label(realm)}: {each.text}"
                    for realm, findings in hindered.items()
                    for each in findings
                    if chosen(realm) and (not each.levels or level.value in each.levels)
                ],
            )
        # What may go away unchanged fails the step, so that Dagster tries again.
        passing = [each for each in (result.errors if result else ()) if finding_of(each).passing]
        if passing:
            raise failure_of(passing)

    return ledger


def _spec(
    name: str, key: dg.AssetKey, dep: dg.AssetKey, description: str, schema: dg.TableSchema
) -> dg.AssetSpec:
    return current_site().spec(
        "ledger",
        name,
        "books",
        dg.AssetSpec(
            key,
            deps=[dep],
            description=description,
            kinds=KINDS,
            tags={"ledgerguard/kind": name},
            metadata={"dagster/column_schema": schema, "dagster/table_name": f"silver.{name}"},
            partitions_def=realm_partitions(),
            freshness_policy=nightly_policy(),
        ),
    )


def build_journal_job() -> AssetJob:
    """Journal and postings alone, for one company."""
    return dg.define_asset_job(
        current_site().name(JOURNAL_JOB),
        selection=dg.AssetSelection.assets(journal_key(), postings_key()),
        description="Bring a company's journal up to date and compare it with Intuit's reports.",
        executor_def=dg.in_process_executor,
    )


def _proved(
    context: dg.AssetExecutionContext, quickbooks: QuickBooks, duckdb: BronzeDuckDB
) -> "ProofResult":
    """Load what changed and compare every level."""
    from ledgerguard_pipeline.tieout.proof import Proof
    from ledgerguard_pipeline.tieout.record import books_of

    realm = parse_realm(context.partition_key)
    installation = quickbooks.installation(context, duckdb)
    try:
        installation.control.budget.require("Comparing the books")
    except CallBudgetSpent as error:
        installation.control.tie_outs.left_out(realm, error.message)
        raise
    client, store = installation.client(realm), installation.bronze
    result = Proof(client, store, realm, installation.clock, context.run.run_id).run()
    installation.control.tie_outs.compared(realm, books_of(result))
    return result


def _metadata(result: "ProofResult") -> Metadata:
    spans = () if result.journal is None else result.journal.spans
    return {
        "legs": dg.MetadataValue.int(result.legs),
        "transactions": dg.MetadataValue.int(result.transactions),
        "legs_read": dg.MetadataValue.int(0 if result.journal is None else result.journal.legs),
        "spans": dg.MetadataValue.text(", ".join(f"{first} to {last}" for first, last in spans)),
        "state": dg.MetadataValue.text(result.state.value),
        "findings": dg.MetadataValue.json(
            [{"name": each.kind.value, "text": each.text} for each in result.findings]
        ),
        "metered_calls": dg.MetadataValue.int(result.metered_calls),
        **({} if result.coverage is None else _explained(result.coverage)),
    }


def _explained(coverage: "Coverage") -> Metadata:
    """How much of the journal documents explain to the cent."""
    return {
        "legs_explained": dg.MetadataValue.int(coverage.explained),
        "share_explained": dg.MetadataValue.float(coverage.share),
    }
