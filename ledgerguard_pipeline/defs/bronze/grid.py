"""Which cells of the grid a load completed, so that a complete company looks complete.

A first load runs in the current window's cell and brings all history; a sync after a pause brings
the windows of the pause. Those cells are materialized by that load as well: one event each, in its
run. A cell that is materialized already gets no second one, so a cell costs one event in its life
beside those of its own changes, however often whole companies are read again.

Decision 49 in docs/decisions.md.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

import dagster as dg

from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.partitions import REALM, WINDOW, windows_of
from ledgerguard_pipeline.ingestion.request import Window


class Grid:
    """The cells of one run or sweep; Dagster is asked once per asset for materialized ones."""

    def __init__(self, instance: dg.DagsterInstance, cells: dg.MultiPartitionsDefinition) -> None:
        self._instance = instance
        self._cells = windows_of(cells)
        self._windows: list[tuple[str, datetime, datetime]] = []
        self._materialized: dict[dg.AssetKey, set[str]] = {}
        self._column: tuple[str, dict[str, dg.MultiPartitionKey]] = ("", {})

    def lacking(
        self, key: dg.AssetKey, realm_id: str, covered: Window | None, besides: Collection[str]
    ) -> list[dg.MultiPartitionKey]:
        """Covered cells nobody ever materialized, oldest first, without those named."""
        found = [cell for cell in self._covered(realm_id, covered) if cell not in besides]
        if not found:
            return []
        if key not in self._materialized:
            self._materialized[key] = set(self._instance.get_materialized_partitions(key))
        known = self._materialized[key]
        return [cell for cell in found if cell not in known]

    def beyond_current(self, covered: Window | None) -> bool:
        """Whether a load completed more than what belongs to the current window."""
        if covered is None:
            return False
        return covered.start is None or covered.start < self._spans()[-1][1]

    def _covered(self, realm_id: str, covered: Window | None) -> list[dg.MultiPartitionKey]:
        """The cells of a span, of those of a company: its entity types are asked for in turn."""
        if covered is None:
            return []
        if self._column[0] != realm_id:
            self._column = (realm_id, {})
        named = self._column[1]
        found = []
        for name, start, end in self._spans():
            if (covered.start is None or end > covered.start) and (
                covered.end is None or start <= covered.end
            ):
                # Only what is covered is named: years of days are two thousand cells.
                if name not in named:
                    named[name] = dg.MultiPartitionKey({REALM: realm_id, WINDOW: name})
                found.append(named[name])
        return found

    def _spans(self) -> list[tuple[str, datetime, datetime]]:
        if not self._windows:
            names = self._cells.get_partition_keys()
            spans = map(self._cells.time_window_for_partition_key, names)
            self._windows = [
                (name, span.start.astimezone(UTC), span.end.astimezone(UTC))
                for name, span in zip(names, spans, strict=True)
            ]
        return self._windows


def pointer(realm_id: str, newest: str) -> Metadata:
    """The metadata of a cell that another cell's load completed."""
    return {
        "realm": dg.MetadataValue.text(realm_id),
        "loaded_with": dg.MetadataValue.text(f"The figures of this load are on {newest}."),
    }


def pointers(
    realm_id: str, newest: str, lacking: Iterable[tuple[dg.AssetKey, dg.MultiPartitionKey]]
) -> list[dg.AssetMaterialization]:
    """Materializations of cells that were completed by the load that is shown on ``newest``."""
    found: list[dg.AssetMaterialization] = []
    for key, cell in lacking:
        if not found:
            metadata = pointer(realm_id, newest)
            found.append(dg.AssetMaterialization(key, metadata=metadata, partition=cell))
        else:  # all but asset and cell is the same, and shared
            found.append(found[0]._replace(asset_key=key, partition=cell))
    return found
