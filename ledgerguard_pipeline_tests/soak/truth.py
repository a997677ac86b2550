"""Bronze against the books: what is lost, stale, doubled, or in a state it should not be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.api.control import TruthLine
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline_tests.ingestion.company_books import kept

_GONE = ("deleted", "merged")
_DATED_BEFORE_SECONDS = 5
"""An edit that follows a page is dated as of its request, and times are whole seconds."""


class Wrong(StrEnum):
    """How Bronze can differ from the books."""

    LOST = "lost"
    """The object exists and Bronze has never heard of it."""
    STALE = "stale"
    """Bronze holds an older version."""
    BURIED_ALIVE = "buried alive"
    """The object exists and Bronze calls it gone."""
    UNDEAD = "undead"
    """The object is gone and Bronze calls it alive."""
    ALTERED = "altered"
    """The same version in other bytes."""
    STATE = "wrong state"
    """Alive on both sides, and active on one only."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that differs; ``sweep`` says that a sync for changes had to find it."""

    wrong: Wrong
    realm: str
    entity: str
    id: str
    detail: str
    sweep: bool

    @property
    def name(self) -> str:
        """What the journal calls the object."""
        return f"{self.realm}/{self.entity}/{self.id}"

    def __str__(self) -> str:
        return f"{self.wrong.value}: {self.entity} {self.id} of {self.realm}, {self.detail}"


@dataclass(frozen=True, slots=True)
class Held:
    """What Bronze holds of one object: its newest version, and its payload where it is current."""

    state: str
    sync_token: str
    updated: datetime | None
    payload: bytes | None


def compare(
    installation: Installation, sandbox: SandboxHandle, realms: Sequence[str]
) -> list[Difference]:
    """Every difference of every type, companies in order."""
    held = _held(installation)
    return [
        difference
        for realm in realms
        for entity in installation.settings.kept_entities
        for difference in _differences(sandbox, realm, entity, held.get((entity.name, realm), {}))
    ]


def compared(installation: Installation, sandbox: SandboxHandle, realms: Sequence[str]) -> int:
    """How many living objects there are to compare."""
    names = {entity.name for entity in installation.settings.kept_entities}
    return sum(
        count
        for company in sandbox.companies()
        if str(company["realm"]) in realms and isinstance(company["rows"], dict)
        for name, count in company["rows"].items()
        if name in names
    )


def unread(
    installation: Installation, sandbox: SandboxHandle, realm: str, name: str
) -> tuple[int, list[Difference]]:
    """How many objects of a type are older than its watermark, and those Bronze never heard of.

    A watermark says that whatever is older was read. A later sync may come upon what an earlier
    one missed, so this is asked at once. None are older where there is no watermark yet.
    """
    entity = entity_type(name)
    (watermark,) = installation.bronze.sql(
        "SELECT max(watermark) FROM bronze._watermarks "
        f"WHERE realm_id = '{realm}' AND entity = '{name}'"
    ).rows[0]
    if not isinstance(watermark, datetime):
        return 0, []
    ids = installation.bronze.sql(
        f"SELECT DISTINCT id FROM bronze.\"{entity.table}\" WHERE realm_id = '{realm}'"
    ).rows
    heard_of = {str(row[0]) for row in ids}
    last = int(watermark.timestamp()) - _DATED_BEFORE_SECONDS
    lines = sandbox.truth(name, realm).rows
    older = [line for id, line in sorted(lines.items()) if line.updated <= last]
    return len(older), [
        Difference(
            Wrong.LOST,
            realm,
            name,
            line.id,
            f"unchanged since {datetime.fromtimestamp(line.updated, UTC)}, the watermark is "
            f"{watermark} and its version {line.sync_token} was nowhere",
            sweep=True,
        )
        for line in older
        if line.id not in heard_of
    ]


def doubled(installation: Installation) -> list[str]:
    """Objects that the current view of their type shows more than once."""
    rows = _each(
        installation,
        "SELECT '{name}', realm_id, id FROM bronze.\"{table}_current\" "
        "GROUP BY ALL HAVING count(*) > 1",
    )
    return [f"{realm}/{name}/{id}" for name, realm, id in rows]


def _differences(
    sandbox: SandboxHandle, realm: str, entity: EntityType, held: dict[str, Held]
) -> list[Difference]:
    truth = sandbox.truth(entity.name, realm)
    bodies = kept(truth.bodies())
    found = []
    for id in sorted(truth.rows.keys() | held.keys()):
        wrong = judge(entity, truth.rows.get(id), bodies.get(id), held.get(id))
        if wrong is not None:
            kind, detail, sweep = wrong
            found.append(Difference(kind, realm, entity.name, id, detail, sweep))
    return found


def judge(
    entity: EntityType, line: TruthLine | None, body: bytes | None, row: Held | None
) -> tuple[Wrong, str, bool] | None:
    swept = entity.cdc and entity.timestamps and entity.identified and not entity.day_times
    gone = row is None or row.state in _GONE
    if line is None:
        if row is None or gone:
            return None
        return Wrong.UNDEAD, f"Bronze has it as {row.state}", swept
    if row is None:
        return Wrong.LOST, f"its version {line.sync_token} is nowhere", swept
    if gone:
        return Wrong.BURIED_ALIVE, f"Bronze has it as {row.state} since {row.updated}", swept
    if row.payload != body:
        updated = None if row.updated is None else int(row.updated.timestamp())
        same = not swept or (updated, row.sync_token) == (line.updated, str(line.sync_token))
        detail = (
            f"Bronze has version {row.sync_token} of {row.updated}, the books version "
            f"{line.sync_token} of {datetime.fromtimestamp(line.updated, UTC)}"
        )
        return (Wrong.ALTERED if same else Wrong.STALE), detail, not same
    if entity.soft_delete and line.active != (row.state == "active"):
        return Wrong.STATE, f"Bronze calls it {row.state}", swept
    return None


def _held(installation: Installation) -> dict[tuple[str, str], dict[str, Held]]:
    """The newest version of every object ever stored, by entity type and company."""
    newest = _each(
        installation,
        "SELECT '{name}', realm_id, id, state, sync_token, last_updated_at FROM bronze.\"{table}\" "
        "QUALIFY row_number() OVER (PARTITION BY realm_id, id ORDER BY loaded_at DESC) = 1",
    )
    current = _each(
        installation, "SELECT '{name}', realm_id, id, payload FROM bronze.\"{table}_current\""
    )
    payloads = {(name, realm, id): payload for name, realm, id, payload in current}
    found: dict[tuple[str, str], dict[str, Held]] = {}
    for name, realm, id, state, token, updated in newest:
        payload = payloads.get((name, realm, id))
        found.setdefault((str(name), str(realm)), {})[str(id)] = Held(
            str(state),
            str(token),
            updated if isinstance(updated, datetime) else None,
            None if payload is None else str(payload).encode(),
        )
    return found


def _each(installation: Installation, statement: str) -> list[tuple[object, ...]]:
    """The answers of one statement on every type that has a table, as one answer."""
    tables = {
        str(row[0])
        for row in installation.bronze.sql(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'bronze'"
        ).rows
    }
    selects = [
        statement.format(name=entity.name, table=entity.table)
        for entity in installation.settings.kept_entities
        if entity.table in tables
    ]
    if not selects:
        return []
    return installation.bronze.sql(" UNION ALL ".join(f"({each})" for each in selects)).rows
