"""What a newcomer waits for: ``python -m benchmarks.first_hour``.

Commands are measured from start to exit beside ``import dagster`` in the same rounds, by the clock and
in CPU seconds of the process; the page under a real ``ledgerguard up`` as a browser without scripts
shows it, which loads a page again when the page says so and not otherwise.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import requests
import typer

from benchmarks.document import write_down
from benchmarks.environments import ROOT, working_folder
from benchmarks.goals import Finding, markdown
from benchmarks.options import AsJson, Write, all_or_no_figures, chosen
from benchmarks.process import BenchFailed, Finished, clean_environment, run
from benchmarks.stage import Stage
from ledgerguard_pipeline.cli.local.ports import free_port

_PARTS = ("commands", "page")
_COMMANDS = {
    "ledgerguard status": (["status"], 0.4),
    "ledgerguard sql": (["sql", "SELECT count(*) FROM bronze.invoice_current"], 0.5),
    "ledgerguard sync, idle": (["sync"], None),
}
_LIBRARIES = "typer, pydantic_settings, structlog, rich.console, rich.table"
_FLOORS = {
    "ledgerguard status": f"import {_LIBRARIES}, sqlalchemy, sqlalchemy.dialects.sqlite",
    "ledgerguard sql": f"import {_LIBRARIES}, duckdb",
    "ledgerguard sync, idle": "import dagster",
}
"""What each command is measured beside: importing the libraries that it rests on, and no more."""

_READY = "Ctrl-C stops everything."
_LONGEST_SECONDS = 180.0
_ROWS = re.compile(r'<dt>Rows</dt><dd class="figure">([\d,]+)')
_REFRESH = re.compile(r'<meta http-equiv="refresh" content="(\d+)"')
_COMPANY = re.compile(r'href="(/companies/\d+)"')
_FORM = re.compile(
    r'<form id="sync"[^>]* action="([^"]+)">\s*<input type="hidden" name="(\w+)" value="([^"]+)"'
)


@dataclass(slots=True)
class Timed:
    """One command's rounds: seconds by the clock, and of the processors."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, done: Finished) -> None:
        """One more round."""
        self.seconds.append(done.seconds)
        self.cpu.append(done.cpu_seconds)

    def ratio(self, floor: Timed) -> tuple[float, float]:
        """Seconds and CPU seconds as multiples of another's, compared within each round."""
        return (
            median(a / b for a, b in zip(self.seconds, floor.seconds, strict=True)),
            median(a / b for a, b in zip(self.cpu, floor.cpu, strict=True)),
        )


def commands(rounds: int, invoices: int) -> Finding:
    """``status``, ``sql`` and an idle ``sync``, each beside importing the libraries it rests on."""
    finding = Finding(
        "commands",
        "Commands, from start to exit",
        f"A loaded sandbox company of {invoices:,} invoices in which nothing changes, no latency; median "
        f"of {rounds} rounds after one that does not count. Ratios are taken within each round, to a "
        "process that only imports the libraries the command rests on: typer, pydantic-settings, "
        "structlog and rich, and SQLAlchemy for status, DuckDB for sql, Dagster for sync.",
    )
    floors = {name: Timed() for name in _COMMANDS}
    timed = {name: Timed() for name in _COMMANDS}
    with Stage(invoices=invoices, lifted=False) as stage:
        home = stage.home("first-hour")
        stage.ledgerguard(home, "sync", "--json")
        for number in range(rounds + 1):
            found = [(floors[name], _imports(home, code)) for name, code in _FLOORS.items()]
            found += [
                (timed[name], stage.ledgerguard(home, *arguments))
                for name, (arguments, _) in _COMMANDS.items()
            ]
            if number:
                for line, done in found:
                    line.add(done)
    for name, (_, most) in _COMMANDS.items():
        floor = floors[name]
        seconds, cpu = timed[name].ratio(floor)
        if most is None:
            finding.at_most(f"{name}, ratio to import dagster", round(seconds, 2), 2.0, "x")
            finding.note(f"{name}, ratio of CPU seconds", f"{cpu:.2f} x")
        else:
            finding.at_most(name, round(median(timed[name].seconds), 2), most, "s")
            finding.note(f"{name}, ratio to importing its libraries", f"{seconds:.2f} x")
        finding.note(f"{name}, all of it", _spent(timed[name]))
        finding.note(f"{name}, only importing its libraries", _spent(floor))
    return finding


def _imports(folder: Path, code: str) -> Finished:
    command = [sys.executable, "-c", code]
    return run(command, environment=clean_environment(), folder=folder)


def _spent(timed: Timed) -> str:
    return f"{median(timed.seconds):.2f} s, {median(timed.cpu):.2f} CPU s"


def page(folder: Path, invoices: int) -> Finding:
    """From ``up`` being ready to rows counted on the page, and an entity loaded again from there."""
    finding = Finding(
        "page",
        "The page of a new `ledgerguard up`",
        f"A sandbox company of {invoices:,} invoices, nothing loaded before. The page is loaded when it "
        "says so and not otherwise, as a browser without scripts does.",
    )
    with _up(folder, invoices) as (address, log), requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        _until(log, lambda: _READY in log.read_text(errors="replace"), 0.05)
        finding.note("up until ready", f"{time.monotonic() - began:.1f} s")
        ready = time.monotonic()
        html, loads = _rows_counted(session, address)
        finding.at_most("rows counted after", round(time.monotonic() - ready, 1), 5, "s")
        finding.note("of these, pages loaded by the page itself", str(loads))
        company = _found(_COMPANY, html)[0]
        finding.exactly("clicks from the company's page to an entity loaded again", 1, 1)
        waited = _loaded_again(session, address + company, log)
        finding.note("loaded again after", f"{waited:.1f} s")
    return finding


def _rows_counted(session: requests.Session, address: str) -> tuple[str, int]:
    """The first page that counts rows, and how many came before it."""
    for loads in range(round(_LONGEST_SECONDS)):
        html = session.get(address, timeout=30).text
        rows = _ROWS.search(html)
        if rows and int(rows[1].replace(",", "")):
            return html, loads
        refresh = _REFRESH.search(html)
        if refresh is None:
            raise BenchFailed("The page counts no rows and does not load itself again.")
        time.sleep(int(refresh[1]))
    raise BenchFailed("The page never counted rows.")


def _loaded_again(session: requests.Session, address: str, log: Path) -> float:
    """Press Sync beside Invoice once, and follow the page until its last sync is another one."""
    html = session.get(address, timeout=30).text
    while _REFRESH.search(html):  # the first load goes on
        time.sleep(1)
        html = session.get(address, timeout=30).text
    before = _last_sync(html)
    action, name, token = _found(_FORM, html)
    pressed = time.monotonic()
    where = f"{address.partition('/companies/')[0]}{action}"
    answer = session.post(where, {name: token, "entity": "Invoice"}, timeout=30)
    if not answer.ok:
        raise BenchFailed(f"Sync was answered with {answer.status_code}.")
    _until(log, lambda: _last_sync(session.get(address, timeout=30).text) != before, 0.25)
    return time.monotonic() - pressed


def _last_sync(html: str) -> str:
    return _found(re.compile(r'Invoice</a></th><td><time datetime="([^"]+)"'), html)[0]


def _found(pattern: re.Pattern[str], html: str) -> Sequence[str]:
    found = pattern.search(html)
    if found is None:
        raise BenchFailed(f"The page has nothing like {pattern.pattern}")
    return found.groups()


def _until(log: Path, ask: object, pause: float) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        if callable(ask) and ask():
            return
        time.sleep(pause)
    raise BenchFailed(f"It did not come: {log.read_text(errors='replace')[-1500:]}")


@contextmanager
def _up(folder: Path, invoices: int) -> Iterator[tuple[str, Path]]:
    """A real ``ledgerguard up`` in a new home: the page's address, and what it prints."""
    web, dagster, sandbox = (free_port() for _ in range(3))
    command = [
        *(sys.executable, "-P", "-m", "ledgerguard_pipeline.cli", "up", "--sandbox"),
        *("--web-port", str(web), "--dagster-port", str(dagster)),
        *("--sandbox-port", str(sandbox), "--invoices", str(invoices)),
    ]
    environment = {
        **clean_environment(), "PYTHONPATH": str(ROOT), "LEDGERGUARD_HOME": str(folder / "home"),
    }  # fmt: skip
    log = folder / "up.log"
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output,
        )  # fmt: skip
        stack.callback(process.wait, 60)
        stack.callback(process.send_signal, signal.SIGINT)
        yield f"http://localhost:{web}", log


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds to measure.")] = 5,
    invoices: Annotated[int, typer.Option(min=0, help="Invoices of the company.")] = 500,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(_PARTS)}; may be repeated.")
    ] = None,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure what a newcomer waits for."""
    wanted = chosen(only, _PARTS)
    all_or_no_figures(wanted, _PARTS, write=write)
    found: list[Finding] = []
    try:
        if "commands" in wanted:
            found.append(commands(rounds, invoices))
        if "page" in wanted:
            with working_folder("first-hour") as folder:
                found.append(page(folder, invoices))
    except BenchFailed as error:
        sys.stderr.write(f"first-hour: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found]) + "\n")
    else:
        sys.stdout.writelines(f"\n{markdown(each)}\n" for each in found)
    if write:
        command = "python -m benchmarks.first_hour --write"
        write_down("first hour figures", command, [markdown(each) for each in found])


if __name__ == "__main__":
    typer.run(main)
