"""Moving a Bronze file into a lake: one transaction, verified before it counts.

The file is held open read-only meanwhile, so nobody can add to it; everything is copied, then
both sides are counted, the hashes of all their values are added up and compared, and every
payload's SHA-256 is computed anew from the copied bytes. Only then is it committed. A move that
is interrupted leaves the lake empty (at most files without owner, which the upkeep deletes) and
may simply be started again. The file itself is never changed.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile, open_memory
from ledgerguard_pipeline.bronze.follower import Follower
from ledgerguard_pipeline.bronze.layout import enter, has_schema
from ledgerguard_pipeline.bronze.maintenance.copy_tables import Content, contents, copy_tables
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import BadInputError, BronzeError
from ledgerguard_pipeline.values import Environment

_LOCK = "the move into the lake"
_FILE = "ledgerguard_file"


def import_file(
    backend: Backend,
    path: Path,
    environment: Environment | None,
    clock: Clock,
    follower: Follower,
) -> dict[str, Content]:
    """Copy the file's store into the empty lake; what each table of Bronze holds now.

    Raises:
        BadInputError: the place is no lake, or holds something; or there is no such file.
        WrongEnvironment: the file belongs to the other environment.
        BronzeBusy, BronzeUnavailable, BronzeError: as ``Backend.write``, or the copy differs.
    """
    if backend.file is not None:
        raise BadInputError("Bronze can only be moved into a DuckLake; give --to ducklake:...")
    if not path.exists():
        raise BadInputError(f"There is no Bronze file at {path} to move.")
    file = BronzeFile(path, connect=open_memory, clock=clock, lock_wait_seconds=5.0)
    # Holding the file's own session keeps every writer out until the copy counts.
    with file.reading() as original:
        present = enter(file, original, environment)
        return backend.write((_LOCK,), lambda lake: _copy(backend, lake, path, present, follower))


def _copy(
    backend: Backend, lake: OpenStore, path: Path, present: set[str], follower: Follower
) -> dict[str, Content]:
    if has_schema(lake):
        raise BadInputError(
            f"{backend.name} already holds a Bronze store; a file can only be moved into an empty "
            "one. Choose another database, or drop that one."
        )
    connection = lake.connection
    source = f"{_FILE}_{os.urandom(4).hex()}"
    target = str(path.resolve()).replace("'", "''")
    connection.execute(f"ATTACH '{target}' AS {source} (READ_ONLY)")
    try:
        connection.execute("BEGIN TRANSACTION")
        try:
            names = copy_tables(connection, source, lake.catalog, present, to_lake=True)
            held = [name for name in names if name in present]
            found = contents(connection, lake.catalog, held)
            _compare(contents(connection, source, held), found)
            follower.bring(lake, source)
            crashpoint("before_move_commit")
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(Exception):
                connection.execute("ROLLBACK")
            raise
        _compare(found, contents(connection, lake.catalog, held))
    finally:
        connection.execute(f"DETACH {source}")
    return found


def _compare(wanted: dict[str, Content], found: dict[str, Content]) -> None:
    different = [name for name in wanted if wanted[name] != found[name]]
    # What was damaged in the file stays as it is; only the copy must not add to it.
    if different:
        raise BronzeError(
            f"The copy of {', '.join(different)} differs from the file, so nothing was moved; "
            "check the disk, then try again."
        )
