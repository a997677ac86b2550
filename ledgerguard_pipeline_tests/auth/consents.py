"""Connecting a company over a test's token endpoint, and the callback of its consent."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from ledgerguard_pipeline.auth.connect import Connector
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import TokenSource
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.auth.conftest import REALM


def connector_of(plane: ControlPlane, oauth: OAuthEndpoint, base_url: str) -> Connector:
    def client(realm: RealmId, tokens: TokenSource) -> QBOClient:
        return QBOClient(
            "client",
            "client-secret",
            "http://localhost:8000/callback",
            Environment.SANDBOX,
            base_url=base_url,
            tokens=tokens,
            realm_id=realm,
            gate=plane.guard,
            ledger=plane.guard,
        )

    return Connector(plane, oauth, client)


def callback(connector: Connector, **changes: str | None) -> dict[str, str]:
    """The query parameters Intuit sends people back with; a change to None leaves one out."""
    state = parse_qs(urlsplit(connector.begin()).query)["state"][0]
    params = {"code": "code-1", "state": state, "realmId": str(REALM)}
    return {name: value for name, value in {**params, **changes}.items() if value is not None}
