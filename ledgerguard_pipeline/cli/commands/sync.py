"""``ledgerguard sync``: bring companies up to date through the same Dagster job the UI runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.commands.companies import chosen_companies, revoked_companies
from ledgerguard_pipeline.cli.installed import check_bronze, require_installed
from ledgerguard_pipeline.cli.options import Json, complete_entity, parse_entities, parse_since
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.failure import cause_of
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.plural import counted
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.installation import Installation


def sync(
    company: Annotated[
        list[str] | None, typer.Option(help="Realm id; repeat for several. All by default.")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(
            help="Entity type such as Invoice; repeat for several. All by default.",
            autocompletion=complete_entity,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again.")] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Read changes from this date or ISO date-time on (UTC if no offset)."),
    ] = None,
    reconcile: Annotated[
        bool,
        typer.Option(
            "--reconcile", help="Compare Intuit's counts with Bronze; read only what differs."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Load what is new or changed in QuickBooks into Bronze."""
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings_here()) as installation:
        requests, month_to_date = check(
            installation, company, entity, full=full, since=since, reconcile=reconcile
        )
        left_out = [] if company else revoked_companies(installation.control)
        result = execute(installation, requests, month_to_date=month_to_date, quiet=as_json)
    if as_json:
        write_json(result.to_json())
    elif result.misconfigured is None:
        show(result)
    if result.misconfigured is not None:
        # One cause, one sentence: all entities failed because of a setting of this installation.
        note(f"ledgerguard: {result.misconfigured.message}")
        raise typer.Exit(2)
    if not result.ok or left_out:
        raise typer.Exit(1)


def check(
    installation: Installation,
    companies: list[str] | None,
    entities: list[str] | None,
    *,
    full: bool,
    since: str | None,
    reconcile: bool = False,
) -> tuple[list[SyncRequest], int]:
    """Check all that was typed and configured; one request per company, and calls this month.

    Whatever is wrong is found here, before a Dagster run is made.

    Raises:
        BadInputError: something typed is not usable, or a company is not connected.
        ConfigurationError: the app's credentials are not set.
        KeyUnavailable: the tokens cannot be opened.
        CredentialsRejected: a token had to be refreshed and Intuit refuses the app's secret.
        WrongEnvironment: Bronze belongs to the other environment.
    """
    settings = installation.settings
    realms = [parse_realm(text) for text in dict.fromkeys(companies or ())]
    types = parse_entities(entities, settings.kept_entities)
    if full and since is not None:
        raise BadInputError(
            "--full reads everything and --since only a part of it; use one of the two."
        )
    if reconcile and (full or since is not None):
        raise BadInputError("--reconcile decides what to read; use it without --full and --since.")
    instant = None if since is None else parse_since(since, SYSTEM_CLOCK.now())
    settings.credentials()
    require_installed(settings)
    # Before the companies: a home of the other environment has none of this one's.
    check_bronze(installation)
    control = installation.control
    chosen = chosen_companies(control, realms, settings)
    for realm in chosen:
        _check_tokens(installation, realm)
    month_to_date = control.calls.total_month_to_date()
    requests = [
        SyncRequest(realm, types, full=full, since=instant, reconcile=reconcile) for realm in chosen
    ]
    return requests, month_to_date


def _check_tokens(installation: Installation, realm: RealmId) -> None:
    """Stop for what every company suffers from: a lost key, or keys Intuit refuses.

    Whatever else is wrong with one company's grant its own run reports; the others go on.
    """
    from ledgerguard_pipeline.errors import CredentialsRejected, KeyUnavailable, LedgerGuardError

    try:
        installation.token_provider.current(realm)
    except (CredentialsRejected, KeyUnavailable):
        raise
    except LedgerGuardError as error:
        note(f"{realm}: {error}")


def execute(
    installation: Installation,
    requests: list[SyncRequest],
    *,
    month_to_date: int = 0,
    quiet: bool = False,
) -> SyncResult:
    """Bring companies up to date, with progress on stderr unless ``quiet``."""
    from ledgerguard_pipeline.cli.quiet_sync import bring_up_to_date

    if quiet:
        return bring_up_to_date(installation, requests)
    from ledgerguard_pipeline.cli.progress import watching
    from ledgerguard_pipeline.ingestion.progress import use_progress

    budget = installation.settings.ledgerguard_monthly_call_budget
    with watching(month_to_date=month_to_date, budget=budget) as sink, use_progress(sink):
        return bring_up_to_date(installation, requests)


def show(result: SyncResult) -> None:
    """Print what the sync did: one row per entity that moved, and one sentence of totals."""
    shown = [each for each in result.results if each.fetched or each.status != "ok"]
    if shown:
        columns = ("realm", "entity", "mode", "fetched", "written", "deleted", "calls", "outcome")
        numeric = frozenset({"fetched", "written", "deleted", "calls"})
        console().print(table(columns, _rows(shown), numeric=numeric))
    for error in result.errors:
        say(f"Failed: {error}")
    failed = sum(each.status == "failed" for each in result.results)
    skipped = sum(each.status == "skipped" for each in result.results)
    checked = len(result.results) - skipped
    say(
        f"{counted(result.total_entities_written, 'version')} written, {checked} "
        f"{'entity' if checked == 1 else 'entities'} checked, "
        f"{counted(result.api_calls, 'API call')}, {result.duration_seconds:.1f} s"
        + (f", {failed} FAILED" if failed else "")
        + (f", {skipped} skipped" if skipped else "")
        + "."
    )


def _rows(results: Sequence[EntityResult]) -> Iterator[tuple[object, ...]]:
    """A row for each entity type; those of a company that failed for one cause share theirs."""
    causes: dict[tuple[str, str], list[EntityResult]] = {}
    for each in results:
        if each.status == "failed":
            causes.setdefault((each.realm_id, cause_of(each.error or "")), []).append(each)
        else:
            yield _row(each)
    for alike in causes.values():
        first, count = alike[0], len(alike)
        yield _row(first, first.entity if count == 1 else counted(count, "entity type"))


def _row(each: EntityResult, named: str | None = None) -> tuple[object, ...]:
    return (
        each.realm_id,
        named or each.entity,
        each.mode.value,
        each.fetched,
        each.written,
        each.deleted,
        each.api_calls,
        _outcome(each),
    )


def _outcome(each: EntityResult) -> str:
    if each.status == "failed":
        return f"failed: {cause_of(each.error or '')}"
    if each.status == "skipped":
        return f"skipped: {each.note}"
    found = each.finding
    if found is None or not (found.missing or found.phantoms):
        return "ok" if each.note is None else f"ok: {each.note}"
    return f"repaired: {found.missing:,} missing, {found.phantoms:,} phantom"
