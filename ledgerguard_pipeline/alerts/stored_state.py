"""Alert states and what was sent, as the JSON texts that are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from ledgerguard_pipeline.alerts.channels.message import plain
from ledgerguard_pipeline.alerts.policy import (
    Alert,
    AlertState,
    AlertStates,
    SentPoint,
)
from ledgerguard_pipeline.health.rules import HealthState


def states_text(alert_states: AlertStates) -> str | None:
    """Alert states for the store; None where there is nothing to remember."""
    if not alert_states:
        return None
    return json.dumps(
        {slot: _state_json(alert_state) for slot, alert_state in alert_states.items()},
        ensure_ascii=False,
    )


def _state_json(alert_state: AlertState) -> dict[str, object]:
    finding = alert_state.finding
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "grade": finding.grade,
        "state": finding.state.value,
        "text": plain(finding.text),
        "run_id": finding.run_id,
        "present": alert_state.present,
        "since": alert_state.since.isoformat(),
        "on": alert_state.on,
        "ended_at": None if alert_state.ended_at is None else alert_state.ended_at.isoformat(),
        "relapses": alert_state.relapses,
    }


def read_states(text: str | None) -> dict[str, AlertState]:
    """Alert states from the store; unreadable ones of another version count as none."""
    try:
        return _states(text)
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _states(text: str | None) -> dict[str, AlertState]:
    alert_states: dict[str, AlertState] = {}
    for slot, each in json.loads(text or "{}").items():
        finding = Alert(
            each["kind"], HealthState(each["state"]), each["text"], each["subject"], each["grade"],
            each["run_id"],
        )  # fmt: skip
        ended = each["ended_at"]
        alert_states[slot] = AlertState(
            finding,
            present=each["present"],
            since=datetime.fromisoformat(each["since"]),
            on=each["on"],
            ended_at=None if ended is None else datetime.fromisoformat(ended),
            relapses=each["relapses"],
        )
    return alert_states


def sent_text(sent: Mapping[str, SentPoint]) -> str:
    """What was sent, for the store."""
    return json.dumps(
        {
            slot: {"text": plain(point.text), "grades": list(point.grades)}
            for slot, point in sent.items()
        },
        ensure_ascii=False,
    )


def read_sent(text: str) -> dict[str, SentPoint]:
    """Sent alerts from the store; unreadable ones count as none."""
    try:
        return {
            slot: SentPoint(each["text"], tuple(each["grades"]))
            for slot, each in json.loads(text).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
