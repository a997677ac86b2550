"""What version 0.1.0 did wrong is healed at the first sync of its home, killed meanwhile or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.hygiene.project import ROOT
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, sync
from ledgerguard_pipeline_tests.upgrade.served import reported

pytestmark = pytest.mark.usefixtures("bronze_alone")


def rows_of(installation: Installation, name: str) -> list[tuple[object, ...]]:
    """Every version of an ``entity/id``, oldest first: token, source and payload."""
    entity, _, id = name.partition("/")
    found = installation.bronze.sql(
        f"SELECT sync_token, source, payload FROM bronze.{entity_type(entity).table} "
        f"WHERE id = '{id}' ORDER BY loaded_at"
    )
    return list(found.rows)


def damage(installation: Installation) -> dict[str, int]:
    """Rows more than versions, signed links, and digests that are not those of the payload."""
    tables = [entity_type(name).table for name in installation.bronze.counts()]
    surplus = " UNION ALL ".join(
        f"SELECT count(*) - 1 AS n FROM bronze.{table} GROUP BY id, last_updated_at, sync_token"
        for table in tables
    )
    payloads = " UNION ALL ".join(
        f"SELECT payload, payload_sha256 FROM bronze.{table}" for table in tables
    )
    doubled = installation.bronze.sql(f"SELECT sum(n) FROM ({surplus})").rows[0]
    others = installation.bronze.sql(
        "SELECT count(*) FILTER (payload LIKE '%Signature=%'), "
        f"count(*) FILTER (payload_sha256 <> sha256(payload)) FROM ({payloads})"
    ).rows[0]
    figures = (int(str(each)) for each in (*doubled, *others))
    return dict(zip(("doubled", "linked", "torn"), figures, strict=True))


def test_the_first_sync_heals_what_0_1_0_did_and_says_so(
    upgraded: Installation, sandbox: SandboxServer
) -> None:
    before = damage(upgraded)
    assert before["doubled"] > 70
    assert before["linked"] > 70
    assert all(len(rows_of(upgraded, name)) > 2 for name in reported().doubled)

    result = sync(upgraded)
    assert failures(result) == {}
    assert damage(upgraded) == {"doubled": 0, "linked": 0, "torn": 0}
    assert differing(upgraded, sandbox) == {}
    for name in (*reported().doubled, *reported().short):
        first, second = rows_of(upgraded, name)
        assert first[0] != second[0], name
    notes = {each.entity: each.note or "" for each in result.results}
    for name in (*reported().doubled, *reported().short, "Attachable/"):
        assert "healed rows of an earlier release" in notes[name.partition("/")[0]]
    again = sync(upgraded)
    assert not any("healed" in (each.note or "") for each in again.results)
    assert again.total_entities_written == 0


@pytest.mark.parametrize("crash", ["before_healing_commit", "before_bronze_commit:2"])
def test_killed_while_it_upgrades_it_repeats_and_loses_nothing(
    upgraded: Installation,
    sandbox: SandboxServer,
    crash: str,
) -> None:
    command = [sys.executable, "-m", "ledgerguard_pipeline_tests.upgrade.syncing"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "LEDGERGUARD_CRASH_AT": crash}
    killed = subprocess.run(command, env=variables, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert failures(sync(upgraded)) == {}
    assert damage(upgraded) == {"doubled": 0, "linked": 0, "torn": 0}
    assert differing(upgraded, sandbox) == {}
    for name in (*reported().doubled, *reported().short):
        assert len(rows_of(upgraded, name)) == 2, name
