"""Materializations of a step, stored together instead of being logged one by one.

Dagster takes an event of a step through its log manager and every logger of the run before it
stores it, which costs more than storing it. The events are the same; only the line that each of
them adds to the output of the process is missing.

Decision 93 in docs/decisions.md.
"""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
import sqlalchemy
from dagster import DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import DagsterEventBatchMetadata, StepMaterializationData
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.defs.instance.event_rows import Batch
from ledgerguard_pipeline.defs.instance.sqlite_storage import PooledEventLogStorage

TOGETHER = 4096
"""Materializations in one transaction at most; their texts are 7 MB."""


def record(
    step: StepExecutionContext, batch: str, found: Sequence[dg.AssetMaterialization]
) -> None:
    """Store materializations of a step; ``batch`` names them within the run.

    In our own storage they are one transaction if they are not too many. Elsewhere they are where
    Dagster batches events (``EVENT_BATCHES``), and one each where it does not. Dagster's own
    storages keep the newest event of a batch as that of its asset, so there every asset has a
    batch of its own.
    """
    if not found:
        return
    if len(found) == 1:
        step.instance.handle_new_event(_model(step, found[0]))
        return
    storage = step.instance.event_log_storage
    if isinstance(storage, PooledEventLogStorage) and not _heard(step):
        for first in range(0, len(found), TOGETHER):
            part = found[first : first + TOGETHER]
            _keep(storage, Batch(_model(step, part[0]), part))
        return
    by_asset: dict[dg.AssetKey, list[dg.AssetMaterialization]] = {}
    for materialization in found:
        by_asset.setdefault(materialization.asset_key, []).append(materialization)
    for key, mine in by_asset.items():
        name = f"{step.run_id}-{batch}-{key.to_python_identifier()}"
        for index, event in enumerate(Batch(_model(step, mine[0]), mine).events(), start=1):
            step.instance.handle_new_event(
                event, batch_metadata=DagsterEventBatchMetadata(name, is_end=index == len(mine))
            )


@contextmanager
def stored_together(step: StepExecutionContext) -> Iterator[None]:
    """Let the events of a step that are logged inside the block share a transaction.

    That is so in our own storage; elsewhere each of them is one, as ever.
    """
    storage = step.instance.event_log_storage
    if isinstance(storage, PooledEventLogStorage):
        with storage.together():
            yield
    else:
        yield


def _heard(step: StepExecutionContext) -> bool:
    """Whether somebody in this process waits for the run's events, as Dagster's remote steps do."""
    return bool(step.instance._subscribers.get(step.run_id))  # noqa: SLF001  # there is no question


def _keep(storage: PooledEventLogStorage, batch: Batch) -> None:
    try:
        storage.store_materializations(batch)
    except sqlalchemy.exc.DBAPIError as error:  # one by one, as Dagster does with a batch
        # Without the statement and its values, which are the texts of all of them.
        sys.stderr.write(f"Materializations could not be stored together: {error.orig}\n")
        for event in batch.events():
            storage.store_event(event)


def _model(step: StepExecutionContext, found: dg.AssetMaterialization) -> EventLogEntry:
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=step.job_name,
        step_handle=step.step.handle,
        node_handle=step.step.node_handle,
        step_kind_value=step.step.kind.value,
        logging_tags=step.event_tags,
        event_specific_data=StepMaterializationData(found),
        message=Batch.message(found),
    )
    return EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster
        error_info=None,
        level=logging.DEBUG,
        user_message="",
        run_id=step.run_id,
        timestamp=time.time(),
        step_key=event.step_key,
        job_name=step.job_name,
        dagster_event=event,
    )
