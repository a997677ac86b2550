"""One asset for each report that Bronze keeps, made by one factory.

A partition is a company; the days asked about are configuration, not partitions, because an edit of
an old day would otherwise open old cells (decision 66). Reading a report proves and shows, it brings no changes: near
the end of the month's call budget it is left out, with an observation that says so.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)
from pydantic import Field

from ledgerguard_pipeline.bronze.report_table import COLUMNS
from ledgerguard_pipeline.defs.bronze.assets import KINDS, arguments_of
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB
from ledgerguard_pipeline.defs.bronze.failures import failure_of
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import (
    QuickBooks,
    bronze_of,
    quickbooks_of,
)
from ledgerguard_pipeline.defs.keys import REPORTS_JOB, connection_key
from ledgerguard_pipeline.defs.partitions import realm_partitions
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.errors import BadInputError, CallBudgetSpent, LedgerGuardError
from ledgerguard_pipeline.reports.parameters import day
from ledgerguard_pipeline.reports.stored import STORED_REPORTS
from ledgerguard_pipeline.values import parse_realm

GROUP = "reports"
SCHEMA = dg.TableSchema(
    columns=[dg.TableColumn(name=name, type=type_) for name, type_ in COLUMNS.items()]
)


class ReportDays(dg.Config):
    """The days a report is about."""

    end: str | None = Field(
        default=None, description="Last day, as 2026-10-31; today (UTC) if left out."
    )
    start: str | None = Field(
        default=None,
        description="First day of lists of transactions; that of the end's month if left out.",
    )


def report_key(name: str) -> dg.AssetKey:
    """``qbo/reports/trial_balance`` for ``TrialBalance``."""
    return current_site().key(GROUP, _table(name))


def _table(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def build_report_assets() -> list[dg.AssetsDefinition]:
    """The assets of all reports that Bronze keeps."""
    return [_report_asset(name, said) for name, said in STORED_REPORTS.items()]


def build_reports_job() -> AssetJob:
    """All of them for one company."""
    return dg.define_asset_job(
        current_site().name(REPORTS_JOB),
        selection=dg.AssetSelection.assets(*map(report_key, STORED_REPORTS)),
        description="Read a company's reports from Intuit and keep them as sent.",
        executor_def=dg.in_process_executor,
    )


def _report_asset(name: str, said: str) -> dg.AssetsDefinition:
    spec = current_site().spec(
        GROUP,
        _table(name),
        GROUP,
        dg.AssetSpec(
            report_key(name),
            deps=[connection_key()],
            description=said,
            kinds=KINDS,
            tags={"ledgerguard/kind": "report"},
            metadata={
                "dagster/column_schema": SCHEMA,
                "dagster/table_name": "bronze._reports",
                "quickbooks_report": name,
            },
            partitions_def=realm_partitions(),
        ),
    )
    key = spec.key

    @dg.asset(
        **arguments_of(spec),
        output_required=False,
        required_resource_keys=current_site().resource_keys,
    )
    @at_site
    def keep_report(
        context: dg.AssetExecutionContext, config: ReportDays
    ) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]  # Dagster reads the bare name
        try:
            end, start = days_of(config)
            metadata = _kept(
                context, name, (end, start), quickbooks_of(context), bronze_of(context)
            )
        except CallBudgetSpent as error:
            context.log.warning(error.message)
            context.log_event(
                dg.AssetObservation(
                    key, partition=context.partition_key, metadata={"left_out": error.message}
                )
            )
            return
        except LedgerGuardError as error:
            raise failure_of([error]) from error
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)

    return keep_report


def days_of(config: ReportDays) -> tuple[date, date | None]:
    """The last and the first day asked about.

    Raises:
        BadInputError: one of them is no date, or they are the wrong way round.
    """
    end = (
        datetime.now(UTC).date()
        if config.end is None
        else date.fromisoformat(day("end", config.end))
    )
    start = None if config.start is None else date.fromisoformat(day("start", config.start))
    if start is not None and start > end:
        raise BadInputError(f"The reports' window ends ({end}) before it starts ({start}).")
    return end, start


def _kept(
    context: dg.AssetExecutionContext,
    name: str,
    days: tuple[date, date | None],
    quickbooks: QuickBooks,
    duckdb: BronzeDuckDB,
) -> Metadata:
    from ledgerguard_pipeline.ingestion.report_loads import ReportLoads

    realm = parse_realm(context.partition_key)
    installation = quickbooks.installation(context, duckdb)
    installation.control.budget.require(f"Reading {name}")
    client, store = installation.client(realm), installation.bronze
    calls = client.stats.metered_calls
    loads = ReportLoads(client, store, realm, context.run.run_id)
    load = loads.load(name, loads.window(*days))
    answers = load.answers
    names = quickbooks.names(context, duckdb)
    return {
        **names.metadata(realm),
        "answers": dg.MetadataValue.int(len(answers)),
        "cut_answers": dg.MetadataValue.int(load.cut),
        "cells": dg.MetadataValue.int(sum(each.report.cells for each in answers)),
        "metered_calls": dg.MetadataValue.int(client.stats.metered_calls - calls),
        "window": dg.MetadataValue.text(_window(answers[0].report.start, answers[-1].report.end)),
        "report_ids": dg.MetadataValue.json(list(load.report_ids)),
        "intuit_tid": dg.MetadataValue.text(_tids([each.request_id for each in answers])),
    }


def _window(start: str | None, end: str | None) -> str:
    return f"{start or '?'} to {end or '?'}"


def _tids(ids: Sequence[str | None]) -> str:
    return ", ".join(each for each in ids if each is not None)
