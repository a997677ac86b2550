"""Events are written with prepared statements, and every row is the one that Dagster writes."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import deserialize_value, serialize_value

from ledgerguard_pipeline.defs.instance.event_texts import EventTexts
from ledgerguard_pipeline.defs.instance.sqlite_storage import PooledEventLogStorage

KEY, OTHER = dg.AssetKey(["books", "thing"]), dg.AssetKey("other")
_OWN_CLOCK = {"create_timestamp", "migration_completed"}


@dg.asset(
    key=KEY,
    partitions_def=dg.StaticPartitionsDefinition(["one", "two"]),
    check_specs=[dg.AssetCheckSpec(name, asset=KEY) for name in ("fine", "bad")],
)
def thing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    context.log.info("said with \N{EURO SIGN} and 'quotes'")
    context.log_event(dg.AssetObservation(OTHER, metadata={"rows": 1}))
    context.log_event(dg.AssetMaterialization(OTHER, tags={"seen": "yes"}))
    return dg.MaterializeResult(
        metadata={"rows": 3},
        tags={"dagster/data_version": "v1"},
        check_results=[
            dg.AssetCheckResult(check_name="fine", passed=True, metadata={"why": "it is"}),
            dg.AssetCheckResult(check_name="bad", passed=False),
        ],
    )


@dg.asset
def broken() -> None:
    raise RuntimeError("on purpose")


@pytest.fixture(scope="module")
def events() -> Iterator[list[dg.EventLogEntry]]:
    """Everything that three runs and two reports from outside any run have to say."""
    heard: list[dg.EventLogEntry] = []
    with dg.DagsterInstance.ephemeral() as instance:
        runs = [
            dg.materialize([thing], instance=instance, partition_key=key) for key in ("one", "two")
        ]
        runs.append(dg.materialize([broken], instance=instance, raise_on_error=False))
        for run in runs:
            heard += instance.all_logs(run.run_id)
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition="one"))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=KEY, check_name="fine", passed=False)
        )
        heard += instance.all_logs("")
        yield heard


def test_every_row_is_the_one_dagster_writes(
    tmp_path: Path, events: list[dg.EventLogEntry]
) -> None:
    kinds = {event.dagster_event_type for event in events}
    assert {
        None,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_OBSERVATION,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_SUCCESS,
    } <= kinds
    stock, ours = tmp_path / "stock", tmp_path / "ours"
    for kind, folder in ((SqliteEventLogStorage, stock), (PooledEventLogStorage, ours)):
        storage = kind(str(folder))
        for event in events:
            storage.store_event(event)
        storage.dispose()
    files = sorted(path.name for path in stock.glob("*.db"))
    assert files == sorted(path.name for path in ours.glob("*.db"))
    for name in files:
        assert _rows(ours / name) == _rows(stock / name), name
    assert len(_rows(ours / "index.db")["asset_check_executions"]) == 5
    assert len(_rows(ours / "index.db")["asset_keys"]) == 3


def test_materializations_stored_together_are_the_rows_dagster_writes_one_by_one(
    tmp_path: Path, events: list[dg.EventLogEntry]
) -> None:
    together = _of_one_load(events)
    stock, ours = (
        SqliteEventLogStorage(str(tmp_path / "1")),
        PooledEventLogStorage(str(tmp_path / "2")),
    )
    ours.store_event(together[0])  # so that they do not begin in an empty file
    ours.store_event_batch(together[1:])
    for event in together:
        stock.store_event(event)
    for storage in (stock, ours):
        storage.dispose()
    for name in ("index.db", f"{together[0].run_id}.db"):
        assert _rows(tmp_path / "2" / name) == _rows(tmp_path / "1" / name), name
    assert len(_rows(tmp_path / "2" / "index.db")["event_logs"]) == len(together)


def test_texts_made_together_are_those_dagster_makes(events: list[dg.EventLogEntry]) -> None:
    texts = EventTexts()
    for event in [*events, *_of_one_load(events)]:
        assert texts.of(event) == serialize_value(event)


def test_a_text_that_dagster_makes_in_another_way_is_left_to_it(
    events: list[dg.EventLogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = EventTexts()
    monkeypatch.setattr(texts, "_data", lambda _found: '{"__class__": "another"}')
    for event in _of_one_load(events):
        assert deserialize_value(texts.of(event), dg.EventLogEntry) == event


def _of_one_load(events: list[dg.EventLogEntry]) -> list[dg.EventLogEntry]:
    """Materializations of one run that differ in asset, cell, figures, message and time."""
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION
    model = next(each for each in events if each.run_id and each.dagster_event_type == planned)
    shared: dict[str, dg.MetadataValue] = {"realm": dg.MetadataValue.text('\N{EURO SIGN} "quoted"')}
    metadatas: list[dict[str, dg.MetadataValue]] = [
        shared,
        {"rows": dg.MetadataValue.int(1), "took": dg.MetadataValue.float(0.5)},
        {},
    ]
    found = [
        dg.AssetMaterialization(
            key, metadata=metadata, partition=partition, description="said" if key == KEY else None
        )
        for key in (KEY, OTHER, KEY)
        for partition in (None, "one", dg.MultiPartitionKey({"realm": "1", "window": "2026"}))
        for metadata in metadatas
    ]
    return [
        model._replace(
            timestamp=model.timestamp + number,
            dagster_event=model.get_dagster_event()._replace(
                event_specific_data=StepMaterializationData(each), message=f"Value {each.label}."
            ),
        )
        for number, each in enumerate(found)
    ]


def _rows(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, without the moment at which the database itself wrote it."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        tables = [
            str(row[0])
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        found = {
            table: [
                {key: row[key] for key in row.keys() if key not in _OWN_CLOCK}  # noqa: SIM118
                for row in connection.execute(f'SELECT * FROM "{table}"')
            ]
            for table in tables
        }
    connection.close()
    return found
