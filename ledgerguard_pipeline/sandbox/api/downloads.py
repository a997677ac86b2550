"""Attached files: links that are signed, live for a while and open one file to whoever holds them.

As documented: a link lives 900 seconds and needs no token. ``/v3/company/{realm}/download/{id}``
answers the link as plain text.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from ledgerguard_pipeline.sandbox.answers.replies import Answer, html_page
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.query.columns import fields

PREFIX = "/download/"
LINK_SECONDS = 900
_KEY = secrets.token_bytes(32)
_NONCE = 8


def signed(realm_id: str, id: str, now: float) -> str:
    """The query of a new link; no two are alike."""
    expires, nonce = int(now) + LINK_SECONDS, secrets.token_hex(_NONCE // 2)
    return f"Expires={expires}&Signature={nonce}{_signature(realm_id, id, expires, nonce)}"


def content(realm_id: str, id: str, size: int) -> bytes:
    """The bytes of a file, the same at each download."""
    head = f"%PDF-1.4\n% attachment {id} of {realm_id}\n".encode()
    fill = hashlib.sha256(head).hexdigest().encode()
    return (head + fill * (size // len(fill) + 1))[:size]


class Downloads:
    """Serves files; knows nothing of sockets."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request, now: float) -> Answer:
        """The file, or why not."""
        realm, _, id = request.path.removeprefix(PREFIX).partition("/")
        company = self._world.companies.get(realm)
        table = None if company is None else company.tables["Attachable"]
        row = None if table is None else table.rows.get(id)
        if not _genuine(realm, id, request.params, now) or request.bearer:
            return html_page(403, "Forbidden", "Request has expired")
        if self._world.switches.refused_downloads > 0:
            self._world.switches.refused_downloads -= 1
            return html_page(403, "Forbidden", "Request has expired")
        if table is None or row is None:
            return html_page(404, "Not Found", "The specified key does not exist.")
        size = int(bytes(fields(table.body(row)).get("Size", b"0")))
        return Answer(200, content(realm, id, size), "application/pdf")


def _genuine(realm_id: str, id: str, given: dict[str, str], now: float) -> bool:
    expires, signature = given.get("Expires", ""), given.get("Signature", "")
    if not expires.isdecimal() or int(expires) < now:
        return False
    expected = _signature(realm_id, id, int(expires), signature[:_NONCE])
    return hmac.compare_digest(signature[_NONCE:], expected)


def _signature(realm_id: str, id: str, expires: int, nonce: str) -> str:
    text = f"{realm_id}/{id}/{expires}/{nonce}".encode()
    return hmac.new(_KEY, text, hashlib.sha256).hexdigest()[:32]
