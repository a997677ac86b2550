"""The cells of the asset grid: one company in one window of extraction time.

A cell is a unit of work and of observation, never the truth about what was loaded: that is the
watermark in Bronze. So the current window may run every few minutes, and an old one may run
again at any time: it heals or changes nothing. The first window is open to the left; all history
from before the first window belongs to it.

Decision 2 in docs/decisions.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG

from ledgerguard_pipeline.config.settings import Cadence, Settings
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.ingestion.request import Window

REALM = "realm"
WINDOW = "window"
LAUNCHED_WITHIN = timedelta(minutes=1)
"""A tick that ends with a window may take so long to launch its runs."""


def realm_partitions() -> dg.DynamicPartitionsDefinition:
    """The companies; connecting one adds its key, nothing at load time depends on which exist."""
    return dg.DynamicPartitionsDefinition(name=current_site().realms)


def known_realms(instance: dg.DagsterInstance) -> Sequence[str]:
    """The companies that are partitions already."""
    return instance.get_dynamic_partitions(current_site().realms)


@dataclass(frozen=True, slots=True)
class RealmCells:
    """The cells of one company in one run, oldest first.

    ``window`` is the span of LastUpdatedTime to read again, open to the right where it reaches the
    current window; None where that is the only cell: then every entity is brought up to date from
    its own watermark. A window that was current when its run was asked for counts as that, however
    late the run begins.
    """

    realm_id: str
    keys: tuple[dg.MultiPartitionKey, ...]
    window: Window | None


def partitions_of(cadence: Cadence, start: date) -> dg.MultiPartitionsDefinition:
    """Company by window, where settings are not read before something runs.

    Raises:
        ConfigurationError: the start date is in the future, so there would be no window.
    """
    return dg.MultiPartitionsDefinition(
        {REALM: realm_partitions(), WINDOW: _windows(cadence, start)}
    )


def cell_partitions(settings: Settings) -> dg.MultiPartitionsDefinition:
    """Company by window, the partitions of every entity asset."""
    return partitions_of(settings.ledgerguard_partition_cadence, settings.ledgerguard_start_date)


def _windows(cadence: Cadence, start: date) -> dg.TimeWindowPartitionsDefinition:
    """Windows from the one that holds ``start`` on.

    ``end_offset=1`` makes the current, unfinished window a cell.
    """
    if start > datetime.now(UTC).date():
        raise ConfigurationError(
            f"LEDGERGUARD_START_DATE is {start.isoformat()}, which is in the future. "
            "Set it to the day from which to show partitions, today at the latest."
        )
    if cadence == "monthly":
        return dg.MonthlyPartitionsDefinition(
            start_date=_midnight(start.replace(day=1)), end_offset=1
        )
    if cadence == "weekly":
        monday = start - timedelta(days=start.weekday())
        return dg.WeeklyPartitionsDefinition(
            start_date=_midnight(monday), day_offset=1, end_offset=1
        )
    return dg.DailyPartitionsDefinition(start_date=_midnight(start), end_offset=1)


def windows_of(cells: dg.MultiPartitionsDefinition) -> dg.TimeWindowPartitionsDefinition:
    """The window dimension of a grid."""
    windows = cells.get_partitions_def_for_dimension(WINDOW)
    if not isinstance(windows, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"the {WINDOW} dimension holds no time windows: {windows!r}")
    return windows


def current_window(cells: dg.MultiPartitionsDefinition) -> str:
    """The key of the window that contains now."""
    key = windows_of(cells).get_last_partition_key()
    if key is None:  # partitions_of refuses a start date in the future
        raise ConfigurationError("There is no partition window yet; set LEDGERGUARD_START_DATE.")
    return key


def current_cell(cells: dg.MultiPartitionsDefinition, realm_id: str) -> dg.MultiPartitionKey:
    """The cell a company is kept current in."""
    return dg.MultiPartitionKey({REALM: realm_id, WINDOW: current_window(cells)})


def asked_for_at(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Sequence[datetime]:
    """When a run was asked for, the one it repeats, and the backfill it is of."""
    known = [instance.get_run_record_by_id(run.run_id)]
    if run.root_run_id is not None:
        known.append(instance.get_run_record_by_id(run.root_run_id))
    times = [record.create_timestamp for record in known if record is not None]
    backfill = run.tags.get(BACKFILL_ID_TAG)
    asked = None if backfill is None else instance.get_backfill(backfill)
    if asked is not None:
        times.append(datetime.fromtimestamp(asked.backfill_timestamp, UTC))
    return times


def by_realm(
    cells: dg.MultiPartitionsDefinition,
    keys: Iterable[str],
    asked_at: Callable[[], Iterable[datetime]] = tuple,
) -> Sequence[RealmCells]:
    """Group the cells of a run by company.

    A backfill makes one run per cell; a range typed by hand may span cells and companies.
    ``asked_at`` tells when the run was asked for; it is called where that makes a difference: a run
    may begin long after that, in the queue, as a retry or by hand, when its window is not current any
    more.
    """
    windows = windows_of(cells)
    first, last = windows.get_first_partition_key(), windows.get_last_partition_key()

    def current(name: str) -> bool:
        if name == last:
            return True
        window = windows.time_window_for_partition_key(name)
        return any(window.start <= at < window.end + LAUNCHED_WITHIN for at in asked_at())

    found: dict[str, dict[str, dg.MultiPartitionKey]] = {}
    for text in keys:
        key = cells.get_partition_key_from_str(text)
        dimensions = key.keys_by_dimension
        found.setdefault(dimensions[REALM], {})[dimensions[WINDOW]] = key
    grouped = []
    for realm_id, by_window in found.items():
        names = sorted(by_window)
        reaches = current(names[-1])
        if reaches and len(names) == 1:
            window = None
        else:
            oldest = windows.time_window_for_partition_key(names[0])
            newest = windows.time_window_for_partition_key(names[-1])
            window = Window(
                start=None if names[0] == first else oldest.start.astimezone(UTC),
                end=None if reaches else newest.end.astimezone(UTC),
            )
        grouped.append(RealmCells(realm_id, tuple(by_window[name] for name in names), window))
    return grouped


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
