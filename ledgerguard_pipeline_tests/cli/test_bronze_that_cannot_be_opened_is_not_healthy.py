"""A damaged Bronze is everybody's reason, is distinguished from its log, and the advice works."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerguard_pipeline.alerts.policy import COMMON, findings_of
from ledgerguard_pipeline.bronze.backends.damage import wal_of
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import BronzeUnusable
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.ingestion.company_books import differing

pytestmark = pytest.mark.usefixtures("bronze_alone")

SOME = ("--entity", "Customer,Vendor")
LEFT_BEHIND = """
import os, sys, duckdb
file = duckdb.connect()
file.execute(f"ATTACH '{sys.argv[1]}' AS books")
file.execute("CREATE TABLE books.bronze._left_behind AS SELECT range FROM range(5000)")
os._exit(0)
"""


def leave_a_log(path: Path) -> Path:
    """What a process that was killed leaves beside the file."""
    subprocess.run([sys.executable, "-c", LEFT_BEHIND, str(path)], check=True)
    return wal_of(path)


def damage(path: Path) -> None:
    """Flip a byte in the middle, so that a checksum does not fit any more."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def commands(advice: str) -> list[list[str]]:
    """The ``mv`` commands between backticks."""
    quoted = [part for part in advice.split("`") if part.startswith("mv ")]
    return [shlex.split(one) for part in quoted for one in part.split("; ")]


def reasons(ledgerguard: Ledgerguard) -> tuple[str, list[str]]:
    (company,) = json.loads(ledgerguard("status", "--json").out)["companies"]
    return company["health"], company["reasons"]


def test_a_damaged_log_is_reported_everywhere_and_setting_it_aside_heals(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    assert ledgerguard("sync", *SOME).code == 0
    log = leave_a_log(settings.bronze_path)
    damage(log)

    failed = ledgerguard("sync", *SOME)
    assert failed.code == 1
    assert "write-ahead log" in failed.err
    assert "--full" not in failed.err

    health, sent = reasons(ledgerguard)
    assert health == "unhealthy"
    (reason,) = [each for each in sent if "write-ahead log" in each]
    doctor = ledgerguard("doctor")
    assert doctor.code == 1
    assert log.name in doctor.out

    control = connected.control
    (company_status,) = read_statuses(control, settings)
    (summary,) = read_summaries(control, settings)
    assert company_status.health == summary.health
    assert company_status.health.state is HealthState.UNHEALTHY
    (first, *_) = company_status.health.reasons
    assert first.kind is ReasonKind.BRONZE_UNUSABLE
    assert ReasonKind.BRONZE_UNUSABLE in COMMON, "one message, not one per company"
    assert any(
        each.kind == "bronze_unusable" for each in findings_of(company_status.health.reasons)
    )

    for command in commands(reason):
        subprocess.run(command, check=True)
    sandbox.edit("create", "Customer")
    assert ledgerguard("sync", *SOME).code == 0
    assert reasons(ledgerguard) == ("healthy", []) or "write-ahead" not in str(reasons(ledgerguard))
    assert control.bronze_trouble.read() is None
    assert {"Customer", "Vendor"}.isdisjoint(differing(connected, sandbox))


@pytest.mark.parametrize("part", ["log", "file"])
@pytest.mark.parametrize(
    "verb",
    [("sql", "SELECT 1"), ("snapshot", "copy.duckdb"), ("bronze", "check"), ("backup", "copy")],
    ids=lambda verb: verb[0],
)
def test_whoever_only_reads_lets_the_health_know_as_well(
    ledgerguard: Ledgerguard,
    connected: Installation,
    settings: Settings,
    verb: tuple[str, ...],
    part: str,
) -> None:
    assert ledgerguard("sync", *SOME).code == 0
    if part == "log":
        damage(leave_a_log(settings.bronze_path))
    else:
        settings.bronze_path.write_bytes(b"")

    failed = ledgerguard(*verb)

    assert failed.code == 1
    health, sent = reasons(ledgerguard)
    assert health == "unhealthy"
    assert sent[0] == connected.control.bronze_trouble.read()
    assert commands(sent[0])


def test_a_damaged_file_is_loaded_anew_after_it_was_set_aside(
    ledgerguard: Ledgerguard, connected: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    assert ledgerguard("sync", *SOME).code == 0
    path = settings.bronze_path
    content = bytearray(path.read_bytes())
    content[4096:12288] = os.urandom(8192)
    path.write_bytes(content)

    failed = ledgerguard("sync", "--full", *SOME)
    assert failed.code == 1
    health, sent = reasons(ledgerguard)
    assert health == "unhealthy"
    (reason,) = [each for each in sent if "is damaged" in each]
    assert "write-ahead" not in reason

    for command in commands(reason):
        subprocess.run(command, check=True)
    assert ledgerguard("sync", *SOME).code == 0
    assert connected.control.bronze_trouble.read() is None
    assert {"Customer", "Vendor"}.isdisjoint(differing(connected, sandbox))


def test_a_file_this_user_may_not_read_is_not_called_damaged(
    connected: Installation, settings: Settings
) -> None:
    settings.bronze_path.mkdir()
    with pytest.raises(BronzeUnusable, match="permissions") as caught:
        connected.bronze.watermarks("1")
    assert "mv " not in str(caught.value)
    assert connected.control.bronze_trouble.read() == caught.value.message


def test_the_runbook_has_its_entry() -> None:
    text = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(encoding="utf-8")
    entry = text.partition("### bronze_unusable\n")[2].partition("\n### ")[0]
    assert "write-ahead log" in entry
    assert "mv " in entry
