"""A refused access token is renewed and the same call repeated; only refusals that last pause a company."""

from __future__ import annotations

import logging
import threading

import pytest
import structlog

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import (
    AccessDenied,
    CredentialsRejected,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline_tests.qbo.scripted import (
    DrivenClock,
    Received,
    Script,
    Writer,
    raw,
    reply,
)

INVOICE = entity_type("Invoice")
STATEMENT = Query.select(INVOICE, start=3001)
TIME = "2026-11-22T01:00:00.123-08:00"
GOOD = {"QueryResponse": {}, "time": TIME}
EXPIRED = {"fault": {"error": [{"message": "AuthenticationFailed", "code": "3200",
                                "detail": "Token expired: "}], "type": "AUTHENTICATION"}}  # fmt: skip
TOKENS = {"token_type": "bearer", "access_token": "access-token-2", "refresh_token": "refresh-2",
          "expires_in": 3600, "x_refresh_token_expires_in": 8726400}  # fmt: skip


def test_the_same_page_is_asked_for_again_with_the_new_token(
    client: QBOClient, script: Script
) -> None:
    script.then(reply(EXPIRED, 401), reply(TOKENS), reply(GOOD))

    client.query_page(INVOICE, STATEMENT)

    first, refresh, second = script.requests
    assert first.target == second.target
    assert refresh.path == "/oauth2/v1/tokens/bearer"
    assert refresh.form == {"grant_type": "refresh_token", "refresh_token": "refresh-token-1"}
    assert second.headers["authorization"] == "Bearer access-token-2"


def test_401s_that_last_mean_connecting_again(client: QBOClient, script: Script) -> None:
    script.default = lambda request: (
        reply(TOKENS) if "tokens" in request.path else reply(EXPIRED, 401)
    )

    with pytest.raises(ReauthorizationRequired) as caught:
        client.query_page(INVOICE, STATEMENT)
    refreshes = sum("tokens" in request.path for request in script.requests)
    assert (len(script.requests), refreshes) == (8, 2)
    assert caught.value.entity == "Invoice"


@pytest.mark.parametrize("more", [1, 2, 3])
def test_a_moment_in_which_fresh_tokens_are_refused_pauses_nobody(
    client: QBOClient, script: Script, clock: DrivenClock, more: int
) -> None:
    began = clock.monotonic()
    script.then(
        reply(EXPIRED, 401), reply(TOKENS), *[reply(EXPIRED, 401)] * more, reply(GOOD)
    )  # fmt: skip
    script.default = lambda request: (
        reply(TOKENS) if "tokens" in request.path else _by_token(request)
    )

    assert client.query_page(INVOICE, STATEMENT).rows == 0
    assert clock.monotonic() > began


def test_a_fresh_token_that_is_ended_at_once_is_renewed_once_more(
    client: QBOClient, script: Script
) -> None:
    newer = {**TOKENS, "access_token": "access-token-3"}
    given = iter([TOKENS, newer])
    script.default = lambda request: (
        reply(next(given))
        if "tokens" in request.path
        else reply(GOOD)
        if request.headers["authorization"] == "Bearer access-token-3"
        else reply(EXPIRED, 401)
    )

    assert client.query_page(INVOICE, STATEMENT).rows == 0


XML_130 = b'<IntuitResponse><Fault><Error code="130"><Message>Accessing Wrong Cluster</Message>'
XML_130 += b"</Error></Fault></IntuitResponse>"


@pytest.mark.parametrize(
    "refusal",
    [
        reply(XML_130, 401, content_type="application/xml"),
        reply(
            {
                "fault": {
                    "error": [{"message": "ApplicationAuthorizationFailed", "code": "3100"}],
                    "type": "SERVICE",
                }
            },
            403,
        ),
        reply(b"", 403),
    ],
    ids=["wrong cluster", "3100", "bare 403"],
)
def test_what_no_token_can_cure_is_denied_at_once(
    refusal: Writer, client: QBOClient, script: Script
) -> None:
    script.then(refusal)

    with pytest.raises(AccessDenied):
        client.query_page(INVOICE, STATEMENT)
    assert len(script.requests) == 1


def test_a_dead_refresh_token_means_connecting_again(client: QBOClient, script: Script) -> None:
    script.then(reply(EXPIRED, 401), reply(b'{"error":"invalid_grant"}', 400))

    with pytest.raises(ReauthorizationRequired):
        client.query_page(INVOICE, STATEMENT)


def test_a_rotated_client_secret_is_a_configuration_error(
    client: QBOClient, script: Script
) -> None:
    script.then(reply(EXPIRED, 401), reply(b'{"error":"invalid_client"}', 401))

    with pytest.raises(CredentialsRejected):
        client.query_page(INVOICE, STATEMENT)


def test_a_token_endpoint_that_is_down_for_a_moment_costs_only_a_retry(
    client: QBOClient, script: Script
) -> None:
    script.then(
        reply(EXPIRED, 401), reply(b"<html>oops</html>", 503),
        reply(EXPIRED, 401), reply(TOKENS), reply(GOOD),
    )  # fmt: skip

    assert client.query_page(INVOICE, STATEMENT).rows == 0


def test_a_token_endpoint_that_stays_down_leaves_the_grant_untouched(
    client: QBOClient, script: Script
) -> None:
    script.default = lambda request: (
        reply(b"", 503) if "tokens" in request.path else reply(EXPIRED, 401)
    )

    with pytest.raises(TokenEndpointUnavailable):
        client.query_page(INVOICE, STATEMENT)

    script.default = lambda request: (
        reply(TOKENS) if "tokens" in request.path else _by_token(request)
    )
    assert client.query_page(INVOICE, STATEMENT).rows == 0


def test_eight_threads_with_one_dead_token_refresh_it_once(
    client: QBOClient, script: Script
) -> None:
    script.default = lambda request: (
        reply(TOKENS) if "tokens" in request.path else _by_token(request)
    )
    together = threading.Barrier(8)
    failures: list[Exception] = []

    def work() -> None:
        together.wait()
        try:
            client.query_page(INVOICE, STATEMENT)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sum(1 for request in script.requests if "tokens" in request.path) == 1


def test_a_token_near_its_end_is_renewed_before_the_call(
    client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    clock.advance(3600 - 299)
    script.then(reply(TOKENS), reply(GOOD))

    client.query_page(INVOICE, STATEMENT)

    assert [request.path.rsplit("/", 1)[1] for request in script.requests] == ["bearer", "query"]


def test_no_token_or_secret_reaches_a_log_or_an_error(
    client: QBOClient, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("requests_oauthlib.oauth2_session", "oauthlib.oauth2", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    echo = {"fault": {"error": [{"message": "AuthenticationFailed", "code": "3200",
                                 "detail": "Bearer " + "s3cr3t" * 9}]}}  # fmt: skip
    script.default = lambda request: reply(TOKENS) if "tokens" in request.path else reply(echo, 401)

    with structlog.testing.capture_logs() as lines, pytest.raises(ReauthorizationRequired) as error:
        client.query_page(INVOICE, STATEMENT)

    cause = error.value.__cause__
    seen = caplog.text + repr(lines) + repr(error.value) + str(error.value) + str(cause)
    for secret in ("access-token-1", "access-token-2", "refresh-token-1", "refresh-2",
                   "the-client-secret", "s3cr3t"):  # fmt: skip
        assert secret not in seen
    assert repr(client._own.current(client._require_realm())).count("access-token") == 0


def test_one_line_is_logged_per_attempt(client: QBOClient, script: Script) -> None:
    script.then(raw(b""), reply({"QueryResponse": {"Invoice": [{"Id": "1"}]}, "time": TIME}))

    with structlog.testing.capture_logs() as lines:
        client.query_page(INVOICE, STATEMENT)

    first, second = (line for line in lines if line["event"] == "qbo_request")
    assert (first["attempt"], first["status"], first["error"]) == (1, 0, "ServiceUnavailable")
    assert (second["attempt"], second["status"], second["rows"]) == (2, 200, 1)
    assert second["intuit_tid"] == "1-tid"
    assert second["realm"] == client.realm_id
    assert (second["entity"], second["purpose"]) == ("Invoice", "query")
    assert second["bytes"] > 0
    assert second["duration_ms"] >= 0


def _by_token(request: Received) -> Writer:
    good = request.headers["authorization"] == "Bearer access-token-2"
    return reply(GOOD) if good else reply(EXPIRED, 401)
