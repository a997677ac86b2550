"""Which Intuit hosts exist, and the rule that nothing else is ever called.

Intuit publishes these URLs in its OpenID discovery documents and its REST reference. Sandbox
and production share the OAuth hosts and differ in the API host.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.values import Environment, RealmId

_AUTHORIZE = "https://appcenter.intuit.com"
_TOKEN = "https://oauth.platform.intuit.com"  # noqa: S105  # a public URL, not a secret
_REVOKE = "https://developer.api.intuit.com"
_API = {
    Environment.SANDBOX: "https://sandbox-quickbooks.api.intuit.com",
    Environment.PRODUCTION: "https://quickbooks.api.intuit.com",
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The full URLs of one environment, and the origins a session may reach."""

    authorize: str
    token: str
    revoke: str
    api: str

    @classmethod
    def of(cls, environment: Environment, base_url: str | None = None) -> Hosts:
        """Intuit's own hosts, or ``base_url`` in place of every one of them.

        Raises:
            ConfigurationError: ``base_url`` is no https URL (plain http: loopback only).
        """
        if base_url is None:
            authorize, token, revoke = _AUTHORIZE, _TOKEN, _REVOKE
            api = _API[Environment(environment)]
        else:
            authorize = token = revoke = api = _checked_base(base_url)
        return cls(
            authorize=f"{authorize}/connect/oauth2",
            token=f"{token}/oauth2/v1/tokens/bearer",
            revoke=f"{revoke}/v2/oauth2/tokens/revoke",
            api=api,
        )

    def company(self, realm: RealmId) -> str:
        """Where the Accounting API keeps one company."""
        return f"{self.api}/v3/company/{realm}"

    @property
    def origins(self) -> frozenset[str]:
        """All a session may reach, as ``scheme://host:port``; http means the local sandbox."""
        return frozenset(_origin(url) for url in (self.token, self.revoke, self.api))

    def check(self, url: str) -> None:
        """Refuse a URL whose scheme, host or port is not one of ours.

        Raises:
            ConfigurationError: it is not.
        """
        if _origin(url) not in self.origins:
            raise ConfigurationError(
                f"A call to {urlsplit(url).hostname!r} was refused: it is not one of the configured "
                "Intuit hosts. Check INTUIT_BASE_URL and INTUIT_ENV."
            )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _checked_base(base_url: str) -> str:
    parts = urlsplit(base_url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if not secure or not parts.hostname or parts.username is not None or parts.query:
        raise ConfigurationError(
            "INTUIT_BASE_URL must be an https URL without credentials; plain http is accepted for "
            "loopback hosts only, or tokens would travel unencrypted."
        )
    return base_url.rstrip("/")
