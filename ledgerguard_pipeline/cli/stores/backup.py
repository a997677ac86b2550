"""``ledgerguard backup``: what a restore needs, copied while everything runs."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.commands.sql import bronze_here
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import note, say, write_json
from ledgerguard_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

_DRAFT = re.compile(r"\..+\.(\d+)\.partial")


def backup(
    path: Annotated[Path, typer.Argument(help="The folder to make.")], as_json: Json = False
) -> None:
    """Copy control plane, keys and Bronze into a new folder, from which a home can be restored.

    Services may keep running. The folder is complete or is not made at all; what a backup that was killed
    left beside it is deleted. What is kept on a server
    (PostgreSQL, Redis) is named and has to be copied with that server's own tools, before this.
    """
    from ledgerguard_pipeline.cli.errors import ending_as_by_ctrl_c
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.cli.installed import require_installed

    settings = settings_here()
    if path.exists():
        raise BadInputError(f"{path} already exists and stays as it is; name a new folder.")
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"The folder above {path} does not exist; create it first.")
    require_installed(settings)
    with ending_as_by_ctrl_c():
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
    address = settings.bronze_address
    name = address.name if isinstance(address, Path) else BRONZE_FILE
    _remove_left(target.parent, name)
    with _draft(target) as draft:
        made = copy_control_plane(settings, draft)
        store = bronze_here(settings, copies=True)
        if store.exists():
            made.append(store.snapshot(draft / name))
        sizes = {each.name: each.stat().st_size for each in made}
        draft.rename(target)
    return sizes


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder beside the target, locked for as long as somebody writes it; gone after the block."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    draft.mkdir(mode=0o700)
    lock = None
    try:
        with suppress(OSError):  # a server's file system may lock no folders
            lock = _lock(draft)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_left(folder: Path, bronze: str) -> None:
    """Delete what backups into this folder had copied when they were killed: keys are in it.

    Whether their process lives is no proof where containers or machines share the folder, so each is
    locked as well by whoever writes it.
    """
    for left in folder.glob(".*.*.partial"):
        named = _DRAFT.fullmatch(left.name)
        if named is None or _is_alive(int(named[1])):
            continue
        with suppress(OSError):  # somebody else's, or at work
            lock = _lock(left)
            try:
                if _is_draft(left, bronze):
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)


def _is_draft(folder: Path, bronze: str) -> bool:
    """Whether nothing is in it but what a backup writes, under these names or hidden ones of theirs."""
    from ledgerguard_pipeline.control.database_file import DATABASE_FILE
    from ledgerguard_pipeline.control.tokens.keyfile import KEY_FILE

    written = (DATABASE_FILE, KEY_FILE, bronze)
    return folder.stat().st_uid == os.getuid() and all(
        each.name.lstrip(".").startswith(written) for each in folder.iterdir()
    )


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


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
