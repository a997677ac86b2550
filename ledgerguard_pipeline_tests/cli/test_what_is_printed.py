from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.errors import describe, report
from ledgerguard_pipeline.cli.options import parse_since
from ledgerguard_pipeline.cli.output import own_command, printable, write_json
from ledgerguard_pipeline.errors import BadInputError, ServiceUnavailable
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, command_environment, finish, start

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text,instant",
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T00:30:00-08:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
        ("2026-11-22T12:00:00Z", NOON),
    ],
)
def test_since_without_offset_is_utc(text: str, instant: datetime) -> None:
    assert parse_since(text, NOON) == instant


def test_since_in_another_zone_can_be_the_future() -> None:
    with pytest.raises(BadInputError, match="future"):
        parse_since("2026-11-22T12:00:00-08:00", NOON)


def test_json_keeps_money_exact_and_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    pacific = timezone(timedelta(hours=-8))
    write_json({"money": Decimal("100.10"), "at": datetime(2026, 1, 1, tzinfo=pacific)})

    assert json.loads(capsys.readouterr().out) == {
        "money": "100.10",
        "at": "2026-01-01T08:00:00Z",
    }


def test_terminal_controls_become_visible_and_letters_stay() -> None:
    assert printable("a\x1b[31m\x07b") == "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b"
    assert printable("abc\u202egpj.exe").count("\N{REPLACEMENT CHARACTER}") == 1
    assert printable("Søn \U0001f469\u200d\U0001f4bb\n\t") == "Søn \U0001f469\u200d\U0001f4bb\n\t"


def test_an_errors_context_is_in_its_document() -> None:
    error = ServiceUnavailable(
        "Intuit\nfailed.", realm_id="9341453474484455", entity="Invoice", intuit_tid="1-abc"
    )

    code, document = describe(error)

    assert code == 1
    assert document["message"].startswith("Intuit failed.")  # type: ignore[attr-defined]  # a text
    assert (document["realm_id"], document["entity"]) == ("9341453474484455", "Invoice")


@pytest.mark.parametrize(
    "number, code",
    [(errno.EACCES, 2), (errno.ENOENT, 2), (errno.EISDIR, 2), (errno.EROFS, 2), (errno.ENOSPC, 1)],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(number: int, code: int) -> None:
    error = OSError(number, os.strerror(number), "/books/control.db")

    found, document = describe(error)

    assert found == document["exit_code"] == code
    assert document["message"] == (
        f"/books/control.db cannot be used: {os.strerror(number)}. Check the path, who owns it "
        "and whether the disk has room."
    )


def test_an_unexpected_error_is_one_line_unless_debugging(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ZeroDivisionError("access_token=hidden-value")

    code = report(error, machine=False)
    plain = capsys.readouterr().err
    monkeypatch.setenv("LEDGERGUARD_DEBUG", "1")
    report(error, machine=False)
    debug = capsys.readouterr().err

    assert code == 1
    assert len(plain.splitlines()) == 1
    assert "LEDGERGUARD_DEBUG=1" in plain
    assert "ZeroDivisionError: " in debug
    assert "hidden-value" not in plain + debug


def test_every_verb_has_help(ledgerguard: Ledgerguard) -> None:
    listed = ledgerguard("--help")
    verbs = (
        "doctor", "connect", "disconnect", "companies", "sync", "status", "sql", "snapshot",
        "backup", "web", "up", "demo", "sandbox",
    )  # fmt: skip

    assert listed.code == 0
    for verb in verbs:
        assert f"\n  {verb} " in listed.out
        assert ledgerguard(verb, "--help").code == 0


@pytest.mark.parametrize(
    "verb,unneeded",
    [
        ("--help", "dagster pandas duckdb sqlalchemy fastapi pydantic requests structlog"),
        ("companies", "dagster pandas duckdb fastapi"),
        ("status", "dagster pandas fastapi"),
    ],
)
def test_a_command_starts_without_what_it_does_not_need(verb: str, unneeded: str) -> None:
    code = (
        "import sys; from ledgerguard_pipeline.cli.app import run; "
        f"code = run(['{verb}']); print(set('{unneeded}'.split()) & set(sys.modules), code)"
    )
    process = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True, text=True, env=command_environment(), check=True,
    )  # fmt: skip

    assert process.stdout.splitlines()[-1] == "set() 0"


def test_an_interrupted_reader_is_no_error() -> None:
    process = start("--help")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    outcome = finish(process)

    assert outcome.code == 0
    assert "Traceback" not in outcome.err


def test_commands_to_copy_name_a_program_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(sys.executable).with_name("ledgerguard")
    monkeypatch.setenv("PATH", str(own.parent))
    assert own_command() == "ledgerguard"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PWD", str(own.parents[2]))
    assert own_command() == str(own.relative_to(own.parents[2]))
    assert own_command(anywhere=True) == str(own)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert own_command() == str(own)
