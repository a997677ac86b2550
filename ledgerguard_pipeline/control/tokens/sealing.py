"""How a token is sealed: with the newest key, and bound to its environment, company and field."""

from __future__ import annotations

from pydantic import SecretStr

from ledgerguard_pipeline.control.tokens.keyring import Keyring
from ledgerguard_pipeline.values import Environment, RealmId

SEALED_FIELDS = ("access_token", "refresh_token")


class Sealer:
    """Seals and opens single tokens; a sealed one opens in its own place only."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def seal(self, environment: Environment, realm: RealmId, name: str, secret: SecretStr) -> str:
        """Raises ``KeyUnavailable`` where there is no key to seal with."""
        return self.keyring.seal(secret.get_secret_value(), _context(environment, realm, name))

    def unseal(self, environment: Environment, realm: RealmId, name: str, text: str) -> SecretStr:
        """Raises ``KeyUnavailable`` where it does not open: wrong key, altered or moved."""
        return SecretStr(self.keyring.unseal(text, _context(environment, realm, name)))


def _context(environment: Environment, realm: RealmId, name: str) -> str:
    return f"{environment.value}/{realm}/{name}"
