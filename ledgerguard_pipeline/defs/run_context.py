"""What the caller of an in-process run shares with the resource of that run.

Dagster builds a resource anew for each run, so settings read by the command line and the results
it reports cannot travel on the instance; they travel in the context of the calling thread, in
which the in-process executor runs every step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.ingestion.results import SyncResult


@dataclass(slots=True)
class RunScope:
    """Settings going in, results coming out."""

    settings: Settings
    results: list[SyncResult] = field(default_factory=list)


_scope: ContextVar[RunScope | None] = ContextVar("ledgerguard_run_scope", default=None)


@contextmanager
def run_scope(settings: Settings) -> Iterator[RunScope]:
    """Every run started inside the block uses these settings and reports here."""
    scope = RunScope(settings)
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def current_settings() -> Settings:
    """The settings of the surrounding scope, or those of the environment."""
    scope = _scope.get()
    return load_settings() if scope is None else scope.settings


def report(result: SyncResult) -> None:
    """Hand one company's outcome to whoever started the run, if somebody listens."""
    scope = _scope.get()
    if scope is not None:
        scope.results.append(result)
