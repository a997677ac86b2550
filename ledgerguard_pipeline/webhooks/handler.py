"""Webhooks for those who run their own endpoint: check, read, act, answer.

The product's own receiver queues deliveries durably and acts upon them later; this class does all
of it at once, by the same code, for callers that have a client and a store at hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.webhooks.payload import Delivered, parse
from ledgerguard_pipeline.webhooks.signature import Verifier

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.qbo.client import QBOClient

Payload = bytes | str | Mapping[str, object] | Sequence[object]


class WebhookHandler:
    """Handles deliveries of one app; ``verifier_token`` may hold several, comma separated.

    Without a token no signature is ever genuine.
    """

    def __init__(self, verifier_token: str | SecretStr | None) -> None:
        self._verifier = Verifier.of(verifier_token)

    def verify_webhook_signature(self, payload: bytes | str, signature: bytes | str | None) -> bool:
        """Whether Intuit signed exactly these bytes; ``signature`` is the header's value.

        Never raises for what was sent. A ``str`` payload is taken as its UTF-8 bytes; a decoded
        and re-encoded body may differ from what was signed, so hand over the raw bytes.
        """
        try:
            return self._verifier.matching(_raw(payload), signature) is not None
        except BadInputError:
            return False

    def parse(self, payload: Payload) -> Delivered:
        """The events of a delivery in either shape, and the parts that cannot be read.

        Raises:
            BadInputError: the payload is neither bytes, text nor JSON data.
        """
        return parse(_raw(payload))

    def process_webhook(
        self, payload: Payload, qbo_client: QBOClient, storage: BronzeStore
    ) -> dict[str, object]:
        """Bring what a verified delivery announces about the client's company into Bronze.

        Events of other companies and of types that cannot be read by id are left out and
        counted. Doing it twice changes nothing. ``status`` is ``success``, or ``error`` where an
        entity failed; then the delivery should be answered so that Intuit sends it again.

        Raises:
            BadInputError: the payload is no JSON data, or the client has no company.
        """
        from ledgerguard_pipeline.ingestion.event_lease import NoLease
        from ledgerguard_pipeline.ingestion.service import IngestionService

        service = IngestionService(qbo_client, storage)
        realm_id = service.realm_id
        delivered = self.parse(payload)
        events = list({event.key: event for event in delivered.events}.values())
        mine = [
            event
            for event in events
            if event.realm_id == realm_id and event.entity_type is not None
        ]
        with service.open_events(NoLease(mine)) as running:
            result = running.run()
        return {
            "status": "success" if result.ok else "error",
            "events": len(events),
            "processed": len(mine),
            "ignored": len(events) - len(mine),
            "unreadable": [each.reason for each in delivered.unreadable],
            **result.to_json(),
        }

    def generate_webhook_response(
        self,
        success: bool,  # noqa: FBT001  # as its users know it
        message: str | None = None,
    ) -> dict[str, object]:
        """The body to answer with: 200 for success; anything else makes Intuit send it again."""
        response: dict[str, object] = {"status": "success" if success else "error"}
        if message is not None:
            response["message"] = message
        return response


def _raw(payload: Payload) -> bytes:
    if isinstance(payload, bytes):
        return payload
    try:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        raise BadInputError(
            "A webhook's payload is handed over as the raw bytes of the body, or as JSON data."
        ) from None
