"""``qbo/files/attachment``: the files of a company's attachments, in a folder or bucket.

Their records come with Bronze like those of any type; the files need a link that lives fifteen
minutes, so they are an asset downstream of the records, with a schedule of its own. Names of files
and links are in no event and no log line.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.bronze.attachment_table import COLUMNS
from ledgerguard_pipeline.defs.bronze.assets import arguments_of
from ledgerguard_pipeline.defs.bronze.checks import CheckGroup, CheckOutcome, KnownChecks, noted
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import bronze_of, quickbooks_of
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.connected_companies import LeftOut, ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import ReadPolicy
from ledgerguard_pipeline.defs.freshness import nightly_policy
from ledgerguard_pipeline.defs.keys import ATTACHMENTS_JOB, asset_key
from ledgerguard_pipeline.defs.partitions import realm_partitions
from ledgerguard_pipeline.defs.scheduling.company_schedule import Companies, company_schedule
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import CallBudgetSpent, LedgerGuardError
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.plane import ControlPlane
    from ledgerguard_pipeline.ingestion.attachments.loads import AttachmentLoad

COMPLETE = "every_file_is_here"
SHOWN = 50
_SCHEMA = dg.TableSchema(
    columns=[dg.TableColumn(name=name, type=type_) for name, type_ in COLUMNS.items()]
)


def files_key() -> dg.AssetKey:
    """``qbo/files/attachment``, if nobody renamed it."""
    return current_site().key("files", "attachment")


def build_files_asset() -> dg.AssetsDefinition:
    """The files of every company."""
    spec = current_site().spec(
        "files",
        "attachment",
        "files",
        dg.AssetSpec(
            files_key(),
            deps=[asset_key(entity_type("Attachable"))],
            description="Files attached in QuickBooks, each once, named by their SHA-256.",
            kinds={"quickbooks", "file"},
            tags={"ledgerguard/kind": "files"},
            metadata={
                "dagster/column_schema": _SCHEMA,
                "dagster/table_name": "bronze._attachments",
            },
            partitions_def=realm_partitions(),
            freshness_policy=nightly_policy(),
        ),
    )

    @dg.asset(
        **arguments_of(spec),
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETE,
                asset=spec.key,
                description="Every file could be downloaded when last looked at, in every company.",
            )
        ],
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def attached_files(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads the bare name only
        return _downloaded(context)

    return attached_files


def files_check() -> CheckGroup:
    """What is known of the files without downloading any."""

    def judge(control: "ControlPlane") -> list[dg.AssetCheckResult]:
        known = KnownChecks.of("Attachable", control.check_faults.read(["Attachable"]))
        return [known.reported(COMPLETE, severe=False).result(files_key())]

    return CheckGroup(lambda: [dg.AssetCheckKey(files_key(), COMPLETE)], judge)


def build_files_job() -> AssetJob:
    """The files of one company."""
    return dg.define_asset_job(
        current_site().name(ATTACHMENTS_JOB),
        selection=dg.AssetSelection.assets(files_key()),
        description="Download what is attached in QuickBooks and not here yet.",
        executor_def=dg.in_process_executor,
    )


def build_files_schedule(
    job: AssetJob, companies: ListCompanies, left_out: LeftOut, policy: ReadPolicy
) -> dg.ScheduleDefinition:
    """Hourly, after the changes of the hour: a call for each 25 new files, none without any."""
    instead = "start this job by hand for those that need it"
    return company_schedule(
        "attachments_hourly",
        "22 * * * *",
        job,
        Companies(companies, policy, str, instead=instead),
        "New attached files of every connected company; a metered call for each 25.",
        left_out=left_out,
    )


def _downloaded(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    from ledgerguard_pipeline.ingestion.attachments.folder import open_folder

    realm = parse_realm(context.partition_key)
    try:
        installation = quickbooks_of(context).installation(context, bronze_of(context))
        installation.control.budget.require("Downloading attachments")
        client = installation.client(realm)
        calls = client.stats.metered_calls
        with installation.attachment_loads(realm, context.run.run_id) as loads:
            load = loads.load(realm)
        calls = client.stats.metered_calls - calls
        names = quickbooks_of(context).names(context, bronze_of(context))
        check = _complete(installation.control, realm, load, names)
    except CallBudgetSpent as error:
        raise dg.Failure(error.message, allow_retries=False) from error
    except LedgerGuardError as error:
        raise failure_of([error]) from error
    return dg.MaterializeResult(
        asset_key=files_key(),
        metadata={
            **names.metadata(realm, "Attachable"),
            "files": dg.MetadataValue.int(load.kept),
            "new_files": dg.MetadataValue.int(load.new),
            "new_files_known_by_their_bytes": dg.MetadataValue.int(load.same),
            "new_bytes": dg.MetadataValue.int(load.bytes),
            "failed_files": dg.MetadataValue.int(len(load.failed)),
            "metered_calls": dg.MetadataValue.int(calls),
            "folder": dg.MetadataValue.text(open_folder(installation.settings).name),
        },
        check_results=[check],
    )


def _complete(
    control: "ControlPlane", realm: RealmId, load: "AttachmentLoad", names: CompanyNames
) -> dg.AssetCheckResult:
    """The check over all companies, with what was just found of this one."""
    said = f"{len(load.failed)} of {load.attached} files could not be downloaded."
    figures: dict[str, dg.MetadataValue] = {
        "files": dg.MetadataValue.int(load.attached),
        "failed": dg.MetadataValue.int(len(load.failed)),
    }
    outcome = CheckOutcome(
        realm, COMPLETE, said if load.failed else None, severe=False, figures=figures
    )
    control.check_faults.judged(realm, noted("Attachable", [outcome]))
    faults = control.check_faults.read(["Attachable"])
    known = KnownChecks.of("Attachable", faults, [outcome], names.by_realm)
    found = known.reported(COMPLETE, severe=False)
    if load.failed:
        columns = ("attachable", "reason")
        table = dg.MetadataValue.table(
            [
                dg.TableRecord({"attachable": each.id, "reason": each.reason})
                for each in load.failed[:SHOWN]
            ],
            dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
        )
        found = replace(found, metadata={**found.metadata, "failures": table})
    return found.result(files_key())
