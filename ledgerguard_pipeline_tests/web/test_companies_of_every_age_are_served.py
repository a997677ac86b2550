"""Ids of older companies are short: they connect, load, get webhooks and pages like any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId, parse_realm
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import differing, sync
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.webhooks.receiving import TOKEN, receiving
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events, legacy

pytestmark = pytest.mark.usefixtures("bronze_alone")

AGES = ("7", "310687", "380042956", "9341453474484455", "18446744073709551615")
TYPES = entity_types(["Invoice", "Customer"])


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(build_company(realm, invoices=4) for realm in AGES) as server:
        yield server


def test_companies_of_every_age_connect_load_get_webhooks_and_pages(
    installation: Installation, sandbox: SandboxServer
) -> None:
    control = installation.control
    for realm in AGES:
        assert connect(installation, sandbox, realm).realm_id == realm
        assert sync(installation, TYPES, realm_id=parse_realm(realm)).ok
        sandbox.edit("update", "Customer", realm_id=realm)
    announced = [Change("Customer", "1", realm=realm) for realm in AGES]
    settings = installation.settings.model_copy(
        update={"intuit_webhook_verifier_token": SecretStr(TOKEN)}
    )
    with receiving(settings, control) as receiver:
        assert receiver.post(cloud_events(announced)) == 200
        assert receiver.post(legacy(announced)) == 200
    waiting = control.inbox.due_realms()
    assert sorted(waiting) == sorted(AGES)

    app = create_app(installation)
    page = ask(app, "/").text
    for realm in AGES:
        control.inbox.lease(f"batch-{realm}", realms=[realm])
        lease = InboxLease(control.inbox, f"batch-{realm}")
        assert len(lease.events) == 2
        with installation.service(RealmId(realm)).open_events(lease) as running:
            assert running.run().ok
        assert sync(installation, TYPES, realm_id=parse_realm(realm)).ok
        assert differing(installation, sandbox, TYPES, parse_realm(realm)) == {}
        assert f'id="c{realm}"' in page
        for path in (
            f"/companies/{realm}",
            f"/companies/{realm}/disconnect",
            f"/api/v1/auth/disconnected?realmId={realm}",
        ):
            assert ask(app, path).status_code == 200, path
    assert set(control.inbox.backlog().by_status) == {EventStatus.DONE}


def test_postgresql_keeps_the_longest_id_in_every_table() -> None:
    """SQLite keeps to no length, so only there a column could be too short."""
    with postgres_database() as url:
        settings = load_settings(ledgerguard_control_url=SecretStr(url))
        with ControlPlane.open(settings) as plane, plane.database.read() as connection:
            short = connection.exec_driver_sql(
                "SELECT table_name FROM information_schema.columns WHERE column_name = 'realm_id' "
                "AND table_schema = current_schema() AND character_maximum_length < 20"
            ).all()
            assert short == []
            assert plane.companies.list(ConnectionStatus.CONNECTED) == []


@pytest.mark.parametrize("text", ["", "9" * 21, "12a", "-7", " 7", "7\n", "٣٨"])
def test_what_is_no_number_of_up_to_twenty_digits_is_no_company(text: str) -> None:
    with pytest.raises(BadInputError, match="1 to 20 digits"):
        parse_realm(text)
