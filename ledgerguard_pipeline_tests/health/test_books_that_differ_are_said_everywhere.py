"""Status, metrics and alerts say that a tie-out broke, and that it ties out again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledgerguard_pipeline.alerts.policy import findings_of, notification, revise
from ledgerguard_pipeline.cli.commands.status import show
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.observability.metrics import exposition
from ledgerguard_pipeline.web.ops.metrics import RowFigures, gather
from ledgerguard_pipeline_tests.web import made_up_books as made_up
from ledgerguard_pipeline_tests.web.companies import add, realm


def status(plane: ControlPlane, settings: Settings) -> CompanyStatus:
    (found,) = read_statuses(plane, settings)
    (short,) = read_summaries(plane, settings)
    assert short.health == found.health
    return found


def test_a_broken_tie_out_is_a_reason_until_it_ties_out_again(
    plane: ControlPlane, store_settings: Settings
) -> None:
    add(plane)
    assert status(plane, store_settings).health.state is HealthState.HEALTHY
    plane.tie_outs.compared(realm(0), made_up.broken(plane.now()))
    (reason,) = status(plane, store_settings).health.reasons
    assert reason.kind is ReasonKind.BOOKS_DIFFER
    assert reason.text.startswith("Tie-out broke: 3 accounts, 12.40 USD, first seen ")
    assert "ledgerguard tieout --explain" in reason.text
    plane.tie_outs.compared(realm(0), made_up.tied_out(plane.now()))
    assert status(plane, store_settings).health.state is HealthState.HEALTHY


def test_the_alert_is_sent_once_and_resolved_once(
    plane: ControlPlane, store_settings: Settings
) -> None:
    add(plane)
    now = plane.now()
    plane.tie_outs.compared(realm(0), made_up.broken(now))
    found = findings_of(status(plane, store_settings).health.reasons)
    states = revise({}, found, now)
    news = notification(states, {})
    assert news is not None
    assert [each.kind for each in news.new] == ["books_differ"]
    assert notification(revise(states, found, now + timedelta(minutes=1)), news.sent) is None
    plane.tie_outs.compared(realm(0), made_up.tied_out(now))
    after = findings_of(status(plane, store_settings).health.reasons)
    resolved = notification(revise(states, after, now + timedelta(minutes=2)), news.sent)
    assert resolved is not None
    assert [slot for slot, _ in resolved.over] == ["books_differ"]


def test_what_goes_away_by_itself_alerts_nobody(
    plane: ControlPlane, store_settings: Settings
) -> None:
    import msgspec

    add(plane)
    refused = made_up.not_compared(plane.now())
    plane.tie_outs.compared(realm(0), refused)
    (reason,) = status(plane, store_settings).health.reasons
    assert reason.kind is ReasonKind.BOOKS_NOT_COMPARED
    assert "not_permitted" in reason.text
    passing = tuple(msgspec.structs.replace(each, passing=True) for each in refused.findings)
    plane.tie_outs.compared(realm(0), msgspec.structs.replace(refused, findings=passing))
    assert status(plane, store_settings).health.state is HealthState.HEALTHY


def test_status_and_metrics_have_a_line_of_the_books(
    plane: ControlPlane, store_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    add(plane)
    show(status(plane, store_settings))
    assert "books          never compared" in capsys.readouterr().out
    plane.tie_outs.compared(realm(0), made_up.broken(plane.now()))
    shown = status(plane, store_settings)
    show(shown)
    assert "do not tie out: 3 accounts, 12.40 USD, first seen" in capsys.readouterr().out
    assert shown.to_json()["books"] == {
        "state": "broken",
        "accounts": 3,
        "unexplained": 3,
        "amount": "12.40",
        "finding": None,
        "left_out": None,
        "tied_out_at": None,
        "checked_at": shown.to_json()["books"]["checked_at"],  # type: ignore[index]  # a dict
        "first_seen": shown.to_json()["books"]["first_seen"],  # type: ignore[index]  # a dict
    }
    text = exposition(gather(plane, store_settings, RowFigures(store_settings))).decode()
    name = f'{{realm="{realm(0)}"'
    assert f'ledgerguard_company_books{name},state="broken"}} 1.0' in text
    assert f"ledgerguard_company_books_differences{name}}} 3.0" in text
    assert f"ledgerguard_company_books_difference_amount{name}}} 12.4" in text
    assert f"ledgerguard_company_books_calls_today{name}}} 9.0" in text


def test_calls_of_comparisons_add_up_by_day(plane: ControlPlane) -> None:
    add(plane)
    now = plane.now()
    first = plane.tie_outs.compared(realm(0), made_up.tied_out(now))
    second = plane.tie_outs.compared(realm(0), made_up.tied_out(now))
    day = second.checked_at.date()
    assert first.calls_on(day) == 4
    assert second.calls_on(day) == 8
    assert plane.tie_outs.briefs()[realm(0)].calls_on(day) == 8
    assert plane.tie_outs.read(realm(1)) is None
