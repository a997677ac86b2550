"""Reading a copy of Bronze and Silver that is replaced while somebody reads it.

The copy is attached read-only by an instance of DuckDB of its own, so neither a sync nor another
reader ever waits. A new copy is a new file under the same name; who has the older one open keeps it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ledgerguard_pipeline.bronze.loads import distinct
from ledgerguard_pipeline.bronze.read.frames import exact_frame
from ledgerguard_pipeline.bronze.read.origin import Origin, read_origin
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Relation = duckdb.DuckDBPyRelation

GENERATIONS = 3
"""Copies that stay open: a relation lives as long as the copy it was made of."""

_CATALOG = "books"


class SnapshotReader(Closing):
    """Reads the newest copy at ``path``; ``renew`` brings it up to date first. Thread-safe.

    ``accept`` is asked of each copy, by the store it is of, before anything of it is read.
    """

    def __init__(
        self,
        path: Path,
        renew: Callable[[], None],
        accept: Callable[[Origin | None], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._renew = renew
        self._accept = accept
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._open: deque[duckdb.DuckDBPyConnection] = deque()

    def relation(self, query: str) -> Relation:
        """The answer to one reading statement, as a relation that goes on being refined.

        It reads the copy it was made of, until newer ones have been read ``GENERATIONS`` times.

        Raises:
            BadInputError: nothing was loaded yet, the copy is another store's, or DuckDB refuses the
                statement.
        """
        with self._lock:
            connection = self._connection()
        try:
            found = connection.sql(query)
        except duckdb.Error as error:
            raise BadInputError(f"DuckDB refuses the query: {_first_line(error)}") from None
        if found is None:
            raise BadInputError("A query reads: SELECT, FROM, WITH or VALUES.")
        return found

    def pandas(self, query: str) -> pd.DataFrame:
        """The same as a DataFrame; numbers with decimals are ``Decimal``, every digit of them.

        Columns that a join repeats get names of their own: ``id``, ``id_2``.

        Raises:
            BadInputError: as ``relation``.
        """
        return exact_frame(_distinct_columns(self.relation(query)))

    def polars(self, query: str) -> pl.DataFrame:
        """The same as a DataFrame of polars, which has exact decimals itself.

        Raises:
            BadInputError: as ``relation``, or polars is not installed.
        """
        found = self.relation(query)
        try:
            import polars as pl
        except ModuleNotFoundError:
            raise BadInputError("polars is not installed here: `pip install polars`.") from None
        frame = pl.from_arrow(_distinct_columns(found))
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"polars made {type(frame).__name__} of a table")
        return frame

    def close(self) -> None:
        """Close every copy; relations made of them cannot be used after."""
        with self._lock:
            while self._open:
                self._open.pop().close()
            self._seen = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        """To the newest copy, opened if it was replaced."""
        self._renew()
        try:
            stat = self.path.stat()
        except OSError:
            raise BadInputError(
                f"There is no copy to read at {self.path}: nothing was loaded yet (run `ledgerguard sync`, or "
                "open the home in which something was), or none can be made there (`ledgerguard doctor`)."
            ) from None
        seen = stat.st_ino, stat.st_mtime_ns
        if seen != self._seen or not self._open:
            connection = duckdb.connect()
            target = str(self.path).replace("'", "''")
            connection.execute(f"ATTACH '{target}' AS {_CATALOG} (READ_ONLY)")
            self._accept(read_origin(connection, _CATALOG))
            connection.execute(f"USE {_CATALOG}.bronze")
            connection.execute("SET TimeZone = 'UTC'")
            self._open.append(connection)
            self._seen = seen
            while len(self._open) > GENERATIONS:
                self._open.popleft().close()
        return self._open[-1]


def _distinct_columns(found: Relation) -> pa.Table:
    table = found.to_arrow_table()
    return table.rename_columns(distinct(table.column_names))


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]
