"""From the status of companies to messages on every channel.

``observe`` remembers what is wrong, ``tell`` brings each channel up to date. Both may run in any
number of processes at once and die at any moment: each change is sent once per channel, except
where a process dies between a channel's yes and writing it down; then it is sent again after two
minutes, under the same message id. A channel that fails does not hold up the others, and catches
up by itself with the state of that moment.

Decision 23 in docs/decisions.md.
"""

from __future__ import annotations

import secrets
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from ledgerguard_pipeline.alerts.channels.configured import Channel
from ledgerguard_pipeline.alerts.channels.message import Message, Mood, plain
from ledgerguard_pipeline.alerts.messages import Links, company_news, message_id, mood
from ledgerguard_pipeline.alerts.policy import (
    COMMON,
    INSTALLATION,
    Alert,
    AlertKind,
    AlertStates,
    Notification,
    notification,
    revise,
)
from ledgerguard_pipeline.alerts.stored_state import read_sent, read_states, sent_text, states_text
from ledgerguard_pipeline.clock import Backoff
from ledgerguard_pipeline.control.company_state.alert_state import SentAlerts
from ledgerguard_pipeline.control.leases.process_identity import this_process
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import AlertError, ChannelUnavailable
from ledgerguard_pipeline.health.rules import HealthState
from ledgerguard_pipeline.observability.redaction import redact

ONE_BY_ONE = 5
"""More companies than this at once go into one message: nobody reads five hundred."""

BROKEN_AFTER = 3
"""Failed attempts in a row, some minutes apart, after which a channel counts as broken."""

START_SECONDS = 25.0
"""No message is begun after this; with one that times out a tick stays below Dagster's sixty."""
WAIT_SECONDS = 50.0

_RETRYING = Backoff(first=20.0, longest=900.0)

_log = structlog.get_logger(__name__)

StillFailing = Callable[[str, Alert], bool]
"""Whether no later run of the job (of that company) has succeeded."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is wrong with one company at the moment; nothing, for a healthy one."""

    realm_id: str
    name: str
    findings: tuple[Alert, ...]


@dataclass(slots=True)
class DispatchSummary:
    """The result by channel: messages accepted, and why one was not."""

    sent: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class AlertDispatcher:
    """Watches over the companies of one control plane on behalf of some channels."""

    def __init__(self, control: ControlPlane, channels: Sequence[Channel], links: Links) -> None:
        self._control = control
        self._store = control.alerts
        self._channels = channels
        self._links = links

    def observe(
        self, companies: Sequence[Observed], still_failing: StillFailing, at: datetime
    ) -> None:
        """Record the status of all companies; ``at`` is the store's time when they were looked at.

        Companies that are not listed are forgotten.
        """
        current = {each.realm_id: list(each.findings) for each in companies}
        known, sent = self._store.alert_states(), self._store.sent()
        current[INSTALLATION] = [*_common(current.values()), *self._broken_channels(known, sent)]
        gone = set(known) - set(current)
        gone |= {each.realm_id for each in sent} - set(current)
        if gone:
            self._store.forget(gone)
        # Dagster is asked before the store is locked.
        failing = {
            realm: [
                alert_state.finding
                for alert_state in read_states(text).values()
                if alert_state.finding.kind == AlertKind.RUN_FAILED
                and alert_state.present
                and still_failing(realm, alert_state.finding)
            ]
            for realm, text in known.items()
        }

        def change(stored: Mapping[str, str]) -> dict[str, str | None]:
            changed: dict[str, str | None] = {}
            for realm, found in current.items():
                before = stored.get(realm)
                if before is None and not found:
                    continue
                alert_states = read_states(before)
                asked = {each.slot: each for each in failing.get(realm, ())}
                # Runs that failed since they were asked about are failing as well.
                asked |= {
                    slot: alert_state.finding
                    for slot, alert_state in alert_states.items()
                    if alert_state.finding.kind == AlertKind.RUN_FAILED
                    and alert_state.present
                    and alert_state.finding.run_id not in _run_ids(known.get(realm))
                }
                after = states_text(revise(alert_states, [*found, *asked.values()], at))
                if after != before:
                    changed[realm] = after
            return changed

        self._store.revise(change, at)

    def _broken_channels(
        self, states: Mapping[str, str], sent: Sequence[SentAlerts]
    ) -> list[Alert]:
        """Channels that take nothing; the others are sent that, for nobody else would know.

        What was over before it could be sent waits no more, and says nothing of the channel now.
        """
        names = {channel.name for channel in self._channels}
        worst: dict[str, SentAlerts] = {}
        for each in sent:
            known = worst.get(each.channel)
            if (
                each.attempts >= BROKEN_AFTER
                and (known is None or each.attempts > known.attempts)
                and _unsent(each.channel, read_states(states.get(each.realm_id)), each) is not None
            ):
                worst[each.channel] = each
        return [
            Alert(
                AlertKind.CHANNEL_FAILS.value,
                HealthState.DEGRADED,
                f"Alerts do not arrive by {name}. {each.last_error or 'No reason is known.'}",
                subject=name,
            )
            for name, each in sorted(worst.items())
            if name in names
        ]

    def note_failed_run(self, realm: str, finding: Alert) -> None:
        """Note a run that failed; it is over when a later run of its job succeeds."""
        at = self._control.now()

        def change(stored: Mapping[str, str]) -> dict[str, str | None]:
            alert_states = read_states(stored.get(realm))
            present = [
                alert_state.finding for alert_state in alert_states.values() if alert_state.present
            ]
            kept = [each for each in present if each.slot != finding.slot]
            after = states_text(revise(alert_states, [*kept, finding], at))
            return {} if after == stored.get(realm) else {realm: after}

        self._store.revise(change)

    def tell(self) -> DispatchSummary:
        """Bring every channel up to date; channels side by side, and none can fail the caller."""
        summary = DispatchSummary()
        threads = [
            threading.Thread(
                target=self._tell,
                args=(channel, summary),
                name=f"alerts-{channel.name}",
                daemon=True,
            )
            for channel in self._channels
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        return summary

    def _tell(self, channel: Channel, summary: DispatchSummary) -> None:
        try:
            _ChannelDelivery(self._control, channel, self._links, summary).run()
        except Exception as error:  # noqa: BLE001  # alerts must never break what they watch
            summary.failed[channel.name] = type(error).__name__
            # Not the logger's own traceback: unconfigured, it prints local variables.
            trace = redact(traceback.format_exc())
            _log.error("alert_failed", channel=channel.name, trace=trace)


class _ChannelDelivery:
    """One channel's delivery."""

    def __init__(
        self, control: ControlPlane, channel: Channel, links: Links, summary: DispatchSummary
    ) -> None:
        self._control = control
        self._store = control.alerts
        self._channel = channel
        self._links = links
        self._summary = summary
        self._owner = f"{this_process()}/{secrets.token_hex(8)}"[-64:]
        self._attempts: dict[str, int] = {}

    def run(self) -> None:
        sent = {each.realm_id: each for each in self._store.sent(self._channel.name)}
        found: dict[str, Notification] = {}
        versions: dict[str, int] = {}
        changes: dict[str, str] = {}
        # A company that was reported and has no alert state any more is one where all is over.
        for realm, text in {**dict.fromkeys(sent, "{}"), **self._store.alert_states()}.items():
            known = sent.get(realm)
            if known is not None and known.busy_until is not None:
                continue
            states = read_states(text)
            heard = _unsent(self._channel.name, states, known)
            if heard is not None:
                found[realm] = heard
                versions[realm] = 0 if known is None else known.version
                since = {slot: states[slot].since.isoformat() for slot in sorted(heard.sent)}
                changes[realm] = f"{versions[realm]}/{sent_text(heard.sent)}/{since}"
                self._attempts[realm] = 0 if known is None else known.attempts
        if not found:
            return
        taken = self._store.claim(self._channel.name, self._owner, versions)
        self._deliver({realm: found[realm] for realm in sorted(taken)}, changes)

    def _deliver(self, found: Mapping[str, Notification], changes: Mapping[str, str]) -> None:
        chunks = [list(found)] if len(found) > ONE_BY_ONE else [[realm] for realm in found]
        names: dict[str, str] = {
            each.realm_id: each.name for each in self._control.companies.list()
        }
        began = self._control.clock.monotonic()
        while chunks:
            if self._control.clock.monotonic() - began > START_SECONDS:
                break
            realms = chunks[0]
            message = self._message(realms, found, changes, names)
            try:
                remark = self._channel.send(message)
            except AlertError as error:
                self._put_back(realms, error)
                chunks.pop(0)
                break
            except Exception as error:
                self._put_back(realms, ChannelUnavailable(f"{type(error).__name__} in sending."))
                chunks.pop(0)
                raise
            chunks.pop(0)
            self._store.confirm(
                self._channel.name,
                self._owner,
                {realm: sent_text(found[realm].sent) for realm in realms},
            )
            self._summary.sent[self._channel.name] = (
                self._summary.sent.get(self._channel.name, 0) + 1
            )
            _log.info("alert_sent", channel=self._channel.name, title=message.title, remark=remark)
        left = [realm for realms in chunks for realm in realms]
        if left:
            self._store.put_back(self._channel.name, self._owner, left)

    def _put_back(self, realms: Sequence[str], error: AlertError) -> None:
        text = plain(error.message)
        attempts = max(self._attempts[realm] for realm in realms)
        wait = _RETRYING.bound(attempts)
        asked = error.retry_after if isinstance(error, ChannelUnavailable) else None
        self._store.put_back(
            self._channel.name,
            self._owner,
            realms,
            error=text,
            retry_seconds=max(wait, asked or 0.0),
        )
        self._summary.failed[self._channel.name] = text
        _log.warning("alert_not_sent", channel=self._channel.name, error=text)

    def _message(
        self,
        realms: Sequence[str],
        found: Mapping[str, Notification],
        changes: Mapping[str, str],
        names: Mapping[str, str],
    ) -> Message:
        moods = [mood(found[realm]) for realm in realms]
        order = list(Mood)
        environment = self._control.environment.value
        return Message(
            id=message_id(
                self._channel.name, environment, {realm: changes[realm] for realm in realms}
            ),
            at=self._control.now(),
            mood=min(moods, key=order.index),
            environment=environment,
            companies=tuple(
                company_news(realm, names.get(realm, realm), found[realm], self._links)
                for realm in realms
            ),
        )


def _common(current: Iterable[list[Alert]]) -> list[Alert]:
    """Take what concerns all companies at once out of each, and return it once."""
    common: dict[str, Alert] = {}
    for findings in current:
        for finding in [each for each in findings if each.kind in COMMON]:
            findings.remove(finding)
            common.setdefault(finding.slot, finding)
    return list(common.values())


def _unsent(channel: str, states: AlertStates, sent: SentAlerts | None) -> Notification | None:
    """What a channel is to be sent about a company; never that itself fails: it hears that it works."""
    own = f"{AlertKind.CHANNEL_FAILS}:{channel}"
    others = {slot: each for slot, each in states.items() if slot != own}
    return notification(others, {} if sent is None else read_sent(sent.sent))


def _run_ids(text: str | None) -> set[str]:
    return {alert_state.finding.run_id for alert_state in read_states(text).values()}
