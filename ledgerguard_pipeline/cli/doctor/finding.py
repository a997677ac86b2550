"""One thing ``ledgerguard doctor`` looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CheckState(StrEnum):
    """How a finding counts; the value is what people read."""

    GOOD = "ok"
    ADVICE = "advice"
    BROKEN = "broken"
    """It fails now, for a reason outside the configuration (exit 1)."""
    MISCONFIGURED = "misconfigured"
    """Somebody has to change a setting (exit 2)."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was looked at, how it is, and the next step where there is one."""

    topic: str
    state: CheckState
    text: str
    next_step: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "topic": self.topic,
            "verdict": self.state.value,
            "text": self.text,
            "next_step": self.next_step,
        }


def exit_code(findings: list[CheckResult]) -> int:
    """2 if a setting is wrong, else 1 if something fails, else 0."""
    states = {finding.state for finding in findings}
    if CheckState.MISCONFIGURED in states:
        return 2
    return 1 if CheckState.BROKEN in states else 0


def good(topic: str, text: str) -> CheckResult:
    return CheckResult(topic, CheckState.GOOD, text)


def advice(topic: str, text: str, next_step: str) -> CheckResult:
    return CheckResult(topic, CheckState.ADVICE, text, next_step)


def broken(topic: str, text: str, next_step: str) -> CheckResult:
    return CheckResult(topic, CheckState.BROKEN, text, next_step)


def misconfigured(topic: str, text: str, next_step: str) -> CheckResult:
    return CheckResult(topic, CheckState.MISCONFIGURED, text, next_step)
