"""Every setting, read once from the environment (and ``.env``) and validated as a whole."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode

from ledgerguard_pipeline.config.addresses import (
    any_url,
    is_loopback,
    port_fits,
    secure_url,
    web_address,
)
from ledgerguard_pipeline.config.attachments_url import parse_attachments_url
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.config.refused_values import plain
from ledgerguard_pipeline.config.store_settings import StoreSettings
from ledgerguard_pipeline.config.user_paths import user_path
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import BadInputError, ConfigurationError
from ledgerguard_pipeline.observability.redaction import register_setting
from ledgerguard_pipeline.values import Environment

Cadence = Literal["monthly", "weekly", "daily"]
OWNER = re.compile(r"team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+")
"""What Dagster takes for an owner."""

BUTTON_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
"""Endings of pictures that a page can show, and what they are."""

SWEEP_MINUTES = (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720)
"""Spans that divide an hour or a day evenly, as a schedule needs them."""

SHORTEST_ADMIN_TOKEN = 16
"""Characters; a shorter one can be guessed."""


class Settings(StoreSettings):
    """The configuration of one installation. Build it with ``load_settings``."""

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
    ledgerguard_attachments: Literal["off", "metadata", "files"] = Field(
        "metadata", description="attachments: off, metadata (their records), or files as well"
    )
    ledgerguard_attachments_url: str | None = Field(
        None, description="folder or s3://bucket/prefix of attached files; in the home if unset"
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
    ledgerguard_connect_button: Path | None = Field(
        None,
        description="Intuit's picture of Connect to QuickBooks; a plain button if unset",
    )
    ledgerguard_dagster_owners: Annotated[tuple[str, ...], NoDecode] = Field(
        ("team:finance-data",),
        description="owners of all assets in Dagster, comma separated: addresses or team:name",
    )
    ledgerguard_dagster_group: str | None = Field(
        None,
        description="one group for all assets in Dagster; one for each part of the books if unset",
        pattern=r"^[A-Za-z0-9_]+$",
    )

    @field_validator(
        "ledgerguard_entities",
        "ledgerguard_alert_email_to",
        "ledgerguard_dagster_owners",
        mode="before",
    )
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

    @field_validator("ledgerguard_dagster_owners")
    @classmethod
    def _somebody(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [each for each in value if not OWNER.fullmatch(each)]
        if wrong:
            raise ValueError(f"an owner is an e-mail address or team:name, not {wrong[0]!r}")
        return value

    @field_validator("ledgerguard_snapshot")
    @classmethod
    def _a_copy(cls, value: Path | None) -> Path | None:
        if value is not None and value.name.split(".")[0].casefold() == "bronze":
            raise ValueError("DuckDB could not tell a file called bronze from the schema in it")
        return None if value is None else user_path(value).absolute()

    @field_validator("ledgerguard_connect_button")
    @classmethod
    def _a_picture(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in BUTTON_TYPES:
            raise ValueError(f"it must be a file that ends with {', '.join(BUTTON_TYPES)}")
        return None if value is None else user_path(value).absolute()

    @field_validator("ledgerguard_attachments_url")
    @classmethod
    def _of_files(cls, value: str | None) -> str | None:
        if value is not None:
            parse_attachments_url(value)
        return value

    @field_validator("ledgerguard_sweep_minutes")
    @classmethod
    def _even(cls, value: int) -> int:
        if value not in SWEEP_MINUTES:
            raise ValueError(f"it must be one of {', '.join(map(str, SWEEP_MINUTES))}")
        return value

    @field_validator("ledgerguard_public_url")
    @classmethod
    def _secure_page(cls, value: str | None) -> str | None:
        return secure_url(value)

    @field_validator("ledgerguard_dagster_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return any_url(value)

    @field_validator("ledgerguard_alert_webhook_url", "ledgerguard_alert_slack_url")
    @classmethod
    def _private_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            local = parts.scheme == "http" and is_loopback(parts.hostname)
            if not parts.hostname or not (parts.scheme == "https" or local):
                raise ValueError("it must be an https URL; plain http is for loopback hosts only")
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

    @model_validator(mode="after")
    def _another_file(self) -> Self:
        copy, bronze = self.ledgerguard_snapshot, self.bronze_address
        if copy is not None and isinstance(bronze, Path) and copy.resolve() == bronze.resolve():
            raise ValueError(
                "LEDGERGUARD_SNAPSHOT is the file Bronze itself is in; name another one"
            )
        return self

    @property
    def kept_entities(self) -> tuple[EntityType, ...]:
        """The entity types this installation keeps."""
        kept = entity_types(self.ledgerguard_entities)
        if self.ledgerguard_attachments == "off":
            return tuple(each for each in kept if each.name != "Attachable")
        return kept

    @property
    def attachments_may_vanish(self) -> bool:
        """Whether attached files go into a home that others may not see, or that may not last."""
        control = self.ledgerguard_control_url
        return (
            self.ledgerguard_attachments_url is None
            and control is not None
            and not control.get_secret_value().startswith("sqlite")
            and isinstance(self.bronze_address, LakeAddress)
        )

    @property
    def web_url(self) -> str:
        """Where people reach the web edge."""
        return web_address(self.ledgerguard_public_url, self.intuit_redirect_uri)

    @property
    def shows_samples(self) -> bool:
        """Whether names and amounts of rows may go into Dagster's event log."""
        if self.ledgerguard_samples is None:
            return self.intuit_env is not Environment.PRODUCTION
        return self.ledgerguard_samples == "on"


def load_settings(**overrides: object) -> Settings:
    """Read and validate all settings.

    From then on this process masks the secrets among them in whatever it logs.

    Raises:
        ConfigurationError: one sentence per wrong setting, never with a secret in it.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except UnicodeDecodeError:
        raise ConfigurationError(
            "The file .env is no text in UTF-8 (Windows may have saved it as Unicode, which is UTF-16). "
            "Save it as UTF-8."
        ) from None
    except ValidationError as error:
        findings = "; ".join(
            f"{_variable(item['loc'])}{plain(item['msg']).rstrip('.')}"
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
    """What is at fault; a rule about several settings names them itself."""
    return f"{str(loc[0]).upper()}: " if loc else ""
