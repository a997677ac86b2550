"""The controls of the webhooks, below ``/_sandbox/webhooks``.

They may wait (``flush``, ``settle``), so the server answers them beside its event loop.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ledgerguard_pipeline.sandbox.answers.replies import Answer
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.webhooks.deliveries import Deliveries

PREFIX = "/_sandbox/webhooks"
_LONGEST_WAIT = 600.0


class _Wait(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float = 30.0


class WebhookControl:
    """Answers these controls; errors come as ``{"error": "..."}`` with status 400 or 404."""

    def __init__(self, webhooks: Deliveries) -> None:
        self._webhooks = webhooks
        self._actions: dict[str, Callable[[bytes], bytes]] = {
            "GET ": lambda _: self._shown(),
            "POST ": self._change,
            "GET /state": lambda _: msgspec.json.encode(webhooks.state()),
            "GET /deliveries": lambda _: webhooks.listed(),
            "POST /flush": lambda body: msgspec.json.encode(webhooks.flush(_seconds(body))),
            "POST /settle": lambda body: msgspec.json.encode(webhooks.settle(_seconds(body))),
            "POST /reset": self._reset,
        }

    def answer(self, request: Request) -> Answer:
        """May block for as long as the caller asks to wait."""
        tail = request.path.removeprefix(PREFIX)
        action = self._actions.get(f"{request.method} {tail}")
        if action is None:
            return _refusal(404, f"the sandbox has no webhook control {request.method} {tail}")
        try:
            return Answer(200, action(request.body or b"{}"))
        except ValueError as error:
            return _refusal(400, str(error))

    def _shown(self) -> bytes:
        return msgspec.json.encode(self._webhooks.switches.shown())

    def _change(self, body: bytes) -> bytes:
        self._webhooks.change(msgspec.json.decode(body, type=dict[str, object]))
        return self._shown()

    def _reset(self, _: bytes) -> bytes:
        self._webhooks.reset()
        return b"{}"


def _seconds(body: bytes) -> float:
    return min(msgspec.json.decode(body, type=_Wait).seconds, _LONGEST_WAIT)


def _refusal(status: int, why: str) -> Answer:
    return Answer(status, msgspec.json.encode({"error": why}))
