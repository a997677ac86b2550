"""The resource by which another project says where its installation is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import Field, PrivateAttr

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.defs.bronze.duckdb_resource import BronzeDuckDB, database_of
from ledgerguard_pipeline.defs.bronze.quickbooks_resource import QuickBooks
from ledgerguard_pipeline.defs.run_context import current_settings, run_scope
from ledgerguard_pipeline.errors import BadInputError, ConfigurationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SETTINGS = {
    "home": "ledgerguard_home",
    "client_id": "intuit_client_id",
    "client_secret": "intuit_client_secret",
    "environment": "intuit_env",
    "redirect_uri": "intuit_redirect_uri",
    "base_url": "intuit_base_url",
    "bronze_url": "ledgerguard_bronze_url",
    "control_url": "ledgerguard_control_url",
    "redis_url": "ledgerguard_redis_url",
    "encryption_keys": "ledgerguard_encryption_keys",
    "snapshot": "ledgerguard_snapshot",
}
_SECRET = {"client_secret", "bronze_url", "control_url", "redis_url", "encryption_keys"}


class QuickBooksBronze(QuickBooks):
    """An installation: its home, its app at Intuit, its stores.

    Fields take text or ``dg.EnvVar``, which is read when something runs. What is left out comes
    from the environment (``INTUIT_CLIENT_ID`` and the other settings of ``.env.example``). A secret
    given as text stays in this object: Dagster, which shows what resources hold, never sees it.

    In assets of your own ask for it as ``quickbooks: QuickBooksBronze`` and read with
    ``quickbooks.get_connection()``.
    """

    home: str | None = Field(default=None, description="Folder of the installation's state.")
    client_id: str | None = Field(default=None, description="The app's client id.")
    client_secret: str | None = Field(default=None, description="The app's client secret.")
    environment: str | None = Field(default=None, description="sandbox or production.")
    redirect_uri: str | None = Field(default=None, description="The app's OAuth callback.")
    base_url: str | None = Field(default=None, description="Replaces every Intuit host.")
    bronze_url: str | None = Field(default=None, description="Bronze: a file or a DuckLake.")
    control_url: str | None = Field(default=None, description="Database of the control plane.")
    redis_url: str | None = Field(default=None, description="Redis for tokens and limits.")
    encryption_keys: str | None = Field(default=None, description="Key ring, newest first.")
    snapshot: str | None = Field(default=None, description="A copy of Bronze that syncs renew.")

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, **data: Any) -> None:
        given = {name: value for name, value in data.items() if name in _SETTINGS}
        hidden = {
            name
            for name, value in given.items()
            if name in _SECRET and not isinstance(value, dg.EnvVar)
        }
        super().__init__(**{name: value for name, value in data.items() if name not in hidden})
        self._given = given

    def settings(self, chosen: Mapping[str, object] | None = None) -> Settings:
        """The settings now; ``chosen`` are others by their names in lower case.

        Raises:
            ConfigurationError: a setting is not usable, or a variable is not set.
        """
        found: dict[str, object] = dict(chosen or {})
        for name, value in self._given.items():
            known = _value(name, value)
            if known is not None:
                found[_SETTINGS[name]] = known
        return load_settings(**found)

    @contextmanager
    def get_connection(self, *, read_only: bool = True) -> Iterator["DuckDBPyConnection"]:
        """A connection to DuckDB with the schemas ``bronze`` and ``silver``, for the block only.

        While it is open for writing nobody else can open the file.

        Raises:
            BronzeBusy: another process held it for longer than a minute.
            BronzeError: nothing was loaded yet, or DuckDB failed inside the block.
        """
        settings = self.settings()
        with run_scope(settings):
            bronze = BronzeDuckDB(database=database_of(settings))
            with bronze.get_connection(read_only=read_only) as connection:
                yield connection

    def require_installation(self) -> None:
        """A run works on the installation of the definitions, as schedules and sensors do."""
        here, there = self.settings(), current_settings()
        other = [
            name
            for name, setting in _SETTINGS.items()
            if getattr(here, setting) != getattr(there, setting)
        ]
        if other:
            raise BadInputError(
                f"The run's configuration changes {', '.join(other)} of {type(self).__name__}. A run "
                "works on the installation that the definitions name; take another one along by "
                "quickbooks_definitions with a prefix of its own."
            )

    def _with_updated_values(self, values: Mapping[str, Any] | None) -> Self:
        """Dagster's copy for a run keeps what this object does not show."""
        copy = super()._with_updated_values(values)
        if not isinstance(copy, type(self)):
            raise TypeError(f"Dagster made {copy!r} of a QuickBooksBronze")
        copy._remember(self._given)  # noqa: SLF001  # of its own class
        return copy

    def _remember(self, given: Mapping[str, object]) -> None:
        self._given = {**given, **self._given}


def settings_of(
    quickbooks: QuickBooksBronze, chosen: Mapping[str, object]
) -> Callable[[], Settings]:
    """Reads the settings whenever something runs."""
    return lambda: quickbooks.settings(chosen)


def _value(name: str, value: object) -> object:
    if not isinstance(value, dg.EnvVar):
        return value
    found = value.get_value()
    if found is None:
        raise ConfigurationError(
            f"The environment variable {value.env_var_name}, which {name} of QuickBooksBronze is "
            "bound to, is not set. Set it where Dagster's code server and its runs are started."
        )
    return found
