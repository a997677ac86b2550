"""What every test gets: an environment of its own, no network beyond loopback, a sandbox."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as made_up

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline_tests import slowest
from ledgerguard_pipeline_tests.made_once import made_once

if TYPE_CHECKING:
    # Imported where it is opened: tests of single modules start without all the others.
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.installation import Installation
    from ledgerguard_pipeline_tests.first_loads import Loaded

# Where this is set, each process that a test starts compiles all modules again: seconds of CPU.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

OWN_PREFIXES = ("INTUIT_", "LEDGERGUARD_", "DAGSTER_", "AWS_")


def _refuse_the_internet(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return  # a Unix socket
    host = str(address[0])
    if host != "localhost" and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise AssertionError(f"a test tried to reach {host}; tests talk to loopback only")


sys.addaudithook(_refuse_the_internet)

# How long it takes to make up an input depends on what else the machine does.
made_up.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
made_up.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave out what collecting made of every later garbage collection: it stays to the end.

    Half a million objects looked through again and again are a tenth of a run's work; tests make
    many more new objects than the default threshold has in mind, hardly any in cycles.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 10, 10)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the random order, but let the slowest modules come first."""
    items.sort(key=lambda item: slowest.rank(item.nodeid))


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting of the machine leaks in: no variables, no ``.env``, a working folder of its own.

    Returns the working folder.
    """
    for name in os.environ:
        if name.upper().startswith(OWN_PREFIXES):
            monkeypatch.delenv(name)
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bronze_alone(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bronze without Silver, which a first load spends most of its time on."""
    del clean_environment  # it empties the environment first
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``LEDGERGUARD_HOME``, also in the environment for commands a test starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LEDGERGUARD_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share, for what is made only once."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


class SandboxFactory(Protocol):
    """Starts sandboxes that end with the test module; arguments as for ``SandboxServer``."""

    def __call__(
        self,
        companies: Iterable[SandboxCompany] | None = None,
        *,
        invoices: int = 60,
        seed: int = 1,
        switches: Switches | None = None,
    ) -> SandboxServer: ...


@pytest.fixture(scope="module")
def sandbox_factory() -> Iterator[SandboxFactory]:
    """For modules whose tests share one (larger) company and do not mind each other's edits."""
    with ExitStack() as running:

        def start(
            companies: Iterable[SandboxCompany] | None = None,
            *,
            invoices: int = 60,
            seed: int = 1,
            switches: Switches | None = None,
        ) -> SandboxServer:
            return running.enter_context(
                SandboxServer(companies, invoices=invoices, seed=seed, switches=switches)
            )

        yield start


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """A running sandbox with one small company, for this test alone."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def settings(home: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation that talks to ``sandbox``, also in the environment."""
    return settings_of(sandbox, home, monkeypatch)


def settings_of(sandbox: SandboxServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation in a home, also in the environment."""
    for name, value in {
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
        "INTUIT_ENV": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings(ledgerguard_home=home)


def connect(
    installation: Installation, sandbox: SandboxServer, realm_id: str | None = None
) -> Company:
    """Connect a company of the sandbox through the whole OAuth consent, as a user would."""
    callback = urlsplit(sandbox.consent(installation.connector.begin(), realm_id))
    return installation.connector.complete(dict(parse_qsl(callback.query)))


@pytest.fixture(scope="session")
def new_control_plane(shared_folder: Path) -> Path:
    """An empty control plane to copy: making its tables takes longer."""
    from ledgerguard_pipeline.control.plane import ControlPlane

    def make(folder: Path) -> None:
        settings = Settings(_env_file=None, ledgerguard_home=folder, ledgerguard_control_url=None)
        ControlPlane.open(settings).close()

    return made_once(shared_folder, "control-plane", make) / "control.db"


@pytest.fixture
def installation(settings: Settings, new_control_plane: Path) -> Iterator[Installation]:
    """An open installation that knows no company yet, unless its home is already there."""
    from ledgerguard_pipeline.installation import Installation

    home = settings.ledgerguard_home
    if not home.exists():
        home.mkdir(mode=0o700)
        shutil.copy(new_control_plane, home)
    with Installation.open(settings) as opened:
        yield opened


@pytest.fixture
def connected(installation: Installation, sandbox: SandboxServer) -> Installation:
    """An open installation with the sandbox's company connected by real OAuth."""
    connect(installation, sandbox)
    return installation


@pytest.fixture
def loaded_company(
    shared_folder: Path, home: Path, bronze_alone: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Loaded]:
    """An installation that holds the whole company in Bronze, for tests of what comes after that.

    Its sandbox is another one than ``sandbox``.
    """
    from ledgerguard_pipeline.installation import Installation
    from ledgerguard_pipeline_tests.first_loads import Loaded, first_load

    del bronze_alone  # also what comes after
    with (
        first_load(shared_folder, home) as sandbox,
        Installation.open(settings_of(sandbox, home, monkeypatch)) as opened,
    ):
        yield Loaded(opened, sandbox)
