"""The large company's first load: its pages move under it until it is over, and then it is looked at."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline_tests.soak.actions import Actions
from ledgerguard_pipeline_tests.soak.books import EDITS_WHILE_PAGING, LUCK, REALMS, VERIFIER, Role
from ledgerguard_pipeline_tests.soak.truth import Difference, unread

_LOADED_SECONDS = 150.0
"""Webhooks wait that long for it: sooner, each page would bring a hundred events of what moves."""


@dataclass(slots=True)
class FirstLoad:
    """What was found as soon as the first load was over; nothing was looked up if it never was."""

    looked_up: int = 0
    missing: list[Difference] = field(default_factory=list)


def end_first_load(
    actions: Actions, installation: Installation, seed: int, patience_seconds: float
) -> FirstLoad:
    """Once the large company is loaded its pages hold still; webhooks begin then, or soon anyway.

    What its walk lost is looked for before anything else can find it: so many changes in a row
    are counted by a later sync, which then reads everything once more. A run that dies by a full
    disk is not always begun again before the next quarter of an hour, so a command does it then.
    """
    realm, entity = REALMS[Role.LARGE], EDITS_WHILE_PAGING.entities[0]
    deadline = time.monotonic() + _LOADED_SECONDS
    overdue = time.monotonic() + patience_seconds
    found = FirstLoad()
    sending = False
    while not (found.looked_up and sending) and not actions.ending.wait(1.0):
        if not found.looked_up:
            with suppress(LedgerGuardError), actions.services.reading:
                found.looked_up, found.missing = unread(
                    installation, actions.sandbox, realm, entity
                )
            if found.looked_up:
                actions.count_again()
                actions.journal.note("phase", "the large company is loaded")
                for each in found.missing:
                    actions.journal.note("missing", str(each), frozenset({each.name}))
            elif time.monotonic() > overdue:
                actions.command("sync", "--company", realm, "--entity", entity)
        if not sending and (found.looked_up or time.monotonic() > deadline):
            sending = True
            actions.sandbox.send_webhooks(actions.services.webhook_url, VERIFIER, seed=seed, **LUCK)
            actions.sending.set()
            actions.journal.note("phase", "webhooks are sent from now on")
    return found
