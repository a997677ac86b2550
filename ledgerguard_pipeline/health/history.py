"""The health of each company over the days: its worst state of each day, with the reason."""

from __future__ import annotations

from datetime import timedelta

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.daily_history import KEPT_DAYS, DayHealth
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.health.reasons import HealthState
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.values import RealmId

_ORDER = [state.value for state in HealthState]


def note_health(control: ControlPlane, settings: Settings) -> int:
    """Note the health of every company for today's history; how many became worse than noted.

    Raises:
        ControlUnavailable: the control plane cannot be read or written.
    """
    now = control.now()
    today = now.date()
    known = control.history.health_on(today)
    worse: dict[RealmId, DayHealth] = {}
    for each in read_summaries(control, settings, now=now):
        state, reasons = each.health.state.value, each.health.texts
        before = known.get(each.company.realm_id)
        if before is None or rank(state) > rank(before.state):
            worse[each.company.realm_id] = DayHealth(state, reasons[0] if reasons else "")
    control.history.note_health(today, worse)
    if not known and worse:
        control.history.forget_before(today - timedelta(days=KEPT_DAYS))
    return len(worse)


def rank(state: str) -> int:
    """How bad a state is; one of a newer version counts as the worst."""
    return _ORDER.index(state) if state in _ORDER else len(_ORDER)
