"""Signs and what was told as the JSON texts that are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from ledgerguard_pipeline.alerts.channels.message import plain
from ledgerguard_pipeline.alerts.policy import (
    Finding,
    Sign,
    Signs,
    ToldPoint,
)
from ledgerguard_pipeline.health.rules import HealthState


def signs_text(signs: Signs) -> str | None:
    """Signs for the store; None where there is nothing to remember."""
    if not signs:
        return None
    return json.dumps({slot: _sign_json(sign) for slot, sign in signs.items()}, ensure_ascii=False)


def _sign_json(sign: Sign) -> dict[str, object]:
    finding = sign.finding
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "grade": finding.grade,
        "state": finding.state.value,
        "text": plain(finding.text),
        "run_id": finding.run_id,
        "present": sign.present,
        "since": sign.since.isoformat(),
        "on": sign.on,
        "ended_at": None if sign.ended_at is None else sign.ended_at.isoformat(),
        "relapses": sign.relapses,
    }


def read_signs(text: str | None) -> dict[str, Sign]:
    """Signs from the store; what another version wrote and cannot be read counts as none."""
    try:
        return _signs(text)
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _signs(text: str | None) -> dict[str, Sign]:
    signs: dict[str, Sign] = {}
    for slot, each in json.loads(text or "{}").items():
        finding = Finding(
            each["kind"], HealthState(each["state"]), each["text"], each["subject"], each["grade"],
            each["run_id"],
        )  # fmt: skip
        ended = each["ended_at"]
        signs[slot] = Sign(
            finding,
            present=each["present"],
            since=datetime.fromisoformat(each["since"]),
            on=each["on"],
            ended_at=None if ended is None else datetime.fromisoformat(ended),
            relapses=each["relapses"],
        )
    return signs


def told_text(told: Mapping[str, ToldPoint]) -> str:
    """What was told, for the store."""
    return json.dumps(
        {
            slot: {"text": plain(point.text), "grades": list(point.grades)}
            for slot, point in told.items()
        },
        ensure_ascii=False,
    )


def read_told(text: str) -> dict[str, ToldPoint]:
    """What was told, from the store; what cannot be read counts as nothing."""
    try:
        return {
            slot: ToldPoint(each["text"], tuple(each["grades"]))
            for slot, each in json.loads(text).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
