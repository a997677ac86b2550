from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, scripted

REALM = "9341453474484455"


@pytest.fixture
def clock() -> DrivenClock:
    return DrivenClock()


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as running:
        yield running


@pytest.fixture
def client(script: Script, clock: DrivenClock) -> Iterator[QBOClient]:
    with QBOClient(
        "the-client-id",
        "the-client-secret",
        "http://localhost:8000/api/v1/auth/callback",
        "sandbox",
        base_url=script.url,
        realm_id=REALM,
        clock=clock,
    ) as made:
        made.set_tokens("access-token-1", "refresh-token-1")
        yield made
