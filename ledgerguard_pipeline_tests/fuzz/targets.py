"""What reads foreign input, and what must hold whatever that input is.

Each target takes any bytes. It returns for everything the product reads or refuses as promised, and
raises for the rest: another error than the documented one, or a result that contradicts the input.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import BadInputError, QBOAPIError
from ledgerguard_pipeline.observability.redaction import redact
from ledgerguard_pipeline.qbo.answers import json_scan
from ledgerguard_pipeline.qbo.answers.cdc import read_changes
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.faults import Where, error_for, fault_of, reported_by
from ledgerguard_pipeline.qbo.answers.pages import read_count, read_page, read_single
from ledgerguard_pipeline.qbo.answers.payload import Origin, read_rows
from ledgerguard_pipeline.qbo.answers.report import read_report
from ledgerguard_pipeline.qbo.queries import read_requests
from ledgerguard_pipeline.qbo.queries.statement import Condition, Query
from ledgerguard_pipeline.qbo.queries.where import parse_where
from ledgerguard_pipeline.reports.balances import read_aging, read_trial_balance
from ledgerguard_pipeline.reports.cut import why_cut
from ledgerguard_pipeline.reports.journal import read_journal
from ledgerguard_pipeline.reports.shape import Report, UnreadableReport, read_shape
from ledgerguard_pipeline.reports.statement import read_statement
from ledgerguard_pipeline.reports.table import flat, titles
from ledgerguard_pipeline.reports.transactions import read_transactions
from ledgerguard_pipeline.reports.types import report_request
from ledgerguard_pipeline.sandbox.answers.refusals import Refusal
from ledgerguard_pipeline.sandbox.query.grammar import parse as parse_statement
from ledgerguard_pipeline.values import REALM_FORM, Source
from ledgerguard_pipeline.webhooks.parse import MOST_EVENTS, parse

INVOICE, CUSTOMER, TEMPLATE, RATE = (
    entity_type(name) for name in ("Invoice", "Customer", "RecurringTransaction", "ExchangeRate")
)
_NOW = datetime(2026, 11, 22, tzinfo=UTC)
_WHERE = Where("9341453474484455", "Invoice", "1-tid")
_ORIGIN = Origin(Source.QUERY, "1-tid", _NOW)
_STATUSES = (200, 400, 401, 403, 404, 429, 500, 503)
_MOST_SAID = 900
_REPORTS = ("TrialBalance", "JournalReport", "GeneralLedger", "AgedReceivables", "ProfitAndLoss")
_READINGS: tuple[Callable[[Report], object], ...] = (
    *(read_trial_balance, read_aging, read_journal, read_statement),
    *(read_transactions, flat, titles, why_cut),
)


@dataclass(frozen=True, slots=True)
class Target:
    """``words`` are what its inputs are made of: mutations put them in."""

    check: Callable[[bytes], None]
    words: tuple[bytes, ...]


def splitter(data: bytes) -> None:
    """A list or an object is taken apart as the standard reader reads it, or refused."""
    whole = _strict(data)
    try:
        parts = json_scan.split(data)
    except ValueError:
        parts = None
    if isinstance(whole, list | dict):
        assert parts is not None, "a sound container was refused"
        assert len(parts) == len(whole) or isinstance(whole, dict)
    if isinstance(whole, list) and parts is not None:
        assert [_strict(part) for part in parts] == whole
    if isinstance(whole, dict):
        members = json_scan.members(data)
        if all(name.isascii() for name in whole):  # a name in half characters is nobody's
            assert {name: _strict(member) for name, member in members.items()} == whole
    for entity in (INVOICE, CUSTOMER, TEMPLATE, RATE):
        try:
            rows = read_rows(data, entity, _ORIGIN)
        except ValueError:
            continue
        if isinstance(whole, list):
            assert rows.count == len(whole)
        for record in rows.records:
            payload = record.payload or b""
            assert payload in data
            assert isinstance(json.loads(payload, parse_int=str), dict)
            assert record.id
        assert all(reject.reason for reject in rows.rejects)
    _answer(data)


def webhooks(data: bytes) -> None:
    """Nothing raises; events name a company, a type and an object, and keep their identity."""
    delivered = parse(data)
    again = parse(data)
    assert [event.key for event in delivered.events] == [event.key for event in again.events]
    assert len(delivered.events) <= MOST_EVENTS
    for event in delivered.events:
        assert re.fullmatch(REALM_FORM, str(event.realm_id), re.ASCII)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", event.object_id)
        assert re.fullmatch(r"[A-Za-z]{1,60}", event.entity)
        assert event.occurred_at is None or event.occurred_at.tzinfo is UTC
    assert all(each.reason and each.reason.isprintable() for each in delivered.unreadable)
    assert len({each.key for each in delivered.unreadable}) == len(delivered.unreadable)


def faults(data: bytes) -> None:
    """Any refusal is a typed error with one short line that holds no secret."""
    status, body = _STATUSES[(data[0] if data else 0) % len(_STATUSES)], data[1:]
    error = error_for(status, fault_of(body), _WHERE, body=body)
    assert isinstance(error, QBOAPIError)
    assert error.status == status
    for text in (error.message, error.said or "", reported_by(body)):
        assert len(text) < _MOST_SAID
        assert len(text.splitlines()) <= 1
        assert redact(text) == text
    assert len(error.fault_code or "") <= len("99999999999999999999")
    _answer(body, status)


def queries(data: bytes) -> None:
    """A clause, ids or a text end in a statement that means the same, or are refused."""
    text = data.decode("utf-8", "surrogateescape")
    builders: tuple[Callable[[], tuple[Condition, ...]], ...] = (
        lambda: parse_where(text),
        lambda: (Condition("Id", "IN", tuple(text.split(","))),),
        lambda: (Condition("DocNumber", "=", text),),
        lambda: (Condition(text, "LIKE", text),),
    )
    for build in builders:
        try:
            conditions = build()
            query = Query.select(INVOICE, conditions)
            request = read_requests.query(query)
        except BadInputError:
            continue
        sent = request.params.get("query") or (request.body or b"").decode()
        assert sent == query.text
        assert sent.startswith("SELECT * FROM Invoice")
        assert request.path == "/query"
        try:
            understood = parse_statement(sent)
        except Refusal:
            # Words of the grammar are no properties, and Intuit says so itself.
            assert any(parse_words(condition.name) for condition in conditions), sent
            continue
        assert (understood.entity, understood.count) == ("Invoice", False)
        assert [each.values for each in understood.where] == [
            (each.value,) if isinstance(each.value, str | bool) else each.value
            for each in conditions
        ]


def reports(data: bytes) -> None:
    """A report is read, refused by name, or found cut; nothing else."""
    name = _REPORTS[len(data) % len(_REPORTS)]
    given = {"start_date": "2026-01-01", "end_date": "2026-10-31", "report_date": "2026-10-31"}
    request = report_request(
        name, {key: value for key, value in given.items() if key in report_takes(name)}
    )
    _refused_in_one_line(lambda: read_report(ApiAnswer(200, data, _WHERE, _NOW), request))
    try:
        report = read_shape(data)
    except UnreadableReport:
        return
    for reading in _READINGS:
        with contextlib.suppress(UnreadableReport):
            reading(report)


def parse_words(name: str) -> bool:
    """Whether the sandbox's grammar takes this name for a word of its own."""
    try:
        parse_statement(f"SELECT * FROM Invoice WHERE {name} = '1'")
    except Refusal:
        return True
    return False


def report_takes(name: str) -> frozenset[str]:
    """The parameters of time that a report takes."""
    aging = name.startswith("Aged")
    return frozenset({"report_date"} if aging else {"start_date", "end_date"})


def _strict(data: bytes) -> object:
    """What the standard reader makes of it; None where RFC 8259 has no meaning for it."""

    def refuse(_: str) -> object:
        raise ValueError

    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=refuse, parse_float=str, parse_int=str
        )
    except (ValueError, RecursionError):
        return None


def _answer(body: bytes, status: int = 200) -> None:
    """The same bytes as an answer of the API: an outcome, or a typed error."""
    answer = ApiAnswer(status, body, _WHERE, _NOW, date="Sun, 22 Nov 2026 09:00:00 GMT")
    readings: Sequence[Callable[[], object]] = (
        lambda: read_page(answer, INVOICE),
        lambda: read_single(answer, CUSTOMER),
        lambda: read_count(answer),
        lambda: read_changes(answer, [INVOICE, CUSTOMER]),
    )
    for reading in readings:
        _refused_in_one_line(reading)


def _refused_in_one_line(reading: Callable[[], object]) -> None:
    try:
        reading()
    except QBOAPIError as error:
        lines = str(error).splitlines()
    else:
        return
    assert len(lines) == 1


_JSON = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"null", b"true", b"NaN", b"-Infinity"),
    *(b"1e999999999", b"-0.0", b"1" * 40, b'"\\ud800"', b'"\\u0000"', b"\xff", b"\xef\xbb\xbf"),
    *(b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:59-14:00"', b'"2026-02-30T00:00:00Z"'),
)
TARGETS: dict[str, Target] = {
    "splitter": Target(
        splitter,
        (
            *_JSON,
            *(b'"Id":', b'"SyncToken":', b'"MetaData":', b'"CreateTime":', b'"LastUpdatedTime":'),
            *(b'"Active":', b'"status":', b'"TotalAmt":', b'"PrivateNote":"Voided"', b'"time":'),
            *(
                b'"QueryResponse":',
                b'"Invoice":',
                b'"CDCResponse":',
                b'"totalCount":',
                b'"sparse":',
            ),
        ),
    ),
    "webhooks": Target(
        webhooks,
        (
            *_JSON,
            *(b'"type":', b'"qbo.invoice.updated.v1"', b'"intuitentityid":', b'"intuitaccountid":'),
            *(b'"data":', b'"deletedid":', b'"eventNotifications":', b'"realmId":', b'"entities":'),
            *(b'"dataChangeEvent":', b'"operation":', b'"lastUpdated":', b'"specversion":'),
        ),
    ),
    "faults": Target(
        faults,
        (
            *_JSON,
            *(b'"Fault":', b'"fault":', b'"Error":', b'"code":', b'"Message":', b'"Detail":'),
            *(b"<Error code='", b"</Error>", b"<Message>", b"</Message>", b"statusCode=502"),
            *(b"errorCode=003100", b"&#x110000;", b"&amp;", b"Bearer eyJhbGciOi", b"AB0" * 15),
        ),
    ),
    "queries": Target(
        queries,
        (
            *(b"'", b"\\", b"(", b")", b",", b" AND ", b" OR ", b" IN ", b" LIKE ", b"=", b"<="),
            *(b"Id", b"Active", b"MetaData.CreateTime", b"where ", b"select", b"--", b";", b"\x00"),
            *(b"'2026-01-01T00:00:00'", b"true", b"-1.5", b"\xff", b"\xe2\x80\xa8", b"\xc2\x85"),
        ),
    ),
    "reports": Target(
        reports,
        (
            *_JSON,
            *(b'"Header":', b'"Columns":', b'"Column":', b'"Rows":', b'"Row":', b'"ColData":'),
            *(
                b'"Summary":',
                b'"group":"GrandTotal"',
                b'"value":',
                b'"id":',
                b'"ColKey"',
                b'"Money"',
            ),
            *(b'"9e999999"', b'"1e-999999999"', b'"sNaN"', b'"1,000.00"', b'"more data"'),
        ),
    ),
}
