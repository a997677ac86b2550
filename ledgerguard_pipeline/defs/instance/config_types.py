"""Types of run configuration that a code server keeps: the most recent ones instead of all there ever were.

Dagster makes them anew for each selection of assets that a run is launched with, and keeps each that
differs for as long as the process lives, some 8 kB a selection
(``findings/dagster_keeps_the_config_types_of_every_selection.sh``). Webhooks name another selection with nearly
every delivery, so a code server grew for months. Decision 119 in docs/decisions.md.
"""

from typing import Any

from dagster._config import field_utils

_MOST = 100
"""Half as many as are kept, some 4 kB each. Those of the definitions' own jobs stay as long as the jobs."""


class RecentTypes:
    """Keeps what was used among the last ``most`` to twice as many types, by their keys.

    Safe for threads: what ``in`` has found is still there for whoever asks for it next, until ``most``
    others came in between.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._newer: dict[str, Any] = {}
        self._older: dict[str, Any] = {}

    def __contains__(self, key: str) -> bool:
        if key in self._newer:
            return True
        found = self._older.get(key)
        if found is None:
            return False
        self[key] = found
        return True

    def __getitem__(self, key: str) -> Any:
        newer, older = self._newer, self._older
        return newer[key] if key in newer else older[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if len(self._newer) >= self._most:
            self._older, self._newer = self._newer, {}
        self._newer[key] = value

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)


def keep_recent_config_types(most: int = _MOST) -> None:
    """Let this process keep few types of configuration; for one that is an installation's own."""
    field_utils.FIELD_HASH_CACHE = RecentTypes(most)  # type: ignore[assignment]  # what Dagster uses of a dict
