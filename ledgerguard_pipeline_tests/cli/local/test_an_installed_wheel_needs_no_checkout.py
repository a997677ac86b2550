"""A wheel in a fresh environment, far from the sources, does all that a checkout does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from ledgerguard_pipeline.cli.local.ports import free_port, wait_until_answering
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import Outcome, finish
from ledgerguard_pipeline_tests.conftest import OWN_PREFIXES
from ledgerguard_pipeline_tests.hygiene.project import ROOT

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that holds the wheel, and a working folder that holds nothing."""

    folder: Path
    wheel: Path

    @property
    def empty(self) -> Path:
        return self.folder / "empty"

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("environment/lib/python*/site-packages")
        return found

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command of the environment as somebody does who has just installed it."""
        kept = {name: text for name, text in os.environ.items() if name in ("HOME", "LANG", "TZ")}
        return subprocess.Popen(
            [self.folder / "environment" / "bin" / "ledgerguard", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.empty,
            env={**kept, "PATH": os.defpath, **variables},
        )

    def run(self, *arguments: str, **variables: str) -> Outcome:
        return finish(self.start(*arguments, **variables), 280)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built from this checkout and installed without any network.

    What it depends on is that of the environment of the tests, seen by a path file: so its own
    editable install, which is one too, is not followed.
    """
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    made = Installed(folder, wheel)
    made.empty.mkdir()
    (made.site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = str(environment / "bin" / "python")
    base = Path(sys.base_prefix, "bin", "python{}.{}".format(*sys.version_info[:2]))
    pip = [str(base), "-m", "pip", "--python", python, "install", "--no-deps"]
    variables = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INDEX": "1"}
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, env=variables)
    return made


def test_the_package_comes_from_the_wheel_and_says_its_version(installed: Installed) -> None:
    version = installed.run("--version")
    assert version.out.split()[1] == installed.wheel.name.split("-")[1]
    found = subprocess.run(
        [
            installed.folder / "environment" / "bin" / "python",
            *("-c", "import ledgerguard_pipeline as it; print(it.__file__)"),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=installed.empty,
    )
    assert Path(found.stdout).is_relative_to(installed.site_packages)


def test_the_wheel_holds_what_dagster_reads_and_nothing_of_the_tests(installed: Installed) -> None:
    names = ZipFile(installed.wheel).namelist()
    for name in ("dagster.yaml", "workspace.yaml"):
        assert f"ledgerguard_pipeline/{name}" in names
        packed = ZipFile(installed.wheel).read(f"ledgerguard_pipeline/{name}")
        assert packed == (ROOT / name).read_bytes()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"ledgerguard_pipeline"}


def test_the_demo_runs_from_the_wheel(installed: Installed) -> None:
    demo = installed.run("demo", "--invoices", "20", "--json")
    assert demo.code == 0, demo.err
    story = json.loads(demo.out)
    assert story["ok"] is True
    assert story["objects"] == story["identical"] > 20


def test_a_company_is_examined_loaded_and_shown_from_the_wheel(
    installed: Installed, connected: Installation, settings: Settings, sandbox: SandboxServer
) -> None:
    port = free_port()
    variables = {
        name: text
        for name, text in os.environ.items()
        if name.startswith(OWN_PREFIXES) and name != "LEDGERGUARD_HOME"
    }
    variables["LEDGERGUARD_HOME"] = str(settings.ledgerguard_home)
    doctor = installed.run("doctor", "--json", **variables)
    assert doctor.code == 0, doctor.out
    sync = installed.run("sync", "--json", "--entity", "Customer", **variables)
    assert sync.code == 0, sync.err
    written = json.loads(sync.out)["total_entities_written"]
    assert written == len(sandbox.truth("Customer").rows)
    web = installed.start("web", "--port", str(port), **variables)
    with ended(web):
        wait_until_answering(
            f"http://localhost:{port}/healthz", "web", seconds=120, still_running=alive(web)
        )


@pytest.mark.slow
def test_everything_at_once_starts_and_stops_from_the_wheel(installed: Installed) -> None:
    web, dagster, sandbox = free_port(), free_port(), free_port()
    up = installed.start(
        "up",
        *("--web-port", str(web), "--dagster-port", str(dagster), "--sandbox-port", str(sandbox)),
        *("--invoices", "5"),
    )
    with ended(up):
        for url in (f"localhost:{web}/healthz", f"127.0.0.1:{dagster}/server_info"):
            wait_until_answering(f"http://{url}", "up", seconds=200, still_running=alive(up))


def alive(process: subprocess.Popen[str]) -> Callable[[], None]:
    def check() -> None:
        assert process.poll() is None, process.communicate()

    return check


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Stop it by Ctrl-C in the end; it ends well."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        outcome = finish(process)
    assert outcome.code == 0, outcome.err
