from __future__ import annotations

import time

import pytest

from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.caller import NOW, REALM, calling

INVOICES = 20_000


@pytest.mark.bench
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_serving_pages_of_1000_invoices(encoding: str) -> None:
    with calling(build_company(REALM, invoices=INVOICES, now=NOW)) as caller:
        caller.http.headers["Accept-Encoding"] = encoding
        start, size = time.perf_counter(), 0
        for first in range(1, INVOICES, 1000):
            statement = f"select * from Invoice startposition {first} maxresults 1000"
            size += len(caller.query(statement).content)
        seconds = time.perf_counter() - start
        print(f"{encoding}: {INVOICES / seconds:,.0f} rows/s, {size / INVOICES:,.0f} bytes a row")
        assert size > INVOICES * 500
