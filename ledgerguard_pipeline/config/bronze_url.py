"""Where Bronze lives: a DuckDB file, or a DuckLake with its catalog in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ledgerguard_pipeline.config.user_paths import user_path
from ledgerguard_pipeline.errors import ConfigurationError

_SETTING = "LEDGERGUARD_BRONZE_URL"
_FILE = "duckdb:///"
_LAKE = "ducklake:"
_SHAPES = (
    "duckdb:///path/to/quickbooks.duckdb or "
    "ducklake:postgres:host=db.example dbname=lake user=ledgerguard;data=/data/lake "
    "(data=s3://bucket/folder for object storage)"
)


@dataclass(frozen=True, slots=True)
class S3Access:
    """Credentials of an object store; each is None where it is not set."""

    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    """URL of an S3-compatible store; Amazon's own where None."""


@dataclass(frozen=True, slots=True)
class LakeAddress:
    """A DuckLake: libpq parameters of its catalog without the password, and its data path.

    ``data`` is an absolute folder that every host sees under the same name, or ``s3://...``;
    it ends with a slash. ``str`` of an address never shows the password.
    """

    catalog: tuple[tuple[str, str], ...]
    data: str
    password: str | None = field(default=None, repr=False)
    s3: S3Access = field(default=S3Access(), repr=False)

    @property
    def on_s3(self) -> bool:
        return self.data.startswith("s3://")

    def __str__(self) -> str:
        catalog = dict(self.catalog)
        where = catalog.get("host", "localhost") + (
            f":{catalog['port']}" if "port" in catalog else ""
        )
        return f"DuckLake {where}/{catalog.get('dbname', '')} with data in {self.data}"


Address = Path | LakeAddress


def parse_bronze_url(url: str, s3: S3Access | None = None, *, given_as: str = _SETTING) -> Address:
    """The address a ``LEDGERGUARD_BRONZE_URL`` names; errors call it as it was ``given_as``.

    Raises:
        ConfigurationError: it has neither form; the message never repeats the value.
    """
    if url.startswith(_FILE) and url != _FILE:
        return _path(url.removeprefix(_FILE), given_as)
    if not url.startswith((_LAKE + "postgres:", _LAKE + "postgresql:")):
        raise ConfigurationError(f"{given_as} must look like {_SHAPES}.")
    dsn, separator, data = url.removeprefix(_LAKE).rpartition(";data=")
    if not separator or not data.strip():
        raise ConfigurationError(
            f"{given_as} names a DuckLake without its data path; add "
            ";data=/data/lake or ;data=s3://bucket/folder at its end."
        )
    catalog = _catalog(dsn, given_as)
    password = catalog.pop("password", None)
    return LakeAddress(
        tuple(sorted(catalog.items())),
        _data_path(data.strip(), given_as),
        password,
        s3 or S3Access(),
    )


def _catalog(dsn: str, given_as: str) -> dict[str, str]:
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    text = dsn if dsn.startswith(("postgres://", "postgresql://")) else dsn.partition(":")[2]
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(text).items()}
    except Error:
        found = {}
    if "dbname" not in found:
        raise ConfigurationError(
            f"The catalog in {given_as} cannot be understood or names no database; "
            f"write it like {_SHAPES}."
        )
    return found


def _data_path(data: str, given_as: str) -> str:
    if data.startswith("s3://"):
        if not data.removeprefix("s3://").strip("/"):
            raise ConfigurationError(
                f"The data path of {given_as} names no bucket; write ;data=s3://bucket/folder."
            )
        return data.rstrip("/") + "/"
    if "://" in data:
        raise ConfigurationError(
            f"The data path of {given_as} must be a folder or s3://bucket/folder."
        )
    return str(_path(data, given_as).absolute()).rstrip("/") + "/"


def _path(text: str, given_as: str) -> Path:
    try:
        return user_path(text)
    except ValueError as error:
        raise ConfigurationError(f"The path in {given_as} cannot be used: {error}.") from None
