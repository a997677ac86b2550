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
from ledgerguard_pipeline.webhooks.outcome import WebhookResult
from ledgerguard_pipeline.webhooks.parse import Delivered, parse
from ledgerguard_pipeline.webhooks.signature import Verifier

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.qbo.client import QBOClient

Payload = bytes | bytearray | memoryview | str | Mapping[str, object] | Sequence[object]


class WebhookHandler:
    """Handles deliveries of one app; ``verifier_token`` may hold several, comma separated.

    Without a token no signature is ever genuine.
    """

    def __init__(self, verifier_token: str | SecretStr | None) -> None:
        """Nothing is asked for.

        Raises:
            BadInputError: the token is no text.
        """
        given: object = verifier_token
        if not isinstance(given, str | SecretStr | None):
            # Not repeated: whatever it is, it may hold the token.
            raise BadInputError(
                "verifier_token is the text from the developer portal's Webhooks page, several "
                f"separated by commas, not {type(given).__name__}."
            )
        self._verifier = Verifier.of(verifier_token)

    def verify_webhook_signature(self, payload: bytes | str, signature: bytes | str | None) -> bool:
        """Whether Intuit signed exactly these bytes; ``signature`` is the header's value.

        Never raises for what was sent, and takes the same time for every signature. A ``str``
        payload is taken as its UTF-8 bytes.

        Raises:
            BadInputError: the payload is decoded JSON: no signature is over that, and every
                genuine delivery would be refused.
        """
        body: object = payload
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        if not isinstance(body, bytes | bytearray | memoryview):
            raise BadInputError(
                "A signature is over the bytes of the body as they came, not over "
                f"{type(body).__name__}: pass the raw body, before it is decoded."
            )
        return self._verifier.matching(bytes(body), signature) is not None

    def parse(self, payload: Payload) -> Delivered:
        """The events of a delivery in either shape, and the parts that cannot be read.

        Raises:
            BadInputError: the payload is neither bytes, text nor JSON data.
        """
        return parse(_raw(payload))

    def process_webhook(
        self, payload: Payload, qbo_client: QBOClient, storage: BronzeStore
    ) -> WebhookResult:
        """Bring what a verified delivery announces about the client's company into Bronze.

        Returns how many events that were, with the rest by key. Events of other companies and of
        types that cannot be read by id are left out and counted. Doing it twice changes nothing.
        What no answer shows although no event calls it gone is left to the next sync.
        ``status`` is ``success``, or ``error`` where an entity failed; then the delivery should
        be answered so that Intuit sends it again.

        Raises:
            BadInputError: the payload is no JSON data, the client has no company, or one of
                them is something else altogether.
            WrongEnvironment: the store belongs to the other Intuit environment.
        """
        from ledgerguard_pipeline.ingestion.events.event_lease import NoLease
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
        failed = {each.entity for each in result.failed}
        processed = sum(event.entity not in failed for event in mine)
        return WebhookResult(
            processed,
            {
                "status": "success" if result.ok else "error",
                "events": len(events),
                "processed": processed,
                "failed": len(mine) - processed,
                "ignored": len(events) - len(mine),
                "unreadable": [each.reason for each in delivered.unreadable],
                **result.to_json(),
            },
        )

    def generate_webhook_response(
        self,
        success: bool,  # noqa: FBT001  # as its users know it
        message: str | None = None,
    ) -> dict[str, str]:
        """The body to answer with: 200 for success; anything else makes Intuit send it again."""
        response = {"status": "success" if success else "error"}
        if message is not None:
            response["message"] = message
        return response


def _raw(payload: Payload) -> bytes:
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    try:
        if not isinstance(payload, str | Mapping | Sequence):
            raise TypeError
        text = payload if isinstance(payload, str) else json.dumps(payload)
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        raise BadInputError(
            "A webhook's payload is the raw bytes of the body, or JSON data."
        ) from None
