"""Alerts to an incoming webhook of Slack, or of anything that takes ``{"text": ...}``."""

from __future__ import annotations

import json

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.message import Message, Mood

_SYMBOLS = {Mood.PROBLEM: "🔴", Mood.BETTER: "🟡", Mood.RECOVERED: "🟢", Mood.TEST: "🔵"}
_LONGEST = 8_000
"""Slack cuts at 40,000 characters; nobody reads as many."""


class SlackChannel:
    """Posts the text of a message."""

    name = "slack"

    def __init__(self, address: Address) -> None:
        self._address = address

    def send(self, message: Message) -> str | None:
        """Deliver it.

        Raises:
            ChannelUnavailable, ChannelRejected: it was not taken.
        """
        text = f"{_SYMBOLS[message.mood]} *{escaped(message.title)}*\n{escaped(message.text())}"
        body = json.dumps({"text": text[:_LONGEST]}, ensure_ascii=False).encode()
        self._address.post(body, {})
        return None

    def probe(self) -> None:
        """Find out whether it can be reached, without sending anything.

        Raises:
            ChannelUnavailable, ChannelRejected: it cannot.
        """
        self._address.probe()


def escaped(text: str) -> str:
    """Text that cannot mention people or link elsewhere.

    Slack gives ``&``, ``<`` and ``>`` a meaning: a company named ``<!channel>`` must not ring
    everybody's phone.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
