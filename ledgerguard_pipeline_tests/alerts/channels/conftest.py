from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline_tests.alerts.channels.certificates import Certificates, make_certificates
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox, http_receiver


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_receiver() as opened:
        yield opened
