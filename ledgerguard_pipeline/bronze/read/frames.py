"""Payloads to pandas with exact money: every number is parsed as Decimal from its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ledgerguard_pipeline import exact

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


def empty_headers() -> pa.Table:
    """No rows, with the columns a frame needs."""
    import pyarrow as pa

    instant = pa.timestamp("us", "UTC")
    return pa.table(
        {name: pa.array([], instant if name.endswith("_at") else pa.string()) for name in HEADER}
    )
