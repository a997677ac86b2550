"""A sync in a process of its own, so that a test can kill it: ``python -m ... [Entity ...]``."""

from __future__ import annotations

import json
import sys

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import ENTITIES, entity_types
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation


def main(names: list[str]) -> None:
    with Installation.open(load_settings()) as installation:
        realm = installation.control.companies.list()[0].realm_id
        wanted = entity_types(names) if names else ENTITIES
        with installation.service(realm).open_sync(SyncRequest(realm, wanted)) as sync:
            json.dump(sync.run().to_json(), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
