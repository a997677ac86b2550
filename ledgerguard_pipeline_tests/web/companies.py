"""Companies made up for the page: no call, no load, only what the control plane says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import SecretStr

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.values import Mode, RealmId

FIRST = 9341453474484455
SECRETS = ("made-up-access-token", "made-up-refresh-token")


def realm(index: int) -> RealmId:
    """The id of the company at this place."""
    return RealmId(str(FIRST + index))


def add(
    plane: ControlPlane,
    index: int = 0,
    *,
    name: str | None = None,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
    error: str | None = None,
    rows: int = 7,
    failed: Mapping[str, str] | None = None,
    synced: bool = True,
) -> RealmId:
    """A company whose entity types all hold ``rows`` rows and are fresh, unless asked otherwise."""
    now, realm_id = plane.now(), realm(index)
    plane.companies.put(
        Company(
            realm_id, plane.environment, name or f"Company {index:03}", status,
            connected_at=now - timedelta(days=3), last_success_at=now, last_error=error,
            response_time_ms=120.0,
        )
    )  # fmt: skip
    access, refresh = SECRETS
    tokens = Tokens(
        SecretStr(access), SecretStr(refresh), now + timedelta(minutes=50),
        now + timedelta(days=99), now + timedelta(days=1700), 0,
    )  # fmt: skip
    if status is not ConnectionStatus.DISCONNECTED:
        plane.tokens.replace(realm_id, tokens, plane.tokens.version(realm_id))
    if synced:
        plane.sync_states.committed(
            realm_id, [Committed(each.name, Mode.FULL, "l1", rows, 0, now) for each in ENTITIES]
        )
    if failed:
        plane.sync_states.ended(realm_id, failed=failed)
    return realm_id
