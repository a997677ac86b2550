"""Every dialect of refusal gets the error that says what to do."""

from __future__ import annotations

import pickle

import pytest

from ledgerguard_pipeline.errors import (
    AccessDenied,
    AnswerTooBig,
    ChangesTooOld,
    CompanyUnavailable,
    FeatureUnavailable,
    NeedsHuman,
    NoQuery,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
    Throttled,
    Transient,
)
from ledgerguard_pipeline.qbo.answers.faults import Where, error_for, fault_of, printable, renewable

WHERE = Where("9341453474484455", "Invoice", "1-tid")


def upper(code: str, message: str = "No", detail: str = "", kind: str = "ValidationFault") -> bytes:
    return (
        f'{{"Fault":{{"Error":[{{"Message":"{message}","Detail":"{detail}","code":"{code}",'
        f'"element":""}}],"type":"{kind}"}},"time":"2026-09-29T09:17:31.892-07:00"}}'
    ).encode()


def lower(code: str, status: int, message: str = "No") -> bytes:
    return (
        f'{{"warnings":null,"intuitObject":null,"fault":{{"error":[{{"message":"message={message}; '
        f'errorCode=00{code}; statusCode={status}","detail":null,"code":"{code}","element":null}}],'
        f'"type":"SERVICE"}},"queryResponse":null,"time":1633520295688}}'
    ).encode()


def xml(code: str) -> bytes:
    return (
        f'<?xml version="1.0"?><IntuitResponse xmlns="http://schema.intuit.com/finance/v3">'
        f'<Fault type="AUTHENTICATION"><Error code="{code}"><Message>Auth &amp; more</Message>'
        f"</Error></Fault></IntuitResponse>"
    ).encode()


def error_of(status: int, body: bytes) -> QBOAPIError:
    return error_for(status, fault_of(body), WHERE, body=body)


TOO_OLD = "Operation cdc with changedSince date 2026-01-01 which is older than fixed days is"


@pytest.mark.parametrize(
    "status, body, expected, code",
    [
        (401, lower("3200", 401), AccessDenied, "3200"),
        (401, xml("100"), AccessDenied, "100"),
        (401, xml("130"), AccessDenied, "130"),
        (401, b"", AccessDenied, None),
        (403, lower("3100", 403), AccessDenied, "3100"),
        (403, b"<html>Forbidden</html>", AccessDenied, None),
        (400, upper("120"), AccessDenied, "120"),
        (403, upper("140"), CompanyUnavailable, "140"),
        (400, upper("150"), ServiceUnavailable, "150"),
        (400, upper("500", "Unsupported Operation", TOO_OLD), ChangesTooOld, "500"),
        (400, upper("500", "Unsupported Operation"), RequestRejected, "500"),
        (400, upper("610"), NotFound, "610"),
        (400, upper("1040"), RequestRejected, "1040"),
        (400, upper("4000"), RequestRejected, "4000"),
        (400, upper("4001"), RequestRejected, "4001"),
        (400, upper("4001", "Metadata not found for Entity:Bill"), NoQuery, "4001"),
        (400, upper("4000", "Invalid context declaration: TaxRate"), NoQuery, "4000"),
        (400, upper("4001", "property Id is not supported"), RequestRejected, "4001"),
        (400, upper("4002"), PoisonPage, "4002"),
        (400, upper("5020"), FeatureUnavailable, "5020"),
        (400, upper("5030"), FeatureUnavailable, "5030"),
        (400, upper("6190"), CompanyUnavailable, "6190"),
        (400, upper("6240"), RequestRejected, "6240"),
        (429, lower("3001", 429), Throttled, "3001"),
        (429, xml("003001"), Throttled, "3001"),
        (403, xml("3001"), Throttled, "3001"),
        (429, b"", Throttled, None),
        (500, upper("10000", kind="SystemFault"), ServiceUnavailable, "10000"),
        (500, upper("10100", kind="SystemFault"), AnswerTooBig, "10100"),
        (500, upper("10200", kind="SystemFault"), RequestRejected, "10200"),
        (503, b"<html>down</html>", ServiceUnavailable, None),
        (404, b"<html>not here</html>", RequestRejected, None),
        (302, b"", ServiceUnavailable, None),
        (200, upper("610"), NotFound, "610"),
        (200, upper("", kind="SystemFault"), ServiceUnavailable, None),
        (400, b'{"Fault":null,"fault":{"error":{"code":610}}}', NotFound, "610"),
        (500, b'{"Fault":"odd"}', ServiceUnavailable, None),
    ],
)
def test_a_code_that_says_something_decides(
    status: int, body: bytes, expected: type[QBOAPIError], code: str | None
) -> None:
    error = error_of(status, body)

    assert type(error) is expected
    assert (error.fault_code, error.status) == (code, status)
    assert (error.realm_id, error.entity, error.intuit_tid) == (
        WHERE.realm_id, WHERE.entity, WHERE.intuit_tid,
    )  # fmt: skip
    assert "1-tid" in str(error)


def test_only_a_refused_token_is_worth_a_renewal() -> None:
    assert renewable(error_of(401, lower("3200", 401)))
    assert renewable(error_of(401, b""))
    assert renewable(error_of(401, xml("100")))
    assert not renewable(error_of(401, xml("130")))
    assert not renewable(error_of(401, xml("120")))
    assert not renewable(error_of(403, lower("3100", 403)))
    assert not renewable(error_of(403, b""))


def test_what_a_human_must_do_is_flagged_and_said() -> None:
    assert isinstance(error_of(403, lower("3100", 403)), NeedsHuman)
    assert "INTUIT_ENV" in str(error_of(403, lower("3100", 403)))
    assert isinstance(error_of(503, b""), Transient)


def test_foreign_text_is_short_single_line_and_holds_no_token() -> None:
    token = "eyJlbmMiOiJBMTI4Q0JDLUhTMjU2Iiw" * 3
    body = upper("4000", f"bad Bearer {token}", "x " * 900)
    error = error_of(400, body)

    assert token not in str(error)
    assert len(error.message) < 500
    assert "\n" not in printable("a\nb\r\nc\u2028d")


def test_an_xml_answer_is_read_without_an_xml_parser() -> None:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "'
        + b"a" * 9
        + b'">]><Error code="&a;"><Message>&a;</Message></Error>'
    )

    error = error_of(503, bomb)

    assert isinstance(error, ServiceUnavailable)
    assert "aaaaaaaaa" not in str(error)


def test_errors_survive_the_way_between_processes() -> None:
    error = error_for(429, None, WHERE, retry_after=7.0)

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # made two lines above

    assert isinstance(copy, Throttled)
    assert (copy.retry_after, str(copy)) == (7.0, str(error))


PERSON = "Wilhelmina Overbeeke-Ngata"
HANDLE = "AB01Q3cbFGkbcp7"
EDITED = f"You and {PERSON} were working on this at the same time. {PERSON} finished before you"
GERMAN = f"{PERSON} hat diese Rechnung zugleich bearbeitet"


@pytest.mark.parametrize(
    "status, body, reported",
    [
        (400, upper("5010", "Stale Object Error", EDITED), "Stale Object Error"),
        (400, upper("5010", GERMAN, GERMAN), "somebody else edits"),
        (400, upper("5010", "Stale Object Error", EDITED)[:-80], "Stale Object Error"),
        (400, upper("6000", "A business validation error", EDITED), "business validation"),
        (401, lower("3200", 401, f"Token expired: {HANDLE}"), "Token expired"),
        (401, f"<html><p>Token revoked: {HANDLE}</p></html>".encode(), "Token revoked"),
        (401, xml("100").replace(b"Auth &amp; more", HANDLE.encode()), ""),
        (400, upper("9999", "Address refused: w.overbeeke@example.com"), "Address refused"),
        (400, upper(HANDLE), ""),
    ],
)
def test_a_message_names_no_person_and_no_token(status: int, body: bytes, reported: str) -> None:
    error = error_of(status, body)

    assert reported in str(error)
    for secret in (HANDLE, PERSON, "Overbeeke", "w.overbeeke", "example.com"):
        assert secret not in str(error)
        assert secret not in (error.said or "")
        assert secret not in repr(error.__dict__)
