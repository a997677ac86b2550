"""A canary is put into every shape a secret travels in; it must reach no handler."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.channels.http import Address
from ledgerguard_pipeline.observability.logs import (
    RedactingFilter,
    configure_logging,
    guard_handlers,
)
from ledgerguard_pipeline.observability.redaction import (
    MASK,
    redact,
    redact_value,
    register_secret,
    register_setting,
)

CANARY = "cAnaRy0123456789deadbeefcAnaRy0123456789"
JWE = f"eyJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiYWxnIjoiZGlyIn0..{CANARY}.{CANARY}.{CANARY}"
BASIC = b64encode(f"client:{CANARY}".encode()).decode()

SHAPES = [
    f"Authorization: Bearer {CANARY}",
    f"authorization=Bearer {CANARY}",
    f"{{'Authorization': 'Bearer {CANARY}', 'Accept': 'application/json'}}",
    f"{{'Authorization': b'Basic {BASIC}'}}",
    f'{{"Authorization": "{CANARY}"}}',
    f"Proxy-Authorization: Basic {BASIC}",
    f"sent Bearer {CANARY} to the API",
    f"sent basic {BASIC}",
    f"grant_type=refresh_token&refresh_token={CANARY}&x=1",
    f"grant_type=authorization_code&code={CANARY}&state=1",
    f"GET /api/v1/auth/callback?code={CANARY}&realmId=1234567890",
    f'{{"code": "{CANARY}", "state": "1"}}',
    f'{{"access_token":"{CANARY}","expires_in":3600}}',
    f'{{"refresh_token" : "{CANARY}"}}',
    f"{{'refresh_token': '{CANARY}'}}",
    json.dumps(json.dumps({"refresh_token": CANARY, "x": 1})),
    json.dumps(json.dumps(json.dumps({"access_token": CANARY}))),
    f"client_secret={CANARY}",
    f"INTUIT_CLIENT_SECRET={CANARY}",
    f"intuit_client_secret='{CANARY} with a space and {CANARY}'",
    f"LEDGERGUARD_ADMIN_TOKEN={CANARY}",
    f"verifier_token: {CANARY}",
    f"token {JWE} was refused",
    f"cut off {JWE[:60]}",
    f"refresh with AB11700000000{CANARY}",
    f"Token expired: AB01{CANARY}",
    f"detail='Token revoked:\\nAB0{CANARY}'",
]

HARMLESS = [
    '{"Fault":{"Error":[{"Message":"Stale","code":"5010"}],"type":"ValidationFault"}}',
    "status code: 400",
    "GET /x?code=400",
    "exit code=1",
    "basic authentication is used",
    "entity Invoice, realm 9341453474484455, status 200, intuit_tid 1-5f2c-0a",
    "the bearer of this ring",
    "BadCodeError: zipcode=94043-1351",
]


@pytest.mark.parametrize("text", SHAPES)
def test_a_secret_is_masked_in_every_shape_it_travels_in(text: str) -> None:
    masked = redact(text)
    for secret in (CANARY, BASIC, JWE[:60]):
        assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize("text", HARMLESS)
def test_what_an_operator_needs_stays_readable(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "You and {person} were working on this at the same time. {person} finished before you did",
        "You and {person} are working on it",
        'Stale: "at the same time. {person} finished before you did, so your work was not saved"',
    ],
)
def test_the_person_whom_a_fault_names_is_left_out(text: str) -> None:
    masked = redact(text.format(person="Wilhelmina Overbeeke-Ngata"))

    assert masked == text.format(person="somebody")
    assert redact(masked) == masked


@pytest.mark.parametrize("text", SHAPES)
def test_masking_a_masked_text_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_tokens_of_a_thousand_companies_make_no_setting_known() -> None:
    register_setting("made-up-setting-word")
    Address(SecretStr("https://hooks.example.com/T0/made-up-path"), "X")
    for number in range(2_000):
        register_secret(f"made-up-access-{number}")
        register_secret(f"made-up-refresh-{number}")

    assert redact("the made-up-setting-word") == f"the {MASK}"
    assert "made-up-path" not in redact("POST /T0/made-up-path failed")
    assert redact("the made-up-access-1999") == f"the {MASK}"


@pytest.mark.parametrize(
    "form",
    ["{}", "x{}y", "a=%22{}%22", "['{}']"],
)
def test_a_registered_value_is_masked_without_any_recognisable_shape(form: str) -> None:
    register_secret('odd value/with "quotes"+signs')
    for text in (
        'odd value/with "quotes"+signs',
        "odd%20value%2Fwith%20%22quotes%22%2Bsigns",
        json.dumps('odd value/with "quotes"+signs')[1:-1],
    ):
        assert text not in redact(form.format(text))


def test_a_secret_that_begins_like_another_is_masked_to_its_end() -> None:
    for secret in ("swordfish-1", "swordfish-1-of-the-new-key"):
        register_secret(secret)
    assert redact("sent: swordfish-1-of-the-new-key") == f"sent: {MASK}"


def test_values_too_short_to_be_secrets_do_not_destroy_messages() -> None:
    register_secret("e")
    register_secret("")
    register_secret(None)
    assert redact("every message stays whole") == "every message stays whole"


def test_every_configured_secret_is_masked_from_the_start(tmp_path: Path) -> None:
    program = (
        "from ledgerguard_pipeline.config.settings import load_settings;"
        "from ledgerguard_pipeline.observability.redaction import redact; import os;"
        "load_settings(); print(redact(' '.join(os.environ['SAID'].split(','))))"
    )
    said = [f"{name}{CANARY}" for name in ("secret-", "admin-", "verify1-", "verify2-", "pass-")]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "INTUIT_CLIENT_SECRET": said[0],
            "LEDGERGUARD_ADMIN_TOKEN": said[1],
            "INTUIT_WEBHOOK_VERIFIER_TOKEN": f"{said[2]},{said[3]}",
            "LEDGERGUARD_CONTROL_URL": f"postgresql://user:{said[4]}@db.example.com/books",
            "SAID": ",".join([*said, "user", "db.example.com"]),
        },
    )
    assert done.stdout.split() == [*[MASK] * 5, "user", "db.example.com"]


def test_structured_values_are_masked_by_key_and_by_content() -> None:
    cleaned = redact_value(
        {
            "refresh_token": "short",
            "Set-Cookie": "session=1",
            "nested": [{"authorization": "x"}, f"Bearer {CANARY}", 3, None, True],
            "raw": f"client_secret={CANARY}".encode(),
            f"code={CANARY}": 1,
        }
    )
    assert CANARY not in repr(cleaned)
    assert cleaned == {
        "refresh_token": MASK,
        "Set-Cookie": MASK,
        "nested": [{"authorization": MASK}, f"Bearer {MASK}", 3, None, True],
        "raw": f"client_secret={MASK}",
        f"code={MASK}": 1,
    }


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, factory = list(root.handlers), root.level, logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored_logging")
class TestConfiguredLogging:
    @pytest.mark.parametrize("as_json", [True, False])
    @pytest.mark.parametrize("text", SHAPES)
    def test_no_shape_reaches_stderr(
        self, text: str, as_json: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("DEBUG", json=as_json)
        structlog.get_logger("product").info(text, detail=text, body={"inner": [text]})
        logging.getLogger("library").warning(text)
        logging.getLogger("library").warning("percent %s and %d", text, 5)
        logging.getLogger("library").warning("wrong %d", text)
        try:
            raise RuntimeError(text)
        except RuntimeError:
            structlog.get_logger("product").exception("failed")
            logging.getLogger("library").exception("failed %s", text)
        written = capsys.readouterr()
        assert written.out == ""
        assert written.err.count("failed") >= 2
        for secret in (CANARY, BASIC, JWE[:60]):
            assert secret not in written.err

    def test_a_handler_added_later_by_somebody_else_gets_clean_records(self) -> None:
        configure_logging("INFO", json=True)
        seen: list[str] = []

        class Foreign(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append(logging.Formatter("%(message)s").format(record))

        logger = logging.getLogger("somebody.else")
        handler = Foreign()
        logger.addHandler(handler)
        try:
            try:
                raise ValueError(f"refresh_token={CANARY}")
            except ValueError:
                logger.exception("sent %s", f"Bearer {CANARY}")
        finally:
            logger.removeHandler(handler)
        assert len(seen) == 1
        assert "ValueError" in seen[0]
        assert CANARY not in seen[0]

    def test_a_record_made_elsewhere_is_cleaned_by_the_filter_of_each_handler(self) -> None:
        handler = logging.NullHandler()
        logger = logging.getLogger("made.elsewhere")
        logger.addHandler(handler)
        try:
            guard_handlers()
            guard_handlers()
            assert [type(item) for item in handler.filters] == [RedactingFilter]
            record = logging.makeLogRecord({"msg": f"Bearer {CANARY}"})
            assert handler.filter(record)
            assert CANARY not in record.getMessage()
        finally:
            logger.removeHandler(handler)

    def test_arguments_keep_their_order_for_formatters_that_read_them(self) -> None:
        configure_logging("INFO", json=True)
        record = logging.getLogger("uvicorn.access").makeRecord(
            "uvicorn.access", logging.INFO, "f", 1, '%s - "%s %s" %d',
            ("127.0.0.1:5", "GET", f"/callback?code={CANARY}", 200), None,
        )  # fmt: skip
        assert record.args == ("127.0.0.1:5", "GET", f"/callback?code={MASK}", 200)

    def test_json_is_one_line_an_event_with_its_fields(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("INFO", json=True)
        structlog.get_logger("qbo").info("request", rows=3, entity="Invoice\nforged", tid=None)
        logging.getLogger("library").info("two\nlines")
        logging.getLogger("library").debug("not written")
        first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
        assert first["event"] == "request"
        assert first["rows"] == 3
        assert first["entity"] == "Invoice\nforged"
        assert first["level"] == "info"
        assert first["logger"] == "qbo"
        assert first["timestamp"].endswith("Z")
        assert second["event"] == "two\nlines"

    def test_a_value_cannot_forge_a_line_on_a_terminal(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("INFO", json=False)
        structlog.get_logger("qbo").info("request", name="a\nb\r\x1b[2Kc\u2028d")
        written = capsys.readouterr().err
        assert len(written.splitlines()) == 1
        assert "\\n" in written
        assert "\x1b[2K" not in written

    @pytest.mark.parametrize("as_json", [True, False])
    def test_tracebacks_show_no_local_variables(
        self, as_json: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("INFO", json=as_json)
        local = "a-value-only-a-local-" + "variable-holds"
        try:
            raise RuntimeError(len(local))
        except RuntimeError:
            structlog.get_logger("product").exception("failed")
        written = capsys.readouterr().err
        assert "Traceback" in written
        assert "RuntimeError" in written
        assert local not in written

    def test_libraries_that_print_tokens_at_debug_are_held_at_info(self) -> None:
        configure_logging("DEBUG", json=True)
        for name in ("requests_oauthlib.oauth2_session", "oauthlib.oauth2", "urllib3.connection"):
            assert logging.getLogger(name).getEffectiveLevel() == logging.INFO
        configure_logging("WARNING", json=True)
        assert logging.getLogger("urllib3").getEffectiveLevel() == logging.WARNING

    def test_configuring_twice_writes_each_line_once(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging("INFO", json=True)
        configure_logging("INFO", json=True)
        structlog.get_logger("product").info("once")
        assert capsys.readouterr().err.count("once") == 1


def test_json_is_the_default_where_stderr_is_no_terminal() -> None:
    program = (
        "import structlog; from ledgerguard_pipeline.observability.logs import configure_logging;"
        "configure_logging(); structlog.get_logger('x').info('hello', n=1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b""
    assert json.loads(done.stderr)["event"] == "hello"
