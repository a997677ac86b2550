"""Rows of Dagster's event log, written with prepared statements.

Nine of ten events of a sync are of four kinds: of a step, of an asset, of a check that is planned,
of a check that was judged. Dagster builds and compiles up to four SQLAlchemy statements for each
and turns the event into JSON up to three times. Here their text is made once and the statements are
constants; the rows are the same, which a test compares column by column. Every other kind is left
to Dagster. Materializations that are stored together are inserted together: a first load has twelve
for each asset and year.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import sqlalchemy
from dagster import AssetCheckEvaluation, DagsterEventType, EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._serdes import serialize_value

from ledgerguard_pipeline.defs.instance.event_texts import EventTexts

_INSERT_EVENT = (
    "INSERT INTO event_logs"
    " (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_MATERIALIZED = (
    "INSERT INTO asset_keys"
    " (asset_key, last_materialization, last_run_id, last_materialization_timestamp)"
    " VALUES (?, ?, ?, ?) ON CONFLICT (asset_key) DO UPDATE SET"
    " last_materialization = excluded.last_materialization, last_run_id = excluded.last_run_id,"
    " last_materialization_timestamp = excluded.last_materialization_timestamp"
)
_PLANNED = (
    "INSERT INTO asset_keys (asset_key, last_run_id, last_materialization_timestamp)"
    " VALUES (?, ?, ?) ON CONFLICT (asset_key) DO UPDATE SET last_run_id = excluded.last_run_id,"
    " last_materialization_timestamp = excluded.last_materialization_timestamp"
)
_CHECK_PLANNED = (
    "INSERT INTO asset_check_executions"
    " (asset_key, check_name, run_id, execution_status, evaluation_event,"
    " evaluation_event_timestamp, evaluation_event_storage_id) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_CHECK_JUDGED = (
    "UPDATE asset_check_executions SET execution_status = ?, evaluation_event = ?,"
    " evaluation_event_timestamp = ?, evaluation_event_storage_id = ?,"
    " materialization_event_storage_id = ?"
    " WHERE asset_key = ? AND check_name = ? AND run_id = ? AND partition IS NULL"
)
_CHECK_NEVER_PLANNED = (
    "INSERT INTO asset_check_executions (execution_status, evaluation_event,"
    " evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id,"
    " asset_key, check_name, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_TAG = (
    "INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)"
    " VALUES (?, ?, ?, ?, ?)"
)
_LAST_ROW = "SELECT last_insert_rowid()"
_OF_ASSETS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}


class Shards(Protocol):
    """The open transactions of a run's own file and of the file over all runs."""

    def of_run(self, run_id: str) -> sqlalchemy.Connection: ...

    def of_all_runs(self) -> sqlalchemy.Connection: ...


def written(shards: Shards, event: EventLogEntry, tags: Mapping[str, str]) -> bool:
    """Write the rows of an event; False, and nothing written, if Dagster has to do it.

    ``tags`` are those of an asset's event that can be searched for.
    """
    kind = event.dagster_event_type if event.is_dagster_event else None
    if not _known(event, kind):
        return False
    text = serialize_value(event)
    moment = _moment(event)
    row = _row(event, text, moment)
    shards.of_run(event.run_id).exec_driver_sql(_INSERT_EVENT, row)
    if kind in _OF_ASSETS or kind in ASSET_CHECK_EVENTS:
        index = shards.of_all_runs()
        number = index.exec_driver_sql(_INSERT_EVENT, row).lastrowid
        if kind in _OF_ASSETS:
            _keep_asset(index, event, text, moment, number)
            for key, value in tags.items():
                index.exec_driver_sql(_TAG, (number, row[5], key, value, moment))
        else:
            _keep_check(index, event, text, moment, number)
    elif kind in EVENT_TYPE_TO_PIPELINE_RUN_STATUS:
        shards.of_all_runs().exec_driver_sql(_INSERT_EVENT, row)
    return True


def written_together(shards: Shards, events: Sequence[EventLogEntry]) -> bool:
    """Write the rows of a run's materializations with one statement a table, of assets as of the last.

    False, and nothing written, if there is anything else among them.
    """
    runs = {event.run_id for event in events}
    if len(runs) != 1 or "" in runs or not all(map(_untagged_materialization, events)):
        return False
    texts = EventTexts()
    rows = [_row(event, texts.of(event), _moment(event)) for event in events]
    shards.of_run(events[0].run_id).exec_driver_sql(_INSERT_EVENT, rows)
    index = shards.of_all_runs()
    index.exec_driver_sql(_INSERT_EVENT, rows)
    # Nobody else can insert before this transaction ends, so the numbers are consecutive.
    last = int(index.exec_driver_sql(_LAST_ROW).scalar_one())
    newest = {row[5]: (row, last - len(rows) + number) for number, row in enumerate(rows, start=1)}
    index.exec_driver_sql(
        _MATERIALIZED,
        [
            (asset, _record(str(row[1]), number), row[0], row[3])
            for asset, (row, number) in newest.items()
        ],
    )
    return True


def _untagged_materialization(event: EventLogEntry) -> bool:
    inner = event.dagster_event
    if inner is None or inner.event_type_value != DagsterEventType.ASSET_MATERIALIZATION.value:
        return False
    return inner.asset_key is not None and not inner.step_materialization_data.materialization.tags


def _known(event: EventLogEntry, kind: DagsterEventType | None) -> bool:
    if not event.run_id:
        return False
    data = event.dagster_event.event_specific_data if event.dagster_event else None
    if kind in ASSET_CHECK_EVENTS:
        if isinstance(data, AssetCheckEvaluationPlanned):
            return data.partitions_subset is None
        return isinstance(data, AssetCheckEvaluation) and data.partition is None
    if kind in ASSET_EVENTS:
        return kind in _OF_ASSETS and event.get_dagster_event().asset_key is not None
    return True


def _moment(event: EventLogEntry) -> str:
    moment = datetime.fromtimestamp(event.timestamp, UTC).replace(tzinfo=None)
    return moment.isoformat(" ", "microseconds")


def _row(event: EventLogEntry, text: str, moment: str) -> tuple[str | None, ...]:
    if not event.is_dagster_event:
        return (event.run_id, text, None, moment, event.step_key, None, None)
    inner = event.get_dagster_event()
    asset = inner.asset_key.to_string() if inner.asset_key else None
    kind = inner.event_type_value
    return (event.run_id, text, kind, moment, inner.step_key, asset, inner.partition or None)


def _keep_asset(
    index: sqlalchemy.Connection, event: EventLogEntry, text: str, moment: str, number: int
) -> None:
    inner = event.get_dagster_event()
    asset = inner.asset_key.to_string() if inner.asset_key else ""
    if inner.is_asset_materialization_planned:
        index.exec_driver_sql(_PLANNED, (asset, event.run_id, moment))
        return
    index.exec_driver_sql(_MATERIALIZED, (asset, _record(text, number), event.run_id, moment))


def _record(text: str, number: int) -> str:
    return f'{{"__class__": "EventLogRecord", "event_log_entry": {text}, "storage_id": {number}}}'


def _keep_check(
    index: sqlalchemy.Connection, event: EventLogEntry, text: str, moment: str, number: int
) -> None:
    match event.get_dagster_event().event_specific_data:
        case AssetCheckEvaluationPlanned(asset_key=asset, check_name=check):
            planned = AssetCheckExecutionRecordStatus.PLANNED.value
            row = (asset.to_string(), check, event.run_id, planned, text, moment, number)
            index.exec_driver_sql(_CHECK_PLANNED, row)
        case AssetCheckEvaluation() as found:
            status = AssetCheckExecutionRecordStatus
            target = found.target_materialization_data
            judged = (
                (status.SUCCEEDED if found.passed else status.FAILED).value,
                text,
                moment,
                number,
                target.storage_id if target else None,
                found.asset_key.to_string(),
                found.check_name,
                event.run_id,
            )
            changed = index.exec_driver_sql(_CHECK_JUDGED, judged).rowcount
            if changed > 1:
                raise DagsterInvariantViolationError(
                    f"Run {event.run_id} planned {found.asset_check_key} {changed} times."
                )
            if changed == 0:
                index.exec_driver_sql(_CHECK_NEVER_PLANNED, judged)
