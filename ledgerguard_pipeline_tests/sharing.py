"""Several small companies in one sandbox, connected without a browser."""

from __future__ import annotations

from functools import cache

from benchmarks.clients import connect
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.serve.server_process import FIRST_REALM, SandboxServer
from ledgerguard_pipeline.sandbox.serve.shared_books import build_small_company, share_books
from ledgerguard_pipeline.values import RealmId


def small_companies(count: int) -> list[SandboxCompany]:
    """Companies that start with the same few hundred objects."""
    return [
        share_books(_template(), str(FIRST_REALM + index), f"Company {index + 1}", index)
        for index in range(count)
    ]


@cache
def _template() -> SandboxCompany:
    return build_small_company(str(FIRST_REALM), 1, 3)


def connect_all(control: ControlPlane, sandbox: SandboxServer) -> list[RealmId]:
    """Store every company of the sandbox with its grant, as finished consents do."""
    connect.connect_all(control, sandbox.issue_tokens())
    return [RealmId(realm) for realm in sandbox.realms]
