"""The Accounting API of the sandbox: ``/v3/company/{realm}/...``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.sandbox.answers.custom_fields import honoured, trimmed
from ledgerguard_pipeline.sandbox.answers.refusals import (
    Refusal,
    TimedOut,
    lacking,
    not_found,
    poisoned,
    unsupported,
)
from ledgerguard_pipeline.sandbox.answers.replies import (
    Answer,
    document,
    fault_member,
    forbidden,
    html_page,
    refused,
    unauthenticated,
    xml_fault,
)
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.api import batch, cdc, downloads
from ledgerguard_pipeline.sandbox.api.cdc import answer_key
from ledgerguard_pipeline.sandbox.api.edits_while_paging import Disturber
from ledgerguard_pipeline.sandbox.api.faults import HANDLE, THROTTLED, item_refusal, other_company
from ledgerguard_pipeline.sandbox.api.forms_of_records import Endpoint, plain, shown
from ledgerguard_pipeline.sandbox.api.grants import TokenCheck
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.query.columns import fields
from ledgerguard_pipeline.sandbox.query.engine import Found, QueryEngine, project, totalled
from ledgerguard_pipeline.sandbox.query.grammar import Statement, parse
from ledgerguard_pipeline.sandbox.query.properties import queryable

PREFIX = "/v3/company/"
_ENDPOINTS = frozenset({"query", "cdc", "batch", "reports"})
_FROM = re.compile(r"\bfrom\s+(\w+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: company, endpoint (``query``, ``cdc``, ``batch``, ``reports``, ``read``), rest."""

    realm: str
    endpoint: str
    rest: tuple[str, ...]
    what: str
    entities: frozenset[str]


def target_of(request: Request) -> Target:
    """Classify a request by its path; the statement or object is named for the log."""
    realm, _, tail = request.path.removeprefix(PREFIX).partition("/")
    rest = tuple(part for part in tail.split("/") if part)
    endpoint = rest[0] if rest and rest[0] in _ENDPOINTS else "read"
    if endpoint == "query":
        what = statement_text(request)
    elif endpoint == "cdc":
        what = request.params.get("entities", "")
    elif endpoint == "batch":
        what = request.body.decode("utf-8", "replace")
    elif endpoint == "reports":
        what = f"{tail}?{request.query.decode('latin-1')}"
    else:
        what = tail
    if endpoint == "reports":
        name = "".join(rest[1:2]).lower()
        return Target(realm, endpoint, rest, what, frozenset({name}))
    named = what.split(",") if endpoint == "cdc" else _FROM.findall(what)
    entities = frozenset(name.strip().lower() for name in named or rest[:1])
    return Target(realm, endpoint, rest, what, entities)


def statement_text(request: Request) -> str:
    """The query statement of a GET or a POST with ``application/text``."""
    if request.method == "POST":
        return request.body.decode("utf-8", "replace")
    return request.params.get("query", "")


class Api:
    """Answers authenticated and unauthenticated calls; knows nothing of sockets."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._disturber = Disturber()

    def gate(self, request: Request, target: Target, now: float) -> Answer | None:
        """The gateway's refusal, or None where the call may pass."""
        if not target.realm:
            return html_page(404, "HTTP Status 404 - Not Found")
        if request.malformed:
            return html_page(400, "HTTP Status 400 - Bad Request")
        token = request.bearer
        if len(token) < 20:
            return unauthenticated("Malformed bearer token: too short or too long", now)
        if target.realm not in self._world.companies:
            return forbidden(now)
        match self._world.grants.judge(token, target.realm, now):
            case TokenCheck.GOOD:
                return None
            case TokenCheck.OTHER_COMPANY:
                return other_company(now)
            case TokenCheck.EXPIRED:
                return unauthenticated(f"Token expired: {HANDLE}", now)
            case TokenCheck.REVOKED:
                return unauthenticated(f"Token revoked: {HANDLE}", now)
            case _:
                return unauthenticated(f"Token not found: {HANDLE}", now)

    @property
    def _exact(self) -> bool:
        return self._world.switches.envelope_time == "milliseconds"

    def _document(self, member: bytes, now: float, *, rows: int = 0) -> Answer:
        return document(member, now, rows=rows, exact=self._exact)

    def answer(self, request: Request, target: Target, now: float) -> Answer:
        """Carry a call that began at ``now`` out against the company's books."""
        company = self._world.companies[target.realm]
        engine = self._world.engines[target.realm]
        with company.lock:
            try:
                match target.endpoint:
                    case "query":
                        return self._query(request, company, engine, target, now)
                    case "cdc":
                        found = cdc.changes(
                            company,
                            engine,
                            self._world.switches,
                            request.params.get("entities", ""),
                            request.params.get("changedSince", ""),
                            now,
                            full=honoured(_include(request), self._world.switches.include_on_cdc),
                        )
                        self._world.stats.metered(target.realm, 1)
                        return self._document(found.member, now, rows=found.rows)
                    case "batch":
                        return self._batch(request, company, engine, now)
                    case "reports":
                        return self._report(request, target, now)
                    case _:
                        return self._read(request, company, target, now)
            except TimedOut as refusal:
                return xml_fault(
                    refusal.status,
                    refusal.code,
                    refusal.kind,
                    refusal.message,
                    refusal.detail,
                    now,
                )
            except Refusal as refusal:
                return refused(refusal, now, exact=self._exact)

    def _query(
        self,
        request: Request,
        company: SandboxCompany,
        engine: QueryEngine,
        target: Target,
        now: float,
    ) -> Answer:
        if request.method == "POST" and request.media_type != "application/text":
            raise unsupported(f"Operation query with {request.media_type} is not supported.")
        if not target.what.strip():
            missing = Refusal("500", "Unsupported Operation", "", kind="SystemFault")
            return self._document(fault_member(missing), now)
        full = honoured(_include(request), self._world.switches.include_on_query)
        member, rows = self._run(company, engine, target.what, now, full=full)
        self._world.stats.metered(target.realm, 1)
        return self._document(member, now, rows=rows)

    def _run(
        self, company: SandboxCompany, engine: QueryEngine, text: str, now: float, *, full: bool
    ) -> batch.Member:
        statement = parse(text)
        found = engine.run(statement, now)
        member = self._rendered(company, statement, found, now, full=full)
        self._disturber.after_page(self._world.switches.hazard, company, found, now)
        return member, len(found.rows)

    def _rendered(
        self, company: SandboxCompany, statement: Statement, found: Found, now: float, *, full: bool
    ) -> bytes:
        """The ``QueryResponse`` member: prebuilt bodies joined, nothing re-rendered."""
        if found.count_only:
            return b'"QueryResponse":{"totalCount":%d}' % found.total
        if not found.rows:
            return b'"QueryResponse":{}'
        table = company.tables[found.entity.name]
        poison = self._world.switches.poison
        if poison and any((table.entity, row.id) in poison for row in found.rows):
            raise poisoned()
        bodies = self._bodies(table, found.rows, statement, now, full=full)
        if statement.fields:
            bodies = map(lambda body: project(body, statement.fields), bodies)  # noqa: C417
        count = len(found.rows)
        reported = totalled(self._world.switches.total_count, found)
        total = b',"totalCount":%d' % found.total
        return b'"QueryResponse":{"%b":[%b],"startPosition":%d,"maxResults":%d%b}' % (
            answer_key(found.entity, self._world.switches),
            b",".join(bodies),
            found.start,
            count,
            total if reported else b"",
        )

    def _bodies(
        self,
        table: EntityTable,
        rows: Sequence[Row],
        statement: Statement,
        now: float,
        *,
        full: bool,
    ) -> Iterable[bytes]:
        switches = self._world.switches
        by_id = any(condition.prop.lower() == "id" for condition in statement.where)
        endpoint: Endpoint = "by_id" if by_id else "query"
        bodies: Iterable[bytes] = (
            map(table.body, rows)
            if plain(table, endpoint, switches)
            else (shown(table, row, endpoint, switches, now) for row in rows)
        )
        return bodies if full else (trimmed(table.entity, body) for body in bodies)

    def _batch(
        self, request: Request, company: SandboxCompany, engine: QueryEngine, now: float
    ) -> Answer:
        if request.method != "POST":
            raise unsupported("Operation batch by GET is not supported.")
        full = honoured(_include(request), self._world.switches.include_on_batch)
        items = batch.read_items(request.body, self._world.switches.batch_items)
        most = self._world.switches.batch_limit
        if most is not None and len(items) > most:
            raise TimedOut
        if self._world.switches.batch_order == "reversed":
            items.reverse()

        def run_cdc(entities: str, since: str) -> batch.Member:
            found = cdc.changes(
                company, engine, self._world.switches, entities, since, now, full=False
            )
            return found.member, found.rows

        throttled = 0

        def injected(what: str) -> Refusal | None:
            nonlocal throttled
            named = frozenset(name.lower() for name in _FROM.findall(what) or what.split(","))
            rule = self._world.faults.strike("batch_item", company.realm_id, named)
            refusal = None if rule is None else item_refusal(rule)
            throttled += refusal is not None and refusal.code == THROTTLED
            return refusal

        member, rows = batch.answer_items(
            items,
            lambda text: self._run(company, engine, text, now, full=full),
            run_cdc,
            injected,
            id_last=self._world.switches.batch_id == "after",
        )
        self._world.stats.metered(company.realm_id, len(items) - throttled)
        return self._document(member, now, rows=rows)

    def _report(self, request: Request, target: Target, now: float) -> Answer:
        if request.method != "GET" or len(target.rest) != 2:
            raise unsupported("Operation reports is not supported.")
        reports, switches = self._world.reports[target.realm], self._world.switches.reports
        answer = reports.answer(request, target.rest[1], switches, now)
        self._world.stats.metered(target.realm, 1)
        return answer

    def _read(
        self, request: Request, company: SandboxCompany, target: Target, now: float
    ) -> Answer:
        name, *ids = target.rest or ("",)
        if name == "download" and request.method == "GET":
            return self._link(company, ids, now)
        entity = queryable(name) if name == name.lower() else None
        if request.method != "GET" or entity is None or entity.name not in company.tables:
            raise unsupported(f"Operation {name or 'unknown'} is not supported.")
        if entity.name in self._world.switches.not_offered:
            raise lacking(entity.name)
        table = company.tables[entity.name]
        row = self._row(company, table, request, ids)
        if (entity.name, row.id) in self._world.switches.poison:
            raise poisoned()
        self._world.stats.metered(target.realm, 1)
        silence = self._world.switches.silence
        if silence is not None and silence.empties(table, row.id):
            return self._document(b'"QueryResponse":{}', now)
        full = honoured(_include(request), self._world.switches.include_on_read)
        body = shown(table, row, "read", self._world.switches, now)
        body = body if full else trimmed(entity.name, body)
        return self._document(b'"%b":%b' % (entity.answer_key.encode(), body), now, rows=1)

    def _link(self, company: SandboxCompany, ids: list[str], now: float) -> Answer:
        """The link to a file as plain text."""
        row = company.tables["Attachable"].rows.get("".join(ids))
        if row is None:
            raise not_found()
        self._world.stats.metered(company.realm_id, 1)
        if b'"FileName"' not in company.tables["Attachable"].body(row):
            return Answer(200, b"", "text/plain;charset=UTF-8")
        link = f"https://sandbox-quickbooks.api.intuit.com{downloads.PREFIX}{company.realm_id}/{row.id}"
        text = f"{link}?{downloads.signed(company.realm_id, row.id, now)}"
        return Answer(200, text.encode(), "text/plain;charset=UTF-8")

    def _row(
        self, company: SandboxCompany, table: EntityTable, request: Request, ids: list[str]
    ) -> Row:
        if table.entity == "ExchangeRate":
            return _rate(table, request.params)
        single = table.entity == "Preferences" and not ids
        if single or (table.entity == "CompanyInfo" and ids == [company.realm_id]):
            if not table.rows:
                raise not_found()
            return next(iter(table.rows.values()))
        if len(ids) != 1:
            raise unsupported(f"Operation {table.entity.lower()} is not supported.")
        (id,) = ids
        if not id.isdigit():
            raise Refusal("2030", "Invalid ID", f"Invalid ID : {id} is not a valid id")
        row = table.rows.get(id)
        if row is None or (table.entity, id) in self._world.switches.unseen:
            raise not_found(deleted=id in table.graves)
        return row


def _include(request: Request) -> str | None:
    return request.params.get("include")


def _rate(table: EntityTable, params: dict[str, str]) -> Row:
    """``/exchangerate?sourcecurrencycode=EUR&asofdate=2026-01-31``: newest day by default."""
    source, day = params.get("sourcecurrencycode", ""), params.get("asofdate", "")
    for row in reversed(table.rows.values()):
        members = fields(table.body(row))
        if bytes(members.get("SourceCurrencyCode", b"")) == f'"{source}"'.encode() and (
            not day or bytes(members.get("AsOfDate", b"")) == f'"{day}"'.encode()
        ):
            return row
    raise not_found()
