from __future__ import annotations

import re

import pytest

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.leases.sql_store import sync_lease
from ledgerguard_pipeline.errors import FailureKind
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.reasons import HealthState
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge

OUTAGE = "QuickBooks answered Service Unavailable. Nothing was stored; the next sync tries again."
FOLLOWS = 'http-equiv="refresh"'


def page(edge: Edge, path: str = "/") -> str:
    return Browser(create_app(edge)).get(path).text


def failures(edge: Edge) -> list[tuple[str, str]]:
    """What and why of each row of the table of failures."""
    table = page(edge).partition('id="failures"')[2].partition("</section>")[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>.*?<td class="whole">(.*?)</td></tr>', table)
    return [(what, re.sub(r"<[^>]+>", "", why)) for what, why in rows]


def fail(edge: Edge, company: RealmId, entities: list[str]) -> None:
    edge.control.sync_states.ended(
        company,
        failed={
            name: Failure(f"{OUTAGE} (realm {company}, entity {name}, status 503)",
                          FailureKind.TRANSIENT)
            for name in entities
        },
    )  # fmt: skip


def test_a_first_load_shows_its_rows_and_the_page_follows_by_itself(edge: Edge) -> None:
    company = add(edge.control, synced=False)
    name = sync_lease(edge.control.environment, company)
    lease = edge.control.leases.acquire(name, "somebody", 60)
    assert lease is not None
    edge.control.sync_states.committed(
        company, [Committed("Invoice", Mode.FULL, "l1", 1234, 0, None)]
    )

    running = page(edge)
    assert "First load" in running
    assert "1,234 rows so far, 0 of 42 entity types complete" in running
    assert FOLLOWS in running
    assert FOLLOWS in page(edge, f"/companies/{company}")
    assert FOLLOWS not in page(edge, "/?follow=no"), "nobody has to endure it"

    edge.control.leases.release(lease)
    assert FOLLOWS not in page(edge)


def test_a_page_of_quiet_companies_stands_still(edge: Edge) -> None:
    add(edge.control)
    assert FOLLOWS not in page(edge)


def test_an_outage_is_one_row_and_over_with_the_next_success(edge: Edge) -> None:
    company = add(edge.control)
    names = [each.name for each in edge.settings.kept_entities][:38]
    fail(edge, company, names)

    assert failures(edge) == [("Reading 38 entity types", OUTAGE)]
    (status,) = read_statuses(edge.control, edge.settings)
    assert status.health.state is HealthState.DEGRADED
    assert len(status.health.texts) == 1

    edge.control.sync_states.ended(company, current=["Term"])

    assert failures(edge) == []
    (status,) = read_statuses(edge.control, edge.settings)
    assert status.health.state is HealthState.HEALTHY


def test_one_type_is_named_and_what_stays_needs_its_own_success(edge: Edge) -> None:
    company = add(edge.control)
    lasting = Failure("No such field. (realm 1, entity Invoice)", FailureKind.TERMINAL)
    edge.control.sync_states.ended(company, failed={"Invoice": lasting})
    edge.control.sync_states.ended(company, current=["Customer"])

    assert failures(edge) == [("Reading Invoice", "No such field.")]


def test_an_empty_page_shows_the_first_company_by_itself(edge: Edge) -> None:
    assert FOLLOWS in page(edge)
    add(edge.control)
    assert FOLLOWS not in page(edge)


def test_a_failed_type_shows_since_when_it_was_read(edge: Edge) -> None:
    company = add(edge.control)
    fail(edge, company, ["Invoice"])
    assert '</time> <span class="failed">failed since</span>' in page(edge, f"/companies/{company}")


@pytest.mark.parametrize("status", [ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.DISCONNECTED])
def test_failures_agree_with_the_card_of_a_company_that_is_gone(
    edge: Edge, status: ConnectionStatus
) -> None:
    revoked = status is ConnectionStatus.NEEDS_REAUTH
    add(edge.control, status=status, error="Intuit ended it." if revoked else None)

    assert failures(edge) == ([("Connection", "Intuit ended it.")] if revoked else [])
    assert f'<span class="badge {"unhealthy" if revoked else "disconnected"}">' in page(edge)
    assert realm(0) in page(edge)
