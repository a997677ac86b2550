"""``ledgerguard companies``, ``ledgerguard companies forget`` and ``ledgerguard disconnect``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.installed import (
    connected_companies,
    nothing_connected,
    require_installed,
)
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.errors import BadInputError, IngestionError, ReauthorizationRequired
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.control.plane import ControlPlane


app = typer.Typer(
    help="List the companies of this installation; forget one.",
    cls=Commands,
    **(LOOK | {"no_args_is_help": False}),
)


@app.callback(invoke_without_command=True)
def companies(context: typer.Context, as_json: Json = False) -> None:
    """List the companies of this installation; forget one."""
    if context.invoked_subcommand is None:
        listing(as_json)


@app.command("list")
def listing(as_json: Json = False) -> None:
    """List the companies, as `ledgerguard companies` alone does."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    listed = connected_companies(settings)
    if as_json:
        write_json({"companies": [company_json(company) for company in listed]})
        return
    if not listed:
        say(nothing_connected(settings))
        return
    ids = frozenset({"realm"})
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
            whole=ids,
        )
    )


@app.command("forget")
def forget(
    realm: Annotated[str, typer.Argument(help="The company's realm id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    delete_rows: Annotated[
        bool, typer.Option("--delete-rows", help="Delete its rows in Bronze and Silver too.")
    ] = False,
    delete_files: Annotated[
        bool, typer.Option("--delete-files", help="Delete its downloaded attachments too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Forget a company that is not connected; its rows and attached files stay unless asked."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    realm_id = parse_realm(realm)
    require_installed(settings)
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
    from ledgerguard_pipeline.ingestion.attachments.folder import open_folder
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings) as installation:
        known = installation.control.companies
        # One that was forgotten, or that a restored control plane lacks, may have rows or files.
        gone = (delete_rows or delete_files) and known.get(realm_id) is None
        company = None if gone else known.require(realm_id)
        if company is not None and company.status is ConnectionStatus.CONNECTED:
            raise BadInputError(
                f"{company.name} is connected; run `ledgerguard disconnect {realm_id}` first.",
                realm_id=realm_id,
            )
        folder = open_folder(settings)
        try:
            files = len(folder.held(realm_id))
        except IngestionError as error:
            if delete_files:
                raise
            note(f"Its attached files stay and could not be counted: {error.message}")
            files = 0
        if not yes:
            name = company.name if company else "a company that is not known here"
            _ask(f"{name} ({realm_id})", files, delete_rows=delete_rows, delete_files=delete_files)
        installation.forget(realm_id, delete_rows=delete_rows, delete_files=delete_files)
    if as_json:
        kept = 0 if delete_files else files
        write_json(
            {
                "realm_id": realm_id,
                "forgotten": True,
                "rows_deleted": delete_rows,
                "files_deleted": files - kept,
                "files_kept": kept,
            }
        )
        return
    again = f"`ledgerguard companies forget {realm_id} --delete-rows` deletes them"
    ends = ["its rows were deleted" if delete_rows else f"its rows stay in Bronze, {again}"]
    if files:
        counted_files = counted(files, "attached file")
        ends.append(
            f"{counted_files} deleted"
            if delete_files
            else f"{counted_files} left in {folder.address(realm_id)}"
        )
    say(f"Forgot {company.name if company else 'a company'} ({realm_id}); {', '.join(ends)}.")
    if delete_rows:
        note(_bytes_left(settings))


def _bytes_left(settings: Settings) -> str:
    """Where something of deleted rows may still be found by whoever looks past the database."""
    if isinstance(settings.bronze_address, Path):
        return (
            f"Their bytes stay in free blocks of {settings.bronze_address}, and in copies of it, until other "
            "rows are written there; docs/operate.md has how to make the file without them."
        )
    return (
        "Files of the lake that held them are deleted by its daily maintenance once no snapshot has "
        "them, within four days. Backups keep what they have."
    )


def _ask(company: str, files: int, *, delete_rows: bool, delete_files: bool) -> None:
    """Nothing that cannot be taken back is done because somebody mistyped.

    Raises:
        BadInputError: nobody is there to ask, or the answer was no.
    """
    deleted = ["ALL ITS ROWS"] * delete_rows
    stays = ["its rows in Bronze"] * (not delete_rows)
    if files:
        (deleted if delete_files else stays).append(counted(files, "attached file"))
    what = f" AND DELETE {' AND '.join(deleted)}" if deleted else ""
    what += f" (staying: {', '.join(stays)})" if stays else ""
    if not sys.stdin.isatty():
        raise BadInputError("Nothing was changed: say --yes where nobody can be asked.")
    if not typer.confirm(f"Forget {company}{what}?", err=True):
        raise BadInputError("Nothing was changed.")


def disconnect(
    realm: Annotated[str, typer.Argument(help="The company's realm id.")],
    unopened: Annotated[
        bool,
        typer.Option(
            "--unopened",
            help="Also forget tokens that no key opens; disconnect the app inside QuickBooks as well.",
        ),
    ] = False,
    as_json: Json = False,
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
        installation.connector.disconnect(realm_id, unopened=unopened)
    if as_json:
        write_json({"realm_id": realm_id, "name": company.name, "is_connected": False})
    else:
        say(f"Disconnected {company.name} ({realm_id}). Loaded rows stay in Bronze.")


def chosen_companies(
    control: ControlPlane, realms: Sequence[RealmId], settings: Settings
) -> list[RealmId]:
    """The companies named, or all that are connected; revoked ones are named on stderr, with why.

    Raises:
        BadInputError: a company is not connected, or none is.
        ReauthorizationRequired: nothing is left because Intuit ended the grants.
    """
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    for realm in realms:
        control.companies.require_connected(realm)
    if realms:
        return list(realms)
    known = control.companies.list()
    ready = [each.realm_id for each in known if each.status is ConnectionStatus.CONNECTED]
    revoked = revoked_companies(control)
    if ready:
        for each in revoked:
            note(f"Left out: {each.realm_id}: {each.not_connected}")
        return ready
    if revoked:
        raise ReauthorizationRequired(
            " ".join(f"{each.realm_id}: {each.not_connected}" for each in revoked)
        )
    if known:
        named = ", ".join(f"{each.name} ({each.realm_id})" for each in known)
        raise BadInputError(
            f"Nothing to sync: {named} {'was' if len(known) == 1 else 'were'} disconnected on "
            "purpose. `ledgerguard connect` connects a company again."
        )
    raise BadInputError(nothing_connected(settings))


def revoked_companies(control: ControlPlane) -> list[Company]:
    """Companies whose grant Intuit ended: their books stay as they are until somebody acts."""
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    return control.companies.list(ConnectionStatus.NEEDS_REAUTH)


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
