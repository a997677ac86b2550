"""A Bronze file with one customer in it."""

from __future__ import annotations

from datetime import UTC, datetime

from ledgerguard_pipeline.bronze.loads import Load
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.config.bronze_url import Address
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import (
    Environment,
    LoadId,
    Mode,
    RealmId,
    Record,
    Source,
    State,
)

REALM = RealmId("9341453474484455")
_THEN = datetime(2026, 11, 1, tzinfo=UTC)


def make_bronze(path: Address, environment: Environment = Environment.SANDBOX) -> BronzeStore:
    """Commit one customer whose name tries to be clever."""
    store = BronzeStore(path, environment)
    record = Record(
        id="1",
        sync_token="0",
        state=State.ACTIVE,
        created_at=_THEN,
        last_updated_at=_THEN,
        payload=b'{"Id":"1","DisplayName":"[red]Acme[/red] \\u001b[31m"}',
        source=Source.QUERY,
        request_id="tid",
        fetched_at=_THEN,
    )
    load = Load(
        load_id=LoadId("load-1"),
        realm_id=REALM,
        entity=entity_type("Customer"),
        mode=Mode.FULL,
        run_id=None,
        records=[record],
        watermark=_THEN,
        started_at=_THEN,
    )
    store.commit([load])
    return store
