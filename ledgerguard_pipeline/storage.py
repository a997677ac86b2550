"""Bronze and Silver in a DuckDB file of the caller's own, without an installation around it.

Decision 46 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.frames import read_frame
from ledgerguard_pipeline.values import Environment, RealmId, parse_environment

if TYPE_CHECKING:
    import pandas as pd

Layer = Literal["bronze", "silver"]

_SCHEMAS = ("bronze", "silver")


class LayeredStore(BronzeStore):
    """A ``BronzeStore`` whose frames are of either layer."""

    def frame(
        self,
        entity: str,
        realm_id: RealmId | str | None = None,
        as_of: datetime | None = None,
        *,
        limit: int | None = None,
        layer: Layer = "bronze",
    ) -> pd.DataFrame:
        """The living objects of an entity type, as ``BronzeStore.frame`` has them, or of Silver.

        With ``layer="silver"`` it is a typed table: ``entity`` may be an entity type
        (``"Invoice"``), a table (``"invoice_line"``) or a view (``"ar_open"``);
        ``ledgerguard tables`` lists them. Numbers are exact ``Decimal``.

        Raises:
            BadInputError: unknown name or layer, or ``as_of`` with Silver, which holds only what
                exists now.
        """
        if layer == "bronze":
            return super().frame(entity, realm_id, as_of, limit=limit)
        if layer != "silver":
            raise BadInputError(f'`layer` is "bronze" or "silver", not {layer!r}.')
        if as_of is not None:
            raise BadInputError(
                "Silver holds what exists now; `as_of` is answered by Bronze, with layer='bronze'. "
                "Open balances on a day: silver.ar_open_as_of and silver.ap_open_as_of."
            )
        realm = None if realm_id is None else str(realm_id)
        return read_frame(self.workspace, entity, realm, limit)


class DuckDBStorage(LayeredStore, Closing):
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
