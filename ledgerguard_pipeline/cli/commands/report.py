"""``ledgerguard report``: one of Intuit's reports, kept in Bronze, printed or exported."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledgerguard_pipeline.cli.installed import require_installed
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import console, note, say, table, write_json
from ledgerguard_pipeline.cli.streams import data
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.reports.parameters import day
from ledgerguard_pipeline.reports.stored import STORED_REPORTS, stored_requests
from ledgerguard_pipeline.reports.table import TableRow, flat, titles
from ledgerguard_pipeline.reports.types import (
    ReportRequest,
    ReportType,
    report_request,
    report_type,
)
from ledgerguard_pipeline.values import RealmId, parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.ingestion.report_loads import ReportLoad, ReportLoads
    from ledgerguard_pipeline.installation import Installation
    from ledgerguard_pipeline.reports.shape import Report

_BASES = ("Accrual", "Cash")
_EXPORTS = (".csv", ".json")


def report(
    name: Annotated[str, typer.Argument(help="A report, such as trial-balance or JournalReport.")],
    company: Annotated[
        str | None, typer.Option(help="Realm id; may be left out where there is one company.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="First day; by default that of the fiscal year (of the month for lists)."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last day, as 2026-10-31; today by default.")
    ] = None,
    basis: Annotated[
        str | None, typer.Option(help="Accrual (the default) or Cash, where a report has both.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(help="Any other parameter, as name=value; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write a file: .csv or .json; it must not exist yet.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    as_json: Json = False,
) -> None:
    """Ask Intuit for a report, keep the answer in Bronze, and print or export it."""
    from ledgerguard_pipeline.cli.home_lock import settings_here

    settings = settings_here()
    if as_csv and as_json:
        raise BadInputError("--csv and --json are two forms; choose one.")
    chosen = report_type(name)
    last = _day("end", end) or datetime.now(UTC).date()
    first = _day("start", start)
    given = _parameters(param, _basis(chosen, basis))
    _check_days(chosen, given, start=start is not None, end=end is not None)
    _check(chosen, first, last, given)
    if output is not None:
        _check_output(output)
    settings.credentials()
    require_installed(settings)
    from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(settings) as installation:
        realm = _company(installation, company)
        loads = ReportLoads(installation.client(realm), installation.bronze, realm)
        load = loads.request(_request(loads, chosen, first, last, given))
    _show(realm, load, output, as_csv=as_csv, as_json=as_json)


def _parameters(param: list[str] | None, basis: str | None) -> dict[str, object]:
    given: dict[str, object] = {} if basis is None else {"accounting_method": basis}
    for text in param or ():
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise BadInputError(f"--param {text[:40]!r} is not name=value, as in customer=12.")
        given[key.strip()] = value
    return given


def _day(name: str, text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(day(f"--{name}", text))


def _basis(chosen: ReportType, text: str | None) -> str | None:
    if text is None:
        return None
    if not chosen.has_basis:
        raise BadInputError(f"{chosen.name} is the same on every basis; leave out --basis.")
    found = text.strip().capitalize()
    if found not in _BASES:
        raise BadInputError(f"--basis {text[:40]!r} is neither {' nor '.join(_BASES)}.")
    return found


def _check_days(chosen: ReportType, given: dict[str, object], *, start: bool, end: bool) -> None:
    """Refuse days that would have no effect."""
    if "date_macro" in given and (start or end):
        raise BadInputError("date_macro names the days itself; leave out --start and --end.")
    dated = "start_date" in chosen.takes
    if start and not dated:
        raise BadInputError(f"{chosen.name} has no first day; leave out --start.")
    if end and not dated and "report_date" not in chosen.takes:
        raise BadInputError(f"{chosen.name} has no last day; leave out --end.")


def _check(chosen: ReportType, first: date | None, last: date, given: dict[str, object]) -> None:
    """Refuse what cannot be asked before anything is opened."""
    if first is not None and first > last:
        raise BadInputError(f"--start {first} is after --end {last}; swap them.")
    report_request(chosen.name, {**_days(chosen, first or last, last, given), **given})


def _days(
    chosen: ReportType, first: date, last: date, given: dict[str, object]
) -> dict[str, object]:
    if "date_macro" in given:
        return {}
    if "start_date" in chosen.takes:
        return {"start_date": first, "end_date": last}
    return {"report_date": last} if "report_date" in chosen.takes else {}


def _check_output(path: Path) -> None:
    if path.suffix.lower() not in _EXPORTS:
        raise BadInputError(f"--output {path.name!r} ends with neither .csv nor .json.")
    if path.exists():
        raise BadInputError(f"{path} already exists; name a new file, nothing is overwritten.")
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"The folder of {path} does not exist; create it first.")


def _company(installation: Installation, text: str | None) -> RealmId:
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    if text is not None:
        return installation.control.companies.require(parse_realm(text)).realm_id
    connected = [
        each.realm_id
        for each in installation.control.companies.list()
        if each.status is ConnectionStatus.CONNECTED
    ]
    if len(connected) != 1:
        raise BadInputError(
            "No company is connected; run `ledgerguard connect` first."
            if not connected
            else f"There are several companies: name one with --company, {', '.join(connected)}."
        )
    return connected[0]


def _request(
    loads: ReportLoads,
    chosen: ReportType,
    first: date | None,
    last: date,
    given: dict[str, object],
) -> ReportRequest:
    """As the stored report of that name is asked for, with what was given besides."""
    window = loads.window(last, first)
    usual: dict[str, object] = {}
    if chosen.name in STORED_REPORTS:
        usual = dict(next(stored_requests(chosen.name, window)).params)
    start = first or window.fiscal_start
    days = _days(chosen, start, last, given)
    if chosen.name in STORED_REPORTS and first is None:
        days = {key: usual.get(key, value) for key, value in days.items()}
    if "date_macro" in given:
        usual = {key: value for key, value in usual.items() if not key.endswith("_date")}
    return report_request(chosen.name, {**usual, **days, **given})


def _show(
    realm: RealmId, load: ReportLoad, output: Path | None, *, as_csv: bool, as_json: bool
) -> None:
    reports = [answer.report for answer in load.answers]
    if load.cut:
        note(f"{load.cut} answers were cut by QuickBooks and asked for again in parts.")
    if output is not None:
        document = _json(realm, load) if output.suffix.lower() == ".json" else None
        text = _csv(reports) if document is None else _dumped(document)
        output.write_text(text, encoding="utf-8", newline="")
    if as_json:
        write_json(_json(realm, load) | ({} if output is None else {"path": str(output)}))
    elif as_csv:
        out = data()
        out.write(_csv(reports))
        out.flush()
    elif output is not None:
        say(f"Wrote {output} ({output.stat().st_size:,} bytes).")
    else:
        _print(reports)


def _print(reports: list[Report]) -> None:
    for each in reports:
        basis = f", {each.basis.lower()} basis" if each.basis else ""
        heading = (
            f"{each.name}, {each.start or ''} to {each.end or ''}{basis}, {each.currency or ''}"
        )
        numeric = frozenset(
            title
            for title, column in zip(titles(each), each.columns, strict=True)
            if column.kind == "Money" or column.key.endswith(("amt", "amount"))
        )
        rows = [_indented(row) for row in flat(each)]
        console().print(table(titles(each), rows, title=heading, numeric=numeric))
    if not any(flat(each) for each in reports):
        say("QuickBooks has no data for this report.")


def _indented(row: TableRow) -> list[str]:
    first, *rest = row.values
    return [f"{'  ' * row.depth}{first}", *rest]


def _csv(reports: list[Report]) -> str:
    """All rows under one header; ids stand beside the values they belong to, where there are any."""
    text = io.StringIO()
    writer = csv.writer(text)
    tables = [flat(each) for each in reports]
    keys = [
        column.key or title
        for column, title in zip(reports[0].columns, titles(reports[0]), strict=True)
    ]
    named = [
        at
        for at in range(len(keys))
        if any(any(row.ids[at : at + 1]) for rows in tables for row in rows)
    ]
    writer.writerow(["kind", "depth", "group", *keys, *(f"{keys[at]}_id" for at in named)])
    for rows in tables:
        for row in rows:
            ids = [row.ids[at] if at < len(row.ids) else "" for at in named]
            writer.writerow([row.kind, row.depth, row.group, *row.values, *ids])
    return text.getvalue()


def _json(realm: RealmId, load: ReportLoad) -> dict[str, Any]:
    """Amounts are texts, exactly as Intuit wrote them."""
    parts = [
        {
            "report_id": id,
            "start": answer.report.start,
            "end": answer.report.end,
            "basis": answer.report.basis,
            "currency": answer.report.currency,
            "time": answer.report.time,
            "intuit_tid": answer.request_id,
            "columns": [
                {"key": column.key, "kind": column.kind, "title": title}
                for column, title in zip(answer.report.columns, titles(answer.report), strict=True)
            ],
            "rows": [
                {
                    "kind": row.kind,
                    "depth": row.depth,
                    "group": row.group,
                    "values": list(row.values),
                    "ids": list(row.ids),
                }
                for row in flat(answer.report)
            ],
        }
        for answer, id in zip(load.answers, load.report_ids, strict=True)
    ]
    return {"realm_id": realm, "report": load.report, "cut": load.cut, "parts": parts}


def _dumped(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
