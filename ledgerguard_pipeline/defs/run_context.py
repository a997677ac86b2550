"""What a run or a tick shares: settings, results, and the stores it opened.

Dagster builds a resource anew for each run, so what the command line has read and opened, and the
results it reports, cannot travel on the instance; they travel in the context of the calling
thread, in which the in-process executor runs every step and the daemon evaluates a tick.

Decision 69 in docs/decisions.md.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:  # loading the definitions must stay quick: no HTTP stack, no DuckDB
    from ledgerguard_pipeline.ingestion.company_sync.sync import CompanySync
    from ledgerguard_pipeline.installation import Installation

OpenControl = Callable[[], AbstractContextManager[ControlPlane]]


@dataclass(frozen=True, slots=True)
class OpenedSync:
    """A company's sync that the caller began: a run goes on with it, and closes it by ``stack``.

    An error instead of a sync is why it could not be begun.
    """

    sync: "CompanySync | LedgerGuardError"
    stack: ExitStack


@dataclass(slots=True)
class RunScope:
    """Settings, and perhaps an open installation and syncs, going in; results coming out."""

    settings: Settings
    installation: "Installation | None" = None
    opened: dict[RealmId, OpenedSync] = field(default_factory=dict)
    keeps_bronze: bool = False
    results: list[SyncResult] = field(default_factory=list)


@dataclass(slots=True)
class _Shared:
    """The control plane of one tick, once somebody needed it."""

    stack: ExitStack
    control: ControlPlane | None = None


_scope: ContextVar[RunScope | None] = ContextVar("ledgerguard_run_scope", default=None)
_shared: ContextVar[_Shared | None] = ContextVar("ledgerguard_control_plane", default=None)


@contextmanager
def run_scope(
    settings: Settings,
    installation: "Installation | None" = None,
    opened: Mapping[RealmId, OpenedSync] | None = None,
) -> Iterator[RunScope]:
    """Every run started inside the block uses these settings and reports here.

    It works on ``installation``, if one is given, which stays open after it, and goes on with the
    syncs that were ``opened`` there.
    """
    scope = RunScope(settings, installation, dict(opened or {}), bool(opened))
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def current_settings() -> Settings:
    """The settings of the surrounding scope, or of the site, or those of the environment."""
    scope, site = _scope.get(), current_site()
    if scope is not None:
        return scope.settings
    return load_settings() if site.settings is None else site.settings()


def current_installation() -> "Installation | None":
    """The installation that the caller of this run has open, or None."""
    scope = _scope.get()
    return None if scope is None else scope.installation


def opened_sync(realm_id: RealmId) -> OpenedSync | None:
    """The sync of a company that the caller of this run began, once."""
    scope = _scope.get()
    return None if scope is None else scope.opened.pop(realm_id, None)


def keeps_bronze() -> bool:
    """Whether this run has to use the store of the caller's installation: its syncs write there."""
    scope = _scope.get()
    return scope is not None and scope.keeps_bronze


@contextmanager
def one_control_plane() -> Iterator[None]:
    """Inside the block ``open_control`` opens once, however often it is asked."""
    with ExitStack() as stack:
        token = _shared.set(_Shared(stack))
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def open_control() -> Iterator[ControlPlane]:
    """The control plane of this installation, for one tick: what the tick calls gets the same.

    Raises:
        ConfigurationError, ControlUnavailable, KeyUnavailable: as ``ControlPlane.open``.
    """
    shared = _shared.get()
    if shared is None:
        with one_control_plane(), open_control() as control:
            yield control
        return
    if shared.control is None:
        shared.control = shared.stack.enter_context(ControlPlane.open(current_settings()))
    yield shared.control


def report(result: SyncResult) -> None:
    """Hand one company's outcome to whoever started the run, if somebody listens."""
    scope = _scope.get()
    if scope is not None:
        scope.results.append(result)
