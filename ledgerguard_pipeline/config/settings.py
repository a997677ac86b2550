"""Every setting, read once from the environment (and ``.env``) and validated as a whole."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ledgerguard_pipeline.config.addresses import is_loopback, port_fits
from ledgerguard_pipeline.config.bronze_url import Address, LakeAddress, S3Access, parse_bronze_url
from ledgerguard_pipeline.config.redis_url import redis_address
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import BadInputError, ConfigurationError
from ledgerguard_pipeline.observability.redaction import register_setting
from ledgerguard_pipeline.values import Environment

Cadence = Literal["monthly", "weekly", "daily"]
BRONZE_FILE = "quickbooks.duckdb"
"""DuckDB names a database after its file; the schema in it is ``bronze``."""

FORMER_BRONZE_FILE = "bronze.duckdb"
"""The name until 0.1.0: opened by hand, ``bronze.invoice`` could mean the database or the schema."""

SWEEP_MINUTES = (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720)
"""Spans that divide an hour or a day evenly, as a schedule needs them."""


class Settings(BaseSettings):
    """The configuration of one installation. Build it with ``load_settings``."""

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
    ledgerguard_encryption_keys: SecretStr | None = Field(
        None,
        description="key ring, newest first; a key file in the home if unset",
    )
    ledgerguard_admin_token: SecretStr | None = Field(
        None,
        description="needed for pages and actions beyond loopback",
    )
    ledgerguard_entities: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="entity types to keep, comma separated; all if unset",
    )
    ledgerguard_partition_cadence: Cadence = Field(
        "monthly",
        description="length of a partition window",
    )
    ledgerguard_start_date: date = Field(
        date(2026, 1, 1),
        description="first partition window",
    )
    ledgerguard_max_requests_per_minute: int = Field(
        480,
        ge=1,
        le=100_000,
        description="calls a minute and company (Intuit allows 500)",
    )
    ledgerguard_max_requests_per_second: int = Field(
        9,
        ge=1,
        le=10_000,
        description="calls a second and company (Intuit allows 10)",
    )
    ledgerguard_max_batches_per_minute: int = Field(
        38,
        ge=1,
        le=100_000,
        description="batch calls a minute and company (Intuit allows 40)",
    )
    ledgerguard_max_concurrent_requests: int = Field(
        8,
        ge=1,
        le=64,
        description="calls in flight per company (Intuit allows 10)",
    )
    ledgerguard_monthly_call_budget: int = Field(
        500_000,
        ge=1,
        description="metered reads a month, all companies together",
    )
    ledgerguard_custom_fields: Literal["all", "first-three"] = Field(
        "all",
        description="custom fields read of forms, customers and vendors: all or first-three",
    )
    ledgerguard_silver: Literal["on", "off"] = Field("on", description="typed tables: on or off")
    ledgerguard_snapshot: Path | None = Field(
        None, description="a copy of Bronze, renewed after each sync that changed something"
    )
    ledgerguard_samples: Literal["on", "off"] | None = Field(
        None, description="samples of rows in Dagster's event log; off in production if unset"
    )
    ledgerguard_sweep_above: int = Field(
        20,
        ge=0,
        description="more companies than this are synced by sweeps instead of a run each",
    )
    ledgerguard_sweep_shards: int = Field(
        1,
        ge=1,
        le=1_000,
        description="runs a sweep is cut into, each with its own part of the companies",
    )
    ledgerguard_sweep_minutes: int = Field(
        15,
        description="how often changes are swept; webhooks come within seconds all the same",
    )

    ledgerguard_alert_webhook_url: SecretStr | None = Field(
        None,
        description="where alerts go as signed JSON",
    )
    ledgerguard_alert_webhook_secret: SecretStr | None = Field(
        None,
        description="signs alerts sent to the webhook (HMAC-SHA256)",
    )
    ledgerguard_alert_slack_url: SecretStr | None = Field(
        None,
        description="incoming webhook of Slack, or of anything that takes its format",
    )
    ledgerguard_smtp_url: SecretStr | None = Field(
        None,
        description="mail server for alerts: smtp(s)://user:password@host:port",
    )
    ledgerguard_alert_email_from: str | None = Field(None, description="sender of alert mails")
    ledgerguard_alert_email_to: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="recipients of alert mails, comma separated",
    )
    ledgerguard_public_url: str | None = Field(
        None,
        description="where people reach the web edge, for links in alerts",
    )
    ledgerguard_dagster_url: str | None = Field(
        None,
        description="where people reach Dagster's UI, for links to runs",
    )

    @field_validator("ledgerguard_entities", "ledgerguard_alert_email_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip()) or None
        return value

    @field_validator("ledgerguard_entities")
    @classmethod
    def _known(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None:
            try:
                entity_types(value)
            except BadInputError as error:
                raise ValueError(error.message) from None
        return value

    @field_validator("ledgerguard_bronze_url")
    @classmethod
    def _a_location(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                parse_bronze_url(value.get_secret_value())
            except ConfigurationError as error:
                raise ValueError(error.message.removeprefix("LEDGERGUARD_BRONZE_URL ")) from None
        return value

    @field_validator("ledgerguard_snapshot")
    @classmethod
    def _a_copy(cls, value: Path | None) -> Path | None:
        if value is not None and value.name.split(".")[0].casefold() == "bronze":
            raise ValueError("DuckDB could not tell a file called bronze from the schema in it")
        return None if value is None else value.absolute()

    @field_validator("ledgerguard_sweep_minutes")
    @classmethod
    def _even(cls, value: int) -> int:
        if value not in SWEEP_MINUTES:
            raise ValueError(f"it must be one of {', '.join(map(str, SWEEP_MINUTES))}")
        return value

    @field_validator(
        "intuit_base_url",
        "intuit_redirect_uri",
        "ledgerguard_public_url",
        "aws_endpoint_url",
    )
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must be an http(s) URL")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                "plain http is accepted for loopback hosts only; use https, or tokens would "
                "travel unencrypted"
            )
        return value.rstrip("/")

    @field_validator("ledgerguard_dagster_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must be an http(s) URL")
        return value.rstrip("/")

    @field_validator("ledgerguard_alert_webhook_url", "ledgerguard_alert_slack_url")
    @classmethod
    def _private_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            local = parts.scheme == "http" and is_loopback(parts.hostname)
            if not parts.hostname or not (parts.scheme == "https" or local):
                raise ValueError("it must be an https URL; plain http is for loopback hosts only")
        return value

    @field_validator("ledgerguard_redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            redis_address(value.get_secret_value())
        return value

    @field_validator("ledgerguard_smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not port_fits(parts):
                raise ValueError("it must look like smtp://user:password@host:587, or smtps://")
        return value

    @model_validator(mode="after")
    def _complete_mail(self) -> Self:
        if self.ledgerguard_smtp_url is not None and not (
            self.ledgerguard_alert_email_from and self.ledgerguard_alert_email_to
        ):
            raise ValueError(
                "LEDGERGUARD_SMTP_URL also needs LEDGERGUARD_ALERT_EMAIL_FROM and "
                "LEDGERGUARD_ALERT_EMAIL_TO"
            )
        return self

    @property
    def kept_entities(self) -> tuple[EntityType, ...]:
        """The entity types this installation keeps."""
        return entity_types(self.ledgerguard_entities)

    @property
    def shows_samples(self) -> bool:
        """Whether names and amounts of rows may go into Dagster's event log."""
        if self.ledgerguard_samples is None:
            return self.intuit_env is not Environment.PRODUCTION
        return self.ledgerguard_samples == "on"

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
        return parse_bronze_url(self.ledgerguard_bronze_url.get_secret_value(), self._s3())

    def bronze_address_of(self, url: str) -> Address:
        """The address another ``LEDGERGUARD_BRONZE_URL`` would name.

        Raises:
            ConfigurationError: it names neither a file nor a lake.
        """
        return parse_bronze_url(url, self._s3())

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

    def _s3(self) -> S3Access:
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


def load_settings(**overrides: object) -> Settings:
    """Read and validate all settings.

    From then on this process masks the secrets among them in whatever it logs.

    Raises:
        ConfigurationError: one sentence per wrong setting, never with a secret in it.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        findings = "; ".join(
            f"{_variable(item['loc'])}: {item['msg'].removeprefix('Value error, ').rstrip('.')}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"The settings are not usable. {findings}.") from None
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and name != "ledgerguard_bronze_url":
            register_setting(value.get_secret_value())  # no log line shows it from now on
    address = settings.bronze_address
    if isinstance(address, LakeAddress) and address.password is not None:
        register_setting(address.password)
    return settings


def _variable(loc: tuple[int | str, ...]) -> str:
    return str(loc[0]).upper() if loc else "settings"
