"""The outcome of a delivery: a number to count by, and everything else by key."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self


class WebhookResult(int):
    """How many events were acted upon; the rest is read by key, as in ``result["status"]``.

    Keys: ``status`` (``success`` or ``error``), ``events`` (in the delivery), ``processed``,
    ``failed``, ``ignored`` (other companies, or types that are not read by id), ``unreadable``
    (reasons), and those of ``BatchResult``.
    """

    _reported: dict[str, Any]

    def __new__(cls, processed: int, reported: Mapping[str, Any]) -> Self:
        """A number with the document ``reported`` beside it."""
        made = super().__new__(cls, processed)
        made._reported = dict(reported)
        return made

    @property
    def ok(self) -> bool:
        """Whether nothing failed: whether the delivery may be answered with 200."""
        return bool(self._reported["status"] == "success")

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON data."""
        return dict(self._reported)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self._reported.get(key, default)

    def keys(self) -> KeysView[str]:
        """The keys there are."""
        return self._reported.keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._reported.values()

    def items(self) -> ItemsView[str, Any]:
        """Keys and values."""
        return self._reported.items()

    def __getitem__(self, key: str) -> Any:
        return self._reported[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reported)

    def __len__(self) -> int:
        return len(self._reported)

    def __contains__(self, key: object) -> bool:
        return key in self._reported

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (int(self), self._reported)


Mapping.register(WebhookResult)
