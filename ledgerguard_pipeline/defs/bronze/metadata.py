"""A load as the Dagster UI shows it: figures that plot, and a sample."""

import json
from dataclasses import dataclass, field

import dagster as dg

from ledgerguard_pipeline.bronze.read.audit import Audit
from ledgerguard_pipeline.control.rate_limits.monthly_budget import BudgetUse
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.ingestion.request import Window
from ledgerguard_pipeline.ingestion.results import EntityResult, Reconciled

SAMPLE_FIELDS = 8
MEASURABLE_SECONDS = 0.05
"""Small entities are read ahead and committed together with others; a rate would mean nothing."""
_PREFERRED = (
    "DocNumber", "DisplayName", "FullyQualifiedName", "Name", "CompanyName", "TxnDate", "DueDate",
    "TotalAmt", "Balance", "CurrentBalance", "UnitPrice", "Amount", "RateValue", "Rate",
    "AccountType", "Type", "PaymentType", "PrivateNote", "Active",
)  # fmt: skip

Metadata = dict[str, dg.MetadataValue]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One company's load of one entity and what Bronze holds after it.

    ``result`` is None for a derived entity: nothing was fetched for it. ``budget`` is the month's
    call budget as it was when the load ended, ``covered`` the span that is complete by it,
    ``silver`` whether Silver has what was loaded, ``samples`` whether rows may be shown, ``names``
    those of the companies, ``entity`` Intuit's name of what was read.
    """

    realm_id: str
    result: EntityResult | None
    audit: Audit
    budget: BudgetUse | None = None
    covered: Window | None = None
    silver: bool = False
    samples: bool = False
    names: CompanyNames = field(default_factory=CompanyNames)
    entity: str = ""

    @property
    def left_out(self) -> bool:
        """Whether nothing was read, on purpose."""
        return self.result is not None and self.result.status == "skipped"


def load_metadata(loaded: Loaded) -> Metadata:
    """The figures of one load; every number has the same name on every asset."""
    audit = loaded.audit
    metadata: Metadata = {
        **loaded.names.metadata(loaded.realm_id, loaded.entity),
        "dagster/row_count": dg.MetadataValue.int(audit.stored),
        "quarantine": dg.MetadataValue.int(audit.quarantined),
    }
    if loaded.result is not None:
        metadata |= result_metadata(loaded.result)
    written = 0 if loaded.result is None else loaded.result.written
    metadata |= loaded.names.own_figures(loaded.realm_id, rows=audit.stored, rows_written=written)
    if loaded.budget is not None:
        metadata |= {
            "metered_calls_this_month": dg.MetadataValue.int(loaded.budget.used),
            "call_budget_percent": dg.MetadataValue.float(round(100 * loaded.budget.share, 2)),
        }
    table = sample_table(audit) if loaded.samples else None
    if table is not None:
        metadata["sample"] = table
    return metadata


def result_metadata(result: EntityResult) -> Metadata:
    """The figures of a load itself, without what Bronze held after it."""
    metadata: Metadata = {
        "mode": dg.MetadataValue.text(result.mode.value),
        "rows_fetched": dg.MetadataValue.int(result.fetched),
        "rows_written": dg.MetadataValue.int(result.written),
        "rows_updated": dg.MetadataValue.int(result.updated),
        "rows_renamed": dg.MetadataValue.int(result.renamed),
        "rows_deleted": dg.MetadataValue.int(result.deleted),
        "rows_unchanged": dg.MetadataValue.int(result.unchanged),
        "rows_quarantined": dg.MetadataValue.int(result.quarantined),
        "api_calls": dg.MetadataValue.int(result.api_calls),
        "bytes": dg.MetadataValue.int(result.bytes),
        "seconds": dg.MetadataValue.float(round(result.seconds, 3)),
    }
    if result.seconds >= MEASURABLE_SECONDS:
        rate = result.fetched / result.seconds
        metadata["rows_per_second"] = dg.MetadataValue.float(round(rate, 1))
    if result.finding is not None:
        metadata |= finding_metadata(result.finding)
    if result.watermark is not None:
        metadata["watermark"] = dg.MetadataValue.timestamp(result.watermark)
    if result.note:
        metadata["note"] = dg.MetadataValue.text(result.note)
    if result.new_fields:
        metadata["new_fields"] = dg.MetadataValue.text(", ".join(result.new_fields))
    if result.error is not None:
        metadata["failed"] = dg.MetadataValue.text(result.error)
    if result.status == "skipped":
        metadata["skipped"] = dg.MetadataValue.bool(True)
    return metadata


def finding_metadata(finding: Reconciled) -> Metadata:
    """What reconciling found, under the same names on every asset."""
    return {
        "counted_at_intuit": dg.MetadataValue.int(finding.counted),
        "held_before": dg.MetadataValue.int(finding.held),
        "missing_rows_repaired": dg.MetadataValue.int(finding.missing),
        "phantom_rows_removed": dg.MetadataValue.int(finding.phantoms),
    }


def sample_table(audit: Audit) -> dg.MetadataValue | None:
    """The newest rows with the few fields a person recognises them by.

    Numbers are shown as the text Intuit sent: ``100.10`` stays ``100.10``.
    """
    rows = []
    for row in audit.sample:
        fields = _scalars(row.payload)
        rows.append((row, fields))
    if not rows:
        return None
    seen = {name for _, fields in rows for name in fields}
    names = [name for name in _PREFERRED if name in seen][:SAMPLE_FIELDS]
    columns = ["id", "state", "last_updated_at", *names]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "id": row.id,
                    "state": row.state,
                    "last_updated_at": row.last_updated_at or "",
                    **{name: fields.get(name, "") for name in names},
                }
            )
            for row, fields in rows
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )


def _scalars(payload: str | None) -> dict[str, str]:
    """Top-level texts, numbers (as their text) and booleans of a record or of what it wraps."""
    if payload is None:
        return {}
    document = json.loads(payload, parse_float=str, parse_int=str, parse_constant=str)
    if not isinstance(document, dict):
        return {}
    inner = [value for value in document.values() if isinstance(value, dict)]
    if len(document) == 1 and inner:
        document = inner[0]
    return {
        name: json.dumps(value) if isinstance(value, bool) else value
        for name, value in document.items()
        if isinstance(value, str | bool)
    }
