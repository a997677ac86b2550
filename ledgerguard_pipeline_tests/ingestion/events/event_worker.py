"""A run worker in a process of its own, so that it can be killed."""

from __future__ import annotations

import sys

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import parse_realm


def main(realm: str, batch: str) -> None:
    """Act upon one leased batch."""
    with Installation.open(load_settings()) as installation:
        lease = InboxLease(installation.control.inbox, batch)
        with installation.service(parse_realm(realm)).open_events(lease) as running:
            running.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
