"""Where the sandbox sends webhooks, and how well it does so."""

from __future__ import annotations

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

import msgspec

LADDER = (10, 20, 30, 300, 1_200, 7_200, 14_400, 21_600)
"""Seconds before each repetition of a delivery nobody acknowledged; the last one repeats.
Intuit's webhooks page: 10 s, 20 s, 30 s, 5 min, 20 min, 2 h, 4 h, 6 h, then every 6 h."""


class WebhookSwitches(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The defaults send every event once, in order, within about a second.

    Chances are between 0 and 1 and are drawn per event from ``seed`` and the event's number: the
    same edits in the same order suffer the same fate. Seconds are the sandbox's own;
    ``time_scale`` turns them into real ones (0.001: the first repetition comes after 10 ms).
    """

    url: str | None = None
    """None sends nothing. Loopback only: made-up books are nobody else's business."""
    token: str = ""
    """The verifier token: the key of the signature."""
    shape: Literal["cloudevents", "legacy"] = "cloudevents"
    content_type: str = "application/json"
    type_version: str = "v1"
    """What ends the ``type`` of a CloudEvent."""
    void_word: Literal["void", "voided"] = "void"
    """Intuit's list of 2026-08 says ``void``, older samples ``voided``."""
    empty_deleted_id: bool = False
    """Send ``deletedid`` with every event, empty where nothing was merged."""
    connected_only: bool = True
    """Only companies with a live grant have events, as at Intuit."""
    inactive_as: Literal["Update", "Delete"] = "Update"
    """How making a list member inactive is called; Intuit does not say."""

    seed: int = 1
    loss: float = 0.0
    duplicate: float = 0.0
    """The event is sent again with the same id, a few events later."""
    reorder: float = 0.0
    """The event is sent up to 20 events too late."""
    reorder_seconds: float = 30.0
    """How long such an event waits for others to pass; a duplicate likewise."""
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to so much longer per event; more than ``gather_seconds`` loses the order too."""

    gather_seconds: float = 1.0
    """How long a delivery waits for further events."""
    most_events: int = 100
    """In one delivery; Intuit names no limit."""
    answer_seconds: float = 3.0
    """Real seconds the receiver has for its 200."""
    head_of_line: bool = True
    """Nothing is sent past a delivery that was not acknowledged."""
    time_scale: float = 1.0
    held: bool = False
    """Gather only; ``flush`` sends."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a chance between 0 and 1")
        for name in (
            "reorder_seconds",
            "delay_seconds",
            "jitter_seconds",
            "gather_seconds",
            "time_scale",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be negative")
        if not (self.content_type.isascii() and self.content_type.isprintable()):
            raise ValueError("content_type is no header value")
        if self.answer_seconds <= 0 or self.most_events < 1:
            raise ValueError("answer_seconds and most_events must be more than nothing")
        if self.url is not None:
            require_loopback(self.url)
            if not self.token:
                raise ValueError("webhooks are signed: give the verifier token with the URL")

    def changed(self, patch: dict[str, object]) -> WebhookSwitches:
        """These switches with some of them set.

        Raises:
            ValueError: a name or a value is not known.
        """
        return msgspec.convert({**msgspec.to_builtins(self), **patch}, WebhookSwitches)

    def shown(self) -> dict[str, object]:
        """Every switch but the token, of which only the presence is shown."""
        known: dict[str, object] = msgspec.to_builtins(self)
        return {**known, "token": bool(self.token)}


def require_loopback(url: str) -> None:
    """Refuse every receiver that is not on this machine.

    Raises:
        ValueError: the URL is no plain ``http://`` address of a loopback host.
    """
    if not _on_this_machine(url):
        raise ValueError(
            f"{url[:100]!r} is no receiver on this machine; webhooks go to http://127.0.0.1:PORT/..."
        )


def _on_this_machine(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        plain = parts.scheme == "http" and parts.username is None and parts.port != 0
        return (
            plain
            and url.isascii()
            and url.isprintable()
            and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
        )
    except ValueError:
        return False
