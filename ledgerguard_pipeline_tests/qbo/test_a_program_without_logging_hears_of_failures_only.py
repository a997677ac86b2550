"""A notebook that set up no logging is not flooded by a line per call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline_tests.qbo.scripted import Script, reply

COMPANY = {"CompanyInfo": {"Id": "1", "CompanyName": "Acme"}, "time": "2026-11-22T01:00:00Z"}


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Logging as it is where nobody set it up."""
    configured, settings = structlog.is_configured(), structlog.get_config()
    structlog.reset_defaults()
    yield
    if configured:
        structlog.configure(**settings)


def test_calls_that_work_go_unsaid_and_one_that_fails_is_reported(
    unconfigured: None, client: QBOClient, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.then(reply(COMPANY), reply({"Fault": {"Error": [{"code": "610"}]}}, 400))
    assert client.get_connection_status().is_connected
    assert capsys.readouterr().out == ""
    assert not client.get_connection_status().is_connected
    assert "qbo_request" in capsys.readouterr().out


def test_whoever_sets_up_logging_hears_of_every_call(
    unconfigured: None, client: QBOClient, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.configure()
    script.then(reply(COMPANY))
    assert client.get_connection_status().is_connected
    reported = capsys.readouterr().out
    structlog.reset_defaults()
    assert "qbo_request" in reported
