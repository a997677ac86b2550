"""A channel that remembers, and the ticks of a daemon that fill it."""

from __future__ import annotations

from ledgerguard_pipeline.alerts.channels.message import Message
from ledgerguard_pipeline.alerts.channels.webhook import WebhookChannel
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher, DispatchSummary
from ledgerguard_pipeline.alerts.messages import Links
from ledgerguard_pipeline.alerts.policy import Alert
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline_tests.alerts.problems import observed
from ledgerguard_pipeline_tests.clocks import FakeClock

FIRST, SECOND = "9341453474484455", "9341453474484456"
LINKS = Links("https://books.example.com", "https://dagster.example.com")


class Ear:
    """A channel that remembers what it heard."""

    def __init__(self, name: str = "ear") -> None:
        self.name = name
        self.heard: list[Message] = []
        self.trouble: BaseException | None = None
        self.tries = 0

    def send(self, message: Message) -> str | None:
        self.tries += 1
        if isinstance(self.trouble, SystemExit):
            self.heard.append(message)
        if self.trouble is not None:
            raise self.trouble
        self.heard.append(message)
        return None

    def probe(self) -> None:
        pass


def tick(
    plane: ControlPlane, *ears: Ear | WebhookChannel, failing: bool = True, at: float = 30,
    **troubles: tuple[Alert, ...],
) -> DispatchSummary:  # fmt: skip
    """One tick of a daemon: ``first`` and ``second`` are what is wrong with the companies."""
    clock = plane.clock
    assert isinstance(clock, FakeClock)
    clock.advance(at)
    dispatcher = AlertDispatcher(plane, ears, LINKS)
    dispatcher.observe(
        [
            observed(FIRST, *troubles.get("first", ())),
            observed(SECOND, *troubles.get("second", ())),
        ],
        lambda _realm, _finding: failing,
        plane.now(),
    )
    return dispatcher.tell()
