"""This project: Silver of a Bronze file, built anew."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy  # noqa: F401, ICN001
import pandas  # noqa: F401, ICN001
import pyarrow.json  # noqa: F401

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.values import Environment

order = json.load(sys.stdin)
store = BronzeStore(Path(order["path"]), Environment.SANDBOX, follower=SilverFollower())
began = time.perf_counter()
done = rebuild(store)
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "rows": sum(each.written for each in done)}))
