"""How large Bronze is beside the payloads in it: ``python -m benchmarks.bronze_size``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import duckdb
import typer

from benchmarks.document import write_down
from benchmarks.goals import Figure, Finding, markdown
from benchmarks.options import AsJson, Write
from benchmarks.process import BenchFailed
from benchmarks.stage import Stage
from ledgerguard_pipeline.entities import entity_type

_MOST = 0.12
_SIZES = "SELECT count(*), sum(strlen(payload)), count(DISTINCT payload_sha256) FROM bronze.invoice"


def size(invoices: int) -> Finding:
    """Load a company's invoices once, without Silver, and look at the file that is left."""
    found = Finding(
        "size",
        f"{invoices:,} invoices of 5 lines in one file",
        "Loaded once by one sync, without Silver; the file as the process left it, bookkeeping included.",
    )
    with Stage(invoices=invoices) as stage:
        folder, entities = stage.home("size"), [entity_type("Invoice")]
        done = stage.contender("ours.py", entities, folder, sys.executable, silver="off")
        expected = stage.living(entities)
        if done.last_line()["rows"] != expected:
            raise BenchFailed(f"{done.last_line()} instead of {expected} rows")
        file = folder / "home" / "quickbooks.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            ((rows, raw, different),) = connection.execute(_SIZES).fetchall()
        kept = file.stat().st_size
    found.exactly("rows", rows, expected)
    found.note("of these, with bytes of their own", f"{different:,}")
    found.note("payloads", f"{raw / 1e6:,.1f} MB")
    found.note("file", f"{kept / 1e6:,.1f} MB")
    share = kept / raw
    found.figures.append(
        Figure(
            "bytes of the file per byte of payload",
            f"{share:.3f}",
            f"at most {_MOST}",
            share <= _MOST,
        )
    )
    return found


def main(
    invoices: Annotated[int, typer.Option(min=1, help="Invoices of the company.")] = 50_000,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure how large Bronze is."""
    try:
        found = size(invoices)
    except BenchFailed as error:
        sys.stderr.write(f"bronze-size: {error}\n")
        raise typer.Exit(1) from None
    text = json.dumps(asdict(found)) if as_json else f"\n{markdown(found)}"
    sys.stdout.write(f"{text}\n")
    if write:
        write_down("size figures", "python -m benchmarks.bronze_size --write", [markdown(found)])


if __name__ == "__main__":
    typer.run(main)
