"""A web edge that answers for months holds no more memory than after its first pages."""

from __future__ import annotations

from pathlib import Path

import requests

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.deploy.stack import (
    START_SECONDS,
    Embedded,
    free_port,
    listens,
    wait,
)
from ledgerguard_pipeline_tests.soak.processes import private_mb

FIRST_PAGES, PAGES = 40, 120
MOST_MB = 1.5
"""What a page leaves in cycles of objects is 50 kB, three times as much for all."""


def test_pages_that_were_looked_at_leave_nothing_behind(
    tmp_path: Path, sandbox: SandboxServer
) -> None:
    port = free_port()
    with Embedded(tmp_path, sandbox) as stack, requests.Session() as browser:
        web = stack.spawn("web", "ledgerguard", "web", "--port", str(port))
        wait(lambda: listens(port), START_SECONDS, "the web edge")
        browser.trust_env = False

        def look(pages: int) -> float:
            for _ in range(pages):
                assert browser.get(f"http://localhost:{port}/", timeout=30).status_code == 200
            size = private_mb(web.pid)
            assert size is not None
            return size

        before = look(FIRST_PAGES)
        assert look(PAGES) - before < MOST_MB
