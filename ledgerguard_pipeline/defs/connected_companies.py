"""The connected companies, as schedules and sensors see them: one short look, no network."""

from collections.abc import Callable, Sequence

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.rate_limits.throttle_log import APP, PROBE_LASTS
from ledgerguard_pipeline.defs.run_context import open_control
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.errors import CallBudgetSpent

ListCompanies = Callable[[], Sequence[Company]]

LeftOut = Callable[[str], str | None]
"""Why optional work is left out now, or None while there is budget for it."""


def connected_companies() -> Sequence[Company]:
    """Companies that may be called.

    Those that need a new consent are left out, and those whose calls Intuit refuses for the rest
    of the month, but for once an hour: their runs could only fail, and their webhook events would
    use up their attempts. Where the whole app is refused one company a time asks for all.
    """
    with open_control() as control:
        now = control.now()
        runs = control.refusals.read()
        refused = {
            realm
            for realm, run in runs.items()
            if run.resumes_at is not None and run.resumes_at > now
        }
        connected = [
            company
            for company in control.companies.list(ConnectionStatus.CONNECTED)
            if current_site().works_on(company.realm_id)
        ]
        if APP in refused:
            return []
        open_to_calls = [company for company in connected if company.realm_id not in refused]
        app = runs.get(APP)
        if app is None or app.resumes_at is None or not open_to_calls:
            return open_to_calls
        period = int(now.timestamp() // PROBE_LASTS.total_seconds())
        return [open_to_calls[period % len(open_to_calls)]]


def left_out_now(what: str) -> str | None:
    """By the month's call budget: the reason a tick is skipped, or None."""
    with open_control() as control:
        try:
            control.budget.require(what)
        except CallBudgetSpent as error:
            return error.message
    return None
