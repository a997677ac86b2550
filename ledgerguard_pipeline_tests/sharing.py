"""Several small companies in one sandbox, connected without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from pydantic import SecretStr

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens import Tokens
from ledgerguard_pipeline.sandbox.company import SandboxCompany
from ledgerguard_pipeline.sandbox.process import FIRST_REALM, SandboxServer
from ledgerguard_pipeline.sandbox.sharing import build_small_company, share_books
from ledgerguard_pipeline.values import RealmId


def small_companies(count: int) -> list[SandboxCompany]:
    """Companies that start with the same few hundred objects."""
    return [
        share_books(_template(), str(FIRST_REALM + place), f"Company {place + 1}", place)
        for place in range(count)
    ]


@cache
def _template() -> SandboxCompany:
    return build_small_company(str(FIRST_REALM), 1, 3)


def connect_all(control: ControlPlane, sandbox: SandboxServer) -> list[RealmId]:
    """Store every company of the sandbox with its grant, as finished consents do."""
    now = datetime.now(UTC)
    for each in sandbox.issue_tokens():
        realm = RealmId(each.realm)
        control.companies.put(
            Company(realm, control.environment, each.name, ConnectionStatus.CONNECTED, now)
        )
        grant = Tokens(
            SecretStr(each.access_token),
            SecretStr(each.refresh_token),
            now + timedelta(seconds=each.expires_in),
            now + timedelta(seconds=each.refresh_expires_in),
            None,
        )
        control.tokens.replace(realm, grant, None)
    return [RealmId(realm) for realm in sandbox.realms]
