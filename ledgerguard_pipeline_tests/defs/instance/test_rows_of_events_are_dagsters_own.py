"""Events are written with prepared statements, and every row is the one that Dagster writes."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import serialize_value

from ledgerguard_pipeline.defs.instance import event_texts
from ledgerguard_pipeline.defs.instance.event_rows import Batch
from ledgerguard_pipeline.defs.instance.event_texts import texts_of
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


@pytest.mark.parametrize("tags", [None, {"seen": "yes"}])
def test_materializations_stored_together_are_the_rows_dagster_writes_one_by_one(
    tmp_path: Path, events: list[dg.EventLogEntry], tags: dict[str, str] | None
) -> None:
    model, found = _load(events)
    together = Batch(model, [*found, dg.AssetMaterialization(KEY, partition="one", tags=tags)])
    assert (texts_of(together) is None) is (tags is not None), "Dagster does what is rare"
    stock, ours = (
        SqliteEventLogStorage(str(tmp_path / "1")),
        PooledEventLogStorage(str(tmp_path / "2")),
    )
    for storage in (stock, ours):
        storage.store_event(model)  # so that they do not begin in an empty file
    ours.store_materializations(together)
    for event in together.events():
        stock.store_event(event)
    for storage in (stock, ours):
        storage.dispose()
    for name in ("index.db", f"{model.run_id}.db"):
        assert _rows(tmp_path / "2" / name) == _rows(tmp_path / "1" / name), name
    assert len(_rows(tmp_path / "2" / "index.db")["event_logs"]) == len(together.found) + 1


def test_events_that_dagster_hands_over_together_are_its_rows(
    tmp_path: Path, events: list[dg.EventLogEntry]
) -> None:
    stock, ours = (
        SqliteEventLogStorage(str(tmp_path / "1")),
        PooledEventLogStorage(str(tmp_path / "2")),
    )
    together = [event for event in events if event.run_id]
    ours.store_event_batch(together)
    for event in together:
        stock.store_event(event)
    for storage in (stock, ours):
        storage.dispose()
    for path in (tmp_path / "1").glob("*.db"):
        assert _rows(tmp_path / "2" / path.name) == _rows(path), path.name


def test_texts_made_together_are_those_dagster_makes(events: list[dg.EventLogEntry]) -> None:
    load = _load(events)
    texts = texts_of(load)
    assert texts is not None
    assert [each.text for each in texts] == [serialize_value(event) for event in load.events()]


def test_a_text_that_dagster_makes_in_another_way_is_left_to_it(
    events: list[dg.EventLogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = _load(events)
    monkeypatch.setattr(event_texts, "_data", lambda _found: ('{"__class__": "another"', "}"))
    assert texts_of(load) is None


def _load(events: list[dg.EventLogEntry]) -> Batch:
    """Materializations of one run that differ in asset, cell, figures and message."""
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION
    model = next(each for each in events if each.run_id and each.dagster_event_type == planned)
    shared: dict[str, dg.MetadataValue] = {"realm": dg.MetadataValue.text('\N{EURO SIGN} "quoted"')}
    metadatas: list[dict[str, dg.MetadataValue]] = [
        shared,
        {"rows": dg.MetadataValue.int(1), "took": dg.MetadataValue.float(0.5)},
        {"rows": dg.MetadataValue.int(0), "none": dg.MetadataValue.bool(False)},
        {"rows": dg.MetadataValue.text("0"), "page": dg.MetadataValue.url("https://example.com/é")},
        {
            "page": dg.MetadataValue.text("https://example.com/é"),
            "at": dg.MetadataValue.timestamp(1.0),
        },
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
    # As windows of one load: they share their metadata and differ in their partition.
    found += [found[0]._replace(partition=f"{number}|\N{EURO SIGN}") for number in range(3)]
    first = Batch(model, found[:1])
    return Batch(next(first.events()), found)


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
