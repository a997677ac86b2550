"""Tokens in a Redis that forgets are one restart away from a consent of every company."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.durability_warnings import DurabilityWarnings
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.redis_server import RedisProcess

REALM = RealmId("9341453474484455")


def company_status(home: Path, url: str) -> CompanyStatus:
    settings = load_settings(ledgerguard_home=home, ledgerguard_redis_url=SecretStr(url))
    with ControlPlane.open(settings) as control:
        now = control.now()
        control.companies.put(
            Company(REALM, Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, now)
        )
        access, refresh = SecretStr("access"), SecretStr("refresh")
        ends = now + timedelta(hours=1), now + timedelta(days=100)
        control.tokens.replace(REALM, Tokens(access, refresh, *ends, None), None)
        (found,) = read_statuses(control, settings)
        return found


@pytest.mark.parametrize(
    "options,state", [(("--appendonly", "no"), "degraded"), (("--appendfsync", "always"), None)]
)
def test_health_says_what_the_server_is_not_set_to(
    home: Path, options: tuple[str, ...], state: HealthState | None
) -> None:
    with RedisProcess(*options) as server:
        found = company_status(home, server.url)
    reported = [each for each in found.health.reasons if each.kind is ReasonKind.TOKENS_AT_RISK]
    assert [each.state for each in reported] == ([] if state is None else [state])
    assert all("appendonly yes" in each.text for each in reported)


def test_the_server_is_asked_once_a_minute() -> None:
    class Server:
        asked = 0

        def concerns(self) -> list[str]:
            self.asked += 1
            return ["It forgets."]

    server, clock = Server(), FakeClock()
    concerns = DurabilityWarnings(server, clock)
    assert [concerns.read() for _ in range(3)] == [("It forgets.",)] * 3
    assert server.asked == 1
    clock.advance(60)
    concerns.read()
    assert server.asked == 2
    assert DurabilityWarnings(None, clock).read() == ()
