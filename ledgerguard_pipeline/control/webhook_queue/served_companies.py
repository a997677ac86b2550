"""The companies whose events are worked on: those nobody disconnected.

One that needs a new consent keeps its events until it has one. A disconnected one is loaded anew
from where it stopped once it is connected again, so its events are settled at once: nobody would
ever take them.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, or_, select

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.storage.schema import companies
from ledgerguard_pipeline.control.storage.schema import webhook_events as events
from ledgerguard_pipeline.values import Environment

NOT_CONNECTED = "no such company is connected"


def served_realms(environment: Environment) -> Select[str]:
    """The realm ids of companies whose events are worked on."""
    return select(companies.c.realm_id).where(
        companies.c.environment == environment.value,
        companies.c.status != ConnectionStatus.DISCONNECTED.value,
    )


def is_served(environment: Environment) -> ColumnElement[bool]:
    """Whether the event's company is one of them, or nobody knows whose it is."""
    return or_(events.c.realm_id == "", events.c.realm_id.in_(served_realms(environment)))
