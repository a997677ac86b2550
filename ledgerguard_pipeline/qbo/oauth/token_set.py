"""Tokens to keep: what ``exchange_code`` and ``get_tokens`` hand out and ``set_tokens`` takes."""

from __future__ import annotations

from ledgerguard_pipeline.result import Result


class TokenSet(Result):
    """The tokens of one company as plain JSON data, for a store of the caller's own.

    ``client.set_tokens(**tokens)`` takes them back. The values are secrets in clear; what is
    *shown* of the object (``repr``, a log line, a traceback) has them masked.
    """

    __slots__ = ()

    access_token: str
    refresh_token: str | None
    access_token_expiry: str
    """ISO 8601, UTC."""
    refresh_token_expiry: str | None
    """ISO 8601, UTC; None where nobody said. Each refresh moves it."""
    realm_id: str | None
    """The company; None as long as none was named."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, object]]:
        secret = ("access_token", "refresh_token")
        return [(key, "***" if key in secret and value else value) for key, value in self.items()]


class NewTokens(TokenSet):
    """Tokens that Intuit gave just now."""

    __slots__ = ()

    expires_in: int
    """Seconds the access token lives from now."""
