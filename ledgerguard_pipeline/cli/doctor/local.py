"""The checks of ``ledgerguard doctor`` that need no network and write nothing."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good, misconfigured
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.config.store_settings import BRONZE_FILE
from ledgerguard_pipeline.errors import BronzeBusy, BronzeUnavailable, LedgerGuardError
from ledgerguard_pipeline.values import Environment

_GIB = 1024**3
_LOW_DISK = 5 * _GIB
_NO_DISK = _GIB // 2


def local_findings(settings: Settings) -> list[CheckResult]:
    """Every local check, in the order somebody would repair them."""
    return [
        redirect(settings),
        home(settings),
        keys(settings),
        disk(settings),
        dagster_home(settings),
        bronze(settings),
        *copies(settings),
        *attached_files(settings),
    ]


def redirect(settings: Settings) -> CheckResult:
    """Intuit accepts only https redirect URIs, and no bare addresses, for production keys."""
    topic, uri = "redirect URI", settings.intuit_redirect_uri
    production = settings.intuit_env is Environment.PRODUCTION
    if production and urlsplit(uri).scheme != "https":
        return misconfigured(
            topic,
            f"{uri} is plain http, which Intuit refuses for production apps.",
            "Put the web server behind TLS and set INTUIT_REDIRECT_URI to its https address.",
        )
    return good(topic, f"{uri} (it must be listed exactly so in the app's keys at Intuit)")


def home(settings: Settings) -> CheckResult:
    """The home must be ours alone; it is made at first use."""
    topic, path = "home", settings.ledgerguard_home
    if not path.exists():
        return good(topic, f"{path} does not exist yet; the first connection creates it.")
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        return misconfigured(
            topic,
            f"{path} is not a folder this user can write to.",
            "Make it belong to the user that runs ledgerguard, or set LEDGERGUARD_HOME.",
        )
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return advice(
            topic, f"{path} is open to other users (mode {mode:04o}).", f"chmod 700 {path}"
        )
    return good(topic, f"{path} (mode {mode:04o})")


def keys(settings: Settings) -> CheckResult:
    """The key ring opens, and its file is readable by its owner only."""
    from ledgerguard_pipeline.control.tokens.keyring import Keyring

    topic = "encryption key"
    try:
        ring = Keyring.open(settings)
    except LedgerGuardError as error:
        return misconfigured(topic, error.message, "See the message; nothing was changed.")
    if not ring.key_ids:
        return good(topic, "none yet; the first connection creates a key file (mode 0600).")
    return good(topic, f"{len(ring.key_ids)} in the ring, newest {ring.key_ids[0]}")


def disk(settings: Settings) -> CheckResult:
    """Room for the books: Bronze grows by one version per change."""
    path = settings.ledgerguard_home.absolute()
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    text = f"{free / _GIB:,.1f} GiB free at {path}"
    if free < _NO_DISK:
        return broken("disk", text, "Free some space; whole loads fail when it runs out.")
    if free < _LOW_DISK:
        return advice("disk", text, "A million invoices take about 2 GiB; free some space soon.")
    return good("disk", text)


def dagster_home(settings: Settings) -> CheckResult:
    """Where Dagster keeps its runs: one place for the UI, the daemon and this command.

    Unless ``DAGSTER_HOME`` is an instance that somebody set up, as every larger deployment has one.
    """
    topic, own = "Dagster home", settings.ledgerguard_home.absolute() / "dagster"
    named = os.environ.get("DAGSTER_HOME")
    if named and Path(named) != own:
        if Path(named, "dagster.yaml").is_file():
            return good(
                topic, f"schedules run in {named}; `ledgerguard sync` keeps its runs in {own}."
            )
        return advice(
            topic,
            f"DAGSTER_HOME is {named}, but ledgerguard keeps its runs in {own}.",
            f"Use DAGSTER_HOME={own} for Dagster's own commands, or they will not see these runs.",
        )
    if own.exists() and not os.access(own, os.W_OK | os.X_OK):
        return misconfigured(
            topic,
            f"{own} is not writable for this user.",
            "Make it belong to the user that runs ledgerguard.",
        )
    return good(topic, str(own) if own.exists() else f"{own} (created at the first sync)")


def bronze(settings: Settings) -> CheckResult:
    """The store opens and belongs to this environment."""
    topic = "Bronze"
    try:
        from ledgerguard_pipeline.bronze.open_store import open_bronze
        from ledgerguard_pipeline.bronze.statements import SCHEMA
        from ledgerguard_pipeline.cli.commands.sql import recording_damage

        address = settings.bronze_address
        store = open_bronze(settings, lock_wait_seconds=3, noticed=recording_damage(settings))
        if not store.exists():
            return good(topic, f"{address} does not exist yet; the first sync creates it.")
        rows = sum(store.counts(None).values())
    except LedgerGuardError as error:
        state = misconfigured if error.exit_code == 2 else broken
        return state(topic, str(error), "See the message; nothing was changed.")
    text = f"{address} ({settings.intuit_env}, {rows:,} current rows)"
    if isinstance(address, Path) and address.stem.casefold() == SCHEMA:
        return _misnamed(settings, address, text)
    return good(topic, text)


def copies(settings: Settings) -> list[CheckResult]:
    """The copy for readers can be kept where it is to be; nothing where none is asked for."""
    from ledgerguard_pipeline.bronze.maintenance.copy_target import check_target
    from ledgerguard_pipeline.bronze.open_store import open_bronze
    from ledgerguard_pipeline.ingestion.renewed_copy import RenewedCopy

    topic, path = "copy for readers", settings.ledgerguard_snapshot
    if path is None:
        return []
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        text = f"LEDGERGUARD_SNAPSHOT: {path.parent} is not a folder this user can write to."
        return [misconfigured(topic, text, "Make that folder, or name a file in another one.")]
    if path.is_dir():
        text = f"LEDGERGUARD_SNAPSHOT: {path} is a folder, so no copy takes its place."
        return [misconfigured(topic, text, "Name a file.")]
    if not path.exists():
        return [good(topic, f"{path} does not exist yet; the next sync makes it.")]
    store = open_bronze(settings, lock_wait_seconds=3)
    try:
        check_target(store.workspace, path)
    except (BronzeBusy, BronzeUnavailable) as error:
        return [advice(topic, f"Whether {path} can be renewed is not known: {error}", "See above.")]
    except LedgerGuardError as error:
        text = f"LEDGERGUARD_SNAPSHOT: {error}"
        return [misconfigured(topic, text, "Name another file, or move this one away.")]
    if RenewedCopy(store, path).needed:
        why = "the next sync makes it anew, or logs why it cannot (`copy_not_renewed`)."
        return [advice(topic, f"{path} is older than Bronze; {why}", "`ledgerguard sync`")]
    return [good(topic, str(path))]


def attached_files(settings: Settings) -> list[CheckResult]:
    """Downloads are refused where nobody knows that they last; nothing is said where they are not wanted."""
    from ledgerguard_pipeline.ingestion.attachments.folder import MAY_VANISH

    if settings.ledgerguard_attachments != "files" or not settings.attachments_may_vanish:
        return []
    return [misconfigured("attached files", MAY_VANISH, "See the message; nothing was changed.")]


def _misnamed(settings: Settings, path: Path, text: str) -> CheckResult:
    """A file that is called like the schema in it, as homes of version 0.1.0 have one."""
    better = path.with_name(BRONZE_FILE)
    log = path.with_name(f"{path.name}.wal")
    why = (
        f"{text}. DuckDB calls this database `{path.stem}` after its file, like the schema in it; "
        "so other tools have to write `bronze.bronze.invoice`"
    )
    if better.exists():
        return advice(
            "Bronze",
            f"{why}. {better} exists as well and is not used.",
            f"Move the one you do not want out of {path.parent}.",
        )
    moves = [f"mv {shlex.quote(str(path))} {shlex.quote(str(better))}"]
    if log.exists():  # what the file does not hold yet
        moves.append(f"mv {shlex.quote(str(log))} {shlex.quote(f'{better}.wal')}")
    if settings.ledgerguard_bronze_url is not None:
        moves.append(f"set LEDGERGUARD_BRONZE_URL to duckdb:///{better}")
    return advice("Bronze", f"{why}.", f"To rename it, stop all services, then: {'; '.join(moves)}")
