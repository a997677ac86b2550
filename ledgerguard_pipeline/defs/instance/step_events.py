"""Materializations of a step, stored together instead of being logged one by one.

Dagster takes an event of a step through its log manager and every logger of the run before it
stores it, which costs more than storing it. The events are the same; only the line that each of
them adds to the output of the process is missing.

Decision 93 in docs/decisions.md.
"""

import logging
import time
from collections.abc import Sequence

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import DagsterEventBatchMetadata, StepMaterializationData
from dagster._core.execution.context.system import StepExecutionContext

from ledgerguard_pipeline.defs.instance.sqlite_storage import PooledEventLogStorage


def record(
    step: StepExecutionContext, batch: str, found: Sequence[dg.AssetMaterialization]
) -> None:
    """Store materializations of a step; ``batch`` names them within the run.

    They go into one transaction where Dagster batches events (``EVENT_BATCHES``), and one by one
    elsewhere. Dagster's own storages keep the newest event of a batch as that of its asset, so
    there every asset has a batch of its own.
    """
    if isinstance(step.instance.event_log_storage, PooledEventLogStorage):
        _store(step, f"{step.run_id}-{batch}", found)
        return
    by_asset: dict[dg.AssetKey, list[dg.AssetMaterialization]] = {}
    for materialization in found:
        by_asset.setdefault(materialization.asset_key, []).append(materialization)
    for key, mine in by_asset.items():
        _store(step, f"{step.run_id}-{batch}-{key.to_python_identifier()}", mine)


def _store(
    step: StepExecutionContext, batch: str, found: Sequence[dg.AssetMaterialization]
) -> None:
    messages: dict[dg.AssetKey, str] = {}
    first: DagsterEvent | None = None
    for index, each in enumerate(found, start=1):
        message = messages.get(each.asset_key)
        if message is None:
            message = messages[each.asset_key] = f"Materialized value {each.label}."
        data = StepMaterializationData(each)
        if first is None:
            first = event = DagsterEvent(
                event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name=step.job_name,
                step_handle=step.step.handle,
                node_handle=step.step.node_handle,
                step_kind_value=step.step.kind.value,
                logging_tags=step.event_tags,
                event_specific_data=data,
                message=message,
            )
        else:
            event = first._replace(event_specific_data=data, message=message)
        step.instance.handle_new_event(
            EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster
                error_info=None,
                level=logging.DEBUG,
                user_message="",
                run_id=step.run_id,
                timestamp=time.time(),
                step_key=event.step_key,
                job_name=step.job_name,
                dagster_event=event,
            ),
            batch_metadata=DagsterEventBatchMetadata(batch, is_end=index == len(found)),
        )
