"""``ledgerguard bronze``: checking Bronze, keeping it in order by hand, moving it into a lake."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import say, write_json
from ledgerguard_pipeline.cli.stores.named_companies import named_companies

app = typer.Typer(
    help="Check Bronze, maintain it by hand, or move it into a DuckLake.",
    cls=Commands,
    **LOOK,
)


@app.command("check")
def check(
    company: Annotated[
        list[str] | None,
        typer.Option("--company", help="Realm id; repeat for several. All by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for doubled versions, objects held in part, and signed links; exits 1 if there are any.

    Nothing is changed. The next sync of a company heals what an earlier release left, once;
    `ledgerguard sync --reconcile` heals whenever it runs.
    """
    from ledgerguard_pipeline.bronze.read.load_log import loaded_companies, reached_companies
    from ledgerguard_pipeline.cli.commands.sql import existing_bronze
    from ledgerguard_pipeline.cli.home_lock import settings_here

    store = existing_bronze(settings_here(), copies=True)
    there = {*loaded_companies(store), *reached_companies(store)}
    realms = named_companies(company, sorted(there))
    found = {realm: store.healing(realm).flaws() for realm in realms}
    sound = all(each.sound for flaws in found.values() for each in flaws)
    if as_json:
        write_json(
            {
                "sound": sound,
                "companies": [
                    {
                        "realm_id": realm,
                        "entities": [
                            asdict(each) for each in flaws if not each.sound or each.set_aside
                        ],
                    }
                    for realm, flaws in found.items()
                ],
            }
        )
    else:
        for realm, flaws in found.items():
            for each in flaws:
                if not each.sound:
                    say(
                        f"{realm} {each.entity}: {each.doubled:,} doubled rows, "
                        f"{each.partial:,} objects held in part, {each.linked:,} signed links."
                    )
        say("Every version is one row, whole." if sound else "Run `ledgerguard sync --reconcile`.")
    if not sound:
        raise typer.Exit(1)


@app.command("maintain")
def maintain(
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Although the files were maintained for another lake."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run the maintenance of the daily job `bronze_maintenance` now."""
    from ledgerguard_pipeline.cli.commands.sql import existing_bronze
    from ledgerguard_pipeline.cli.home_lock import settings_here

    upkeep = existing_bronze(settings_here(), copies=True).maintain(take_over=take_over)
    if as_json:
        write_json(asdict(upkeep))
    else:
        say(str(upkeep))


@app.command("migrate")
def migrate(
    to: Annotated[
        str,
        typer.Option(
            "--to", help="Destination: ducklake:postgres:...;data=...", show_default=False
        ),
    ],
    as_json: Json = False,
) -> None:
    """Copy the Bronze file into an empty DuckLake and verify it; all of it or nothing.

    Silver's tables are built there from what was copied; the journal goes along.
    The file stays as it is. Stop the services first: rows loaded into the file afterwards are
    not in the lake (a later sync from the lake's watermarks brings it there as well).
    """
    from ledgerguard_pipeline.bronze.store import BronzeStore
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.silver.follow import SilverFollower

    settings = settings_here()
    source = settings.bronze_path
    lake = BronzeStore(
        settings.bronze_address_of(to, given_as="--to"),
        settings.intuit_env,
        follower=SilverFollower() if settings.ledgerguard_silver == "on" else None,
    )
    found = lake.import_file(source)
    rows = sum(content.rows for content in found.values())
    if as_json:
        write_json(
            {
                "from": str(source),
                "to": lake.name,
                "rows": rows,
                "tables": {name: content.rows for name, content in sorted(found.items())},
                "verified": True,
            }
        )
        return
    say(f"Moved {rows:,} rows in {len(found)} tables from {source} into {lake.name}.")
    say("Counts, hashes of all values and the SHA-256 of every payload agree.")
    say("Now set LEDGERGUARD_BRONZE_URL to what you gave as --to, on every host, and start again.")
