"""Which months of a company were compared with a TransactionList, and which have to be again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.tieout.documents import changed_days
from ledgerguard_pipeline.tieout.journal_store import JournalStore, has_table
from ledgerguard_pipeline.tieout.spans import next_month
from ledgerguard_pipeline.values import RealmId


class ListedMonths:
    """The months of one company, each known by its first day."""

    def __init__(self, workspace: Workspace, realm: RealmId | str) -> None:
        self._workspace = workspace
        self._realm = str(realm)

    def due(self, differing: Iterable[date]) -> list[date]:
        """Months never compared, those of documents that changed since, and those read again.

        The journal reads a month again where Intuit lists something written or changed in it. That
        it always reads the current one is no reason: what is new in it is new in Bronze, or differs
        from the journal. ``differing`` are days that did not agree. Months that the journal does not
        hold are none of them: between two documents that are dated far ahead may be decades.
        """
        current = self._workspace.clock.now().date().replace(day=1)
        windows = JournalStore(self._workspace).windows(self._realm)
        if not windows:
            return []
        known = self._known()
        held = {month for each in windows for month in _months(each.start, each.end)}
        found = held - known.keys()
        if known:
            since = [bronze_at for bronze_at, _ in known.values()]
            if None not in since:
                oldest = min(each for each in since if each is not None)
                changed = changed_days(self._workspace, self._realm, oldest)
                found |= {day.replace(day=1) for day in changed} & held
        for window in windows:
            for month in _months(window.start, window.end):
                again = month in known and known[month][1] < window.loaded_at
                if again and month != current:
                    found.add(month)
        found |= {day.replace(day=1) for day in differing} & held
        return sorted(found)

    def note(self, months: Iterable[date], bronze_at: datetime | None) -> None:
        """Remember that these were compared when Bronze was at that instant."""
        rows = list(months)
        now = self._workspace.clock.now()

        def work(session: OpenStore) -> bool:
            for statement in tables.create(session.catalog):
                session.connection.execute(statement)
            table = tables.at(session.catalog, "_listed_months")
            session.connection.execute(
                f"DELETE FROM {table} WHERE realm_id = ? AND list_contains(?, month)",
                [self._realm, rows],
            )
            session.connection.execute(
                f"INSERT INTO {table} SELECT ?, unnest(CAST(? AS DATE[])), ?, ?",
                [self._realm, rows, bronze_at, now],
            )
            # What did not change until now is as Bronze is now, whenever it was compared.
            session.connection.execute(
                f"UPDATE {table} SET bronze_at = ? WHERE realm_id = ?", [bronze_at, self._realm]
            )
            return True

        self._workspace.write(self._realm, work)

    def _known(self) -> dict[date, tuple[datetime | None, datetime]]:
        with self._workspace.read() as view:
            if view is None or not has_table(view, "_listed_months"):
                return {}
            rows = view.connection.execute(
                "SELECT month, bronze_at, listed_at FROM silver._listed_months WHERE realm_id = ?",
                [self._realm],
            ).fetchall()
        return {month: (bronze_at, listed_at) for month, bronze_at, listed_at in rows}


def spans_of(months: Iterable[date]) -> list[tuple[date, date]]:
    """Months that follow each other as one span of days."""
    found: list[tuple[date, date]] = []
    for month in sorted(months):
        last = next_month(month) - timedelta(days=1)
        if found and found[-1][1] + timedelta(days=1) == month:
            found[-1] = (found[-1][0], last)
        else:
            found.append((month, last))
    return found


def _months(first: date, last: date) -> list[date]:
    found = [first.replace(day=1)]
    while next_month(found[-1]) <= last:
        found.append(next_month(found[-1]))
    return found
