"""How Dagster knows one installation: its keys and names, its companies, its settings.

A code location of its own has one; a project of somebody else's may hold several beside its own
definitions, each with its own prefix. The builders of definitions read the site they are called
in, and what they build is back in it whenever Dagster runs it, in whatever process (``at_site``).

Decision 76 in docs/decisions.md.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import dagster as dg

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.health.entity_status import SCHEDULE_MINUTES

P = ParamSpec("P")
R = TypeVar("R")

PREFIX = "quickbooks"
OWNERS = ("team:finance-data",)

INSTALLATION_TAG = "ledgerguard/installation"
"""On the runs of an installation inside another project: which of them it is."""


@dataclass(frozen=True, slots=True)
class QuickBooksTable:
    """What a translator is asked about.

    ``layer`` is ``bronze``, ``silver``, ``reports``, ``ledger``, ``files`` or ``connection``, ``name`` the
    table there (``invoice``), ``entity`` Intuit's name of the entity type if it is about one,
    ``group`` the part of the books it belongs to (``sales``), ``spec`` the asset as it would be.
    """

    layer: str
    name: str
    entity: str | None
    group: str
    spec: dg.AssetSpec


class QuickBooksTranslator:
    """Renames and describes the assets; subclass it and override ``get_asset_spec``."""

    def get_asset_spec(self, table: QuickBooksTable) -> dg.AssetSpec:
        """The asset of a table. Partitions and dependencies stay, whatever is returned."""
        return table.spec


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One installation in Dagster.

    ``guest`` is True inside somebody else's project: then every job, schedule, sensor and resource
    carries ``prefix``, and only ``companies`` are worked on, if any are named. ``settings`` reads
    the settings when something runs; None means those of the environment. ``sweep_minutes`` is how
    often changes are read, None where no schedule does that.
    """

    key_prefix: tuple[str, ...] = ("qbo",)
    prefix: str = PREFIX
    guest: bool = False
    group: str | None = None
    owners: Sequence[str] = OWNERS
    tags: Mapping[str, str] = field(default_factory=dict)
    automation_condition: "dg.AutomationCondition[Any] | None" = None
    freshness_policy: dg.FreshnessPolicy | None = None
    companies: frozenset[str] | None = None
    settings: Callable[[], Settings] | None = None
    sweep_minutes: int | None = SCHEDULE_MINUTES
    translator: QuickBooksTranslator = field(default_factory=QuickBooksTranslator)
    running: bool = True
    _keys: dict[tuple[str, str], dg.AssetKey] = field(default_factory=dict)

    def name(self, base: str) -> str:
        """Of a job, schedule, sensor or op."""
        return f"{self.prefix}_{base.removeprefix(f'{PREFIX}_')}" if self.guest else base

    @property
    def resource_key(self) -> str:
        """Of the way to the companies' books."""
        return self.prefix

    @property
    def duckdb_key(self) -> str:
        """Of the DuckDB file, where it is a resource of its own."""
        return f"{self.prefix}_duckdb"

    @property
    def resource_keys(self) -> set[str]:
        """What the assets need."""
        return {self.resource_key} if self.guest else {self.resource_key, self.duckdb_key}

    @property
    def realms(self) -> str:
        """The name under which the instance knows the companies."""
        return f"{self.prefix}_realm" if self.guest else "realm"

    @property
    def run_tags(self) -> dict[str, str]:
        """Of every run that is started here."""
        return {INSTALLATION_TAG: self.prefix} if self.guest else {}

    @property
    def schedule_status(self) -> dg.DefaultScheduleStatus:
        """Of schedules nobody has started or stopped yet."""
        status = dg.DefaultScheduleStatus
        return status.RUNNING if self.running else status.STOPPED

    @property
    def sensor_status(self) -> dg.DefaultSensorStatus:
        """The same of sensors."""
        status = dg.DefaultSensorStatus
        return status.RUNNING if self.running else status.STOPPED

    def works_on(self, realm_id: str) -> bool:
        """Whether a company is among those chosen."""
        return self.companies is None or realm_id in self.companies

    def key(self, layer: str, name: str) -> dg.AssetKey:
        """Of a table's asset; what a translator said, once the asset was built."""
        path = [layer] if layer == name else [layer, name]
        return self._keys.get((layer, name), dg.AssetKey([*self.key_prefix, *path]))

    def spec(self, layer: str, name: str, group: str, spec: dg.AssetSpec) -> dg.AssetSpec:
        """An asset as this installation's owner wants it; its key is known from now on."""
        mine = spec.replace_attributes(
            group_name=self.group or f"{self.prefix}_{group}",
            owners=list(self.owners),
            tags={**spec.tags, **self.tags},
        )
        if self.automation_condition is not None and layer == "bronze":
            mine = mine.replace_attributes(automation_condition=self.automation_condition)
        if self.freshness_policy is not None and layer in ("bronze", "silver"):
            mine = mine.replace_attributes(freshness_policy=self.freshness_policy)
        entity = spec.metadata.get("quickbooks_entity")
        found = self.translator.get_asset_spec(
            QuickBooksTable(layer, name, None if entity is None else str(entity), group, mine)
        )
        found = found.replace_attributes(
            deps=spec.deps,
            partitions_def=spec.partitions_def,
            automation_condition=self._without_connection(found.automation_condition),
        )
        self._keys[layer, name] = found.key
        return found

    def has_step(self, step: str) -> bool:
        """Whether a step of a run makes assets that were built here; others may share the prefix."""
        several = {self.name("ledger"), *([self.name("bronze")] if self.guest else ())}
        return step in several or any(
            step == key.to_python_identifier() for key in self._keys.values()
        )

    def _without_connection(
        self, condition: "dg.AutomationCondition[Any] | None"
    ) -> "dg.AutomationCondition[Any] | None":
        """The condition for all parents but the connection, which nobody materializes."""
        ignore = getattr(condition, "ignore", None)
        if ignore is None:
            return condition
        found = ignore(dg.AssetSelection.assets(self.key("connection", "connection")))
        return cast("dg.AutomationCondition[Any]", found)


_site: ContextVar[Site] = ContextVar("ledgerguard_site")
_OWN = Site()


def current_site() -> Site:
    """The surrounding site, or that of a code location of its own."""
    return _site.get(_OWN)


@contextmanager
def entered(site: Site) -> Iterator[Site]:
    """Inside the block everything is built for, and works on, this site."""
    token = _site.set(site)
    try:
        yield site
    finally:
        _site.reset(token)


def at_site(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function run in the site it was defined in, whoever calls it and wherever."""
    site = current_site()
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generate(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            steps = cast("Iterator[object]", function(*args, **kwargs))
            while True:
                # Not while the caller works on what came: it may be in another site.
                with entered(site):
                    try:
                        item = next(steps)
                    except StopIteration:
                        return
                yield item

        return cast("Callable[P, R]", generate)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with entered(site):
            return function(*args, **kwargs)

    return run
