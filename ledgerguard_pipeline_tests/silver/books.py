"""Bronze with Silver behind it, filled with payloads of a test's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.bronze.loads import LoadOutcome
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.values import Environment, Mode, Record, Source, State

REALM = "9341453474484455"
OTHER_REALM = "9341453474484456"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def store_at(path: Path) -> BronzeStore:
    """A file store that keeps Silver."""
    return BronzeStore(path, Environment.SANDBOX, follower=SilverFollower())


class Books:
    """Versions written one after the other, each newer than all before."""

    def __init__(self, store: BronzeStore) -> None:
        self.store = store
        self._edits = 0

    def later(self, edits: int) -> None:
        """Go on as if so many edits had been made already."""
        self._edits += edits

    def write(
        self,
        entity: str,
        payloads: Mapping[str, object] | Iterable[tuple[str, object]],
        *,
        realm: str = REALM,
        state: State = State.ACTIVE,
    ) -> LoadOutcome:
        """Payloads by id: texts as they are, anything else as JSON."""
        self._edits += 1
        given = payloads.items() if isinstance(payloads, Mapping) else payloads
        return self.commit(
            entity,
            [self._record(id, payload, state) for id, payload in given],
            realm=realm,
        )

    def write_all(self, payloads: Mapping[str, Mapping[str, object]]) -> None:
        """Payloads by entity type and id, of the usual company, in one commit."""
        self._edits += 1
        self.store.commit(
            [
                self._load(
                    entity,
                    [self._record(id, payload, State.ACTIVE) for id, payload in given.items()],
                    REALM,
                    None,
                )
                for entity, given in payloads.items()
            ]
        )

    def bury(
        self, entity: str, *ids: str, realm: str = REALM, state: State = State.DELETED
    ) -> LoadOutcome:
        """Tombstones."""
        self._edits += 1
        return self.commit(entity, [self._record(id, None, state) for id in ids], realm=realm)

    def fill(self, company: SandboxCompany, entities: Iterable[EntityType] = ENTITIES) -> None:
        """All objects of a sandbox company in one commit, as a first load brings them."""
        self._edits += 1
        loads = []
        for entity in entities:
            table = company.tables.get(entity.name)
            bodies = (
                {} if table is None else {id: table.body(row) for id, row in table.rows.items()}
            )
            records = [
                self._record(
                    id,
                    body.decode(),
                    State.VOIDED if b'"PrivateNote":"Voided' in body else State.ACTIVE,
                )
                for id, body in bodies.items()
            ]
            loads.append(self._load(entity.name, records, company.realm_id, NOON))
        self.store.commit(loads)

    def commit(
        self,
        entity: str,
        records: list[Record],
        *,
        realm: str = REALM,
        watermark: datetime | None = None,
    ) -> LoadOutcome:
        (outcome,) = self.store.commit([self._load(entity, records, realm, watermark)])
        return outcome

    def _load(
        self, entity: str, records: list[Record], realm: str, watermark: datetime | None
    ) -> Load:
        return Load(
            load_id=f"load-{entity}-{self._edits}",
            realm_id=realm,
            entity=entity_type(entity),
            mode=Mode.QUERY,
            run_id=None,
            records=records,
            started_at=NOON,
            watermark=watermark,
        )

    def rows(self, table: str, *columns: str, where: str = "true") -> list[tuple[object, ...]]:
        """Rows of a Silver table, in the order of their keys."""
        found = table.removeprefix("v_")
        key = [
            column
            for entity in ("Invoice",)
            for one in tables_of(entity).tables
            if one.name == found
            for column in one.key
        ] or ["realm_id", "id"]
        names = ", ".join(f'"{each}"' for each in columns) or "*"
        return self.store.sql(
            f'SELECT {names} FROM silver."{table}" WHERE {where} ORDER BY {", ".join(key)}'
        ).rows

    def misfits(self) -> set[tuple[str, str, str]]:
        """Id, path and text of what fits nowhere."""
        rows = self.store.sql("SELECT id, path, text FROM silver._misfits").rows
        return {(str(id), str(path), str(text)) for id, path, text in rows}

    def _record(self, id: str, payload: object, state: State) -> Record:
        text = payload if isinstance(payload, str) or payload is None else as_json(payload)
        changed = NOON + timedelta(seconds=self._edits)
        return Record(
            id=id,
            sync_token=None if payload is None else str(self._edits),
            state=state,
            created_at=NOON,
            last_updated_at=changed,
            payload=None if text is None else text.encode(),
            source=Source.QUERY,
            request_id="tid",
            fetched_at=changed,
        )


def as_json(value: object) -> str:
    """JSON in which a Decimal stands with all its digits."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(k)}:{as_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_json, value)) + "]"
    return json.dumps(value)
