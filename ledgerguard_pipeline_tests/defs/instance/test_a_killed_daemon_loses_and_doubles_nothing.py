"""Dagster's own daemon, killed at each step from an event to its row, and started again.

The daemon asks the sensor, makes the runs and starts them. Whichever of these it was at, the
event's row is in Bronze afterwards, once, and nothing waits forever.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.change_events import Operation
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus
from ledgerguard_pipeline.defs.instance.home import dagster_instance, prepare_dagster_home
from ledgerguard_pipeline.defs.keys import CODE_LOCATION, WEBHOOK_JOB
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, listen
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.instance.small_installation import invoices_alone
from ledgerguard_pipeline_tests.defs.instance.webserver import DONE, PROJECT, wait

# An event leased by a tick of which Dagster kept nothing is due again when its lease ends, after 120 s.
pytestmark = pytest.mark.timeout(900)

LAUNCH_SECONDS = 20
"""After which a run whose launch was killed counts as failed here; 120 elsewhere, to wait less."""

_WORKSPACE = """\
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}
"""


class Daemon:
    """A code server, and a daemon on it that can be killed and started again."""

    def __init__(self, home: Path, log: Path) -> None:
        folder = prepare_dagster_home(home)
        configured = folder / "dagster.yaml"
        text, count = re.subn(
            r"(start_timeout_seconds|poll_interval_seconds): \d+",
            rf"\1: {LAUNCH_SECONDS}",
            configured.read_text(),
        )
        assert count == 2
        configured.write_text(text)
        with listen() as listener:
            port = listener.getsockname()[1]
        self._workspace = folder / "test-workspace.yaml"
        self._workspace.write_text(_WORKSPACE.format(port=port, name=CODE_LOCATION))
        self._environment = {
            **os.environ, "PYTHONPATH": str(PROJECT), "DAGSTER_HOME": str(folder),
        }  # fmt: skip
        self._log = log
        self._code = self._start(
            *("dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port)),
            *("-m", "ledgerguard_pipeline.definitions"),
        )
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._daemon = self._start("dagster._daemon", "run", "-w", str(self._workspace))

    def kill(self) -> None:
        assert self._daemon is not None
        assert self._daemon.poll() is None, self._log.read_text()[-3000:]
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait()

    def stop(self) -> None:
        for process in (self._daemon, self._code):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self._log.parent, env=self._environment,
                start_new_session=True, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip


@contextmanager
def daemon(home: Path, log: Path) -> Iterator[Daemon]:
    running = Daemon(home, log)
    try:
        yield running
    finally:
        running.stop()


def test_an_event_survives_the_daemon_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SandboxServer(invoices=5) as sandbox:
        settings = invoices_alone(tmp_path / "home", sandbox, monkeypatch)
        with Installation.open(settings) as installation:
            connect(installation, sandbox)
            inbox, realm = installation.control.inbox, RealmId(sandbox.realm_id)
            installation.service(realm).run_batch_ingestion(["Invoice"])
            with (
                dagster_instance(settings, capture_output=False) as instance,
                daemon(settings.ledgerguard_home, tmp_path / "dagster.log") as dagster,
            ):
                instance.add_dynamic_partitions(REALM, [realm])
                dagster.start()

                earlier: set[str] = set()

                def made() -> list[dg.DagsterRun]:
                    """The runs since the last event; a look may come when they are long done."""
                    runs = instance.get_runs(dg.RunsFilter(job_name=WEBHOOK_JOB))
                    return [run for run in runs if run.run_id not in earlier]

                waiting = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
                steps = {
                    "leased": lambda: any(
                        each.status is EventStatus.LEASED for each in inbox.list()
                    ),
                    "run made": lambda: bool(made()),
                    "run under way": lambda: any(run.status not in waiting for run in made()),
                }
                for number, (step, reached) in enumerate(steps.items(), start=1):
                    earlier |= {run.run_id for run in made()}
                    before = set(sandbox.truth("Invoice").rows)
                    sandbox.edit("create", "Invoice")
                    (object_id,) = set(sandbox.truth("Invoice").rows) - before
                    reported = event(
                        f"event-{number}", realm=realm, object_id=object_id,
                        operation=Operation.CREATE,
                    )  # fmt: skip
                    installation.control.deliveries.accept([delivery([reported])])
                    wait(reached, 120, step)
                    dagster.kill()
                    dagster.start()
                    wait(
                        lambda: all(each.status is EventStatus.DONE for each in inbox.list()),
                        240, f"the event that was {step}",
                    )  # fmt: skip
                    _, rows = installation.bronze.sql(
                        f"SELECT count(*) FROM bronze.invoice WHERE id = '{object_id}'"
                    )
                    assert rows == [(1,)], step
                wait(
                    lambda: all(run.status.value in DONE for run in instance.get_runs()),
                    120, "the end of every run",
                )  # fmt: skip
