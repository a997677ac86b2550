"""Options and values several verbs share, checked before any work begins."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Annotated

import typer

from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.errors import BadInputError

JSON_FLAG = "--json"

Json = Annotated[bool, typer.Option(JSON_FLAG, help="Print one JSON document instead of text.")]


def complete_entity(incomplete: str) -> list[str]:
    """Entity types that begin so, for the shell."""
    from ledgerguard_pipeline.entities import ENTITIES

    start = incomplete.casefold()
    return [each.name for each in ENTITIES if each.name.casefold().startswith(start)]


def parse_since(text: str, now: datetime) -> datetime:
    """Read ``--since``: a date or a date-time of ISO 8601; without an offset it is UTC.

    Raises:
        BadInputError: it is neither, or is in the future.
    """
    try:
        instant = _instant(text.strip())
    except (ValueError, OverflowError):
        raise BadInputError(
            f"--since {text[:40]!r} is not a date; write 2026-01-31 or 2026-01-31T08:00:00Z."
        ) from None
    if instant > now:
        raise BadInputError(
            f"--since {text[:40]!r} is in the future (now is {now:%Y-%m-%dT%H:%M:%SZ}); name "
            "a moment that has passed."
        )
    return instant


def _instant(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)


def parse_entities(names: list[str] | None, kept: tuple[EntityType, ...]) -> tuple[EntityType, ...]:
    """The entity types asked for (each ``--entity`` may hold several, comma separated).

    Raises:
        BadInputError: a name is unknown, or this installation does not keep it.
    """
    if not names:
        return kept
    parts = [part for name in names for part in name.split(",") if part.strip()]
    chosen = entity_types(parts)
    left_out = [entity.name for entity in chosen if entity not in kept]
    if left_out:
        # The one type that a setting of its own may leave out, whatever types are kept.
        by = (
            "LEDGERGUARD_ATTACHMENTS=off or LEDGERGUARD_ENTITIES; keep it there first"
            if left_out == ["Attachable"]
            else "LEDGERGUARD_ENTITIES; add it there first"
        )
        raise BadInputError(f"{', '.join(left_out)} is left out by {by}.")
    return chosen
