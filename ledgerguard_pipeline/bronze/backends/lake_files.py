"""The files of a lake: those that its catalog names and those that are there.

A catalog that was restored without its data, or with an older copy of it, looks sound until somebody
reads a row whose file is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ledgerguard_pipeline.bronze.backends.writer_locks import connect
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.errors import BronzeUnavailable

_NAMED = """
SELECT s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative
FROM (SELECT table_id, path, path_is_relative FROM ducklake_data_file WHERE end_snapshot IS NULL
      UNION ALL
      SELECT table_id, path, path_is_relative FROM ducklake_delete_file WHERE end_snapshot IS NULL
     ) AS f JOIN ducklake_table AS t USING (table_id) JOIN ducklake_schema AS s USING (schema_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
"""
"""Of the newest snapshot (DuckLake specification 0.3, tables ducklake_data_file and others)."""


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """How many files the catalog names, and which of them are not there."""

    named: int
    missing: tuple[Path, ...]


def lake_files(address: LakeAddress) -> LakeFiles | None:
    """None where there is no lake yet, or its files are in an object store and not looked for.

    Raises:
        BronzeUnavailable: the catalog does not answer.
    """
    if address.on_s3:
        return None
    try:
        with connect(address) as connection:
            found = connection.execute(_NAMED).fetchall()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.Error as error:
        raise BronzeUnavailable(f"{address} (LEDGERGUARD_BRONZE_URL) does not answer.") from error
    files = [_path(address.data, list(zip(row[::2], row[1::2], strict=True))) for row in found]
    return LakeFiles(len(files), tuple(each for each in files if not each.exists()))


def _path(data: str, levels: Sequence[tuple[str, bool]]) -> Path:
    """``levels``: a path, and whether it begins at the level above, of schema, table and file."""
    path = data
    for part, relative in levels:
        path = path + part if relative else part
    return Path(path)
