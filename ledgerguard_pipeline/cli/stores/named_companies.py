"""The companies that a command on Bronze or Silver is about."""

from __future__ import annotations

from collections.abc import Sequence

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId, parse_realm


def named_companies(asked: Sequence[str] | None, there: Sequence[RealmId]) -> list[RealmId]:
    """The companies asked for, or all that are ``there``.

    Raises:
        BadInputError: one is no company id, or nothing was loaded of it.
    """
    wanted = [parse_realm(text) for text in dict.fromkeys(asked or ())]
    strange = [realm for realm in wanted if realm not in there]
    if strange:
        known = ", ".join(there[:10]) or "none"
        raise BadInputError(
            f"Nothing was loaded of company {', '.join(strange)}; Bronze holds {known}."
        )
    return wanted or list(there)
