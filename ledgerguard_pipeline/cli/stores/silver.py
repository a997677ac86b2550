"""``ledgerguard silver``: checking the typed tables and building them anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import say, write_json
from ledgerguard_pipeline.cli.stores.named_companies import named_companies
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.silver.checks.check import SilverFinding

app = typer.Typer(
    help="Check the typed tables of Silver, or build them anew from Bronze.",
    cls=Commands,
    **LOOK,
)
Companies = Annotated[
    list[str] | None,
    typer.Option("--company", help="Realm id; repeat for several. All by default."),
]
Entities = Annotated[
    list[str] | None,
    typer.Option("--entity", help="Entity type; repeat for several. All by default."),
]


@app.command("check")
def check(company: Companies = None, entity: Entities = None, as_json: Json = False) -> None:
    """Run every check of Silver's tables and say what they found; exits 1 if one fails.

    Errors are never true of sound tables; warnings may be what Intuit sent. Nothing is changed.
    """
    from ledgerguard_pipeline.entities import entity_types
    from ledgerguard_pipeline.silver.checks.find import check_company

    store = _store()
    chosen = entity_types(entity)
    failed: dict[RealmId, list[tuple[str, SilverFinding]]] = {}
    checked = 0
    for realm in _realms(store, company):
        found = check_company(store, chosen, realm)
        checked += sum(map(len, found.values()))
        failed[realm] = [
            (name, each) for name, every in found.items() for each in every if not each.passed
        ]
    sound = not any(failed.values())
    if as_json:
        write_json(
            {
                "sound": sound,
                "companies": [
                    {"realm_id": realm, "failed": [_document(*each) for each in every]}
                    for realm, every in failed.items()
                ],
            }
        )
    else:
        for realm, every in failed.items():
            for name, each in every:
                kind = "error" if each.check.severe else "warning"
                say(f"{realm} {name}: {kind} {each.check.name}, {each.cases:,} found: {each.text}")
        count = sum(map(len, failed.values()))
        say(f"{checked:,} checks, {count:,} failed.")
    if not sound:
        raise typer.Exit(1)


@app.command("rebuild")
def rebuild(company: Companies = None, entity: Entities = None, as_json: Json = False) -> None:
    """Build Silver's tables anew from Bronze; readers see the old ones until it is done."""
    from ledgerguard_pipeline.silver.rebuild import rebuild as build

    store = _store()
    realms = None if company is None else _realms(store, company)
    done = build(store, entity, realms=realms)
    if as_json:
        write_json(
            {
                "entities": [
                    {"entity": each.entity, "objects": each.written, "misfits": each.misfits}
                    for each in done
                ]
            }
        )
        return
    for each in done:
        strange = f", {each.misfits:,} values that fit nowhere" if each.misfits else ""
        say(f"{each.entity}: {each.written:,} objects{strange}")
    say("Silver is what Bronze holds.")


def _document(entity: str, found: SilverFinding) -> dict[str, object]:
    return {
        "entity": entity,
        "check": found.check.name,
        "severity": "error" if found.check.severe else "warning",
        "cases": found.cases,
        "first": list(found.first),
    }


def _store() -> BronzeStore:
    """The store, where Silver is kept.

    Raises:
        BadInputError: nothing was loaded, or Silver is switched off.
    """
    from ledgerguard_pipeline.cli.commands.sql import existing_bronze
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    if settings.ledgerguard_silver != "on":
        raise BadInputError("LEDGERGUARD_SILVER is off, so there are no typed tables.")
    return existing_bronze(settings, copies=True)


def _realms(store: BronzeStore, asked: list[str] | None) -> list[RealmId]:
    """The companies asked for, or all that something was loaded of.

    Raises:
        BadInputError: one is no company id, or nothing was loaded of it.
    """
    from ledgerguard_pipeline.bronze.read.load_log import loaded_companies

    return named_companies(asked, loaded_companies(store))
