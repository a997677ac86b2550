"""``ledgerguard attachments``: which attached files are here and where, and fetching the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.commands.companies import chosen_companies
from ledgerguard_pipeline.cli.commands.sql import existing_bronze
from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.installed import connected_companies, require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.attachments import AttachmentFiles
    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.ingestion.attachments.folder import FileFolder
    from ledgerguard_pipeline.ingestion.attachments.loads import AttachmentLoad
    from ledgerguard_pipeline.installation import Installation

app = typer.Typer(
    help="List files attached in QuickBooks, find one, download those that are missing.",
    cls=Commands,
    **LOOK,
)

Company = Annotated[
    list[str] | None, typer.Option(help="Realm id; repeat for several. All by default.")
]

_COLUMNS = ("realm", "attachment", "file", "bytes", "state", "path")


@app.command("list")
def list_files(company: Company = None, as_json: Json = False) -> None:
    """List the attached files of every company, and which of them are here."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    realms = _companies(settings, company)
    files, folder = _opened(settings)
    rows = [row for realm in realms for row in _rows(files, folder, realm)]
    if as_json:
        names = ("realm_id", "id", "file_name", "bytes", "state", "path")
        listed = [dict(zip(names, row, strict=True)) for row in rows]
        write_json({"folder": folder.name, "files": listed})
        return
    if not rows:
        say(
            "No attached file is known; `ledgerguard sync --entity Attachable` reads their records."
        )
        return
    whole = frozenset({"realm", "path"})
    console().print(table(_COLUMNS, rows, numeric=frozenset({"bytes"}), whole=whole))
    missing = sum(row[4] in ("missing", "changed") for row in rows)
    say(f"Paths are in {folder.name}.")
    if missing:
        say(f"{counted(missing, 'file')} not here yet; `ledgerguard attachments fetch` downloads.")


@app.command("path")
def path(
    attachment: Annotated[str, typer.Argument(help="The attachment's id in QuickBooks.")],
    company: Annotated[
        str | None, typer.Option(help="Realm id; may be left out where there is one company.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print where one attached file is: a path, or an address in the bucket."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    realms = _companies(settings, None if company is None else [company])
    if len(realms) > 1:
        raise BadInputError(
            f"There are several companies: name one with --company, {', '.join(realms)}."
        )
    (realm,) = realms
    files, folder = _opened(settings)
    kept = files.kept(realm).get(attachment)
    if kept is None or not folder.has(kept.path, kept.size):
        raise BadInputError(
            f"The file of attachment {attachment[:40]} is not here; `ledgerguard attachments list` "
            "shows which are, `ledgerguard attachments fetch` downloads what is missing.",
            realm_id=realm,
        )
    where = folder.address(kept.path)
    if as_json:
        write_json(
            {"path": where, "file_name": kept.file_name, "bytes": kept.size, "sha256": kept.sha256}
        )
    else:
        say(where)


@app.command("fetch")
def fetch(company: Company = None, as_json: Json = False) -> None:
    """Download the attached files that are not here yet, now."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    realms = [parse_realm(each) for each in dict.fromkeys(company or ())]
    settings.credentials()
    require_installed(settings)
    if not any(each.name == "Attachable" for each in settings.kept_entities):
        raise BadInputError(
            "Records of attachments are left out by LEDGERGUARD_ATTACHMENTS=off or by "
            "LEDGERGUARD_ENTITIES, so their files are unknown; keep them first."
        )
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings) as installation:
        chosen = chosen_companies(installation.control, realms, settings)
        loads = [(realm, _fetched(installation, realm)) for realm in chosen]
    if as_json:
        write_json({"companies": [_document(realm, load) for realm, load in loads]})
    else:
        for realm, load in loads:
            _tell(realm, load)
    if any(isinstance(load, LedgerGuardError) or load.failed for _, load in loads):
        raise typer.Exit(1)


def _companies(settings: Settings, named: list[str] | None) -> list[RealmId]:
    """The companies asked for, or all that were ever connected and not forgotten.

    Raises:
        BadInputError: one is unknown, or there is none.
    """
    require_installed(settings)
    known = [each.realm_id for each in connected_companies(settings)]
    if not known:
        raise BadInputError("There is no company; run `ledgerguard connect` first.")
    asked = [parse_realm(each) for each in dict.fromkeys(named or ())]
    for realm in asked:
        if realm not in known:
            raise BadInputError(
                f"Company {realm} is not known here; `ledgerguard companies` lists them.",
                realm_id=realm,
            )
    return asked or known


def _opened(settings: Settings) -> tuple[AttachmentFiles, FileFolder]:
    from ledgerguard_pipeline.bronze.attachments import AttachmentFiles
    from ledgerguard_pipeline.ingestion.attachments.folder import open_folder

    return AttachmentFiles(existing_bronze(settings).workspace), open_folder(settings)


def _rows(
    files: AttachmentFiles, folder: FileFolder, realm: RealmId
) -> Iterator[tuple[object, ...]]:
    """A row for each attached file, then those whose attachment is gone."""
    held = folder.held(realm)
    kept = {id: each for id, each in files.kept(realm).items() if each.is_among(held)}
    for each in files.attached(realm):
        here = kept.pop(each.id, None)
        if here is None:
            yield (realm, each.id, each.file_name, each.size, "missing", None)
        else:
            state = "here" if here.is_of(each) else "changed"
            yield (realm, each.id, each.file_name, here.size, state, here.path)
    for gone in kept.values():
        yield (realm, gone.id, gone.file_name, gone.size, "attachment deleted", gone.path)


def _fetched(installation: Installation, realm: RealmId) -> AttachmentLoad | LedgerGuardError:
    """What came, or why nothing more did: the next company is tried all the same."""
    try:
        with installation.attachment_loads(realm) as loads:
            return loads.load(realm)
    except LedgerGuardError as error:
        return error


def _document(realm: RealmId, load: AttachmentLoad | LedgerGuardError) -> dict[str, object]:
    if isinstance(load, LedgerGuardError):
        return {"realm_id": realm, "error": str(load)}
    return {
        "realm_id": realm,
        "attached": load.attached,
        "here": load.kept,
        "new": load.new,
        "new_bytes": load.bytes,
        "failed": [
            {"id": each.id, "file_name": each.file_name, "reason": each.reason}
            for each in load.failed
        ],
    }


def _tell(realm: RealmId, load: AttachmentLoad | LedgerGuardError) -> None:
    if isinstance(load, LedgerGuardError):
        note(f"Failed: {realm}: {load}")
        return
    for each in load.failed:
        note(f"Failed: {realm}: {each.file_name} (attachment {each.id}): {each.reason}")
    say(
        f"{realm}: {counted(load.new, 'new file')}, {load.bytes / 1_000_000:,.1f} MB; "
        f"{load.kept:,} of {load.attached:,} here."
    )
