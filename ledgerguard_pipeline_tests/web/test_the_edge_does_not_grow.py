"""A web edge that answers for months holds no more memory than after its first pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.deploy.stack import (
    START_SECONDS,
    Embedded,
    free_port,
    listens,
    wait,
)

FIRST_PAGES, PAGES = 40, 120
MOST_MB = 1.5
"""What a page leaves in cycles of objects is 50 kB, three times as much for all."""


def own_mb(pid: int) -> float:
    """Memory of a process that is in no file."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = [each for each in lines if each.startswith("RssAnon:")]
    return int(line.split()[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it in /proc")
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
            return own_mb(web.pid)

        before = look(FIRST_PAGES)
        assert look(PAGES) - before < MOST_MB
