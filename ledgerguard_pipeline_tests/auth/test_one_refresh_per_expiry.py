from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.auth.refresh_lease import refresh_lease
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ReauthorizationRequired
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import AccessToken
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.auth.conftest import REALM, store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.leases.raw_leases import free
from ledgerguard_pipeline_tests.stores import OpenPlane, on_all_stores

pytestmark = on_all_stores

ROOT = Path(__file__).parents[2]


def run_holders(
    settings: Settings, endpoint: TokenEndpoint, processes: int, crash_at: str = ""
) -> subprocess.CompletedProcess[str]:
    urls = (settings.ledgerguard_control_url, settings.ledgerguard_redis_url)
    command = [
        sys.executable,
        "-m",
        "ledgerguard_pipeline_tests.auth.refreshing_process",
        str(settings.ledgerguard_home),
        *(url.get_secret_value() if url else "" for url in urls),
        endpoint.base_url,
        str(processes),
    ]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "LEDGERGUARD_CRASH_AT": crash_at},
    )


def test_eight_processes_with_one_expired_token_refresh_once(
    store_settings: Settings, open_plane: OpenPlane, endpoint: TokenEndpoint
) -> None:
    store_grant(open_plane(), "refresh-1")

    done = run_holders(store_settings, endpoint, 8)

    assert done.stdout.splitlines() == ["2 access-1"] * 8, done.stderr
    assert endpoint.refreshes == 1


def test_threads_and_planes_with_one_expired_token_refresh_once(
    open_plane: OpenPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint
) -> None:
    token_providers = [TokenProvider(open_plane(), oauth) for _ in range(3)]
    store_grant(open_plane(), "refresh-1")
    barrier = threading.Barrier(9)

    def want(each: int) -> tuple[int, str]:
        barrier.wait()
        token = token_providers[each % 3].current(REALM)
        return token.version, token.value.get_secret_value()

    with ThreadPoolExecutor(9) as pool:
        assert set(pool.map(want, range(9))) == {(2, "access-1")}
    assert endpoint.refreshes == 1


@pytest.mark.parametrize("point", ["after_token_response", "before_token_persist"])
def test_a_process_killed_between_answer_and_disk_is_recovered_from(
    store_settings: Settings,
    open_plane: OpenPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    point: str,
) -> None:
    endpoint.keep_values()
    store_grant(open_plane(), "refresh-1")

    killed = run_holders(store_settings, endpoint, 1, crash_at=point)
    assert (killed.returncode, killed.stdout) == (9, ""), killed.stderr
    plane = open_plane()
    attempt = plane.tokens.attempt(REALM)
    assert attempt is not None
    assert attempt.tries == 1
    assert plane.tokens.version(REALM) == 1

    clock = FakeClock(plane.now())
    token = TokenProvider(open_plane(clock=clock), oauth).current(REALM)
    assert (token.version, token.value.get_secret_value()) == (2, "access-2")
    assert endpoint.refreshes == 2
    assert plane.tokens.attempt(REALM) is None
    assert 1 < sum(clock.slept) < 10, "the dead holder's lease is waited out, but not for long"


def test_a_rotated_token_lost_in_a_crash_asks_for_consent_once(
    store_settings: Settings,
    open_plane: OpenPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
) -> None:
    store_grant(open_plane(), "refresh-1")
    assert run_holders(store_settings, endpoint, 1, crash_at="after_token_response").returncode == 9
    plane = open_plane(clock=FakeClock(open_plane().now()))
    token_provider = TokenProvider(plane, oauth)

    for _ in range(3):
        with pytest.raises(ReauthorizationRequired, match="cut off"):
            token_provider.current(REALM)
    assert endpoint.refreshes == 2, "tried once more, then never again"
    assert plane.companies.require(REALM).status is ConnectionStatus.NEEDS_REAUTH
    assert plane.tokens.load(REALM) is not None


def test_a_holder_that_stalls_past_its_lease_overwrites_nothing(
    plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint
) -> None:
    endpoint.keep_values()
    store_grant(plane, "refresh-1")

    def stall() -> None:
        endpoint.before_answer = lambda: None
        free(plane, refresh_lease(Environment.SANDBOX, REALM))
        assert TokenProvider(plane, oauth).current(REALM).version == 2

    endpoint.before_answer = stall
    token = TokenProvider(plane, oauth).current(REALM)

    winner = plane.tokens.load(REALM)
    assert winner is not None
    assert (token.version, token.value) == (2, winner.access_token)
    assert endpoint.refreshes == 2


def test_whoever_waits_takes_the_winners_token_without_the_lease(
    plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    old = store_grant(plane, "refresh-1")
    name = refresh_lease(Environment.SANDBOX, REALM)
    assert plane.leases.acquire(name, "somebody", 1000) is not None
    plane.tokens.replace(REALM, old, old.version)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
        token = TokenProvider(plane, oauth).renew(REALM, _rejected(old.version))
    assert token.version == 2
    assert endpoint.refreshes == 0


def _rejected(version: int) -> AccessToken:
    return AccessToken(REALM, SecretStr("old-access"), version)
