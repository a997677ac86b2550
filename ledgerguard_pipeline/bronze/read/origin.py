"""Which store a database holds: every copy of a store begins with it, and says when that was."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from ledgerguard_pipeline.bronze.statements import SCHEMA, quoted

_READ = "SELECT key, value FROM {}.{}._meta WHERE key IN ('environment', 'created_at')"


@dataclass(frozen=True, slots=True)
class Origin:
    """When a store was laid out, and for whom; it is the same in all its copies, of every release."""

    environment: str
    created_at: str

    def __str__(self) -> str:
        return f"{self.environment}, begun {self.created_at[:19]}"


def read_origin(connection: duckdb.DuckDBPyConnection, catalog: str) -> Origin | None:
    """Of the database attached under this name; None where it is no Bronze store."""
    try:
        rows = connection.execute(_READ.format(quoted(catalog), SCHEMA)).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    found = dict(rows)
    return Origin(str(found.get("environment", "")), str(found.get("created_at", "")))
