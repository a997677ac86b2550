"""An alert about a failed run ends by what came after it, and by nothing else."""

import pytest

from ledgerguard_pipeline.alerts.policy import INSTALLATION
from ledgerguard_pipeline.alerts.stored_state import read_states
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.fleet.shards import Shard, SweepTask
from ledgerguard_pipeline.defs.keys import REALM_TAG, SWEEP_TAG
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company
from ledgerguard_pipeline_tests.defs.monitoring.alert_daemon import *  # noqa: F403  # fixtures
from ledgerguard_pipeline_tests.defs.monitoring.alert_daemon import (
    Daemon,
    bronze_changes,
    bronze_sync,
    bronze_webhooks,
    fleet_sweep,
    reconcile,
)

OF_FIRST = {REALM_TAG: FIRST}
SWEPT = pytest.mark.parametrize("overrides", [{"ledgerguard_sweep_above": 0}])
NOT_OFFERED = ("Budget", "Class")
REFUSED = Failure("Invoice cannot be read. Look.", name="RequestRejected")


def synced(control: ControlPlane, settings: Settings, *, failing: str | None = None) -> None:
    """A sync outside of Dagster, or one of a sweep: its runs carry no company."""
    control.sync_states.ended(
        RealmId(FIRST),
        current=[each.name for each in settings.kept_entities if each.name != failing],
        failed=None if failing is None else {failing: REFUSED},
    )


def kinds(daemon: Daemon) -> list[object]:
    daemon.tick()
    return [each["kind"] for each in daemon.heard()]


def on(control: ControlPlane, realm: str) -> list[str]:
    """The failed runs that count."""
    states = read_states(control.alerts.alert_states().get(realm))
    return [slot for slot, each in states.items() if each.on and slot.startswith("run_failed")]


def test_what_was_launched_by_hand_is_over_with_any_later_sync_of_the_company(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    synced(control, settings)
    daemon.run(bronze_sync, fails="yes", **OF_FIRST)
    assert kinds(daemon) == ["problem"]
    synced(control, settings, failing="Invoice")
    assert kinds(daemon) == [], "a type fails still, and the alert says so already"
    synced(control, settings)
    assert kinds(daemon) == ["recovered"]


def test_what_was_launched_by_hand_is_over_with_any_later_run_of_the_company(
    daemon: Daemon, control: ControlPlane
) -> None:
    daemon.run(bronze_sync, fails="yes", **OF_FIRST)
    daemon.run(bronze_changes, **{REALM_TAG: SECOND})
    daemon.tick()
    assert on(control, FIRST) == ["run_failed:bronze_sync"]
    daemon.run(bronze_changes, **OF_FIRST)
    daemon.tick()
    assert on(control, FIRST) == []


def test_the_job_of_a_schedule_is_over_with_its_own_success(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    synced(control, settings)
    daemon.run(reconcile, fails="yes", **OF_FIRST)
    assert kinds(daemon) == ["problem"]
    synced(control, settings)
    daemon.run(bronze_changes, **OF_FIRST)
    assert kinds(daemon) == []
    daemon.run(reconcile, **OF_FIRST)
    assert kinds(daemon) == ["recovered"]


@SWEPT
def test_where_companies_are_swept_their_last_runs_are_over_with_a_sync(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    """The schedule starts none of them any more."""
    synced(control, settings)
    daemon.run(bronze_changes, fails="yes", **OF_FIRST)
    assert kinds(daemon) == ["problem"]
    synced(control, settings)
    assert kinds(daemon) == ["recovered"]


def test_a_run_for_events_is_not_over_while_they_wait(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    synced(control, settings)
    control.deliveries.accept([delivery([event("a", realm=FIRST)])])
    daemon.run(bronze_webhooks, fails="yes", **OF_FIRST)
    assert kinds(daemon) == ["problem"]
    synced(control, settings)
    assert kinds(daemon) == []
    control.inbox.park([each.seq for each in control.inbox.list()], "by hand")
    control.inbox.dismiss([each.seq for each in control.inbox.list()], "by hand")
    assert kinds(daemon) == ["recovered"]


@SWEPT
def test_a_failed_sweep_is_over_with_its_own_success_alone(daemon: Daemon) -> None:
    daemon.run(fleet_sweep, fails="yes", **{SWEEP_TAG: "reconcile/0of1"})
    daemon.tick()
    (reported,) = daemon.heard()
    assert reported["title"] == "This installation is degraded"
    assert "The sweep reconcile/0of1 failed" in str(reported["text"])
    for other in ("changes/0of1", "queried/0of1"):
        daemon.run(fleet_sweep, **{SWEEP_TAG: other})
    assert kinds(daemon) == []
    daemon.run(fleet_sweep, fails="yes", **{SWEEP_TAG: "queried/0of1"})
    daemon.run(fleet_sweep, **{SWEEP_TAG: "reconcile/0of1"})
    daemon.tick()
    (reported,) = daemon.heard()
    assert reported["kind"] == "problem", "another sweep is another problem"
    assert "The sweep queried/0of1 failed" in str(reported["text"])


@pytest.mark.parametrize(
    "overrides", [{"ledgerguard_sweep_above": 0, "ledgerguard_sweep_shards": 2}]
)
def test_a_sweep_that_is_not_made_any_more_is_over_with_any_other(daemon: Daemon) -> None:
    """The companies are cut otherwise since."""
    daemon.run(fleet_sweep, fails="yes", **{SWEEP_TAG: "changes/0of1"})
    assert kinds(daemon) == ["problem"]
    daemon.run(fleet_sweep, **{SWEEP_TAG: "changes/1of2"})
    assert kinds(daemon) == ["recovered"]


@SWEPT
def test_a_sweep_in_which_few_companies_failed_is_their_failure(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    synced(control, settings)
    control.deliveries.accept([delivery([event("a", realm=FIRST)])])
    daemon.run(fleet_sweep, fails="companies", companies=FIRST, **{SWEEP_TAG: "events/0of1"})
    daemon.tick()
    (reported,) = daemon.heard()
    assert reported["title"] == f"Craig's Design (company {FIRST}) is degraded"
    assert "It may not be read" in str(reported["text"])
    daemon.run(fleet_sweep, **{SWEEP_TAG: "changes/0of1"})
    synced(control, settings)
    assert kinds(daemon) == [], "its events wait still"
    daemon.run(fleet_sweep, **{SWEEP_TAG: "events/0of1"})
    assert kinds(daemon) == ["recovered"]


@SWEPT
def test_a_green_sweep_is_no_success_of_a_company_that_fails_in_it(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    synced(control, settings)
    daemon.run(fleet_sweep, fails="companies", companies=FIRST, **{SWEEP_TAG: "changes/0of1"})
    assert kinds(daemon) == ["problem"]
    daemon.run(fleet_sweep, **{SWEEP_TAG: "changes/0of1"})
    assert kinds(daemon) == [], "it was not synced since"
    synced(control, settings, failing="Invoice")
    assert kinds(daemon) == []
    synced(control, settings)
    assert kinds(daemon) == ["recovered"]


@SWEPT
def test_what_many_companies_fail_of_is_no_companys_own(
    daemon: Daemon, control: ControlPlane
) -> None:
    realms = [FIRST, SECOND, *(str(1000 + number) for number in range(4))]
    control.companies.put(company(SECOND))
    tags = {SWEEP_TAG: "events/0of1"}
    daemon.run(fleet_sweep, fails="companies", companies=",".join(realms), **tags)
    assert (on(control, INSTALLATION), on(control, FIRST)) == (["run_failed:events/0of1"], [])
    daemon.run(fleet_sweep, fails="companies", companies=",".join(realms[:2]), **tags)
    assert on(control, FIRST) == on(control, SECOND) == ["run_failed:events/0of1"]


@SWEPT
def test_a_sweep_of_first_loads_is_not_made_any_more_once_all_are_loaded(
    daemon: Daemon, control: ControlPlane, settings: Settings
) -> None:
    daemon.run(fleet_sweep, fails="companies", companies=FIRST, **{SWEEP_TAG: "first/0of1"})
    control.sync_states.ended(RealmId(FIRST), current=["Invoice"])
    daemon.tick()
    assert on(control, FIRST) == ["run_failed:first/0of1"], "more than that is to be loaded"
    loaded = [
        Committed(each.name, Mode.FULL, str(number), 0, 0, control.now())
        for number, each in enumerate(settings.kept_entities)
        if each.name not in NOT_OFFERED
    ]
    control.sync_states.committed(RealmId(FIRST), loaded)
    daemon.tick()
    assert on(control, FIRST) == ["run_failed:first/0of1"], "two types were not asked for yet"
    # What the company is not offered is up to date and never gets a watermark.
    control.sync_states.ended(RealmId(FIRST), current=NOT_OFFERED)
    daemon.tick()
    assert on(control, FIRST) == []


def test_the_name_of_a_shard_is_read_back() -> None:
    shard = Shard(SweepTask.RECONCILE, 1, 3)
    assert Shard.named(shard.name) == shard
    assert [Shard.named(name) for name in ("", "changes", "else/0of1")] == [None] * 3
