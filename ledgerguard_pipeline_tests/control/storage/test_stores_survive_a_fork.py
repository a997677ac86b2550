from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline_tests.stores import on_all_stores

ROOT = Path(__file__).parents[3]

FORK = """
import os, sys
from pydantic import SecretStr
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import RealmId

realm = RealmId("9341453474484455")
urls = [SecretStr(url) if url else None for url in sys.argv[1:3]]
plane = ControlPlane.open(
    load_settings(ledgerguard_control_url=urls[0], ledgerguard_redis_url=urls[1])
)
assert plane.leases.acquire("one", "parent", 60) is not None
child = os.fork()
for _ in range(20):
    with plane.limiter.permit(realm):
        assert plane.leases.acquire("one", "somebody else", 60) is None
        assert plane.tokens.load(realm) is None
if child == 0:
    os._exit(0 if plane.leases.acquire("two", "child", 60) else 1)
assert os.waitpid(child, 0)[1] == 0
print(plane.leases.acquire("two", "parent", 60))
"""


@on_all_stores
def test_a_plane_inherited_by_a_fork_shares_no_connection(store_settings: Settings) -> None:
    urls = (store_settings.ledgerguard_control_url, store_settings.ledgerguard_redis_url)
    given = [url.get_secret_value() if url else "" for url in urls]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={
            **os.environ,
            "LEDGERGUARD_HOME": str(store_settings.ledgerguard_home),
            "LEDGERGUARD_MAX_REQUESTS_PER_SECOND": "1000",
        },
    )
    assert (done.returncode, done.stdout.strip()) == (0, "None"), done.stderr
