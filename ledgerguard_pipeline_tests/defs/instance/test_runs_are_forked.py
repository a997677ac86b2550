"""Runs of the embedded default are forked from a process that has imported what they need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import CodePointer, ModuleCodePointer
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import serialize_value

from ledgerguard_pipeline.control.leases.process_identity import reachable
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.instance import forked_run
from ledgerguard_pipeline.defs.instance.forked_run import IMPORTS, newest_source
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.instance.run_launcher import PROCESS_TAG, ForkingRunLauncher
from ledgerguard_pipeline.defs.keys import ALL_JOB
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.instance.small_installation import invoices_alone
from ledgerguard_pipeline_tests.defs.instance.webserver import DONE, wait

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the code server starts runs"),
]
OURS = ModuleCodePointer("ledgerguard_pipeline.definitions", "defs")


@dataclass
class Fleet:
    """An installation with one company, and its Dagster instance."""

    installation: Installation
    instance: dg.DagsterInstance
    realm: RealmId
    sandbox: SandboxServer

    @property
    def launcher(self) -> ForkingRunLauncher:
        assert isinstance(self.instance.run_launcher, ForkingRunLauncher)
        return self.instance.run_launcher

    def make(self, pointer: CodePointer = OURS, executable: str = sys.executable) -> dg.DagsterRun:
        """A run that loads the company."""
        job = build_definitions(self.installation.settings).resolve_job_def(ALL_JOB)
        assert job.partitions_def is not None
        window = job.partitions_def.get_partition_keys(dynamic_partitions_store=self.instance)[-1]
        return self.instance.create_run_for_job(
            job_def=job,
            tags=job.get_tags_for_partition_key(window, selected_asset_keys=None),
            job_code_origin=JobPythonOrigin(ALL_JOB, RepositoryPythonOrigin(executable, pointer)),
            status=dg.DagsterRunStatus.STARTING,
        )

    def launch(self, pointer: CodePointer = OURS, executable: str = sys.executable) -> str:
        """Hand a run to the launcher, as the daemon does; its id."""
        run = self.make(pointer, executable)
        self.launcher.launch_run(LaunchRunContext(run, workspace=None))
        return run.run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def health(self, run_id: str) -> CheckRunHealthResult:
        return self.launcher.check_run_worker_health(self.run(run_id))

    def health_is(self, run_id: str, status: WorkerStatus) -> bool:
        return self.health(run_id).status is status

    def pid(self, run_id: str) -> int:
        pid = reachable(self.run(run_id).tags[PROCESS_TAG])
        assert pid is not None
        return pid

    def hold(self) -> None:
        """Let the sandbox answer so late that runs are under way until something ends them."""
        self.sandbox.inject("hang", next=1000, seconds=10)

    def wait_for(self, run_id: str, *statuses: str) -> None:
        wait(lambda: self.run(run_id).status.value in statuses, 120, f"a run that is {statuses}")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with SandboxServer(invoices=5) as sandbox:
        settings = invoices_alone(tmp_path / "home", sandbox, monkeypatch)
        with (
            Installation.open(settings) as installation,
            dagster_instance(settings, capture_output=False) as instance,
        ):
            connect(installation, sandbox)
            instance.add_dynamic_partitions(REALM, [sandbox.realm_id])
            yield Fleet(installation, instance, RealmId(sandbox.realm_id), sandbox)


def pipes() -> int:
    """How many this process has open; each process it watches is one."""
    return sum(each.is_fifo() for each in Path("/proc/self/fd").iterdir())


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_runs_are_forks_of_one_process_and_can_be_stopped(fleet: Fleet) -> None:
    fleet.hold()
    runs = []
    for _ in range(2):
        runs.append(fleet.launch())
        fleet.wait_for(runs[-1], "STARTED")
    first, second = (fleet.pid(run_id) for run_id in runs)
    assert parent(first) == parent(second) != os.getpid()
    assert IMPORTS in Path(f"/proc/{parent(first)}/cmdline").read_text()
    assert fleet.health_is(runs[0], WorkerStatus.RUNNING)
    # The first may wait for an answer of the sandbox; the second waits for the company's lease.
    assert fleet.launcher.terminate(runs[1])
    fleet.wait_for(runs[1], "CANCELED")
    assert not fleet.launcher.terminate(runs[1])
    os.kill(first, signal.SIGKILL)


def test_a_run_loads_its_company_and_leaves_nothing_open(fleet: Fleet) -> None:
    opened = []
    for _ in range(3):
        run_id = fleet.launch()
        fleet.wait_for(run_id, *DONE)
        assert fleet.run(run_id).is_success, fleet.instance.all_logs(run_id)[-5:]
        ended = partial(fleet.health_is, run_id, WorkerStatus.SUCCESS)
        wait(ended, 60, "the end of the process")
        opened.append(pipes())
    assert opened[0] == opened[2]
    assert fleet.installation.bronze.sql("SELECT count(*) FROM bronze.invoice").rows == [(5,)]


def test_a_killed_process_is_known_to_have_failed(fleet: Fleet) -> None:
    fleet.hold()
    run_id = fleet.launch()
    fleet.wait_for(run_id, "STARTED")
    os.kill(fleet.pid(run_id), signal.SIGKILL)
    ended = partial(fleet.health_is, run_id, WorkerStatus.FAILED)
    wait(ended, 60, "the end of the process")
    assert str(-signal.SIGKILL) in str(fleet.health(run_id).msg)
    # A daemon begun since knows nothing of it, and leaves it to the sensor.
    stranger = ForkingRunLauncher().check_run_worker_health(fleet.run(run_id))
    assert stranger.status is WorkerStatus.RUNNING
    assert not fleet.launcher.terminate(run_id)


def test_a_run_outlives_the_process_it_was_forked_from(fleet: Fleet) -> None:
    fleet.hold()
    run_id = fleet.launch()
    fleet.wait_for(run_id, "STARTED")
    pid = fleet.pid(run_id)
    (watched,) = (each for each in active_children() if each.pid == pid)
    os.kill(parent(pid), signal.SIGKILL)
    watched.join(60)
    assert not watched.is_alive(), "as far as this process can tell"
    assert fleet.health_is(run_id, WorkerStatus.RUNNING)
    os.kill(pid, signal.SIGKILL)
    wait(partial(fleet.health_is, run_id, WorkerStatus.FAILED), 60, "the end of the process")


def test_what_a_fork_would_not_know_is_started_by_its_code_server(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none here, and Dagster's own launcher says so."""
    others = ModuleCodePointer("books_of_the_host.definitions", "defs")
    with pytest.raises(DagsterInvariantViolationError, match="workspace"):
        fleet.launch(others)
    with pytest.raises(DagsterInvariantViolationError, match="workspace"):
        fleet.launch(executable=str(Path("elsewhere", "python")))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "platform", "darwin")
        with pytest.raises(DagsterInvariantViolationError, match="workspace"):
            fleet.launch()
    fleet.wait_for(fleet.launch(), "SUCCESS")
    changed = newest_source() + 1
    monkeypatch.setattr(f"{ForkingRunLauncher.__module__}.newest_source", lambda: changed)
    with pytest.raises(DagsterInvariantViolationError, match="workspace"):
        fleet.launch()


def test_what_an_editor_puts_beside_a_module_keeps_no_run_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "module.py"
    module.touch()
    monkeypatch.setattr(forked_run, "_PACKAGE", tmp_path)
    written = module.stat().st_mtime_ns
    (tmp_path / ".#module.py").symlink_to("somebody@a-machine.4711")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert newest_source() == written


def test_a_run_begun_again_by_its_code_server_has_not_its_predecessors_process(
    fleet: Fleet,
) -> None:
    """Dagster gives a repeated run the tags of the first one."""
    run = fleet.make(ModuleCodePointer("books_of_the_host.definitions", "defs"))
    fleet.instance.add_run_tags(run.run_id, {PROCESS_TAG: "elsewhere:4711:1"})
    again = fleet.run(run.run_id)
    with pytest.raises(DagsterInvariantViolationError, match="workspace"):
        fleet.launcher.launch_run(LaunchRunContext(again, workspace=None))
    assert not fleet.launcher.terminate(run.run_id)
    said = [each.message for each in fleet.instance.all_logs(run.run_id)]
    assert any("grpc client" in message for message in said), said


def test_a_run_that_cannot_be_forked_is_started_by_its_code_server(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_process: object) -> None:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(ForkServerProcess, "start", start)
    run = fleet.make()
    with pytest.raises(DagsterInvariantViolationError, match="workspace"):
        fleet.launcher.launch_run(LaunchRunContext(run, workspace=None))
    said = [each.message for each in fleet.instance.all_logs(run.run_id)]
    assert any("no more processes" in message for message in said), said


def test_a_run_whose_launch_fails_does_not_go_on(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.hold()
    run, started = fleet.make(), list[ForkServerProcess]()

    def add_run_tags(_run_id: str, _tags: object) -> None:
        started.extend(each for each in active_children() if isinstance(each, ForkServerProcess))
        raise OSError("no space left on device")

    monkeypatch.setattr(fleet.instance, "add_run_tags", add_run_tags)
    with pytest.raises(OSError, match="no space left"):
        fleet.launcher.launch_run(LaunchRunContext(run, workspace=None))
    (process,) = started
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_a_run_of_another_machine_is_not_looked_for_here(fleet: Fleet) -> None:
    fleet.hold()
    run_id = fleet.launch()
    fleet.wait_for(run_id, "STARTED")
    pid, here = fleet.pid(run_id), fleet.run(run_id).tags[PROCESS_TAG]
    _, _, rest = here.partition(":")
    fleet.instance.add_run_tags(run_id, {PROCESS_TAG: f"elsewhere:{rest}"})
    assert not fleet.launcher.terminate(run_id)
    said = [each.message for each in fleet.instance.all_logs(run_id)]
    assert any("cannot be reached" in message for message in said), said
    os.kill(pid, signal.SIGKILL)


def test_a_run_imports_nothing_of_this_package_any_more(fleet: Fleet) -> None:
    """Only the definitions, which have to see the settings of the day."""
    run = fleet.make()
    assert run.job_code_origin is not None
    arguments = ExecuteRunArgs(run.job_code_origin, run.run_id, fleet.instance.get_ref(), True)
    script = (
        f"import {IMPORTS}, os, sys\n"
        "from ledgerguard_pipeline.defs.instance.forked_run import execute\n"
        "known = set(sys.modules)\n"
        "try:\n    execute(sys.argv[1], dict(os.environ))\n"
        "finally:\n    print('imported', *sorted(sys.modules.keys() - known))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, serialize_value(arguments)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("imported")]
    late = [each for each in line.split() if each.partition(".")[0] == "ledgerguard_pipeline"]
    assert late == ["ledgerguard_pipeline.definitions"]


def test_the_process_that_is_forked_has_no_threads_that_forks_would_miss() -> None:
    script = (
        f"import {IMPORTS}, pathlib\n"
        "tasks = pathlib.Path('/proc/self/task').iterdir()\n"
        "print(*sorted((task / 'comm').read_text().strip() for task in tasks))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert len([task for task in done.stdout.split() if task != "jemalloc_bg_thd"]) == 1, done
