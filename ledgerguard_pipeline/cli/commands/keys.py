"""``ledgerguard keys``: which keys protect the stored tokens, and changing to a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ledgerguard_pipeline.cli.commands.keys_move import move
from ledgerguard_pipeline.cli.help_pages import LOOK, Commands
from ledgerguard_pipeline.cli.installed import installed, require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json

if TYPE_CHECKING:
    from ledgerguard_pipeline.auth.key_rotation import KeyUse, Rotation

app = typer.Typer(
    help="List the keys that protect the stored tokens, rotate them, or move the tokens.",
    cls=Commands,
    **LOOK,
)


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys by fingerprint, newest first, and how many tokens each still protects."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    found: list[KeyUse] = []
    if installed(settings):
        from ledgerguard_pipeline.auth.key_rotation import key_uses
        from ledgerguard_pipeline.control.plane import ControlPlane

        with ControlPlane.open(settings) as control:
            found = key_uses(control)
    source = "file" if settings.ledgerguard_encryption_keys is None else "environment"
    if as_json:
        write_json({"source": source, "keys": [_use_json(each) for each in found]})
    else:
        _show(found, source)
    if any(not each.present for each in found):
        raise typer.Exit(1)


@app.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Seal every stored token with a new key and drop the old one; safe to repeat at any time.

    With LEDGERGUARD_ENCRYPTION_KEYS put the new key first; this command then moves all tokens to
    it and says which old keys are not needed any more.
    """
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    require_installed(settings)
    from ledgerguard_pipeline.auth.key_rotation import rotate_keys
    from ledgerguard_pipeline.control.plane import ControlPlane

    with ControlPlane.open(settings) as control:
        rotation = rotate_keys(control)
    if as_json:
        write_json(_rotation_json(rotation))
    else:
        _tell(rotation)
    if rotation.unopened:
        raise typer.Exit(1)


app.command("move")(move)


def _show(found: list[KeyUse], source: str) -> None:
    if not found:
        say("No key yet: the first connection makes a key file (mode 0600).")
        return
    console().print(
        table(
            ("key", "state", "tokens", "companies"),
            ((each.id, _state(each), each.tokens, each.companies) for each in found),
            numeric=frozenset({"tokens", "companies"}),
        )
    )
    if any(not each.present for each in found):
        say(
            "MISSING keys protect tokens that do not open: put them back into "
            + ("the key file" if source == "file" else "LEDGERGUARD_ENCRYPTION_KEYS")
            + ", or connect those companies again."
        )


def _state(use: KeyUse) -> str:
    if not use.present:
        return "MISSING" if use.id is not None else "altered"
    return "newest" if use.newest else "older"


def _use_json(use: KeyUse) -> dict[str, object]:
    return {
        "key_id": use.id,
        "newest": use.newest,
        "present": use.present,
        "tokens": use.tokens,
        "companies": use.companies,
    }


def _rotation_json(rotation: Rotation) -> dict[str, object]:
    return {
        "key_id": rotation.key_id,
        "new_key": rotation.made,
        "companies": rotation.companies,
        "resealed": rotation.resealed,
        "retired": list(rotation.retired),
        "still_needed": list(rotation.kept),
        "key_file": rotation.key_file,
        "failed": [
            {
                "realm_id": each.realm_id,
                "environment": each.environment.value,
                "error": each.reason,
            }
            for each in rotation.unopened
        ],
    }


def _tell(rotation: Rotation) -> None:
    for each in rotation.unopened:
        note(f"{each.realm_id} ({each.environment.value}): {each.reason}")
    begun = "" if rotation.made or rotation.key_file is None else " (begun earlier)"
    say(
        f"Key {rotation.key_id}{begun} now protects the tokens of "
        f"{rotation.companies - len(rotation.unopened)} of {rotation.companies} companies; "
        f"{rotation.resealed} were sealed anew."
    )
    if rotation.retired:
        names = ", ".join(rotation.retired)
        if rotation.key_file is None:
            say(
                f"No longer needed: {names}. Take it out of LEDGERGUARD_ENCRYPTION_KEYS once every "
                "process runs with the new key, and after one more `ledgerguard keys list`."
            )
        else:
            say(f"Dropped from {rotation.key_file}: {names}. Backups made before still need it.")
    if rotation.kept:
        say(
            f"Kept because tokens need it: {', '.join(rotation.kept)}. Do as said above, then run "
            "`ledgerguard keys rotate` again."
        )
