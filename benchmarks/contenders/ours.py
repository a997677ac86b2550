"""This project without Dagster around it: one ``CompanySync``, read and committed into Bronze.

Its order says whether typed Silver follows, as it does by default.
"""

from __future__ import annotations

import json
import sys
import time

# What a sync imports at first use is imported before the clock starts, as with the rivals.
import pandas  # noqa: F401, ICN001
import pyarrow  # noqa: F401, ICN001

import ledgerguard_pipeline.bronze.store  # noqa: F401
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.service import IngestionService  # noqa: F401
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.observability.logs import configure_logging
from ledgerguard_pipeline.values import parse_realm

order = json.load(sys.stdin)
configure_logging("WARNING")
settings = load_settings().model_copy(update={"ledgerguard_silver": order["silver"]})
entities = entity_types([entity["name"] for entity in order["entities"]])
began = time.perf_counter()
with Installation.open(settings) as installation:
    realm = parse_realm(order["realm_id"])
    with installation.service(realm).open_sync(SyncRequest(realm, entities)) as sync:
        result = sync.run()
    seconds = time.perf_counter() - began
    rows = sum(installation.bronze.counts(realm).values())
errors = [f"{each.entity}: {each.error}" for each in result.results if each.error]
print(json.dumps({"seconds": seconds, "rows": rows, "errors": errors}))
