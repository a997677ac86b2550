"""Settings of the app at Intuit and of the stores of an installation."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledgerguard_pipeline.config.addresses import secure_url
from ledgerguard_pipeline.config.bronze_url import Address, S3Access, parse_bronze_url
from ledgerguard_pipeline.config.redis_url import redis_address
from ledgerguard_pipeline.config.user_paths import user_path
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.values import Environment

BRONZE_FILE = "quickbooks.duckdb"
"""DuckDB names a database after its file; the schema in it is ``bronze``."""

FORMER_BRONZE_FILE = "bronze.duckdb"
"""The name until 0.1.0: opened by hand, ``bronze.invoice`` could mean the database or the schema."""


class StoreSettings(BaseSettings):
    """Who asks Intuit, and where everything is kept."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    intuit_client_id: str | None = Field(None, description="the app's client id")
    intuit_client_secret: SecretStr | None = Field(None, description="the app's client secret")
    intuit_redirect_uri: str = Field(
        "http://localhost:8000/api/v1/auth/callback", description="OAuth callback"
    )
    intuit_env: Environment = Field(Environment.SANDBOX, description="sandbox or production")
    intuit_webhook_verifier_token: SecretStr | None = Field(
        None, description="one or more verifier tokens, comma separated"
    )
    intuit_base_url: str | None = Field(None, description="replaces every Intuit host")
    ledgerguard_home: Path = Field(
        Path(".ledgerguard"),
        description="all embedded state",
    )
    ledgerguard_control_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the control plane; SQLite in the home if unset",
    )
    ledgerguard_redis_url: SecretStr | None = Field(
        None,
        description="Redis for tokens, leases and limiter; they stay in the control plane if unset",
    )
    ledgerguard_bronze_url: SecretStr | None = Field(
        None,
        description="Bronze store, a file or a DuckLake; a DuckDB file in the home if unset",
    )
    aws_access_key_id: str | None = Field(
        None, description="object store of a DuckLake with data=s3://...: access key"
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, description="object store of a DuckLake: secret key"
    )
    aws_session_token: SecretStr | None = Field(
        None, description="object store of a DuckLake: token of temporary credentials"
    )
    aws_region: str | None = Field(None, description="object store of a DuckLake: region")
    aws_endpoint_url: str | None = Field(
        None, description="object store of a DuckLake: address, if it is not Amazon's"
    )

    @field_validator("intuit_base_url", "aws_endpoint_url")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        return secure_url(value)

    @field_validator("intuit_redirect_uri")
    @classmethod
    def _registered(cls, value: str) -> str:
        secure_url(value)
        return value  # Intuit compares it byte for byte with what is registered

    @field_validator("ledgerguard_home")
    @classmethod
    def _a_folder(cls, value: Path) -> Path:
        return user_path(value)

    @field_validator("ledgerguard_bronze_url")
    @classmethod
    def _a_location(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parse_bronze_url(value.get_secret_value(), given_as="it")
            except ConfigurationError as error:
                raise ValueError(error.message) from None
        return value

    @field_validator("ledgerguard_redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            redis_address(value.get_secret_value())
        return value

    @property
    def bronze_address(self) -> Address:
        """Where Bronze lives: a file, or a lake.

        A home that version 0.1.0 made keeps its ``bronze.duckdb``.

        Raises:
            ConfigurationError: ``LEDGERGUARD_BRONZE_URL`` names neither.
        """
        if self.ledgerguard_bronze_url is None:
            former = self.ledgerguard_home / FORMER_BRONZE_FILE
            return former if former.exists() else self.ledgerguard_home / BRONZE_FILE
        return parse_bronze_url(self.ledgerguard_bronze_url.get_secret_value(), self.object_store)

    def require_home(self) -> None:
        """Refuse a home nobody can work in; definitions load without one.

        Raises:
            ConfigurationError: it is a file, or this user may not look into it.
        """
        home = self.ledgerguard_home
        # Not the methods of Path: they raise where they may not look.
        if os.path.isfile(home):  # noqa: PTH113
            raise ConfigurationError(f"LEDGERGUARD_HOME: {home} is a file; it must be a folder.")
        if os.path.isdir(home) and not os.access(home, os.R_OK | os.X_OK):  # noqa: PTH112
            raise ConfigurationError(
                f"LEDGERGUARD_HOME: {home} may not be opened by this user; name another folder."
            )

    def bronze_address_of(self, url: str, *, given_as: str) -> Address:
        """The address another ``LEDGERGUARD_BRONZE_URL`` would name; errors call it ``given_as``.

        Raises:
            ConfigurationError: it names neither a file nor a lake.
        """
        return parse_bronze_url(url, self.object_store, given_as=given_as)

    @property
    def bronze_path(self) -> Path:
        """The Bronze file, where Bronze is a file.

        Raises:
            ConfigurationError: ``LEDGERGUARD_BRONZE_URL`` names something else.
        """
        address = self.bronze_address
        if not isinstance(address, Path):
            raise ConfigurationError(
                "This needs Bronze in a file; LEDGERGUARD_BRONZE_URL must look like "
                "duckdb:///path/to/quickbooks.duckdb."
            )
        return address

    @property
    def object_store(self) -> S3Access:
        """How ``s3://`` is reached."""

        def shown(value: SecretStr | None) -> str | None:
            return None if value is None else value.get_secret_value()

        return S3Access(
            key_id=self.aws_access_key_id,
            secret=shown(self.aws_secret_access_key),
            session_token=shown(self.aws_session_token),
            region=self.aws_region,
            endpoint=self.aws_endpoint_url,
        )

    def credentials(self) -> tuple[str, str]:
        """Client id and secret.

        Raises:
            ConfigurationError: one of them is not set.
        """
        if not self.intuit_client_id or self.intuit_client_secret is None:
            raise ConfigurationError(
                "INTUIT_CLIENT_ID and INTUIT_CLIENT_SECRET are not set. Copy .env.example to "
                ".env and fill in the keys of your app from Intuit's developer portal."
            )
        return self.intuit_client_id, self.intuit_client_secret.get_secret_value()
