"""``ledgerguard backup``: what a restore needs, copied while everything runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.commands.sql import bronze_here
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import note, say, write_json
from ledgerguard_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings


def backup(
    path: Annotated[Path, typer.Argument(help="The folder to make.")], as_json: Json = False
) -> None:
    """Copy control plane, keys and Bronze into a new folder, from which a home can be restored.

    Services may keep running. The folder is complete or is not made at all. What is kept on a server
    (PostgreSQL, Redis) is named and has to be copied with that server's own tools, before this.
    """
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.cli.installed import require_installed

    settings = settings_here()
    if path.exists():
        raise BadInputError(f"{path} already exists and stays as it is; name a new folder.")
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"The folder above {path} does not exist; create it first.")
    require_installed(settings)
    sizes = write_backup(settings, path)
    missing = elsewhere(settings)
    if as_json:
        write_json({"path": str(path), "bytes": sizes, "not_in_it": missing})
        return
    for name, size in sizes.items():
        say(f"{path / name} ({size / 1_000_000:,.1f} MB)")
    for each in missing:
        note(f"Not in it: {each}")


def write_backup(settings: Settings, path: Path) -> dict[str, int]:
    """Copy into a folder beside ``path``, then rename it; the sizes of its files in bytes.

    The control plane comes before Bronze: so no event is done in the one that the other lacks.

    Raises:
        LedgerGuardError: a part could not be copied; nothing is left.
        OSError: the folder cannot be written.
    """
    from ledgerguard_pipeline.config.store_settings import BRONZE_FILE
    from ledgerguard_pipeline.control.copied import copy_control_plane

    target = path.absolute()
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    draft.mkdir(mode=0o700)
    try:
        made = copy_control_plane(settings, draft)
        store = bronze_here(settings, copies=True)
        if store.exists():
            address = settings.bronze_address
            name = address.name if isinstance(address, Path) else BRONZE_FILE
            made.append(store.snapshot(draft / name))
        sizes = {each.name: each.stat().st_size for each in made}
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sizes


def elsewhere(settings: Settings) -> list[str]:
    """What a restore needs and a backup cannot hold, as sentences."""
    from ledgerguard_pipeline.control.copied import is_on_a_server

    found = []
    if is_on_a_server(settings):
        found.append("the control plane, which is in PostgreSQL. Run pg_dump before this command.")
    if settings.ledgerguard_redis_url is not None:
        found.append(
            "the tokens, which are in Redis. Copy its append-only file as well, or be ready to "
            "connect every company again."
        )
    if settings.ledgerguard_encryption_keys is not None:
        found.append("the keys, which are in LEDGERGUARD_ENCRYPTION_KEYS. Keep them elsewhere.")
    return found
