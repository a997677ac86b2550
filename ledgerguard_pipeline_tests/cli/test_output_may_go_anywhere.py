"""Streams as scripts leave them: closed, without a reader, full, or of a locale that lacks letters."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.progress import PlainLines
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.cli.conftest import COMMAND, command_environment
from ledgerguard_pipeline_tests.web.companies import add

NAME = "Søn & 日本"


@pytest.fixture
def unread() -> Iterator[int]:
    """The writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def ledgerguard(*arguments: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    environment = command_environment() | {
        name: str(value) for name, value in streams.items() if name.isupper()
    }
    chosen = {name: value for name, value in streams.items() if not name.isupper()}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]  # streams of any kind
        [*COMMAND, *arguments],
        env=environment,
        check=False,
        timeout=90,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | chosen),
    )


@pytest.fixture
def company(home: Path) -> RealmId:  # the home it is in
    with ControlPlane.open(load_settings()) as control:
        return add(control, name=NAME)


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_number_of_a_stream_that_the_caller_closed(
    company: RealmId, closed: str
) -> None:
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "companies", "--json"]
    done = subprocess.run(
        shell, capture_output=True, env=command_environment(), timeout=90, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if done.stdout:
        assert json.loads(done.stdout)["companies"][0]["realm_id"] == company
    assert bool(done.stdout) is (closed == "2>&-")


def test_a_reader_who_leaves_changes_no_exit_code(home: Path, unread: int) -> None:  # its home
    wrong = ledgerguard("doctor", stdout=unread, LEDGERGUARD_ENTITIES="Nope")
    assert (wrong.returncode, wrong.stderr) == (2, b"")
    for arguments in (("doctor", "--help"), ("dbt-sources",), ("tables", "--json")):
        assert ledgerguard(*arguments, stdout=unread).returncode == 0
    assert ledgerguard("keys", "nope", stderr=unread).returncode == 2


def test_a_sync_goes_on_when_nobody_reads_how_far_it_is(unread: int) -> None:
    stream = os.fdopen(os.dup(unread), "w", encoding="utf-8")
    lines = PlainLines(stream)
    for entity in ("Invoice", "Customer"):
        lines.started(RealmId("9341453474484455"), (entity,))
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)  # fmt: skip
def test_every_locale_shows_every_company(company: RealmId, locale: dict[str, str]) -> None:
    for command in ("companies", "status"):
        people = ledgerguard(command, **locale)
        assert people.returncode in (0, 1)
        assert b"unexpected" not in people.stderr
        assert b"S\\xf8n & \\u65e5\\u672c" in people.stdout
    programs = ledgerguard("companies", "--json", **locale)
    assert json.loads(programs.stdout.decode())["companies"][0]["name"] == NAME
    assert company.encode() in programs.stdout


def test_output_that_fills_the_disk_is_one_sentence(company: RealmId) -> None:
    for arguments in (("companies",), ("companies", "--json"), ("dbt-sources",)):
        with Path("/dev/full").open("wb") as full:
            done = ledgerguard(*arguments, stdout=full)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert b"No space left on device. Make room" in done.stderr
    assert company


def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = command_environment()
    environment.pop("LEDGERGUARD_HOME", None)
    shell = ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", str(gone)]
    done = subprocess.run(
        [*shell, *COMMAND, "companies"],
        capture_output=True,
        env=environment,
        check=False,
        timeout=90,
    )
    assert done.returncode == 2
    assert b"The working folder does not exist any more" in done.stderr
