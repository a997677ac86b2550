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
    """Companies that may be called.

    Those that need a new consent are left out, and those whose calls Intuit refuses for the rest
    of the month, but for once an hour: their runs could only fail, and their webhook events would
    use up their attempts.
    """
    with ControlPlane.open(current_settings()) as control:
        now = control.now()
        refused = {
            realm
            for realm, run in control.refusals.read().items()
            if run.resumes_at is not None and run.resumes_at > now
        }
        connected = control.companies.list(ConnectionStatus.CONNECTED)
        return [company for company in connected if company.realm_id not in refused]


def left_out_now(what: str) -> str | None:
    """By the month's call budget: the reason a tick is skipped, or None."""
    with ControlPlane.open(current_settings()) as control:
        try:
            control.budget.require(what)
        except CallBudgetSpent as error:
            return error.message
    return None
