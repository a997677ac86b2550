"""How far a changed record travels: ``python -m benchmarks.journeys``.

Three journeys against the sandbox: ``ledgerguard sync`` of one changed customer, a webhook from
its delivery to the row, and the refresh of a token. A first load comes before them unmeasured, so
that what is read and imported once in the life of a process does not count.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

import dagster as dg
import typer
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from benchmarks.process import BenchFailed, clean_environment
from benchmarks.tracing import OPENINGS, Trace, traced
from ledgerguard_pipeline.cli.app import run as ledgerguard
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.keys import WEBHOOK_JOB
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.observability.logs import configure_logging
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline.webhooks.signature import sign

_INVOICES = 20
_VERIFIER_TOKEN = "made-up-verifier-token"  # noqa: S105  # signs made-up deliveries
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class Journey:
    """One journey and what it passed through."""

    name: str
    trace: Trace

    def as_dict(self) -> dict[str, object]:
        """Counts and the files themselves."""
        return {
            "journey": self.name,
            "files": len(self.trace.files),
            "files of silver": len(self.trace.files_apart),
            "functions": len(self.trace.functions),
            "openings": self.trace.openings,
            "entered": [*self.trace.files, *self.trace.files_apart],
        }


@contextmanager
def _installed(folder: Path) -> Iterator[tuple[SandboxProcess, Settings]]:
    """A sandbox, and this process's environment pointing at an installation of it."""
    with SandboxProcess(invoices=_INVOICES) as sandbox:
        os.environ.update(
            {
                "INTUIT_CLIENT_ID": sandbox.client_id,
                "INTUIT_CLIENT_SECRET": sandbox.client_secret,
                "INTUIT_BASE_URL": sandbox.base_url,
                "INTUIT_ENV": "sandbox",
                "INTUIT_WEBHOOK_VERIFIER_TOKEN": _VERIFIER_TOKEN,
                "LEDGERGUARD_HOME": str(folder / "home"),
                "LEDGERGUARD_ENTITIES": "Customer",
                "LEDGERGUARD_LOG_LEVEL": "WARNING",
            }
        )
        settings = load_settings()
        with Installation.open(settings) as installation:
            callback = urlsplit(sandbox.consent(installation.connector.begin()))
            installation.connector.complete(dict(parse_qsl(callback.query)))
        yield sandbox, settings


def _sync() -> None:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = ledgerguard(["sync", "--json"])
    if code != 0:
        raise BenchFailed(f"ledgerguard sync ended with {code}: {err.getvalue()[-1500:]}")


def _deliver(port: int, realm: str, customer: str) -> None:
    event = {
        "specversion": "1.0",
        "id": "00000001-7f2d-4b1c-9d0e-1f2a3b4c5d6e",
        "source": "intuit.dsnBgbseACLLRZNxo2dfc4evmEJdxde58xeeYcZliOU=",
        "type": "qbo.customer.updated.v1",
        "datacontenttype": "application/json",
        "time": "2026-11-20T10:00:00.000Z",
        "intuitentityid": customer,
        "intuitaccountid": realm,
        "data": {},
    }
    body = json.dumps([event]).encode()
    address = f"http://localhost:{port}{WEBHOOK_PATH}"
    headers = {"intuit-signature": sign(body, _VERIFIER_TOKEN), "Content-Type": "application/json"}
    with urlopen(Request(address, body, headers)) as answer:  # loopback
        if answer.status != 200:
            raise BenchFailed(f"The delivery was answered with {answer.status}.")


def _webhook(sandbox: SandboxProcess, settings: Settings) -> list[Journey]:
    """One edit, announced, received, noticed and read."""
    customer = str(sandbox.edit("update", "Customer", note="Announced")["id"])
    definitions = build_definitions(settings)
    sensor = definitions.get_repository_def().get_sensor_def("webhook_events")
    job = definitions.resolve_job_def(WEBHOOK_JOB)
    with dagster_instance(settings, capture_output=False) as instance:
        sockets = listen("localhost", 0)
        with (
            traced() as received,
            Installation.open(settings) as installation,
            serving(create_app(installation), sockets),
        ):
            _deliver(sockets[0].getsockname()[1], sandbox.realm_id, customer)
        with traced() as ticked, dg.build_sensor_context(instance=instance) as context:
            result = sensor(context)
        if not isinstance(result, dg.SensorResult) or not result.run_requests:
            raise BenchFailed(f"The sensor asked for no run: {result}")
        (request,) = result.run_requests
        tags = job.get_tags_for_partition_key(str(request.partition_key), selected_asset_keys=None)
        run = instance.create_run_for_job(
            job_def=job,
            tags={**tags, **request.tags},
            asset_selection=frozenset(request.asset_selection or ()),
            run_config=_QUIET,
        )
        with traced() as loaded:
            execute_run(InMemoryJob(job), run, instance)
        finished = instance.get_run_by_id(run.run_id)
        if finished is None or not finished.is_success:
            raise BenchFailed("The webhook's run failed.")
    return [
        Journey("webhook: receive", received),
        Journey("webhook: tick", ticked),
        Journey("webhook: run", loaded),
    ]


def _refresh(sandbox: SandboxProcess, settings: Settings) -> Journey:
    sandbox.expire_tokens()
    with traced() as trace, Installation.open(settings) as installation:
        installation.client(_realm(installation)).company_info()
    return Journey("token refresh", trace)


def _realm(installation: Installation) -> RealmId:
    (company,) = installation.control.companies.list()
    return company.realm_id


def journeys(folder: Path) -> list[Journey]:
    """All of them, in a new installation under ``folder``.

    Raises:
        BenchFailed: one did not arrive, so its figures mean nothing.
    """
    with _installed(folder) as (sandbox, settings):
        _sync()
        sandbox.edit("update", "Customer", note="Changed")
        with traced() as synced:
            _sync()
        announced = _webhook(sandbox, settings)
        return [
            Journey("ledgerguard sync", synced), *announced, _refresh(sandbox, settings),
        ]  # fmt: skip


def main(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the files.")] = False,
) -> None:
    """Count files, functions and openings of stores on the way of one changed customer."""
    environment = clean_environment()
    os.environ.clear()
    os.environ.update(environment)
    configure_logging("WARNING")
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            made = journeys(Path(name))
        except BenchFailed as error:
            sys.stderr.write(f"journeys: {error}\n")
            raise typer.Exit(1) from None
        finally:
            os.chdir(before)
    if as_json:
        sys.stdout.write(json.dumps([each.as_dict() for each in made]) + "\n")
        return
    columns = ("journey", "files", "silver", "functions", *OPENINGS)
    rows = [
        (each.name, len(each.trace.files), len(each.trace.files_apart),
         len(each.trace.functions), *each.trace.openings.values())
        for each in made
    ]  # fmt: skip
    lines = [columns, tuple("-" * len(column) for column in columns), *rows]
    sys.stdout.writelines("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


if __name__ == "__main__":
    typer.run(main)
