"""Alerts as JSON to an address of one's own.

With a secret each request carries ``X-LedgerGuard-Signature: t=<unix seconds>,v1=<hex>``, where
``v1`` is the HMAC-SHA256 (RFC 2104) of ``<t>.<body>``: a receiver that checks both knows who
sent it and that it is not replayed. ``X-LedgerGuard-Message`` is the same in every attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.alerts.channels.message import Message
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.observability.redaction import register_secret

SIGNATURE_HEADER = "X-LedgerGuard-Signature"
MESSAGE_HEADER = "X-LedgerGuard-Message"


class WebhookChannel:
    """Posts the JSON form of a message."""

    name = "webhook"

    def __init__(
        self, address: Address, secret: SecretStr | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._address = address
        self._secret = secret
        self._clock = clock
        if secret is not None:
            register_secret(secret.get_secret_value(), lasting=True)

    def send(self, message: Message) -> str | None:
        """Deliver it.

        Raises:
            ChannelUnavailable, ChannelRejected: it was not taken.
        """
        body = json.dumps(message.to_json(), ensure_ascii=False).encode()
        headers = {MESSAGE_HEADER: message.id}
        if self._secret is not None:
            moment = int(self._clock.now().timestamp())
            headers[SIGNATURE_HEADER] = signature(self._secret, moment, body)
        self._address.post(body, headers)
        return None

    def probe(self) -> None:
        """Find out whether it can be reached, without sending anything.

        Raises:
            ChannelUnavailable, ChannelRejected: it cannot.
        """
        self._address.probe()


def signature(secret: SecretStr, moment: int, body: bytes) -> str:
    """The value of the signature header."""
    signed = str(moment).encode() + b"." + body
    digest = hmac.new(secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"
