"""The results of the public classes: a dict of documented keys that are also attributes.

Decision 45 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any


def iso(moment: datetime | None) -> str | None:
    """A moment as results show it: ISO 8601 in UTC, ending in Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, Result):
        return value.as_dict()
    return [_plain(each) for each in value] if isinstance(value, list) else value


class Result(dict[str, Any]):
    """A dict whose keys each subclass declares, so that an editor and a type checker know them.

    ``result["errors"]`` and ``result.errors`` are the same. Values are plain JSON data, times
    ISO 8601 texts in UTC, so ``json.dumps(result)`` works.
    """

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts and lists, results inside it included."""
        return {key: _plain(value) for key, value in self.items()}

    def __missing__(self, key: object) -> Any:
        raise KeyError(f"{type(self).__name__} has no {key!r}; it has {', '.join(self)}")

    if not TYPE_CHECKING:  # subclasses declare their keys; a type checker is to see only those

        def __getattr__(self, name: str) -> object:
            if name in self:
                return self[name]
            if name.startswith("_"):
                raise AttributeError(name)
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self)}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"
