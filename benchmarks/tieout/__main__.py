"""``python -m benchmarks.tieout``: how sure and how fast a tie-out is.

Everything runs in this process: the sandbox answers over HTTP from a thread of its own, and what is
timed opens the bytes it answered before.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.document import write_down
from benchmarks.goals import Finding, markdown
from benchmarks.options import AsJson, Write, chosen
from benchmarks.process import BenchFailed
from benchmarks.tieout import journals
from benchmarks.tieout.companies import Books, CachedReports, UnkeptReports, served, store_at
from benchmarks.tieout.faults import Outcome, Planter, plant_and_prove
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.tieout.journal_store import JournalStore
from ledgerguard_pipeline.tieout.proof import ProofResult, ProofState

PARTS = ("company", "clean", "journal")
_TWO_YEARS = 730 * 86_400
_FAULTS_A_ROUND = 5
_LATER = 3.0
_AT_ONCE = 10
"""Companies that share a file in the search for false alarms."""
_FIRST_REALM = 9341453474484455


def bench(
    invoices: Annotated[int, typer.Option(min=20, help="Invoices of the large company.")] = 16_200,
    faults: Annotated[int, typer.Option(min=5, help="Faults, in fives.")] = 50,
    seeds: Annotated[int, typer.Option(min=0, help="Clean companies of different seeds.")] = 200,
    rows: Annotated[int, typer.Option(min=400, help="Legs of the JournalReport.")] = 50_000,
    runs: Annotated[int, typer.Option(min=1, help="Rounds of what is timed.")] = 3,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(PARTS)}; may be repeated.")
    ] = None,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Plant faults, look for false alarms, and measure seconds."""
    wanted = chosen(only, PARTS)
    found: dict[str, list[Finding]] = {}
    try:
        for part, finding in measured(wanted, invoices, faults, seeds, rows, runs):
            found.setdefault(part, []).append(finding)
            if not as_json:
                sys.stdout.write(f"\n{markdown(finding)}\n")
                sys.stdout.flush()
    except BenchFailed as error:
        sys.stderr.write(f"bench: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        every = [asdict(each) for findings in found.values() for each in findings]
        sys.stdout.write(json.dumps(every) + "\n")
    if write:
        for part, findings in found.items():
            command = f"python -m benchmarks.tieout --only {part} --write"
            write_down(f"tie-out {part} figures", command, [markdown(each) for each in findings])


def measured(
    wanted: Sequence[str], invoices: int, faults: int, seeds: int, rows: int, runs: int
) -> Iterator[tuple[str, Finding]]:
    """Every part in turn."""
    with TemporaryDirectory(prefix="ledgerguard-tieout-") as name:
        folder = Path(name)
        if "company" in wanted:
            for finding in large_company(folder, invoices, faults, runs):
                yield "company", finding
        if "clean" in wanted:
            yield "clean", clean_companies(folder, seeds)
        if "journal" in wanted:
            yield "journal", journal_at_the_cap(folder, rows, runs)


def large_company(folder: Path, invoices: int, faults: int, runs: int) -> Iterator[Finding]:
    """Planted faults and seconds, both of the same company of 24 months."""
    company = build_company(invoices=invoices, varied=True, history=_TWO_YEARS)
    file = folder / "books.duckdb"
    with served([company]) as (books,):
        store = store_at(file)
        books.sync(store)
        for _ in range(2):
            _clean(books.prove(store), "the large company")
        yield _seconds(books, file, folder, runs)
        planter = Planter(books, file, Random(1))  # noqa: S311  # reproducible figures
        count = -(-faults // _FAULTS_A_ROUND)
        amended = planter.amend(count // 2, count - count // 2)
        time.sleep(_LATER)  # so that the next sync is later than the edits, in whole seconds
        books.sync(store)
        _clean(books.prove(store), "the large company")
        clean = books.prove(store)
        _clean(clean, "the large company")
        documents = clean.transactions
        outcome = plant_and_prove(books, file, planter.rounds(amended, count), folder)
        yield _named(outcome, documents)


def _named(outcome: Outcome, documents: int) -> Finding:
    finding = Finding(
        "tie-out faults",
        f"Single faults in a company of 24 months and {documents:,} transactions",
        "Each in a document of its own, five kinds at a time in a copy of the same books; named means that the "
        "level named below has a row with the fault's own document. A false alarm is any other difference.",
    )
    finding.exactly(
        "faults named by the right level",
        sum(outcome.named.values()),
        sum(outcome.planted.values()),
    )
    for kind, planted in outcome.planted.items():
        finding.exactly(kind, outcome.named.get(kind, 0), planted)
    finding.exactly("false alarms", len(outcome.strange), 0)
    for text in (*outcome.missed, *outcome.strange)[:20]:
        sys.stderr.write(f"  {text}\n")
    return finding


def _seconds(books: Books, file: Path, folder: Path, runs: int) -> Finding:
    """The nightly comparison, and one from nothing, with every answer from memory."""
    copy = folder / "timed.duckdb"
    nightly: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    result: ProofResult | None = None
    cached = CachedReports(books.client, store_at(file), books.realm)
    for run in range(runs + 1):
        for times, forget in ((nightly, False), (whole, True)):
            shutil.copyfile(file, copy)
            store = store_at(copy)
            if forget:
                _forget(store, books.realm)
            began, busy = time.perf_counter(), time.process_time()
            result = books.prove(store, cached.of(store))
            taken = time.perf_counter() - began, time.process_time() - busy
            sys.stderr.write(f"  {result.legs:,} legs in {taken[0]:.2f} s, CPU {taken[1]:.2f} s\n")
            if run:  # the first one asks QuickBooks
                times.append(taken)
            _clean(result, "the large company, from cached reports")
            copy.unlink()
    finding = Finding(
        "tie-out seconds",
        "All levels of that company, from cached reports",
        "Reports are opened from the bytes QuickBooks sent; everything else is the product as it is. Median of "
        f"{runs}; from nothing means that neither journal nor postings were there.",
    )
    if result is not None and result.coverage is not None:
        finding.note("legs", f"{result.legs:,}")
        finding.note("legs explained by postings", f"{result.coverage.share:.2%}")
    for what, times in (("a night", nightly), ("from nothing", whole)):
        finding.at_most(what, median(each for each, _ in times), 5, "s")
        finding.note(f"{what}, CPU of two cores", f"{median(each for _, each in times):.1f} s")
    return finding


def _forget(store: BronzeStore, realm: str) -> None:
    """As before the first comparison."""
    with store.workspace.shared():
        store.workspace.write(realm, lambda session: _drop(session.connection, session.catalog))


def _drop(connection: object, catalog: str) -> bool:
    for name in ("journal", "_journal_windows", "_listed_months", "postings", "tax_account"):
        connection.execute(f'DELETE FROM "{catalog}".silver.{name}')  # type: ignore[attr-defined]
    return True


def clean_companies(folder: Path, seeds: int) -> Finding:
    """Companies in which nothing is wrong: every level has to say so."""
    finding = Finding(
        "tie-out clean",
        f"{seeds:,} clean companies, each of another seed",
        "Small books with several currencies, taxes, discounts, bundles, stock and payroll, read over HTTP, "
        "committed at once and compared for the first time.",
    )
    alarms: list[str] = []
    shares: list[float] = []
    for first in range(0, seeds, _AT_ONCE):
        companies = [
            build_company(
                realm_id=str(_FIRST_REALM + seed), seed=seed + 2, invoices=10, varied=True
            )
            for seed in range(first, min(first + _AT_ONCE, seeds))
        ]
        file = folder / f"clean-{first}.duckdb"
        store = store_at(file)
        with served(companies) as every:
            for books in every:
                books.load(store)
                loads = UnkeptReports(books.client, store, books.realm)
                result = books.prove(store, loads)
                alarms += [f"{books.realm}: {each.message}" for each in result.unexplained]
                alarms += [f"{books.realm}: {each.text}" for each in result.findings]
                if result.coverage is not None:
                    shares.append(result.coverage.share)
        file.unlink()
        sys.stderr.write(f"  {first + len(companies)} companies, {len(alarms)} alarms\n")
    finding.exactly("false alarms", len(alarms), 0)
    if shares:
        finding.note("legs explained by postings, least", f"{min(shares):.2%}")
        finding.note("legs explained by postings, median", f"{median(shares):.2%}")
    for text in alarms[:20]:
        sys.stderr.write(f"  {text}\n")
    return finding


def journal_at_the_cap(folder: Path, rows: int, runs: int) -> Finding:
    """A JournalReport at Intuit's limit of cells, both ways in the same rounds."""
    payload = journals.made_up_report(rows)
    finding = Finding(
        "tie-out journal",
        f"A JournalReport of {rows * 8:,} cells into `silver.journal`",
        "From bytes to committed rows. Rivals open it with `json` and walk it with loops of Python; they look for "
        f"no cut and keep no windows. Median of {runs} rounds.",
    )
    store = JournalStore(store_at(folder / "cap.duckdb").workspace)
    ways: dict[str, Callable[[], int]] = {
        "this project": lambda: journals.ours(payload, store),
        "json + Python loops": lambda: journals.loops(payload, folder / "loops.duckdb"),
        "json + Python loops + a pandas frame": lambda: journals.frames(
            payload, folder / "frames.duckdb"
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs + 1):
        counts = set()
        for name, work in ways.items():
            taken, count = journals.timed(name, work)
            counts.add(count)
            if run:  # in the first one libraries are imported
                seconds[name].append(taken)
        if len(counts) > 1:
            raise BenchFailed(f"they found different numbers of legs: {counts}.")
    finding.note("size", f"{len(payload) / 1e6:.1f} MB")
    for name, times in seconds.items():
        finding.note(name, f"{median(times):.2f} s")
    mine, loops, frames = seconds.values()
    finding.at_least("times faster", _times(loops, mine), 5)
    finding.note("times faster than with a frame", f"{_times(frames, mine):.1f}")
    return finding


def _times(theirs: Sequence[float], mine: Sequence[float]) -> float:
    """Compared within each round."""
    return median(other / own for other, own in zip(theirs, mine, strict=True))


def _clean(result: ProofResult, what: str) -> None:
    if result.state is not ProofState.TIED_OUT:
        said = [each.message for each in result.unexplained] + [
            each.text for each in result.findings
        ]
        raise BenchFailed(f"{what} does not tie out before any fault: {said[:3]}")


if __name__ == "__main__":
    typer.run(bench)
