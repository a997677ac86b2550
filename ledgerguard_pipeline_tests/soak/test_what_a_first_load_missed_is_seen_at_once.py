"""A soak asks at the end of a first load what it missed: a later sync would find it as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, sync
from ledgerguard_pipeline_tests.soak.truth import Wrong, unread

TERM = entity_type("Term")


@pytest.mark.usefixtures("bronze_alone")
def test_only_what_is_older_than_the_watermark_can_be_missing(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    sync(connected, [TERM])
    count, missing = unread(connected, sandbox, realm, TERM.name)
    assert count > 0
    assert missing == []

    sandbox.edit("create", TERM.name)
    assert unread(connected, sandbox, realm, TERM.name) == (count, [])

    long_ago = int((datetime.now(UTC) - timedelta(days=90)).timestamp())
    before = set(sandbox.truth(TERM.name).rows)
    sandbox.edit("create", TERM.name, at=long_ago)
    (new,) = set(sandbox.truth(TERM.name).rows) - before
    looked_up, missing = unread(connected, sandbox, realm, TERM.name)
    assert looked_up == count + 1
    assert [(each.wrong, each.id) for each in missing] == [(Wrong.LOST, new)]
