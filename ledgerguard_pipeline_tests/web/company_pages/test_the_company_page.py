from __future__ import annotations

import re

import pytest
from sqlalchemy import event as listening

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.web.browser import Browser, ask
from ledgerguard_pipeline_tests.web.companies import SECRETS, add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge

MOST_BYTES = 350_000
"""Of a page of twenty companies, whatever the number of all; gzip makes a fifteenth of it."""


def home(edge: Edge, query: str = "") -> str:
    answer = Browser(create_app(edge)).get(f"/{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def names(page: str) -> list[str]:
    """The companies shown, in order."""
    return re.findall(r'<h2 id="c[0-9]+"><a href="[^"]+">([^<]+)</a>', page)


def test_an_empty_installation_offers_to_connect(edge: Edge) -> None:
    page = home(edge)

    assert "No company is connected yet" in page
    assert 'href="/api/v1/auth/connect"' in page


def test_it_tells_everything_there_is_to_know_of_a_company(edge: Edge) -> None:
    add(edge.control, rows=7)
    edge.control.calls.record(realm(0), entity="Invoice", purpose="sync", status=200, metered=1234)

    page = home(edge)

    for reported in (
        "Company 000", realm(0), "Healthy", "294", "in 42 of 42 entity types", "1,234", "expected",
        "SalesReceipt".replace("R", "<wbr>R"), "full read",
        f"/companies/{realm(0)}/disconnect", "No webhook event has arrived", "Nothing has failed",
        "http://localhost:3000/runs?q%5B0%5D=tag%3Aledgerguard%2Frealm%3D" + realm(0),
    ):  # fmt: skip
        assert reported in page, reported
    assert not any(secret in page for secret in SECRETS)


def test_texts_from_elsewhere_are_only_texts(edge: Edge) -> None:
    evil = "<script>alert(1)</script>\"'&`code`"
    add(edge.control, name=evil, failed={"Invoice": evil})
    edge.control.deliveries.accept(
        [delivery([event("e1", realm=realm(0), object_id='"><img src=x>')])]
    )
    app = create_app(edge)

    for path in ("/", f"/companies/{realm(0)}", f"/companies/{realm(0)}/disconnect"):
        page = Browser(app).get(path).text
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


def test_a_company_that_is_not_connected_has_no_failed_and_no_late_types(edge: Edge) -> None:
    add(edge.control, status=ConnectionStatus.DISCONNECTED, failed={"Invoice": "No answer."})
    page = home(edge)
    assert "Nothing has failed" in page
    assert 'class="failed"' not in page
    assert 'class="late"' not in page


def test_the_worst_come_first_and_the_reasons_say_why(edge: Edge) -> None:
    add(edge.control, 0, name="Fine")
    add(edge.control, 1, name="Partly", failed={"Invoice": "Page 4 could not be read."})
    add(edge.control, 2, name="Gone", status=ConnectionStatus.NEEDS_REAUTH, error="Run `x` again.")

    page = home(edge)

    assert names(page) == ["Gone", "Partly", "Fine"]
    assert "Run <code>x</code> again." in page
    assert "Page 4 could not be read." in page
    assert "Reading Invoice" in page


def test_each_failure_says_since_when(edge: Edge) -> None:
    gone = add(edge.control, 0, name="Gone")
    edge.control.companies.set_status(gone, ConnectionStatus.NEEDS_REAUTH, "Connect it again.")
    add(edge.control, 1, name="Partly", failed={"Invoice": "Page 4 could not be read."})

    shown = home(edge).partition('id="failures"')[2].partition("</table>")[0]

    rows = re.findall(r"<tr>.*?</tr>", shown, re.DOTALL)
    failed = [row for row in rows if "<th" not in row or "Connection" in row or "Reading" in row]
    assert len(failed) == 2, shown
    assert all("<time" in row for row in failed), failed


@pytest.mark.parametrize(
    "query,expected",
    [
        ("?state=disconnected", ["Gone"]),
        ("?state=unhealthy", []),
        ("?state=healthy", ["Fine"]),
        ("?state=degraded", []),
        ("?q=FIN", ["Fine"]),
        (f"?q={realm(1)}", ["Gone"]),
        ("?q=fine&state=unhealthy", []),
        ("?q=%3Cb%3E", []),
    ],
)
def test_companies_are_found_by_state_name_and_id(
    edge: Edge, query: str, expected: list[str]
) -> None:
    add(edge.control, 0, name="Fine")
    add(edge.control, 1, name="Gone", status=ConnectionStatus.DISCONNECTED)

    assert names(home(edge, query)) == expected


@pytest.mark.parametrize("query", ["?state=odd", "?page=0", "?page=x", "?page=-1", "?size=501"])
def test_a_parameter_that_makes_no_sense_is_said_to_make_none(edge: Edge, query: str) -> None:
    answer = Browser(create_app(edge)).get(f"/{query}")

    assert answer.status_code == 400
    assert "All companies" in answer.text


def test_pages_show_each_company_once_and_keep_what_was_asked(edge: Edge) -> None:
    for index in range(45):
        add(edge.control, index, synced=False)
    app = create_app(edge)
    seen: list[str] = []
    path = "/?q=company"
    for _ in range(3):
        page = Browser(app).get(path).text
        seen += names(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = "/" + (following[1].replace("&amp;", "&") if following else "")

    assert len(seen) == len(set(seen)) == 45
    assert path == "/"
    assert names(Browser(app).get("/?page=99").text) == seen[40:]


def test_events_and_parked_events_are_shown_with_their_company(edge: Edge) -> None:
    add(edge.control)
    plane = edge.control
    plane.deliveries.accept([delivery([event("e1", realm=realm(0), object_id="4711")])])
    held = plane.inbox.lease("worker", realms=[realm(0)])
    plane.inbox.park([each.seq for each in held], "Page cannot be read.")
    app = create_app(edge)

    for path in ("/", f"/companies/{realm(0)}"):
        page = Browser(app).get(path).text
        assert "Invoice 4711" in page
        assert "Page cannot be read." in page
        assert "parked" in page


def test_bronze_is_never_opened(edge: Edge) -> None:
    """A page that had to wait for a loader would be late just when somebody looks."""
    add(edge.control)
    edge.settings.bronze_path.write_bytes(b"not a database")

    assert "Healthy" in home(edge)
    assert "Healthy" in Browser(create_app(edge)).get(f"/companies/{realm(0)}").text


def test_the_work_for_a_page_does_not_grow_with_the_companies(edge: Edge) -> None:
    counted: list[int] = []
    sizes: list[int] = []
    add(edge.control, 0)
    home(edge)
    statements: list[str] = []
    engines = (edge.control.database._durable, edge.control.database._relaxed)

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    for engine in engines:
        listening.listen(engine, "before_cursor_execute", note)
    for index in range(1, 61):
        add(edge.control, index, failed={"Invoice": "No answer."} if index % 9 == 0 else None)
        if index in (20, 60):
            statements.clear()
            sizes.append(len(home(edge)))
            counted.append(len(statements))
    for engine in engines:
        listening.remove(engine, "before_cursor_execute", note)

    assert 0 < counted[0] == counted[1] <= 66
    assert sizes[1] <= min(sizes[0] * 1.2, MOST_BYTES)


def test_links_into_dagster_lead_where_the_setting_says(edge: Edge) -> None:
    add(edge.control)
    edge.settings = edge.settings.model_copy(
        update={"ledgerguard_dagster_url": "https://dagster.example.com"}
    )

    page = home(edge)

    assert 'href="https://dagster.example.com/runs"' in page
    assert "localhost:3000" not in page


def test_a_store_that_is_down_is_said_to_be(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(edge)

    def refuse(*_: object) -> None:
        raise ControlUnavailable("The disk is full: secret-detail.")

    monkeypatch.setattr(edge.control.companies, "list", refuse)

    for answer in (Browser(app).get("/"), ask(app, "/api/v1/status"), ask(app, "/readyz")):
        assert answer.status_code == 503
        assert "secret-detail" not in answer.text


def test_an_address_that_is_none_leads_back(edge: Edge) -> None:
    answer = Browser(create_app(edge)).get("/companies/1")

    assert answer.status_code in (400, 404)
    assert 'href="/"' in answer.text
    assert Browser(create_app(edge)).get("/nowhere").status_code == 404
