"""An installation that a host project takes along: one small company, connected once a module."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import SandboxFactory


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=8)


@pytest.fixture(scope="module")
def at_home(sandbox: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with one connected company; variables of the host project name it."""
    folder = tmp_path_factory.mktemp("books")
    settings = load_settings(
        ledgerguard_home=folder, intuit_client_id=sandbox.client_id,
        intuit_client_secret=sandbox.client_secret, intuit_base_url=sandbox.base_url,
    )  # fmt: skip
    with Installation.open(settings) as installation:
        callback = urlsplit(sandbox.consent(installation.connector.begin(), sandbox.realm_id))
        installation.connector.complete(dict(parse_qsl(callback.query)))
    return settings
