"""Sending what happened in the books, as Intuit does: signed, grouped, repeated, in order.

Every edit becomes events at once; a thread gathers them into deliveries and posts these one
after the other. A delivery that is not answered with 200 in time is repeated up Intuit's ladder
with the same bytes, and meanwhile nothing newer is sent (head-of-line blocking). What is lost,
doubled, late or out of order is drawn per event, see ``WebhookSwitches``.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random

import msgspec

from ledgerguard_pipeline.sandbox.books.change import Change
from ledgerguard_pipeline.sandbox.webhooks.delivery import Attempt, Delivery, WebhookState
from ledgerguard_pipeline.sandbox.webhooks.events import Event, body_of, event_of, source_of
from ledgerguard_pipeline.sandbox.webhooks.outbox import Outbox
from ledgerguard_pipeline.sandbox.webhooks.sender import Reply, deliver, signature
from ledgerguard_pipeline.sandbox.webhooks.switches import LADDER, WebhookSwitches

USER_AGENT = "intuit_notification_server/0.1"
_KEPT_DELIVERIES = 2_000
_KEPT_ATTEMPTS = 100
_STOP_SECONDS = 10
_BREATH_SECONDS = 0.01
"""Between two attempts at least, however small the time scale."""


class _Open:
    """A delivery without its 200: the bytes to repeat and when."""

    def __init__(self, delivery: Delivery, body: bytes, due: float) -> None:
        self.delivery = delivery
        self.body = body
        self.due = due
        self.waited = 0.0


class Deliveries:
    """The webhooks of one sandbox. Thread-safe; the thread starts with the first receiver.

    ``connected`` says whether a company has a live grant, ``now`` the sandbox's own time.
    """

    def __init__(
        self, client_id: str, connected: Callable[[str], bool], now: Callable[[], float]
    ) -> None:
        self.switches = WebhookSwitches()
        self._source = source_of(client_id)
        self._connected = connected
        self._now = now
        self._moved = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._busy = False
        self._flushed: set[int] | None = None
        """Deliveries already tried in the flush that is under way."""
        self._forget()

    def change(self, patch: dict[str, object]) -> None:
        """Set some switches; a new receiver gets what waits at once.

        Raises:
            ValueError: a name or a value is not known, or the URL is not on this machine.
        """
        with self._moved:
            before, self.switches = self.switches, self.switches.changed(patch)
            if self.switches.url != before.url:
                for each in self._open:
                    each.due = time.monotonic()
            if self.switches.url is not None and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._thread.start()
            self._moved.notify_all()

    def edited(self, realm_id: str, changes: Sequence[Change]) -> None:
        """Make events of an edit; see ``change.Observer``."""
        with self._moved:
            switches = self.switches
            if switches.url is None or (switches.connected_only and not self._connected(realm_id)):
                return
            for change in changes:
                rng = Random(f"{switches.seed}/{self._counts['events'] + 1}")
                event = event_of(
                    realm_id, change, self._counts["events"] + 1, rng, switches.inactive_as
                )
                if event is not None:
                    self._counts["events"] += 1
                    self._counts.update(self._outbox.add(event, switches, rng, time.monotonic()))
            self._moved.notify_all()

    def state(self) -> WebhookState:
        """The current state."""
        with self._moved:
            return WebhookState(
                events=self._counts["events"],
                delivered=self._counts["delivered"],
                lost=self._counts["lost"],
                duplicated=self._counts["duplicated"],
                reordered=self._counts["reordered"],
                waiting=len(self._outbox),
                unacknowledged=len(self._open),
                acknowledged=self._counts["acknowledged"],
                attempts=self._counts["attempts"],
            )

    def listed(self) -> bytes:
        """The last deliveries with their attempts, oldest first, as JSON."""
        with self._moved:
            return msgspec.json.encode(list(self._log))

    def flush(self, seconds: float) -> WebhookState:
        """Send all that waits now, each delivery once, and return when that is done.

        With head-of-line blocking a refused delivery ends it. Gives up after ``seconds``.
        """
        with self._moved:
            if self._thread is not None and self.switches.url is not None:
                self._flushed = set()
                self._moved.notify_all()
                self._moved.wait_for(lambda: self._flushed is None or self._closed, seconds)
        return self.state()

    def settle(self, seconds: float) -> WebhookState:
        """Wait until everything is acknowledged, or for ``seconds``."""
        with self._moved:
            self._moved.wait_for(
                lambda: self._closed or not (self._busy or self._open or len(self._outbox)),
                seconds,
            )
        return self.state()

    def reset(self) -> None:
        """Forget all deliveries and events, what waits too; numbers start again."""
        with self._moved:
            self._moved.wait_for(lambda: not self._busy)
            self._forget()
            self._moved.notify_all()

    def close(self) -> None:
        """End the thread; what was not sent is lost with the sandbox."""
        with self._moved:
            self._closed = True
            self._moved.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_STOP_SECONDS)

    def _forget(self) -> None:
        self._outbox = Outbox()
        self._open: list[_Open] = []
        self._log: deque[Delivery] = deque(maxlen=_KEPT_DELIVERIES)
        self._counts: Counter[str] = Counter()

    def _run(self) -> None:
        with self._moved:
            while not self._closed:
                now = time.monotonic()
                chosen, due = self._next(now)
                if chosen is None:
                    self._moved.wait(None if due is None else due - now)
                    continue
                self._busy = True
                switches, body, tid = self.switches, chosen.body, chosen.delivery.tid
                self._moved.release()
                try:
                    reply = self._post(switches, body, tid, chosen.delivery.created)
                finally:
                    self._moved.acquire()
                    self._busy = False
                self._answered(chosen, reply)
                self._moved.notify_all()

    def _next(self, now: float) -> tuple[_Open | None, float | None]:
        """What to send now, or until when nothing is to be done (None: until woken)."""
        switches = self.switches
        if switches.url is None:
            return None, None
        if self._flushed is not None:
            chosen = self._to_flush(now)
            if chosen is not None:
                return chosen, None
            self._flushed = None
            self._moved.notify_all()
        if switches.held:
            return None, None
        waits: list[float] = []
        for each in self._open:
            if each.due <= now:
                return each, None
            waits.append(each.due)
            if switches.head_of_line:
                return None, each.due
        ready = self._outbox.ready_at(switches)
        if ready is not None and ready <= now:
            return self._pack(self._outbox.take(switches.most_events, now), now), None
        return None, min([*waits, *([] if ready is None else [ready])], default=None)

    def _to_flush(self, now: float) -> _Open | None:
        done = self._flushed or set()
        for each in self._open:
            if each.delivery.number not in done:
                return each
            if self.switches.head_of_line:
                return None
        events = self._outbox.take(self.switches.most_events, None)
        return self._pack(events, now) if events else None

    def _pack(self, events: Sequence[Event], now: float) -> _Open:
        switches, created = self.switches, self._now()
        body = body_of(events, switches, self._source)
        self._counts["deliveries"] += 1
        number = self._counts["deliveries"]
        rng = Random(f"{switches.seed}/delivery/{number}")
        delivery = Delivery(
            number=number,
            tid=f"1-{int(created):08x}-{rng.getrandbits(96):024x}",
            created=created,
            shape=switches.shape,
            bytes=len(body),
            events=tuple(events),
        )
        self._log.append(delivery)
        opened = _Open(delivery, body, now)
        self._open.append(opened)
        return opened

    def _post(self, switches: WebhookSwitches, body: bytes, tid: str, created: float) -> Reply:
        if switches.url is None:
            return Reply(status=0, seconds=0.0, problem="there is no receiver any more")
        headers = {
            "Accept": "*/*",
            "Content-Type": switches.content_type,
            "User-Agent": USER_AGENT,
            "intuit-created-time": _written(created),
            "intuit-notification-schema-version": "0.1",
            "intuit-t-id": tid,
            "intuit-signature": signature(body, switches.token),
        }
        return deliver(switches.url, headers, body, switches.answer_seconds)

    def _answered(self, sent: _Open, reply: Reply) -> None:
        if sent not in self._open:
            return
        delivery = sent.delivery
        self._counts["attempts"] += 1
        delivery.attempts.append(Attempt(at=self._now(), waited=sent.waited, reply=reply))
        del delivery.attempts[_KEPT_ATTEMPTS // 2 : -_KEPT_ATTEMPTS // 2]
        delivery.tries += 1
        if self._flushed is not None:
            self._flushed.add(delivery.number)
        if reply.acknowledged:
            delivery.acknowledged = True
            self._counts["acknowledged"] += 1
            self._counts["delivered"] += len(delivery.events)
            self._open.remove(sent)
            return
        sent.waited = LADDER[min(delivery.tries, len(LADDER)) - 1]
        wait = max(sent.waited * self.switches.time_scale, _BREATH_SECONDS)
        sent.due = time.monotonic() + wait


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
