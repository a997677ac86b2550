"""Connects companies with the code that is found first: today's, or that of another commit.

The grants are on stdin; settings come from the environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.sandbox.api.control import IssuedTokens
from ledgerguard_pipeline.values import parse_realm


def connect_all(control: ControlPlane, issued: Sequence[IssuedTokens]) -> None:
    """Store companies and grants as a finished consent does."""
    now = datetime.now(UTC)
    for each in issued:
        realm = parse_realm(each.realm)
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


def main() -> None:
    """Connect all of them."""
    issued = [IssuedTokens(**each) for each in json.load(sys.stdin)]
    with ControlPlane.open(load_settings()) as control:
        connect_all(control, issued)


if __name__ == "__main__":
    main()
