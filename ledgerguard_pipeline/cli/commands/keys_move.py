"""``ledgerguard keys move``: stored tokens from the control database to Redis, or back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.installed import require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import note, say, write_json

if TYPE_CHECKING:
    from ledgerguard_pipeline.auth.token_migration import TokenMove


class TokenLocation(StrEnum):
    """Where tokens can be."""

    REDIS = "redis"
    DATABASE = "database"


To = Annotated[TokenLocation, typer.Option("--to", help="Where to keep the tokens from now on.")]
Forget = Annotated[
    bool,
    typer.Option(
        "--forget-unopened",
        help="Drop tokens that no key opens; those companies have to be connected again.",
    ),
]


def move(to: To, forget_unopened: Forget = False, as_json: Json = False) -> None:
    """Move every stored token to Redis or back into the database; stop what runs first.

    LEDGERGUARD_REDIS_URL has to be set in both directions. Safe to repeat, also after a crash.
    """
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    require_installed(settings)
    from ledgerguard_pipeline.auth.token_migration import move_tokens
    from ledgerguard_pipeline.control.plane import ControlPlane

    with ControlPlane.open(settings, moving_tokens=True) as control:
        done = move_tokens(
            control, to_redis=to is TokenLocation.REDIS, forget_unopened=forget_unopened
        )
    if as_json:
        write_json(_as_json(done, to))
    else:
        _tell(done, to)
    if done.stuck:
        raise typer.Exit(1)


def _as_json(done: TokenMove, to: TokenLocation) -> dict[str, object]:
    return {
        "to": to.value,
        "moved": done.moved,
        "forgotten": done.forgotten,
        "failed": [
            {
                "realm_id": each.realm_id,
                "environment": each.environment.value,
                "error": each.reason,
            }
            for each in done.stuck
        ],
    }


def _tell(done: TokenMove, to: TokenLocation) -> None:
    for each in done.stuck:
        note(f"{each.realm_id} ({each.environment.value}): {each.reason}")
    location = "Redis" if to is TokenLocation.REDIS else "the control database"
    say(f"The tokens of {done.moved} companies are in {location} now.")
    if done.forgotten:
        say(f"{done.forgotten} did not open and were dropped: connect those companies again.")
    if done.stuck:
        say(
            f"{len(done.stuck)} stayed where they were: put their key back and run this again, or "
            "add --forget-unopened and connect those companies again."
        )
    elif to is TokenLocation.DATABASE:
        say("Now take LEDGERGUARD_REDIS_URL out, and start everything again.")
