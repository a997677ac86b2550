"""Rows of Dagster's event log, written with prepared statements.

Nine of ten events of a sync are of four kinds: of a step, of an asset, of a check that is planned,
of a check that was judged. Dagster builds and compiles up to four SQLAlchemy statements for each
and turns the event into JSON up to three times. Here their text is made once and the statements are
constants; the rows are the same, which a test compares column by column. Every other kind is left
to Dagster. Materializations that are stored together are inserted together: a first load has twelve
for each asset and year.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import sqlalchemy
from dagster import AssetCheckEvaluation, AssetMaterialization, DagsterEventType, EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    StepMaterializationData,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._serdes import serialize_value

from ledgerguard_pipeline.defs.instance.event_texts import texts_of

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
_MATERIALIZATION = DagsterEventType.ASSET_MATERIALIZATION.value
_LAST_ROW = "SELECT last_insert_rowid()"
_OF_ASSETS = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}


class Batch(NamedTuple):
    """Materializations of one step that are stored together.

    ``model`` is the event of the first of them; the others differ in what was materialized.
    """

    model: EventLogEntry
    found: Sequence[AssetMaterialization]

    def events(self) -> Iterator[EventLogEntry]:
        """Each as an event of Dagster's own."""
        inner = self.model.get_dagster_event()
        for each in self.found:
            data, message = StepMaterializationData(each), self.message(each)
            event = inner._replace(event_specific_data=data, message=message)
            yield self.model._replace(dagster_event=event)

    @staticmethod
    def message(found: AssetMaterialization) -> str:
        """What the run's page says of a materialization."""
        return f"Materialized value {found.label}."


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


def written_together(shards: Shards, batch: Batch) -> bool:
    """Write the rows of a run's materializations with one statement a table, of assets as of the last.

    False, and nothing written, if Dagster has to do it.
    """
    texts = texts_of(batch) if batch.model.run_id else None
    if texts is None:
        return False
    run_id, moment = batch.model.run_id, _moment(batch.model)
    step, kind = batch.model.get_dagster_event().step_key, _MATERIALIZATION
    rows = [(run_id, text, kind, moment, step, asset, cell) for text, asset, cell in texts]
    shards.of_run(run_id).exec_driver_sql(_INSERT_EVENT, rows)
    index = shards.of_all_runs()
    index.exec_driver_sql(_INSERT_EVENT, rows)
    # Nobody else can insert before this transaction ends, so the numbers are consecutive.
    first = int(index.exec_driver_sql(_LAST_ROW).scalar_one()) - len(rows) + 1
    newest = {text.asset: (text.text, number) for number, text in enumerate(texts, first)}
    index.exec_driver_sql(
        _MATERIALIZED,
        [
            (asset, _record(text, number), run_id, moment)
            for asset, (text, number) in newest.items()
        ],
    )
    return True


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
