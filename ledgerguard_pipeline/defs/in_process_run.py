"""Running the sync job in the calling process, as the command line does.

Decision 3 in docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition.valid_definitions import (
    SINGLETON_REPOSITORY_NAME,
)
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.build import build_run_definitions
from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.jobs import keys_of
from ledgerguard_pipeline.defs.keys import ALL_JOB, CODE_LOCATION, TRIGGER_TAG
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.defs.run_context import OpenedSync, run_scope
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import RealmId


class RunOutcome(NamedTuple):
    """One run of one company; ``success`` is what the Dagster UI says of it."""

    run_id: str
    success: bool
    result: SyncResult


def run_sync(
    settings: Settings,
    requests: Sequence[SyncRequest],
    *,
    installation: Installation | None = None,
    opened: Mapping[RealmId, OpenedSync] | None = None,
) -> SyncResult:
    """Bring companies up to date, one run each; a failure of one does not stop the others.

    ``installation`` is the caller's, if it has one open; it stays open. Runs go on with the syncs
    that were ``opened`` there, and close them; a company whose grant ended meanwhile has a failed run.

    Raises:
        BadInputError: a company is not connected, or an entity is not kept; no run was made.
        ConfigurationError: the app's credentials or the home are missing; no run was made.
        KeyboardInterrupt: somebody stopped it; what was committed stays.
    """
    outcomes = run_companies(settings, requests, installation=installation, opened=opened)
    return sum((outcome.result for outcome in outcomes), SyncResult())


def run_companies(
    settings: Settings,
    requests: Sequence[SyncRequest],
    *,
    installation: Installation | None = None,
    opened: Mapping[RealmId, OpenedSync] | None = None,
) -> list[RunOutcome]:
    """``run_sync`` with the runs themselves, in the order of the requests.

    They run as the job the UI starts and are listed there. A failing entity does not raise: it is
    in the result, and the others are loaded.
    """
    settings.credentials()
    with ExitStack() as stack:
        if installation is None:
            installation = stack.enter_context(Installation.open(settings))
        return _run_each(installation, requests, opened or {})


def _run_each(
    installation: Installation,
    requests: Sequence[SyncRequest],
    opened: Mapping[RealmId, OpenedSync],
) -> list[RunOutcome]:
    settings, known = installation.settings, installation.control.companies
    companies = {
        realm: known.require(realm) if realm in opened else known.require_connected(realm)
        for realm in (request.realm_id for request in requests)
    }
    for request in requests:
        _require_kept(settings, request.entities)
    cells = cell_partitions(settings)
    job = build_run_definitions(settings).resolve_job_def(ALL_JOB)
    outcomes = []
    with dagster_instance(settings, capture_output=False) as instance:
        instance.add_dynamic_partitions(REALM, [request.realm_id for request in requests])
        for request in requests:
            tags = job.get_tags_for_partition_key(
                current_cell(cells, request.realm_id), selected_asset_keys=None
            )
            everything = set(request.entities) == set(settings.kept_entities)
            run = instance.create_run_for_job(
                job_def=job,
                run_config=_run_config(request),
                tags={
                    **tags,
                    **company_tags(companies[request.realm_id]),
                    TRIGGER_TAG: "command line",
                },
                asset_selection=None if everything else frozenset(keys_of(request.entities)),
                remote_job_origin=_job_origin(),
            )
            with run_scope(settings, installation, opened) as scope:
                finished = execute_run(InMemoryJob(job), run, instance)
            if _interrupted(finished.all_events):
                raise KeyboardInterrupt
            result = sum(scope.results, SyncResult())
            if not finished.success and result.ok:
                # Nothing of ours failed, so Dagster did: its log has the story.
                result += SyncResult(errors=(_unexplained(request, run.run_id),))
            outcomes.append(RunOutcome(run.run_id, finished.success, result))
    return outcomes


def _interrupted(events: Sequence[dg.DagsterEvent]) -> bool:
    """Whether Ctrl-C ended a run: Dagster takes the signal for itself and fails the run with it."""
    return any(
        event.is_job_failure
        and event.job_failure_data.error is not None
        and event.job_failure_data.error.cls_name == dg.DagsterExecutionInterruptedError.__name__
        for event in events
    )


def _unexplained(request: SyncRequest, run_id: str) -> str:
    return (
        f"Dagster failed run {run_id} of company {request.realm_id} for a reason of its own; "
        "the run's page in the Dagster UI shows its log."
    )


def _require_kept(settings: Settings, entities: Sequence[EntityType]) -> None:
    kept = settings.kept_entities
    left_out = [entity.name for entity in entities if entity not in kept]
    if left_out:
        raise BadInputError(
            f"LEDGERGUARD_ENTITIES leaves out {', '.join(left_out)}. Add it there, or choose "
            "among the kept ones."
        )


def _run_config(request: SyncRequest) -> dict[str, object]:
    options: dict[str, object] = {"full": request.full, "reconcile": request.reconcile}
    if request.since is not None:
        options["since"] = request.since.isoformat()
    return {
        "resources": {"quickbooks": {"config": options}},
        # Events are in the log of the run; the terminal belongs to the command line.
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def _job_origin() -> RemoteJobOrigin:
    """Tells the UI which job the run belongs to, so that it is listed there and can be repeated."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        loadable_target_origin=LoadableTargetOrigin(
            module_name="ledgerguard_pipeline.definitions", working_directory="."
        ),
        location_name=CODE_LOCATION,
    )
    repository = RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME)
    return RemoteJobOrigin(repository, ALL_JOB)
