"""dagster-duckdb's resource for the Bronze file.

The stock resource leaves the file locked when the body of ``get_connection`` raises, backs off
without jitter, cannot open read-only, and tags its connections so that a plain connection to the
same file in the same process is refused. Here Bronze's own rules of opening apply: one user at a
time per process, jittered waiting for other processes up to a limit that names the holder, and
closing whatever happens.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_duckdb import DuckDBResource
from pydantic import Field

from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile, open_memory
from ledgerguard_pipeline.bronze.backends.kept_instance import Connect
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from ledgerguard_pipeline.bronze.backends.base import OpenStore


LAKE = "ducklake"
"""Stands for the address of a lake, which runs take from the settings."""


class BronzeDuckDB(DuckDBResource):
    """Connections to Bronze, for the entity assets and for assets built on top of them.

    ``get_connection(read_only=True)`` is what downstream assets want; they see the schema
    ``bronze``. Fetch first and open late: while the file is open for writing nobody else can
    open it.
    """

    lock_wait_seconds: float = Field(
        default=60.0, ge=0, description="How long to wait for another process, in seconds."
    )

    @classmethod
    def _is_dagster_maintained(cls) -> bool:
        return False

    def connector(self) -> Connect:
        """Supplies the connections of ``BronzeStore``, with this resource's DuckDB options."""
        options = {name: str(value) for name, value in self.connection_config.items()}

        def connect(path: Path, read_only: bool) -> "DuckDBPyConnection":  # noqa: FBT001  # a Connect
            connection = open_memory(path, read_only)
            for name, value in options.items():
                connection.execute(f"SET {_name(name)} = ?", [value])
            return connection

        return connect

    @contextmanager
    def get_connection(self, *, read_only: bool = False) -> Iterator["DuckDBPyConnection"]:
        """Bronze, open for the block only; of a lake, writing locks out nobody else.

        Raises:
            BronzeBusy: another process held it for longer than ``lock_wait_seconds``.
            BronzeError: it cannot be opened, or DuckDB failed inside the block.
        """
        with self._opened(read_only=read_only) as session:
            session.connection.execute(f'USE "{session.catalog}"')
            yield session.connection

    def _opened(self, *, read_only: bool) -> AbstractContextManager["OpenStore"]:
        if self.database != LAKE:
            return BronzeFile(
                Path(self.database),
                connect=self.connector(),
                clock=SYSTEM_CLOCK,
                lock_wait_seconds=self.lock_wait_seconds,
            ).session(read_only=read_only)
        from ledgerguard_pipeline.bronze.backends.ducklake import DuckLake

        address = current_settings().bronze_address
        if not isinstance(address, LakeAddress):
            raise ConfigurationError("LEDGERGUARD_BRONZE_URL named a DuckLake when this started.")
        lake = DuckLake(address, clock=SYSTEM_CLOCK, wait_seconds=self.lock_wait_seconds)
        return lake.reading() if read_only else lake.writing()


def database_of(settings: Settings) -> str:
    """The file's path; of a lake only that it is one: Dagster shows what resources hold."""
    address = settings.bronze_address
    return str(address) if isinstance(address, Path) else LAKE


def _name(option: str) -> str:
    if not option.isidentifier():
        raise ValueError(f"{option!r} is not the name of a DuckDB option")
    return option
