"""The status of every company, in short: for lists, counts and probes of very many companies.

Decision 32 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.company_state.sync_state import Extent
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.health.company_status import (
    CompanyStatus,
    MonthlyCalls,
    StatusReader,
    connected_among,
    read_known,
)
from ledgerguard_pipeline.health.entity_status import (
    EntityStatus,
    minutes_between_reads,
    promised_seconds,
)
from ledgerguard_pipeline.health.rules import LATE_AFTER, Health
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class CompanyHealth:
    """A company and its health, which is that of its ``CompanyStatus``; ``failed`` are the entities
    of a connected company whose last attempt failed.
    """

    company: Company
    health: Health
    failed: tuple[EntityStatus, ...]
    calls: MonthlyCalls

    @classmethod
    def of(cls, company_status: CompanyStatus) -> Self:
        """The short form of a status."""
        entities = company_status.entities if company_status.is_connected else ()
        failed = tuple(each for each in entities if each.error is not None)
        return cls(company_status.company, company_status.health, failed, company_status.calls)


def read_summaries(
    control: ControlPlane, settings: Settings, *, now: datetime | None = None
) -> list[CompanyHealth]:
    """Every company's health alone, by name, much faster than all there is to show of each.

    The single entities are read only where they differ or failed. Where all that share a promise
    are fresh one of them represents all, and where all are late only the oldest time counts.

    Raises:
        ControlUnavailable: the control plane cannot be read.
    """
    companies = control.companies.list()
    moment = control.now() if now is None else now
    minutes = minutes_between_reads(settings, connected_among(companies))
    alike = _alike(control, settings, moment, minutes)
    others = [
        company.realm_id
        for company in companies
        if company.status is ConnectionStatus.CONNECTED and alike.get(company.realm_id, ()) is None
    ]
    sync_states = control.sync_states.read(others) if others else {}
    known = read_known(control, companies, None, sync_states)
    reader = StatusReader(known, settings, moment, minutes)
    return [
        # Where nothing may be called, the connection is the only reason.
        CompanyHealth.of(
            reader.company_status(
                company,
                alike.get(company.realm_id, ())
                if company.status is ConnectionStatus.CONNECTED
                else (),
            )
        )
        for company in companies
    ]


def _alike(
    control: ControlPlane, settings: Settings, now: datetime, minutes: int
) -> dict[RealmId, tuple[EntityStatus, ...] | None]:
    """Entities that represent all of their company, or None where each has to be looked at.

    A company without any sync state is left out: it was never synced.
    """
    groups: dict[float, list[str]] = {}
    for each in settings.kept_entities:
        promised = promised_seconds(each, minutes)
        groups.setdefault(promised, []).append(each.name)
    read = {promised: control.sync_states.extents(names) for promised, names in groups.items()}
    found: dict[RealmId, tuple[EntityStatus, ...] | None] = {}
    for realm in {realm for extents in read.values() for realm in extents}:
        company_status: list[EntityStatus] = []
        for promised, names in groups.items():
            stand_in = _stand_in(read[promised].get(realm), names, promised, now)
            if stand_in is None:
                break
            company_status.extend(stand_in)
        else:
            found[realm] = tuple(company_status)
            continue
        found[realm] = None
    return found


def _stand_in(
    extent: Extent | None, names: Sequence[str], promised: float, now: datetime
) -> list[EntityStatus] | None:
    """What leads to the same reasons as all that share a promise; None if these are not alike."""
    if extent is None or extent.oldest is None or extent.newest is None:
        return None
    if extent.failed or extent.quarantined or extent.synced < len(names):
        return None
    oldest, newest = (
        (now - end).total_seconds() > LATE_AFTER * promised
        for end in (extent.oldest, extent.newest)
    )
    if oldest != newest:
        return None
    shown, end = (names, extent.oldest) if oldest else (names[:1], extent.newest)
    return [
        EntityStatus(
            name,
            end,
            0,
            None,
            None,
            0,
            promised,
            partial=0 if index else extent.partial,
        )
        for index, name in enumerate(shown)
    ]
