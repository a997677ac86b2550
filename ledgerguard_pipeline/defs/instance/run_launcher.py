"""Starts this installation's runs in a tenth of a second each.

Dagster's default launcher starts Python anew for every run, and importing Dagster and this package
takes longer than all that a webhook's run does. Here a process imports them once and is forked for
every run: the ``forkserver`` of Python's ``multiprocessing``, as in Dagster's multiprocess executor.

Decision 104 in docs/decisions.md.
"""

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster import _check as check
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, serialize_value

from ledgerguard_pipeline.control.leases.process_identity import name_of, reachable
from ledgerguard_pipeline.defs.instance.forked_run import IMPORTS, execute, newest_source

PROCESS_TAG = f"{HIDDEN_TAG_PREFIX}ledgerguard_process"
"""Which process executes the run, by the name other processes know it by."""
_DEFINITIONS = "ledgerguard_pipeline.definitions"


class ForkingRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, but for runs of this installation's own definitions on Linux.

    All others are started by the code server they come from, as ever. So is everything after a module of
    this package was changed, since what is forked would still be the old one.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._processes: dict[str, ForkServerProcess] = {}
        self._imported = 0

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if not (_is_own(run) and self._is_current()):
            self._launch_by_code_server(context)
            return
        self._forget_ended()
        process = self._fork(run)
        try:
            process.start()
        except (OSError, EOFError) as error:
            self._instance.report_engine_event(
                f"The run could not be forked ({error!r}); its code server starts it.",
                run,
                cls=type(self),
            )
            self._launch_by_code_server(context)
            return
        self._processes[run.run_id] = process
        self._run_ids.add(run.run_id)
        try:
            holder = name_of(check.not_none(process.pid))
            self._instance.add_run_tags(run.run_id, {PROCESS_TAG: holder})
        except BaseException:
            # For whoever asked the launch has failed, so nothing may go on.
            process.kill()
            raise

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        holder = None if run is None else run.tags.get(PROCESS_TAG)
        if run is None or run.is_finished or not holder:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster's
        self._instance.report_run_canceling(run)
        pid = reachable(holder)
        if pid is None:
            self._instance.report_engine_event(
                f"The run's process ({holder}) cannot be reached from {name_of(os.getpid())}: it "
                "ended, or runs on another machine.",
                run,
                cls=type(self),
            )
            return False
        # As Dagster's code servers do: the run ends in order.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives, as far as this launcher started it.

        Of others it knows nothing and says that they run: the sensor ``lost_runs`` watches those.
        """
        process = self._processes.get(run.run_id)
        if process is None or process.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if reachable(run.tags.get(PROCESS_TAG, "")) is not None:
            # Only the process it was forked from is gone; nobody will know how this one ends.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if process.exitcode == 0:
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"Its process {process.pid} ended with {process.exitcode}."
        )

    def _launch_by_code_server(self, context: LaunchRunContext) -> None:
        """As ever; a run that is begun again brought the tag of its predecessor's process along."""
        run = context.dagster_run
        if PROCESS_TAG in run.tags:
            self._instance.add_run_tags(run.run_id, {PROCESS_TAG: ""})
        super().launch_run(context)

    def _fork(self, run: DagsterRun) -> ForkServerProcess:
        """The process that will execute the run; not started yet."""
        arguments = ExecuteRunArgs(
            job_origin=check.not_none(run.job_code_origin),
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        forkserver = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload([IMPORTS])
        return forkserver.Process(
            target=execute, args=(serialize_value(arguments), dict(os.environ))
        )

    def _forget_ended(self) -> None:
        """Processes that ended are kept until Dagster knows that their runs did."""
        for run_id, process in list(self._processes.items()):
            if process.is_alive():
                continue
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                del self._processes[run_id]

    def _is_current(self) -> bool:
        """Whether this package is still what a forked process would have in memory."""
        newest = newest_source()
        self._imported = self._imported or newest
        return newest == self._imported


def _is_own(run: DagsterRun) -> bool:
    """Whether the code server that defines this run is this very installation of the package."""
    if sys.platform != "linux" or run.job_code_origin is None:
        return False
    origin = run.job_code_origin.repository_origin
    return (
        isinstance(origin.code_pointer, ModuleCodePointer)
        and origin.code_pointer.module == _DEFINITIONS
        and Path(origin.executable_path).parent == Path(sys.executable).parent
    )
