"""Looking at an installation without creating one: asking must leave no files behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledgerguard_pipeline.control.database_file import exists
from ledgerguard_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.installation import Installation


def installed(settings: Settings) -> bool:
    """True once something was stored: opening the control plane would create it."""
    return exists(settings)


def require_installed(settings: Settings) -> None:
    """Refuse work that needs a connected company where none can be.

    Raises:
        BadInputError: nothing was ever stored here.
    """
    if not installed(settings):
        raise BadInputError(nothing_connected(settings))


def nothing_connected(settings: Settings) -> str:
    """The message for somebody who has connected no company here."""
    from ledgerguard_pipeline.running_up import sandbox_home

    home = settings.ledgerguard_home.absolute()
    sandbox = sandbox_home(settings)
    stopped = (
        f" The sandbox of `ledgerguard up` has its own home, {sandbox}; commands find it while "
        "`ledgerguard up` runs."
        if sandbox != home and sandbox.exists()
        else ""
    )
    return (
        f"No company is connected yet in {home}.{stopped} Run `ledgerguard connect` (or `ledgerguard "
        "demo`) first, or name another LEDGERGUARD_HOME."
    )


def connected_companies(settings: Settings) -> list[Company]:
    """All companies ever connected and not forgotten; empty without an installation."""
    if not installed(settings):
        return []
    from ledgerguard_pipeline.control.plane import ControlPlane

    with ControlPlane.open(settings) as control:
        return control.companies.list()


def check_bronze(installation: Installation) -> None:
    """Find out before anything is asked of Intuit that Bronze cannot be used.

    Raises:
        BronzeUnusable: it cannot be opened; every company's health says so from now on.
        WrongEnvironment: Bronze belongs to the other environment.
        BronzeBusy: another process holds the file for long.
        BronzeUnavailable: the lake's database does not answer.
    """
    from ledgerguard_pipeline.late_imports import sparing

    if installation.bronze.exists():
        with sparing("pandas"):
            installation.bronze.watermarks("")
