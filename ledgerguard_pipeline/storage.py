"""Bronze and Silver in a DuckDB file of the caller's own, without an installation around it.

Decision 46 in docs/decisions.md.
"""

from __future__ import annotations

from pathlib import Path

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.values import Environment, parse_environment

_SCHEMAS = ("bronze", "silver")


class DuckDBStorage(BronzeStore, Closing):
    """A ``BronzeStore`` in the DuckDB file ``db_path``, which the first load creates.

    The file is opened for a moment at each use and closed at once, so notebooks, other processes
    and the ``duckdb`` shell get to it; nothing has to be closed. It belongs to the Intuit
    environment of the client that first writes to it, or to ``environment`` where it is given.
    ``lock_wait_seconds`` is how long another process that holds the file is waited for. With
    ``silver`` the typed tables of schema ``silver`` are kept level with Bronze.
    """

    def __init__(
        self,
        db_path: str | Path,
        environment: Environment | str | None = None,
        *,
        lock_wait_seconds: float = 60.0,
        silver: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Nothing is opened yet.

        Raises:
            BadInputError: it is no path of a file that can be a store.
        """
        super().__init__(
            _file(db_path),
            None if environment is None else parse_environment(environment),
            clock=clock,
            lock_wait_seconds=lock_wait_seconds,
            follower=SilverFollower(clock) if silver else None,
        )

    def close(self) -> None:
        """Nothing is open between two calls; for callers who are used to closing."""

    def __repr__(self) -> str:
        return f"DuckDBStorage({str(self.address)!r})"


def _file(path: object) -> Path:
    if not isinstance(path, str | Path) or not str(path).strip():
        raise BadInputError(
            f"db_path is the path of a DuckDB file, not {type(path).__name__}; for example "
            'DuckDBStorage(db_path="./data/quickbooks.duckdb").'
        )
    text = str(path)
    if text.startswith(":memory:"):
        raise BadInputError(
            "Bronze is not kept in memory: its file is opened for a moment at each use, so that "
            "others can read it. For a trial, name a file in a temporary folder."
        )
    if "://" in text or text.startswith(("ducklake:", "md:")):
        raise BadInputError(
            f"db_path names a file, not {text.partition(':')[0]}: a DuckLake is used through an "
            "installation, with LEDGERGUARD_BRONZE_URL and LedgerGuard.open()."
        )
    file = Path(path).expanduser()
    if file.is_dir():
        raise BadInputError(f"{file} is a folder; name a file in it, such as quickbooks.duckdb.")
    name = file.name.split(".")[0].casefold()
    if name in _SCHEMAS and not file.exists():
        raise BadInputError(
            f"A file called {file.name} could not be asked for {name}.invoice, because DuckDB "
            "names a database after its file; choose another name, such as quickbooks.duckdb."
        )
    return file
