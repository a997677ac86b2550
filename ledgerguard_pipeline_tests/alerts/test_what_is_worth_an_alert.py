"""Which changes become news; pure, so time is only a number here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline.alerts.policy import (
    Alert,
    AlertKind,
    AlertState,
    Notification,
    SentPoint,
    findings_of,
    notification,
    revise,
)
from ledgerguard_pipeline.alerts.stored_state import read_sent, read_states, sent_text, states_text
from ledgerguard_pipeline.health.rules import HealthState, Reason, ReasonKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def found(kind: str, grade: str = "", state: HealthState = HealthState.DEGRADED) -> Alert:
    return Alert(kind, state, f"Something about {kind} {grade}. Do this.", grade=grade)


DEAD = found(ReasonKind.NEEDS_REAUTH, state=HealthState.UNHEALTHY)
QUARANTINE = found(ReasonKind.QUARANTINE)
LAG = found(ReasonKind.WEBHOOK_LAG)
RUN = Alert(
    AlertKind.RUN_FAILED, HealthState.DEGRADED, "It failed.", subject="bronze_changes", run_id="1"
)


class Watch:
    """A company and one channel, looked at every thirty seconds."""

    def __init__(self) -> None:
        self.now = NOON
        self.alert_states: dict[str, AlertState] = {}
        self.sent: dict[str, SentPoint] = {}

    def look(self, *findings: Alert, seconds: float = 30) -> Notification | None:
        self.now += timedelta(seconds=seconds)
        # Through the store's form, as between two ticks.
        self.alert_states = read_states(states_text(revise(self.alert_states, findings, self.now)))
        heard = notification(self.alert_states, self.sent)
        if heard is not None:
            self.sent = read_sent(sent_text(heard.sent))
        return heard

    def during(self, seconds: float, *findings: Alert) -> list[Notification]:
        heard = [self.look(*findings) for _ in range(int(seconds / 30))]
        return [each for each in heard if each is not None]


def kinds(findings: tuple[Alert, ...]) -> list[str]:
    return [each.kind for each in findings]


def test_a_healthy_company_is_no_news() -> None:
    watch = Watch()
    assert watch.during(3600) == []
    assert watch.alert_states == {}


def test_a_dead_connection_alerts_at_once_and_once() -> None:
    watch = Watch()
    heard = watch.look(DEAD)
    assert heard is not None
    assert (heard.state, kinds(heard.new)) == (HealthState.UNHEALTHY, ["needs_reauth"])
    assert watch.during(86_400, DEAD) == []


def test_its_end_is_sent_too() -> None:
    watch = Watch()
    watch.look(DEAD)
    heard = watch.look()
    assert heard is not None
    assert (heard.state, heard.new) == (HealthState.HEALTHY, ())
    assert heard.over == (("needs_reauth", DEAD.text),)
    assert watch.during(86_400) == []


def test_a_second_reason_is_news_and_the_first_is_recalled() -> None:
    watch = Watch()
    watch.look(QUARANTINE)
    heard = watch.look(QUARANTINE, found(ReasonKind.PARKED_EVENTS))
    assert heard is not None
    assert kinds(heard.new) == ["parked_events"]
    assert kinds(heard.still) == ["quarantine"]


def test_each_stage_alerts_once_and_never_again_on_the_way_back() -> None:
    watch = Watch()
    stages = ["30", "14", "3", "14", "3"]
    heard = [watch.look(found(ReasonKind.REFRESH_TOKEN_ENDS, stage)) for stage in stages]
    assert [None if each is None else each.new[0].grade for each in heard] == [
        "30", "14", "3", None, None,
    ]  # fmt: skip
    over = watch.look()
    assert over is not None
    assert over.state is HealthState.HEALTHY


def test_another_number_in_the_text_is_no_news() -> None:
    watch = Watch()
    watch.look(QUARANTINE)
    more = Alert(QUARANTINE.kind, QUARANTINE.state, "4 records are in quarantine.")
    assert watch.during(3600, more) == []


def test_what_lasts_only_a_moment_does_not_alert() -> None:
    watch = Watch()
    assert watch.during(60, LAG) == []
    assert watch.during(3600) == []


def test_what_lasts_alerts_once_it_has_settled() -> None:
    watch = Watch()
    assert len(watch.during(600, LAG)) == 1


def test_a_short_pause_is_not_the_end() -> None:
    watch = Watch()
    watch.during(600, LAG)
    assert watch.during(240) == []
    assert watch.during(600, LAG) == []
    (over,) = watch.during(3600)
    assert over.over[0][0] == "webhook_lag"


def test_flapping_alerts_less_and_less() -> None:
    watch = Watch()
    sent = 0
    for _ in range(200):
        sent += len(watch.during(300, DEAD))
        sent += len(watch.during(300))
    assert sent <= 6, "two hundred changes in 33 hours"
    assert watch.during(86_400, DEAD) == []


def test_after_a_quiet_day_patience_starts_anew() -> None:
    watch = Watch()
    for _ in range(20):
        watch.during(300, DEAD)
        watch.during(300)
    watch.during(86_400)
    assert len(watch.during(60, DEAD)) == 1
    assert len(watch.during(60)) == 1


def test_what_follows_from_a_dead_connection_is_inhibited() -> None:
    watch = Watch()
    watch.during(600, QUARANTINE, LAG)
    heard = watch.look(DEAD, RUN)
    assert heard is not None
    assert (kinds(heard.new), heard.still, heard.over) == (["needs_reauth"], (), ())
    assert watch.during(7200, DEAD) == []
    back = watch.look(QUARANTINE)
    assert back is not None
    assert [slot for slot, _ in back.over] == ["needs_reauth"]
    assert kinds(back.new) == ["quarantine"]


def test_a_connection_that_is_back_for_a_moment_brings_nothing_else_up() -> None:
    watch = Watch()
    for _ in range(3):
        watch.during(300, DEAD)
        watch.during(600)
    watch.during(300, DEAD)
    assert watch.during(60, QUARANTINE) == []
    assert set(watch.sent) == {"needs_reauth"}
    (back,) = watch.during(7200, QUARANTINE)
    assert ([slot for slot, _ in back.over], kinds(back.new)) == (["needs_reauth"], ["quarantine"])


def test_a_failed_run_speaks_for_the_failed_sync() -> None:
    watch = Watch()
    failed = found(ReasonKind.SYNC_FAILED)
    heard = watch.look(failed, RUN)
    assert heard is not None
    assert kinds(heard.new) == ["run_failed"]
    assert watch.during(3600, failed, RUN) == []


def test_a_failed_sync_without_a_run_alerts_by_itself() -> None:
    watch = Watch()
    (heard,) = watch.during(600, found(ReasonKind.SYNC_FAILED))
    assert kinds(heard.new) == ["sync_failed"]


def test_runs_of_different_jobs_are_different_things() -> None:
    watch = Watch()
    other = Alert(RUN.kind, RUN.state, "It failed.", subject="reconcile", run_id="2")
    watch.look(RUN)
    heard = watch.look(RUN, other)
    assert heard is not None
    assert [each.subject for each in heard.new] == ["reconcile"]
    assert [each.subject for each in heard.still] == ["bronze_changes"]


def test_reasons_of_one_kind_are_one_finding_as_bad_as_the_worst() -> None:
    reasons = [
        Reason(HealthState.DEGRADED, "A is late.", ReasonKind.SYNC_LATE, "degraded"),
        Reason(HealthState.UNHEALTHY, "B is late.", ReasonKind.SYNC_LATE, "unhealthy"),
    ]
    (finding,) = findings_of(reasons)
    assert finding.state is HealthState.UNHEALTHY
    assert finding.grade == "unhealthy"
    assert finding.text == "A is late. B is late."


def test_what_another_version_stored_counts_as_nothing() -> None:
    for text in ("", "[]", "no json", '{"quarantine": {"kind": 1}}', '{"a": []}', "null"):
        assert read_states(text) == {}
        assert read_sent(text) == {}


FINDINGS = st.lists(
    st.sampled_from([DEAD, QUARANTINE, LAG, RUN, found(ReasonKind.SYNC_LATE, "degraded")]),
    unique=True,
    max_size=4,
)


@given(st.lists(st.tuples(FINDINGS, st.integers(1, 20_000)), max_size=30))
def test_after_a_quiet_day_a_channel_knows_exactly_what_is(
    looks: list[tuple[list[Alert], int]],
) -> None:
    watch = Watch()
    for findings, seconds in looks:
        watch.look(*findings, seconds=seconds)
        assert watch.look(*findings, seconds=0) is None, "the same look again is never news"
    last = looks[-1][0] if looks else []
    for _ in range(3):
        watch.look(*last, seconds=86_400)
    expected = [DEAD] if DEAD in last else last
    assert set(watch.sent) == {each.slot for each in expected}
