"""``ledgerguard companies`` and ``ledgerguard disconnect``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.installed import (
    connected_companies,
    nothing_connected,
    require_installed,
)
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.control.plane import ControlPlane


def companies(as_json: Json = False) -> None:
    """List the companies of this installation."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    listed = connected_companies(settings)
    if as_json:
        write_json({"companies": [company_json(company) for company in listed]})
        return
    if not listed:
        say(nothing_connected(settings))
        return
    console().print(
        table(
            ("realm", "name", "environment", "status", "connected", "last success"),
            (
                (
                    company.realm_id,
                    company.name,
                    company.environment,
                    company.status.value,
                    company.connected_at,
                    company.last_success_at,
                )
                for company in listed
            ),
        )
    )


def disconnect(
    realm: Annotated[str, typer.Argument(help="The company's realm id.")], as_json: Json = False
) -> None:
    """Revoke a company's grant at Intuit, then forget its tokens; its books stay in Bronze."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    realm_id = parse_realm(realm)
    settings.credentials()
    require_installed(settings)
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings) as installation:
        company = installation.control.companies.require(realm_id)
        installation.connector.disconnect(realm_id)
    if as_json:
        write_json({"realm_id": realm_id, "name": company.name, "is_connected": False})
    else:
        say(f"Disconnected {company.name} ({realm_id}). Loaded rows stay in Bronze.")


def chosen_companies(
    control: ControlPlane, realms: Sequence[RealmId], settings: Settings
) -> list[RealmId]:
    """The companies named, or all that are connected; those that are not are said on stderr.

    Raises:
        BadInputError: a company is not connected, or none is.
    """
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    for realm in realms:
        control.companies.require_connected(realm)
    if realms:
        return list(realms)
    known = control.companies.list()
    ready = [each.realm_id for each in known if each.status is ConnectionStatus.CONNECTED]
    for each in known:
        if each.status is ConnectionStatus.NEEDS_REAUTH:
            note(f"Left out: {each.name} ({each.realm_id}) needs `ledgerguard connect` again.")
    if not ready:
        raise BadInputError(nothing_connected(settings))
    return ready


def company_json(company: Company) -> dict[str, object]:
    """The JSON form of a company."""
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    return {
        "realm_id": company.realm_id,
        "name": company.name,
        "environment": company.environment,
        "status": company.status.value,
        "is_connected": company.status is ConnectionStatus.CONNECTED,
        "connected_at": company.connected_at,
        "last_success_at": company.last_success_at,
        "last_error": company.last_error,
    }
