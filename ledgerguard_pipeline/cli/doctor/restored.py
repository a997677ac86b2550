"""The check of ``ledgerguard doctor`` on copies: whether Bronze and control plane are of one age.

Backups of the two can be of different moments, and either can be restored alone. Syncs heal both
cases; until then, what status and health say rests on another Bronze than there is. A lake has two
halves itself, its catalog and its data, of which a catalog without its files heals by nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good
from ledgerguard_pipeline.cli.installed import installed
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import LedgerGuardError

_TOPIC = "restored copies"
_LISTED = 5

Watermarks = Mapping[str, Mapping[str, datetime]]
"""By company and entity type."""


def restored_copies(settings: Settings) -> list[CheckResult]:
    """Companies of which Bronze and the control plane know different states, or one of them nothing."""
    if not installed(settings):
        return []
    from ledgerguard_pipeline.bronze.open_store import open_bronze
    from ledgerguard_pipeline.bronze.read.load_log import newest_watermarks
    from ledgerguard_pipeline.control.plane import ControlPlane

    try:
        lost = _lost_files(settings)
        if lost:
            return lost
        # In this order: whatever is committed meanwhile makes Bronze the newer one.
        with ControlPlane.open(settings) as control:
            connected = {str(company.realm_id) for company in control.companies.list()}
            states = control.sync_states.read()
        store = open_bronze(settings, lock_wait_seconds=3)
        held = newest_watermarks(store) if store.exists() else {}
    except LedgerGuardError:
        return []  # the checks of either say why
    known = {
        str(realm): {
            entity: state.watermark
            for entity, state in entities.items()
            if state.watermark is not None
        }
        for realm, entities in states.items()
    }
    return _compared(known, held, connected)


def _lost_files(settings: Settings) -> list[CheckResult]:
    """Files that a lake's catalog names and that are not in its folder."""
    from ledgerguard_pipeline.bronze.backends.lake_files import lake_files

    address = settings.bronze_address
    if isinstance(address, Path):
        return []
    found = lake_files(address)
    if found is None or not found.missing:
        return []
    return [
        broken(
            _TOPIC,
            f"{len(found.missing):,} of {found.named:,} files that the catalog of the lake names are "
            f"not in {address.data}, the first is {found.missing[0].name}: the catalog was restored "
            "without its data, or with an older copy of it.",
            "Put the files of a later copy of the data there; more than the catalog names do no harm. "
            "Where there is none, empty the catalog's database, and run `ledgerguard bronze migrate` "
            "with a file of `ledgerguard backup`, or `ledgerguard sync`, which loads everything anew.",
        )
    ]


def _compared(known: Watermarks, held: Watermarks, connected: set[str]) -> list[CheckResult]:
    older_bronze = sorted(realm for realm in known if _behind(held.get(realm, {}), known[realm]))
    older_control = sorted(
        realm for realm in connected & held.keys() if _behind(known.get(realm, {}), held[realm])
    )
    strangers = sorted(held.keys() - connected)
    found = []
    if older_bronze:
        found.append(
            advice(
                _TOPIC,
                f"Bronze is older than the control plane for {_named(older_bronze)}: an earlier copy "
                "was put in its place, or it is new.",
                "Run `ledgerguard sync`, or wait for the next one: it reads what is missing from "
                "Bronze's own watermarks on.",
            )
        )
    if older_control:
        found.append(
            advice(
                _TOPIC,
                f"The control plane is older than Bronze for {_named(older_control)}: an earlier copy "
                "was put in its place, or a process died just now.",
                "Run `ledgerguard sync`, or wait for the next one: it makes the record level. Where "
                "`ledgerguard status` asks for a new consent, connect again.",
            )
        )
    if strangers:
        found.append(
            advice(
                _TOPIC,
                f"Bronze holds rows of {_named(strangers)}, which the control plane does not know: "
                "forgotten on purpose, or connected after this copy of it was made.",
                "Run `ledgerguard connect` for each that should be here; it goes on from its rows. "
                f"`ledgerguard companies forget {strangers[0]} --delete-rows` deletes those of one that "
                "should not.",
            )
        )
    return found or [good(_TOPIC, "Bronze and the control plane are of one age.")]


def _behind(one: Mapping[str, datetime], other: Mapping[str, datetime]) -> bool:
    return any(entity not in one or one[entity] < at for entity, at in other.items())


def _named(realms: list[str]) -> str:
    listed = ", ".join(realms[:_LISTED])
    rest = len(realms) - _LISTED
    companies = "company" if len(realms) == 1 else "companies"
    return f"{companies} {listed}" + (f" and {rest:,} more" if rest > 0 else "")
