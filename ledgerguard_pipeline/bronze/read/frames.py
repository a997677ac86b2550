"""Payloads to pandas with exact money: every number is parsed as Decimal from its text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from ledgerguard_pipeline import exact
from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.entities import entity_type

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

HEADER = (
    "realm_id",
    "id",
    "state",
    "sync_token",
    "merged_into",
    "created_at",
    "last_updated_at",
    "fetched_at",
    "loaded_at",
)
"""The columns every frame starts with; the payload's top-level fields follow."""


@dataclass(frozen=True, slots=True)
class FrameQuery:
    """Which rows a frame has: of one company or all, as of a moment, all or the newest ``limit``."""

    entity: str
    realm: str | None
    as_of: datetime | None
    limit: int | None

    def read(
        self, connection: duckdb.DuckDBPyConnection | None, present: Collection[str]
    ) -> tuple[pa.Table, list[str | None]]:
        """Headers and payloads; none where nothing was loaded."""
        base, derived = entity_type(self.entity), statements.derived_entity(self.entity)
        if connection is None or base.table not in present:
            return empty_headers(), []
        given = {"realm": self.realm, "until": self.as_of}
        realm, until = self.realm is not None, self.as_of is not None
        statement = (
            statements.all_rows(base.table, HEADER, derived, realm=realm, until=until)
            if self.limit is None
            else statements.latest_rows(
                base.table, HEADER, derived, self.limit, realm=realm, until=until
            )
        )
        values = {name: value for name, value in given.items() if value is not None}
        table = connection.execute(statement, values).to_arrow_table()
        return table.drop_columns(["payload"]), table.column("payload").to_pylist()


def parse_payload(text: str) -> dict[str, object]:
    """The top-level fields; empty for a text that is no JSON object (its row keeps its header)."""
    try:
        document = exact.value(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def build_frame(headers: pa.Table, payloads: Sequence[str | None], *, by_id: bool) -> pd.DataFrame:
    """Header columns, then one object column per field; a missing field is None.

    ``by_id`` sorts by company and id, short ids first, as numbers sort; else the order stays.
    A field named like a header column gets the suffix ``_field``.
    """
    import pandas as pd

    if by_id and payloads:
        realms, ids = headers.column("realm_id").to_pylist(), headers.column("id").to_pylist()
        order = sorted(range(len(ids)), key=lambda at: (realms[at], len(ids[at]), ids[at]))
        headers = headers.take(order)
        payloads = [payloads[at] for at in order]
    columns: dict[str, list[object]] = {}
    for position, payload in enumerate(payloads):
        if payload is None:
            continue
        for name, value in parse_payload(payload).items():
            cells = columns.get(name)
            if cells is None:
                cells = columns[name] = [None] * len(payloads)
            cells[position] = value
    data: dict[str, pd.Series] = {}
    for name in HEADER:
        cells = headers.column(name)
        if str(cells.type).startswith("timestamp"):
            data[name] = pd.Series(cells.to_pandas(), dtype="datetime64[us, UTC]")
        else:
            data[name] = pd.Series(cells.to_pylist(), dtype=object)
    for name, values in columns.items():
        data[name if name not in data else f"{name}_field"] = pd.Series(values, dtype=object)
    return pd.DataFrame(data)


def exact_frame(rows: pa.Table) -> pd.DataFrame:
    """A table of any columns: exact decimals, instants in UTC, whole numbers and flags that know NULL."""
    import pandas as pd
    import pyarrow as pa

    data: dict[str, pd.Series] = {}
    for name in rows.column_names:
        cells = rows.column(name)
        if pa.types.is_timestamp(cells.type) and cells.type.tz is not None:
            data[name] = pd.Series(cells.to_pandas(), dtype="datetime64[us, UTC]")
        elif pa.types.is_boolean(cells.type):
            data[name] = pd.Series(cells.to_pylist(), dtype="boolean")
        elif pa.types.is_integer(cells.type):
            data[name] = pd.Series(cells.to_pylist(), dtype="Int64")
        elif pa.types.is_floating(cells.type):
            data[name] = pd.Series(cells.to_pylist(), dtype="float64")
        elif pa.types.is_decimal(cells.type):
            values = [None if each is None else exact.plain(each) for each in cells.to_pylist()]
            data[name] = pd.Series(values, dtype=object)
        else:
            data[name] = pd.Series(cells.to_pylist(), dtype=object)
    return pd.DataFrame(data)


def empty_headers() -> pa.Table:
    """No rows, with the columns a frame needs."""
    import pyarrow as pa

    instant = pa.timestamp("us", "UTC")
    return pa.table(
        {name: pa.array([], instant if name.endswith("_at") else pa.string()) for name in HEADER}
    )
