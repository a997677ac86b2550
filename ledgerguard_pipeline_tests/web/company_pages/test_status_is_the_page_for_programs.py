from __future__ import annotations

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.companies import SECRETS, add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge

NONE = dict.fromkeys(("healthy", "loading", "disconnected", "degraded", "unhealthy"), 0)


def test_status_is_what_the_command_line_tells(edge: Edge) -> None:
    add(edge.control, 0)
    add(edge.control, 1, status=ConnectionStatus.NEEDS_REAUTH, error="Its grant is dead.")
    statuses = {each.company.realm_id: each for each in read_statuses(edge.control, edge.settings)}

    answer = ask(create_app(edge), "/api/v1/status").json()

    reported = answer["companies"]
    assert [each["realm_id"] for each in reported] == [realm(1), realm(0)]
    for each in reported:
        company_status = statuses[each["realm_id"]].to_json()
        timeless = {name: value for name, value in company_status.items() if "seconds" not in name}
        assert {name: each[name] for name in timeless} == timeless
    assert answer["by_health"] == {**NONE, "healthy": 1, "unhealthy": 1}
    assert answer["calls"]["budget"] == edge.settings.ledgerguard_monthly_call_budget


def test_companies_are_summarised(edge: Edge) -> None:
    add(edge.control, 0, rows=2)

    answer = ask(create_app(edge), "/api/v1/companies").json()

    assert answer["companies"][0] | {"connected_at": "", "last_sync_time": ""} == {
        "realm_id": realm(0), "name": "Company 000", "environment": "sandbox",
        "status": "connected", "is_connected": True, "connected_at": "", "health": "healthy",
        "reasons": [], "reason_kinds": [], "last_sync_time": "", "rows": 84,
    }  # fmt: skip


def test_answers_come_in_pages_that_end(edge: Edge) -> None:
    for index in range(5):
        add(edge.control, index, synced=False)
    app = create_app(edge)
    chunks = [
        ask(app, f"/api/v1/companies?size=2&page={page}").json()["companies"]
        for page in (1, 2, 3, 4)
    ]

    assert [len(chunk) for chunk in chunks] == [2, 2, 1, 0]
    assert ask(app, "/api/v1/companies?size=2").json()["pages"] == 3


def test_a_wrong_parameter_is_reported_as_json(edge: Edge) -> None:
    answer = ask(create_app(edge), "/api/v1/status?state=odd")

    assert answer.status_code == 400
    assert "healthy, loading, disconnected, degraded, unhealthy" in answer.json()["message"]


def test_ready_counts_companies_and_names_none(edge: Edge) -> None:
    add(edge.control, 0)
    add(edge.control, 1, status=ConnectionStatus.DISCONNECTED)

    answer = ask(create_app(edge), "/readyz", base="http://elsewhere.example")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready", "control": "ok",
        "companies": {**NONE, "healthy": 1, "disconnected": 1},
        "installation": edge.control.keyring.names()[0],
    }  # fmt: skip


def test_no_answer_holds_a_token(edge: Edge) -> None:
    add(edge.control)
    app = create_app(edge)

    for path in ("/api/v1/status", "/api/v1/companies", "/readyz", "/", f"/companies/{realm(0)}"):
        text = ask(app, path).text
        assert text
        assert not any(secret in text for secret in SECRETS)
