"""A daemon's alert ticks in a process of its own: ``teller.py REALM...``; begins on a line of stdin.

Prints how many messages it sent.
"""

from __future__ import annotations

import sys

from ledgerguard_pipeline.alerts.channels.configured import configured_channels
from ledgerguard_pipeline.alerts.dispatcher import AlertDispatcher
from ledgerguard_pipeline.alerts.messages import Links
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.observability.logs import configure_logging
from ledgerguard_pipeline_tests.alerts.problems import DEAD, observed

TICKS = 5


def main(realms: list[str]) -> None:
    configure_logging("WARNING")
    settings = load_settings()
    with ControlPlane.open(settings) as control:
        channels = configured_channels(settings)
        dispatcher = AlertDispatcher(control, channels, Links.of(settings))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sent = 0
        for _ in range(TICKS):
            troubles = [observed(realm, DEAD) for realm in realms]
            dispatcher.observe(troubles, lambda _realm, _finding: True, control.now())
            sent += sum(dispatcher.tell().sent.values())
        sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
