"""This project: one changed invoice, with Silver behind it or without."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.json  # noqa: F401
from benchmarks.silver import commit, documents, record

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.values import Environment

order = json.load(sys.stdin)
follower = SilverFollower() if order["silver"] else None
store = BronzeStore(Path(order["path"]), Environment.SANDBOX, follower=follower)
now = datetime.now(UTC)
one, other = documents(2, seed=now.microsecond)
commit(store, [record(5, one, now)], f"warm {now}")
began = time.perf_counter()
commit(store, [record(7, other, now)], f"change {now}")
print(json.dumps({"seconds": time.perf_counter() - began, "rows": 1}))
