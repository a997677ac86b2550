"""What is in the place of a copy: only an older copy of the same store gives way to a new one.

Decision 114 in docs/decisions.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile, open_memory
from ledgerguard_pipeline.bronze.maintenance.forgetting import tables_of
from ledgerguard_pipeline.bronze.read.origin import Origin, read_origin
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import BadInputError, BronzeBusy, BronzeError
from ledgerguard_pipeline.values import RealmId

_MAGIC = b"DUCK"
"""Of a DuckDB file, after the checksum of its first block."""
_MAGIC_AT = 8
_WAIT_SECONDS = 2.0
_OURS = ("bronze", "silver")
_NAMES = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND database_name = {0} "
    "UNION SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal AND database_name = {0} "
    "UNION SELECT schema_name, function_name FROM duckdb_functions() "
    "WHERE NOT internal AND database_name = {0}"
)


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """A DuckDB database in the place of a copy: whose it is, and its tables that are not ours."""

    path: Path
    origin: Origin | None
    others: frozenset[str]
    empty: bool

    def refuse(self, mine: Origin | None, copied: frozenset[str], *, of_any_store: bool) -> None:
        """Keep it, unless the store of ``mine`` made it; ``copied`` are tables of others in the store.

        Raises:
            BadInputError: it holds anything that a copy of this store would not bring back.
        """
        if self.empty:
            return
        if self.origin is None:
            raise BadInputError(
                f"{self.path} is a DuckDB database of its own and no copy of Bronze, so it stays as it is; "
                "name another file."
            )
        if self.origin != mine and not of_any_store:
            raise BadInputError(
                f"{self.path} is a copy of another Bronze store ({self.origin}), so it stays as it is. Name "
                "another file, or delete that copy if nobody needs it any more."
            )
        lost = sorted(self.others - copied)
        if lost:
            raise BadInputError(
                f"{self.path} has tables that a copy would not bring back ({', '.join(lost[:3])}), so it "
                "stays as it is. Keep them in a database of their own that attaches the copy, or name "
                "another file."
            )


def look_at(path: Path, clock: Clock) -> CopyTarget | None:
    """What is there; None where that is nothing.

    Raises:
        BadInputError: it is another kind of file, or a database that cannot be read.
        BronzeBusy: another process has it open for writing.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    with path.open("rb") as file:
        if file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] != _MAGIC:
            raise BadInputError(
                f"{path} is no DuckDB file, so it stays as it is; name another file."
            )
    try:
        with _opened(path, clock).reading() as session:
            names = _names(session.connection, session.catalog)
            origin = read_origin(session.connection, session.catalog)
    except BronzeBusy:
        raise
    except BronzeError as error:
        raise BadInputError(
            f"{path} cannot be read as a copy of Bronze, so it stays as it is. {error.message}"
        ) from error
    return CopyTarget(path, origin, _of_others(names), empty=not names)


def has_rows_of(path: Path, realm: RealmId, clock: Clock) -> bool:
    """Whether this Bronze database has anything of a company.

    Raises:
        BronzeBusy, BronzeError: it cannot be read.
    """
    with _opened(path, clock).reading() as session:
        return bool(tables_of(session, realm))


def _opened(path: Path, clock: Clock) -> BronzeFile:
    # As a store is opened: it may be one, of this process even, and is not to lose its lock.
    return BronzeFile(path, connect=open_memory, clock=clock, lock_wait_seconds=_WAIT_SECONDS)


def others_in(connection: duckdb.DuckDBPyConnection, catalog: str) -> frozenset[str]:
    """Tables of others that stand in a Bronze file beside ours, which its copies have, too."""
    return _of_others(_names(connection, catalog))


def check_target(workspace: Workspace, path: Path) -> None:
    """Whether the copy of this store may be at ``path``.

    Raises:
        BadInputError: what is there stays.
        BronzeBusy, BronzeUnavailable: that cannot be found out now.
    """
    target = look_at(path, workspace.clock)
    if target is None:
        return
    with workspace.read(binds=False) as view:
        mine, copied = None, frozenset[str]()
        if view is not None:
            mine = read_origin(view.connection, view.catalog)
            copied = others_in(view.connection, view.catalog)
    target.refuse(mine, copied, of_any_store=False)


def _names(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str]]:
    text = "'" + catalog.replace("'", "''") + "'"
    return connection.execute(_NAMES.format(text)).fetchall()


def _of_others(names: list[tuple[str, str]]) -> frozenset[str]:
    return frozenset(f"{schema}.{name}" for schema, name in names if schema not in _OURS)
