"""Whatever goes wrong has one name, one cause and one piece of advice on every surface, and it works.

Status, page, JSON, alerts, doctor and runbook are compared for every kind of fault that others
reported; afterwards the advice is followed, and nothing is left to say.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from ledgerguard_pipeline.alerts.policy import findings_of
from ledgerguard_pipeline.cli.doctor.companies import companies
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.rules import Health
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.webhooks.parse import parse
from ledgerguard_pipeline_tests.bronze.backends.holding_process import Holder
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.control.storage.foreign_postgres import RefusingPostgres
from ledgerguard_pipeline_tests.docs.test_every_alert_has_a_runbook import anchors
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, stored, sync
from ledgerguard_pipeline_tests.web.browser import ask

FEW = entity_types(("Attachable", "Invoice", "Term"))
INVOICE = entity_type("Invoice")
TIMES = ("MetaData.CreateTime", "MetaData.LastUpdatedTime", "Id")


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=6, switches=Switches(limits=False, access_token_seconds=60))


@pytest.fixture(scope="module")
def clock() -> HastyClock:
    return HastyClock()


@pytest.fixture(scope="module")
def named(sandbox: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of one loaded company of three types, whom all these faults befall."""
    return {
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
        "INTUIT_ENV": "sandbox",
        "LEDGERGUARD_HOME": str(tmp_path_factory.mktemp("faults") / "home"),
        "LEDGERGUARD_ENTITIES": "Attachable,Invoice,Term",
        "LEDGERGUARD_SILVER": "off",
    }


@pytest.fixture(scope="module")
def company(
    sandbox: SandboxServer, named: dict[str, str], clock: HastyClock
) -> Iterator[Installation]:
    settings = load_settings(**{name.lower(): value for name, value in named.items()})
    with Installation.open(settings, clock=clock, lock_wait_seconds=60) as opened:
        connect(opened, sandbox)
        attempt(opened)
        yield opened


@pytest.fixture(autouse=True)
def environment(named: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """For the commands."""
    for name, value in named.items():
        monkeypatch.setenv(name, value)


Fault = Callable[[Installation, SandboxServer], AbstractContextManager[None]]


def attempt(installation: Installation, **options: bool) -> None:
    """A sync, whether or not it can begin."""
    try:
        sync(installation, FEW, realm_id=None, **options)
    except LedgerGuardError:
        return


def switched(**switches: object) -> Fault:
    @contextmanager
    def fault(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
        sandbox.set(**switches)
        attempt(installation, full=True)
        try:
            yield
        finally:
            sandbox.set(unsortable=[], page_limit={}, stubs={})
            attempt(installation, full=True)

    return fault


def injected(kind: str, **rule: object) -> Fault:
    @contextmanager
    def fault(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
        sandbox.inject(kind, next=1_000, **rule)
        attempt(installation)
        try:
            yield
        finally:
            sandbox.clear_faults()
            attempt(installation)

    return fault


@contextmanager
def shown_in_part(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    one = min(stored(installation, INVOICE, realm_of(sandbox)))
    sandbox.edit("update", "Invoice", one)
    everywhere = ["cdc", "query", "by_id", "read"]
    sandbox.set(stubs={f"Invoice/{one}": {"endpoints": everywhere, "shape": "status"}})
    attempt(installation)
    try:
        yield
    finally:
        sandbox.set(stubs={})
        attempt(installation, reconcile=True)


@contextmanager
def read_thrice(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    del sandbox
    for _ in range(2):
        attempt(installation, full=True)
    yield


@contextmanager
def held(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    sandbox.edit("create", "Invoice")
    with Holder(installation.settings.bronze_path, read_only=True):
        attempt(installation)
        yield
    attempt(installation)


@contextmanager
def torn(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    del sandbox
    path = installation.settings.bronze_path
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    attempt(installation)
    yield
    advice = installation.control.bronze_trouble.read()
    assert advice is not None
    for command in re.findall(r"`(mv [^`]*)`", advice):
        subprocess.run(shlex.split(command), check=True)
    attempt(installation)


@contextmanager
def unreadable(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    event = {"specversion": "1.0", "id": "e", "type": "qbo.invoice.updated.v1"}
    raw = json.dumps([event, {**event, "intuitaccountid": sandbox.realm_id}]).encode()
    found = parse(raw)
    delivery = Delivery(raw, {}, "127.0.0.1", found.shape, found.events, found.unreadable)
    installation.control.deliveries.accept([delivery])
    try:
        yield
    finally:
        settle_parked(installation)


def settle_parked(installation: Installation) -> None:
    parked = installation.control.inbox.list(status=EventStatus.PARKED)
    installation.control.inbox.dismiss([each.seq for each in parked], "nobody needs them")


@contextmanager
def not_shown_yet(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
    one = str(sandbox.edit("update", "Invoice")["id"])
    sandbox.set(unseen=[["Invoice", one]])
    raw = json.dumps([{
        "specversion": "1.0", "id": "f", "type": "qbo.invoice.updated.v1",
        "intuitaccountid": sandbox.realm_id, "intuitentityid": one,
    }]).encode()  # fmt: skip
    installation.control.deliveries.accept(
        [Delivery(raw, {}, "127.0.0.1", "cloudevents", parse(raw).events)]
    )
    look(installation, "first look")
    assert stored(installation, INVOICE, realm_of(sandbox))[one], "one look is no deletion"
    try:
        yield
    finally:
        sandbox.set(unseen=[])
        look(installation, "second look")


def look(installation: Installation, batch: str) -> None:
    """Act upon the events that are due."""
    (company,) = installation.control.companies.list()
    installation.control.inbox.lease(batch, realms=[company.realm_id])
    lease = InboxLease(installation.control.inbox, batch)
    with installation.service(company.realm_id).open_events(lease) as running:
        running.run()


def refused_by_the_lake(sqlstate: str) -> Fault:
    @contextmanager
    def fault(installation: Installation, sandbox: SandboxServer) -> Iterator[None]:
        del sandbox
        with RefusingPostgres(sqlstate, "das geht nicht", "FATAL") as server:
            catalog = f"postgresql://x:y@127.0.0.1:{server.port}/z"
            folder = installation.settings.ledgerguard_home
            settings = load_settings(ledgerguard_bronze_url=f"ducklake:{catalog};data={folder}/")
            with Installation.open(settings, clock=HastyClock(), lock_wait_seconds=60) as other:
                attempt(other)
        yield
        attempt(installation)

    return fault


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "an object is shown in part only": (shown_in_part, {"quarantine"}),
    "nothing can be sorted": (
        switched(unsortable=[["*", name] for name in TIMES], page_limit={"Invoice": 3}),
        {"sync_failed"},
    ),
    "no page is small enough": (switched(page_limit={"Invoice": 0}), {"sync_failed"}),
    "an outage has the code of a refusal": (injected("gateway_500"), {"sync_failed"}),
    "the subscription ended": (injected("company_expired"), {"company_unavailable"}),
    "the app has no access": (injected("forbidden"), {"access_denied"}),
    "links are signed anew at each read": (read_thrice, set()),
    "somebody reads the Bronze file": (held, {"bronze_held"}),
    "the Bronze file is torn": (torn, {"bronze_unusable"}),
    "events cannot be read": (unreadable, {"parked_events", "unreadable_events"}),
    "an object is not shown yet": (not_shown_yet, set()),
    "the lake refuses the login in German": (refused_by_the_lake("28P01"), {"misconfigured"}),
    "the lake is away": (refused_by_the_lake("57P03"), {"bronze_away"}),
    "tokens cannot be renewed": (
        injected("error_503_html", endpoint="token"),
        {"refresh_fails"},
    ),
}


def plain(text: str) -> str:
    """Words alone, without tags, line ends and the quotes of commands."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).replace("`", "").split())


def agreed(installation: Installation, ledgerguard: Ledgerguard) -> Health:
    """The health of the company, compared on all surfaces."""
    control, settings = installation.control, installation.settings
    (company_status,) = read_statuses(control, settings)
    health, realm = company_status.health, company_status.company.realm_id
    assert [each.health for each in read_summaries(control, settings)] == [health]
    kinds = [reason.kind.value for reason in health.reasons]
    assert len(set(kinds)) == len(kinds), "one cause is one reason"
    app = create_app(installation)
    for path in ("/api/v1/status", "/api/v1/companies"):
        (answer,) = ask(app, path).json()["companies"]
        assert (answer["health"], answer["reason_kinds"]) == (health.state, kinds)
        assert answer["reasons"] == list(health.texts)
    (printed,) = json.loads(ledgerguard("status", "--json").out)["companies"]
    assert (printed["health"], printed["reason_kinds"]) == (health.state, kinds)
    (finding,) = (each for each in companies(settings) if each.topic == f"company {realm}")
    shown = {
        "status": ledgerguard("status").out,
        "list": ask(app, "/", headers={b"accept": b"text/html"}).text,
        "page": ask(app, f"/companies/{realm}", headers={b"accept": b"text/html"}).text,
        "doctor": f"{finding.text} {finding.next_step}",
    }
    alerts = {each.kind: each for each in findings_of(health.reasons)}
    assert list(alerts) == kinds
    entries = anchors("docs/runbook.md")
    for reason in health.reasons:
        entry = plain(entries[reason.kind.value])
        assert alerts[reason.kind.value].text == reason.text
        for where, text in shown.items():
            assert plain(reason.text) in plain(text), where
            assert reason.kind.runbook in plain(text), where
        for verb in re.findall(r"`(ledgerguard \w+)", reason.text):
            assert verb in entry, f"the runbook advises something else than {verb}"
    return health


@pytest.mark.parametrize("name", FAULTS)
def test_status_page_alerts_doctor_and_runbook_agree_and_their_advice_helps(
    company: Installation,
    sandbox: SandboxServer,
    clock: HastyClock,
    ledgerguard: Ledgerguard,
    name: str,
) -> None:
    fault, kinds = FAULTS[name]

    with fault(company, sandbox):
        found = agreed(company, ledgerguard)
        assert {reason.kind.value for reason in found.reasons} - {"calls_fail"} == kinds
        clock.sleep(60)  # a refresh that failed is not repeated before

    (company_status,) = read_statuses(company.control, company.settings)
    assert company_status.health.reasons == ()
