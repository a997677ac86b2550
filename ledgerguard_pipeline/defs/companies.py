"""The connected companies, as schedules and sensors see them: one short look, no network."""

from collections.abc import Callable, Sequence

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.scope import current_settings
from ledgerguard_pipeline.errors import CallBudgetSpent

ListCompanies = Callable[[], Sequence[Company]]

LeftOut = Callable[[str], str | None]
"""Why optional work is left out now, or None while there is budget for it."""


def connected_companies() -> Sequence[Company]:
    """Companies that may be called; those that need a new consent are left out."""
    with ControlPlane.open(current_settings()) as control:
        return control.companies.list(ConnectionStatus.CONNECTED)


def left_out_now(what: str) -> str | None:
    """By the month's call budget: the reason a tick is skipped, or None."""
    with ControlPlane.open(current_settings()) as control:
        try:
            control.budget.require(what)
        except CallBudgetSpent as error:
            return error.message
    return None
