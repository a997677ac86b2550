"""``python -m benchmarks.page``: how long the page of many companies takes.

The page's own time is compared with a floor: the same server, by the same client, handing out a
document of the same size that it has ready. What is left is reading, judging and rendering.
"""

from __future__ import annotations

import http.client
import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from statistics import median
from typing import Annotated

import typer
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from pydantic import SecretStr

from benchmarks.environments import working_folder
from benchmarks.goals import Finding, markdown, percentile
from benchmarks.receiver import settings_of
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import Environment, Mode, RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving

_FIRST = 9341453474484455
_WARM = 3
_LIMIT_MS = 300.0


def bench_page(
    companies: Annotated[int, typer.Option(min=1, help="How many are connected.")] = 500,
    repeats: Annotated[int, typer.Option(min=3, help="How often each page is opened.")] = 20,
    late: Annotated[
        bool, typer.Option("--late", help="All of them late, as after a night without Dagster.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the company page: every tenth company ill, all entity types loaded."""
    with working_folder("page") as folder:
        settings = settings_of(folder, intuit_client_id="app", intuit_client_secret="made-up")  # noqa: S106
        with ControlPlane.open(settings) as plane:
            fill(plane, companies)
            if late:
                _grow_old(plane)
        finding = measured(settings, companies, repeats)
    sys.stdout.write(f"{json.dumps(asdict(finding)) if as_json else markdown(finding)}\n")


def fill(plane: ControlPlane, companies: int) -> None:
    """Connect so many companies and record all their entity types as loaded a moment ago."""
    now = plane.now()
    for index in range(companies):
        realm = RealmId(str(_FIRST + index))
        ill = index % 10 == 9
        plane.companies.put(
            Company(
                realm,
                Environment.SANDBOX,
                f"Company {index:05}",
                ConnectionStatus.NEEDS_REAUTH if ill else ConnectionStatus.CONNECTED,
                connected_at=now,
                last_success_at=now,
                response_time_ms=150.0,
            )
        )
        tokens = Tokens(
            SecretStr(secrets.token_urlsafe(32)),
            SecretStr(secrets.token_urlsafe(32)),
            now + timedelta(minutes=50),
            now + timedelta(days=99),
            now + timedelta(days=1800),
            0,
        )
        plane.tokens.replace(realm, tokens, None)
        parts = [Committed(each.name, Mode.CDC, "load", 240, 0, now) for each in ENTITIES]
        plane.sync_states.committed(realm, parts)
        plane.calls.record(realm, entity="Invoice", purpose="sync", status=200, metered=40)


def measured(settings: Settings, companies: int, repeats: int) -> Finding:
    """Both pages over HTTP, alternating, so that a busy machine slows both."""
    finding = Finding(
        "page",
        f"Company page of {companies:,} companies",
        "One server on SQLite, one client, one connection. The floor is the same server handing "
        "out a ready document of the same size.",
    )
    with Installation.open(settings) as installation:
        app = create_app(installation)
        with _served(app) as port:
            size = len(_ask(port, "/")[1])
            _add_floor(app, size)
            times: dict[str, list[float]] = {"/": [], "/floor": [], "/?page=2": []}
            worked: list[float] = []
            for attempt in range(_WARM + repeats):
                for path, seen in times.items():
                    before = time.process_time()
                    taken, _ = _ask(port, path)
                    if attempt >= _WARM:
                        seen.append(taken * 1000)
                        if path == "/":
                            worked.append((time.process_time() - before) * 1000)
    page, floor = median(times["/"]), median(times["/floor"])
    finding.at_most("page, median", page, _LIMIT_MS, "ms")
    finding.note("page, p95", f"{percentile(times['/'], 0.95):.0f} ms")
    finding.note("second page, median", f"{median(times['/?page=2']):.0f} ms")
    finding.note("processor time, median", f"{median(worked):.0f} ms")
    finding.note("floor, median", f"{floor:.1f} ms")
    finding.note("page against the floor", f"{page / floor:.0f} times")
    finding.note("size", f"{size / 1024:.0f} KB")
    return finding


@contextmanager
def _served(app: FastAPI) -> Iterator[int]:
    sockets = listen("localhost", 0)
    try:
        with serving(app, sockets):
            yield int(sockets[0].getsockname()[1])
    finally:
        for each in sockets:
            each.close()


def _add_floor(app: FastAPI, size: int) -> None:
    ready = "x" * size

    def floor() -> HTMLResponse:
        return HTMLResponse(ready)

    app.add_api_route("/floor", floor, methods=["GET"], response_model=None)


def _ask(port: int, path: str) -> tuple[float, bytes]:
    connection = http.client.HTTPConnection("localhost", port, timeout=60)
    try:
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        body = answer.read()
        taken = time.perf_counter() - began
    finally:
        connection.close()
    if answer.status != 200:
        raise typer.BadParameter(f"{path} was answered with {answer.status}.")
    return taken, body


def _grow_old(plane: ControlPlane) -> None:
    """Let every sync state be from last night."""
    from sqlalchemy import update

    from ledgerguard_pipeline.control.storage.schema import sync_marks

    with plane.database.write(None) as connection:
        connection.execute(
            update(sync_marks).values(last_sync_at=plane.now() - timedelta(hours=10))
        )


if __name__ == "__main__":
    typer.run(bench_page)
