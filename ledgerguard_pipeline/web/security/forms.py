"""Reading and trusting a form: small, of one value per field, from a page of this very session."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from ledgerguard_pipeline.web.security.body_reader import BodyReader, BodyRefused
from ledgerguard_pipeline.web.security.request_origin import Visitor
from ledgerguard_pipeline.web.security.sessions import Sessions

TOKEN_FIELD = "form_token"  # noqa: S105  # the name of a field
_MOST_BYTES = 8 * 1024
_MOST_FIELDS = 20
_KIND = "application/x-www-form-urlencoded"


class FormReader:
    """Reads forms that were posted from pages of the same browser session."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._bodies = BodyReader(limit=_MOST_BYTES, buffered=64 * _MOST_BYTES)

    async def read(self, request: Request) -> dict[str, str]:
        """The fields.

        Raises:
            BodyRefused: it is no form, too large, too slow or ambiguous.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _KIND:
            raise BodyRefused(415, "no_form", "This address only takes its own page's form.")
        body = await self._bodies.read(request)
        try:
            pairs = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
            )
        except ValueError:
            raise BodyRefused(400, "unreadable", "The form could not be read.") from None
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise BodyRefused(400, "ambiguous", "The form repeats a field.")
        return fields

    def trusted(self, request: Request, fields: dict[str, str], action: str) -> bool:
        """True if the form came from a page that this browser session was given.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        visitor = Visitor.of(request)
        session = self._sessions.read(visitor.cookies, secure=visitor.https)
        return (
            session is not None
            and _from_here(request)
            and self._sessions.genuine(session, action, fields.get(TOKEN_FIELD, ""))
        )


def _from_here(request: Request) -> bool:
    """What the browser itself says of the page that sent the form, where it says something.

    Our pages send no referrer, so the origin of their own forms is ``null`` (Fetch, 3.1).
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin", "null")
    try:
        return origin == "null" or urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:  # no browser sends such an address
        return False
