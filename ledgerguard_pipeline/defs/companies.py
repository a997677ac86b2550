"""The connected companies, as schedules and sensors see them: one short look, no network."""

from collections.abc import Callable, Sequence

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.scope import current_settings

ListCompanies = Callable[[], Sequence[Company]]


def connected_companies() -> Sequence[Company]:
    """Companies that may be called; those that need a new consent are left out."""
    with ControlPlane.open(current_settings()) as control:
        return control.companies.list(ConnectionStatus.CONNECTED)
