"""Months of the journal that are read again because something in them differs (decision 113).

Intuit changes many months at once and gives no sign of it: an item's account is changed in past
transactions too, two accounts are merged, a purchase of an earlier day changes costs. So what differs is
read again before it is called a difference, all of its months in windows of half a year.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.tieout.differences import Difference, TieOut
from ledgerguard_pipeline.tieout.journal_store import LoadedWindow
from ledgerguard_pipeline.tieout.journal_sync import JournalSync
from ledgerguard_pipeline.tieout.spans import Span, grouped, merged, months_of, within
from ledgerguard_pipeline.values import RealmId


def reread(
    sync: JournalSync, store: BronzeStore, realm: RealmId | str, found: Sequence[Difference]
) -> bool:
    """Read months with unexplained differences again; whether any was.

    Months that were read since a difference became known, as the next run does, are known to have it.
    Of these one a run is read, the one that was read longest ago: a correction in QuickBooks gives no
    sign either. What was read in this run is not read twice.

    Raises:
        NotCompared, ReportCut, QBOAPIError, QBOAuthError, BronzeError: as ``JournalSync.reload``.
    """
    differing = [each for each in found if each.breaks]
    windows = sync.journal.windows(realm) if differing else []
    if not windows:
        return False
    held = merged((each.start, each.end) for each in windows)
    read = merged(sync.read)
    seen = {
        (each.level, each.key, each.period_end): each.first_seen
        for each in TieOut(store.workspace).read(realm)
    }
    due: set[Span] = set()
    confirmed: dict[Span, datetime] = {}
    for each in differing:
        for month in within(held, *months_of([each.period_end])[0]):
            if within(read, *month) == [month]:
                continue
            first = seen.get((each.level, each.key, each.period_end))
            loaded = _loaded_at(windows, month)
            if first is None or loaded is None or loaded <= first:
                due.add(month)
            else:
                confirmed[month] = loaded
    spans = grouped(due)
    rest = confirmed.keys() - due
    if rest:
        spans.append(min(rest, key=lambda month: (confirmed[month], month)))
    for span in spans:
        sync.reload(*span)
    return bool(spans)


def _loaded_at(windows: Iterable[LoadedWindow], month: Span) -> datetime | None:
    """When all of a month was read last."""
    first, last = month
    whole = [each.loaded_at for each in windows if each.start <= first and each.end >= last]
    return max(whole, default=None)
