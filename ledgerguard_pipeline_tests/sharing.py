"""Several small companies in one sandbox, connected without a browser."""

from __future__ import annotations

from functools import cache

from benchmarks import connected
from ledgerguard_pipeline.control.plane import ControlPlane
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
    connected.connect_all(control, sandbox.issue_tokens())
    return [RealmId(realm) for realm in sandbox.realms]
