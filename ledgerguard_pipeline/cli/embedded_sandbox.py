"""The installation that plays with the embedded sandbox, kept apart from any real one.

Its processes see only the settings given here: neither ``.env`` nor the caller's variables can
point the sandbox's tokens and books at a real control plane or Bronze store.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

ENVIRONMENT_FILE = "sandbox.env"
KEPT = (
    "ledgerguard_attachments",
    "ledgerguard_connect_button",
    "ledgerguard_custom_fields",
    "ledgerguard_dagster_group",
    "ledgerguard_dagster_owners",
    "ledgerguard_dagster_url",
    "ledgerguard_entities",
    "ledgerguard_partition_cadence",
    "ledgerguard_public_url",
    "ledgerguard_samples",
    "ledgerguard_silver",
    "ledgerguard_start_date",
    "ledgerguard_sweep_above",
    "ledgerguard_sweep_minutes",
    "ledgerguard_sweep_shards",
    "ledgerguard_max_requests_per_minute",
    "ledgerguard_max_requests_per_second",
    "ledgerguard_max_batches_per_minute",
    "ledgerguard_max_concurrent_requests",
    "ledgerguard_monthly_call_budget",
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the embedded sandbox and the web edge listen, and the home they use."""

    home: Path
    client_id: str
    client_secret: str
    sandbox_url: str
    web_port: int
    verifier_token: str = field(default="", repr=False)
    """Signs the sandbox's webhooks; empty where it sends none."""

    @property
    def webhook_url(self) -> str:
        """Where the web edge takes webhooks."""
        return f"http://localhost:{self.web_port}/api/v1/webhooks/qbo"

    def variables(self, settings: Settings) -> dict[str, str]:
        """Everything its processes need; harmless choices of the user are carried over."""
        kept = {name.upper(): _text(getattr(settings, name)) for name in KEPT}
        kept["INTUIT_WEBHOOK_VERIFIER_TOKEN"] = self.verifier_token
        return {
            **{name: text for name, text in kept.items() if text},
            "INTUIT_CLIENT_ID": self.client_id,
            "INTUIT_CLIENT_SECRET": self.client_secret,
            "INTUIT_ENV": "sandbox",
            "INTUIT_BASE_URL": self.sandbox_url,
            "INTUIT_REDIRECT_URI": f"http://localhost:{self.web_port}/api/v1/auth/callback",
            "LEDGERGUARD_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
        }

    def write_environment_file(self, variables: dict[str, str]) -> Path:
        """A file to source in another terminal, so that every command talks to the sandbox."""
        path = self.home / ENVIRONMENT_FILE
        lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
        return path


def outer_environment() -> dict[str, str]:
    """This process's variables without any of the product's own."""
    from ledgerguard_pipeline.config.settings import Settings

    own = {name.upper() for name in Settings.model_fields} | {"DAGSTER_HOME"}
    return {name: value for name, value in os.environ.items() if name.upper() not in own}


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)
