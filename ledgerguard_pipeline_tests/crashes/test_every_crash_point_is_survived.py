"""SIGKILL at every crash point of the source: the work is done again, nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.conftest import SandboxFactory
from ledgerguard_pipeline_tests.crashes import events, grants, rows
from ledgerguard_pipeline_tests.crashes.points import crash_points
from ledgerguard_pipeline_tests.crashes.stage import Mortals, Stage
from ledgerguard_pipeline_tests.lakes import empty_lake
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import redis_database

POINTS = crash_points()
STORIES: dict[str, Callable[[Stage, str], None]] = {
    "after_token_response": grants.refreshing,
    "before_token_persist": grants.refreshing,
    "after_company_revived": grants.reviving,
    "after_connect_tokens": grants.connecting,
    "after_revoke": grants.disconnecting,
    "after_disconnect_noted": grants.disconnecting,
    "after_new_key": grants.rotating,
    "after_token_resealed": grants.rotating,
    "before_key_file_replace": grants.rotating,
    "before_key_retired": grants.rotating,
    "after_key_retired": grants.rotating,
    "before_moved_token_is_forgotten": grants.moving,
    "before_delivery_commit": events.accepting,
    "after_delivery_commit": events.accepting,
    "before_event_read": events.acting_upon,
    "after_event_read": events.acting_upon,
    "before_event_ack": events.acting_upon,
    "after_event_ack": events.acting_upon,
    "before_bronze_commit": rows.committing,
    "after_bronze_commit": rows.committing,
    "before_workspace_commit": rows.keeping_a_report,
    "after_workspace_commit": rows.keeping_a_report,
    "before_silver": rows.following,
    "before_silver_commit": rows.following,
    "before_healing_commit": rows.healing,
    "before_move_commit": rows.moving,
}


@pytest.fixture(scope="module")
def books(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=10)


@pytest.fixture(params=["embedded", pytest.param("servers", marks=pytest.mark.soak)])
def stage(
    request: pytest.FixtureRequest,
    home: Path,
    mortals: Mortals,
    books: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stage]:
    """A home on SQLite with a DuckDB file, or on PostgreSQL, Redis and a DuckLake."""
    home.mkdir(mode=0o700)
    servers = request.param == "servers"
    with ExitStack() as running:

        def lake(name: str) -> str:
            return running.enter_context(empty_lake(home / name))

        variables = {
            "INTUIT_CLIENT_ID": books.client_id,
            "INTUIT_CLIENT_SECRET": books.client_secret,
            "INTUIT_BASE_URL": books.base_url,
            "LEDGERGUARD_SILVER": "off",
        }
        bronze = str(home / "quickbooks.duckdb")
        redis = running.enter_context(redis_database())
        if servers:
            bronze = lake("lake")
            variables["LEDGERGUARD_CONTROL_URL"] = running.enter_context(postgres_database())
            variables["LEDGERGUARD_REDIS_URL"] = redis
            variables["LEDGERGUARD_BRONZE_URL"] = bronze
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        endpoint = running.enter_context(TokenEndpoint())
        yield Stage(
            mortals, home, bronze, endpoint, redis, partial(lake, "another"), books, monkeypatch
        )


def test_each_crash_point_has_a_name_of_its_own_and_a_story() -> None:
    twice = {name for name, count in Counter(name for name, _ in POINTS).items() if count > 1}
    assert [point for point in POINTS if point[0] in twice] == []
    assert {name for name, _ in POINTS} == STORIES.keys()


@pytest.mark.parametrize("point", [name for name, _ in POINTS])
def test_work_killed_there_is_done_again_and_nothing_is_lost_or_doubled(
    stage: Stage, point: str
) -> None:
    STORIES[point](stage, point)
    assert stage.killed == [point]
