"""``ledgerguard tieout``: the books compared with Intuit's own reports, or one account explained."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledgerguard_pipeline.cli.commands.companies import chosen_companies
from ledgerguard_pipeline.cli.installed import check_bronze, require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, moment, note, say, table, write_json
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from decimal import Decimal

    from ledgerguard_pipeline.control.company_state.tie_outs import Books
    from ledgerguard_pipeline.installation import Installation
    from ledgerguard_pipeline.tieout.explain import Walk

_WORDS = {
    "tied_out": "tied out",
    "broken": "does not tie out",
    "not_compared": "could not be compared",
}
_WARNINGS_SHOWN = 5
_FIGURES = {"net_income": "net income, fiscal year to date", "total_assets": "total assets"}


def tieout(
    company: Annotated[
        list[str] | None, typer.Option(help="Realm id; repeat for several. All by default.")
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(help="A month, as 2026-10; today and the last closed month by default."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            help="Follow one account, by id, number or full name, through the month.",
            metavar="ACCOUNT",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the books with Intuit's own reports, to the last digit; exits 1 unless they agree.

    Brings the journal up to date first. What differs is read again once, because books move.
    """
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    end = _end(month, datetime.now(UTC).date())
    settings.credentials()
    require_installed(settings)
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings) as installation:
        check_bronze(installation)
        realms = chosen_companies(
            installation.control,
            [parse_realm(text) for text in dict.fromkeys(company or ())],
            settings,
        )
        if explain is not None:
            _explain(installation, realms, explain, end, as_json=as_json)
            return
        found = {realm: _prove(installation, realm, end) for realm in realms}
        today = installation.control.now().date()
        names = {each.realm_id: each.name for each in installation.control.companies.list()}
    if as_json:
        companies = [books_json(realm, books, today) for realm, books in found.items()]
        tied_out = all(each["tied_out"] for each in companies)
        write_json({"tied_out": tied_out, "companies": companies})
    else:
        for realm, books in found.items():
            _show(f"{names.get(realm, '')} ({realm})".strip(), books, today)
    if any(books.state != "tied_out" for books in found.values()):
        raise typer.Exit(1)


def books_json(realm: str, books: Books, today: date) -> dict[str, Any]:
    """The JSON form of a comparison; amounts are texts, ``as_of`` is the last day compared."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(books)
    for line in (*document["differences"], *document["classes"]):
        line["class"] = line.pop("kind")
    levels = document.pop("levels")
    return {
        "realm_id": realm,
        "tied_out": books.state == "tied_out",
        "as_of": max((end.isoformat() for end in books.ends), default=None),
        "levels": {line.pop("level"): line for line in levels},
        **document,
        "metered_calls_today": books.calls_on(today),
    }


def _end(month: str | None, today: date) -> date | None:
    if month is None:
        return None
    from ledgerguard_pipeline.tieout.spans import month_end

    try:
        first = date.fromisoformat(f"{month.strip()}-01")
    except ValueError:
        raise BadInputError(f"--month {month[:40]!r} is no month; write it as 2026-10.") from None
    if first > today:
        raise BadInputError(f"--month {month[:40]} has not begun yet.")
    return min(month_end(first), today)


def _prove(installation: Installation, realm: RealmId, end: date | None) -> Books:
    """The comparison with every difference; the control plane keeps the first of them."""
    import msgspec

    from ledgerguard_pipeline.tieout.proof import Proof
    from ledgerguard_pipeline.tieout.record import books_of

    proof = Proof(installation.client(realm), installation.bronze, realm, installation.clock)
    result = proof.run(None if end is None else [end])
    found = books_of(result)
    kept = installation.control.tie_outs.compared(realm, found)
    return msgspec.structs.replace(kept, differences=found.differences)


def _show(company: str, books: Books, today: date) -> None:
    from ledgerguard_pipeline.control.company_state.tie_outs import LISTED

    days = " and ".join(each.isoformat() for each in books.ends)
    say(f"{company}: {_WORDS[books.state]}, as of {days}, checked {moment(books.checked_at)}")
    for finding in books.findings:
        say(f"  - {finding.name}: {finding.text}")
    if books.figures:
        rows = [
            (_FIGURES.get(each.name, each.name), each.day.isoformat(), each.theirs, each.ours)
            for each in books.figures
        ]
        heading = ("figure", "as of", "QuickBooks", "LedgerGuard")
        console().print(table(heading, rows, numeric=frozenset({"QuickBooks", "LedgerGuard"})))
    for difference in books.differences[:LISTED]:
        if difference.kind == "unexplained":
            say(f"  - {difference.message}")
    for warning in [each for each in books.differences if each.warns][:_WARNINGS_SHOWN]:
        say(f"  - Warning: {warning.message}")
    for each in books.classes:
        word = "warnings" if each.warns else "explained"
        say(f"  {word:<15}{each.level} {each.kind}: {each.count:,}, {_money(each.amount)} in all")
    if books.unexplained:
        say(
            f"  {books.unexplained:,} differences, {_money(books.amount)} in all, "
            f"first seen {moment(books.first_seen)}."
        )
    say(f"  metered calls  {books.metered_calls:,} now, {books.calls_on(today):,} today")


def _explain(
    installation: Installation,
    realms: list[RealmId],
    text: str,
    end: date | None,
    *,
    as_json: bool,
) -> None:
    from ledgerguard_pipeline.tieout.explain import find_account, walk
    from ledgerguard_pipeline.tieout.proof import Proof
    from ledgerguard_pipeline.tieout.spans import month_end

    if len(realms) != 1:
        raise BadInputError(
            f"There are several companies: name one with --company, {', '.join(realms)}."
        )
    (realm,) = realms
    store = installation.bronze
    account = find_account(store.workspace, realm, text)
    proof = Proof(installation.client(realm), store, realm, installation.clock)
    if not proof.bench.sync.journal.windows(realm):
        raise BadInputError(
            "This company's journal was not loaded yet. Run `ledgerguard tieout` first.",
            realm_id=realm,
        )
    today = installation.clock.now().date()
    with store.workspace.shared():
        last = end or min(month_end(today), today)
        found = walk(proof.bench.levels, store.workspace, realm, account, last)
    if as_json:
        write_json(_walk_json(realm, found))
    else:
        _show_walk(found)
    if found.difference:
        raise typer.Exit(1)


def _show_walk(found: Walk) -> None:
    console().print(f"Account {found.account_id} {found.name}, {found.start} to {found.end}")
    derived = any(each.postings is not None for each in found.movements)
    columns = ("date", "transaction", "memo", "journal", *(("postings",) if derived else ()))
    rows: list[tuple[object, ...]] = [
        ("", "opening", "", _money(found.opening), *(("",) if derived else ()))
    ]
    for each in found.movements:
        what = f"{each.type} {each.number}".strip() + f" (id {each.id})"
        legs = [None if each.journal is None else _money(each.journal)]
        if derived:
            legs.append(None if each.postings is None else _money(each.postings))
        rows.append((each.posted_on.isoformat(), what, each.memo, *legs))
    if found.carried:
        year = ("", "start of the fiscal year", "no transaction", _money(found.carried))
        rows.append((*year, *(("",) if derived else ())))
    rows.append(("", "closing", "", _money(found.closing), *(("",) if derived else ())))
    numeric = frozenset({"journal", "postings"})
    console().print(table(columns, rows, numeric=numeric))
    say(
        f"QuickBooks says {_money(found.opening_theirs)} before and "
        f"{_money(found.closing_theirs)} at the end; the difference is {_money(found.difference)}."
    )
    for known in found.known:
        note(f"Known: {known.message}")


def _walk_json(realm: str, found: Walk) -> dict[str, Any]:
    return {
        "realm_id": realm,
        "account_id": found.account_id,
        "name": found.name,
        "start": found.start,
        "end": found.end,
        "opening": _money(found.opening),
        "opening_quickbooks": _money(found.opening_theirs),
        "movements": [
            {
                "posted_on": each.posted_on,
                "type": each.type,
                "id": each.id,
                "number": each.number,
                "memo": each.memo,
                "journal": None if each.journal is None else _money(each.journal),
                "postings": None if each.postings is None else _money(each.postings),
            }
            for each in found.movements
        ],
        "carried": _money(found.carried),
        "closing": _money(found.closing),
        "closing_quickbooks": _money(found.closing_theirs),
        "difference": _money(found.difference),
        "known_differences": [each.message for each in found.known],
    }


def _money(value: Decimal) -> str:
    from ledgerguard_pipeline.tieout.differences import money

    return money(value)
