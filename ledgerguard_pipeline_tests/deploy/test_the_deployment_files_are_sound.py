"""What can be known of the files in `deploy/` without a cluster or a container engine."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # ships none
import pytest
import yaml  # type: ignore[import-untyped]  # ships none
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster_celery.launcher import CeleryRunLauncher
from dagster_k8s.launcher import K8sRunLauncher
from dagster_postgres import DagsterPostgresStorage

from ledgerguard_pipeline.config.process_tuning import LONG_LIVED
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline_tests.hygiene.project import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "celery" / "systemd").iterdir())
YAMLS = sorted(DEPLOY.rglob("*.yaml"))
INSTANCES = (DEPLOY / "dagster.postgres.yaml", DEPLOY / "celery" / "dagster.yaml")

# What Dagster's chart of the 1.13 line takes in the parts of values.yaml whose schema admits
# nothing else; Helm itself refuses the rest.
CHART = {
    "": {
        "dagsterWebserver", "dagster-user-deployments", "postgresql", "redis", "rabbitmq",
        "generatePostgresqlPasswordSecret", "generateCeleryConfigSecret", "computeLogManager",
        "scheduler", "runLauncher", "dagsterDaemon", "telemetry", "global", "retention",
    },
    "runLauncher": {"type", "config"},
    "runLauncher.config.k8sRunLauncher": {
        "image", "imagePullPolicy", "jobNamespace", "loadInclusterConfig", "kubeconfigFile",
        "envConfigMaps", "envSecrets", "envVars", "volumeMounts", "volumes", "labels",
        "failPodOnRunFailure", "resources", "schedulerName", "securityContext", "runK8sConfig",
    },
    "runLauncher.config.k8sRunLauncher.runK8sConfig": {
        "containerConfig", "podSpecConfig", "podTemplateSpecMetadata", "jobSpecConfig",
        "jobMetadata",
    },
    "dagsterDaemon.runCoordinator": {"enabled", "type", "config"},
    "dagsterDaemon.runCoordinator.config.customRunCoordinator": {"module", "class", "config"},
}  # fmt: skip


def read(path: Path) -> dict[str, object]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def at(document: object, path: str) -> object:
    for name in path.split(".") if path else []:
        assert isinstance(document, dict), path
        document = document[name]
    return document


@pytest.fixture
def settings_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of the example file, so that what reads them can be loaded."""
    variables = example()
    for name, value in variables.items():
        if name.startswith("DAGSTER_"):
            monkeypatch.setenv(name, value)
    return variables


def example() -> dict[str, str]:
    lines = (DEPLOY / "environment.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value.strip('"') for name, _, value in pairs}


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.name)
def test_every_document_parses(path: Path) -> None:
    assert all(yaml.safe_load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.parent.name)
def test_dagster_takes_the_instance_file(
    path: Path, settings_of_a_machine: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(path, tmp_path / "dagster.yaml")
    config, _ = dagster_instance_config(str(tmp_path))
    storage = validate_config(DagsterPostgresStorage.config_type(), at(config, "storage.postgres"))
    assert storage.success, storage.errors
    # A bare postgresql:// is psycopg 3 to SQLAlchemy 2.1, which dagster-postgres cannot work with.
    assert at(config, "storage.postgres.postgres_db.scheme") == "postgresql+psycopg2"
    limits = at(config, "run_coordinator.config.tag_concurrency_limits")
    assert {"key": REALM_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in limits  # type: ignore[operator]  # a list, as the next line would tell
    # Resuming is for executors with a process per step; ours would go on in the middle of nothing.
    assert at(config, "run_monitoring.max_resume_run_attempts") == 0
    assert set(wanted_variables(path)) <= settings_of_a_machine.keys()


def test_the_celery_instance_differs_by_its_launcher_only() -> None:
    plain, celery = map(read, INSTANCES)
    launcher = celery.pop("run_launcher")
    assert celery == plain
    assert at(launcher, "class") == CeleryRunLauncher.__name__
    checked = validate_config(CeleryRunLauncher.config_type(), at(launcher, "config"))
    assert checked.success, checked.errors


def wanted_variables(path: Path) -> list[str]:
    return re.findall(r"env: ([A-Z_]+)", path.read_text(encoding="utf-8"))


def test_processes_that_live_for_months_keep_little_free_memory() -> None:
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for name, value in LONG_LIVED.items():
        assert example()[name] == value
        assert f"    {name}={value} \\\n" in image


def test_the_example_environment_knows_every_variable() -> None:
    names = example().keys()
    settings = {name.upper() for name in Settings.model_fields}
    others = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", *LONG_LIVED}
    assert [
        name for name in names if not name.startswith("DAGSTER_") and name not in settings | others
    ] == []
    wanted = {
        name for path in (*INSTANCES, DEPLOY / "workspace.yaml") for name in wanted_variables(path)
    }
    assert wanted <= names
    text = (DEPLOY / "celery" / "dagster_celery_config.py").read_text(encoding="utf-8")
    assert set(re.findall(r'environ\["(\w+)"\]', text)) <= names
    # That folder belongs to the embedded default, which puts its own dagster.yaml there.
    assert example()["DAGSTER_HOME"] != f"{example()['LEDGERGUARD_HOME']}/dagster"
    Settings.model_validate({
        name.lower(): value for name, value in example().items() if value and name in settings
    })  # fmt: skip


def documents() -> Iterator[dict[str, object]]:
    text = (DEPLOY / "kubernetes" / "web.yaml").read_text(encoding="utf-8")
    yield from yaml.safe_load_all(text)


@pytest.mark.parametrize("document", list(documents()), ids=lambda each: str(each["kind"]))
def test_a_manifest_fits_the_schema_of_kubernetes(document: dict[str, object]) -> None:
    kubernetes_validate.validate(document, "1.37", strict=True)


def test_the_web_edge_in_the_cluster_is_guarded() -> None:
    by_kind = {str(each["kind"]): each for each in documents()}
    pod = at(by_kind["Deployment"], "spec.template.spec")
    containers = at(pod, "containers")
    assert isinstance(containers, list)
    (container,) = containers
    assert at(container, "livenessProbe.httpGet.path") == "/healthz"
    assert at(container, "readinessProbe.httpGet.path") == "/readyz"
    # Ten seconds of uvicorn and the time the pod still gets requests fit into the grace.
    grace = at(pod, "terminationGracePeriodSeconds")
    pause = at(container, "lifecycle.preStop.exec.command")
    assert isinstance(grace, int)
    assert isinstance(pause, list)
    assert grace >= int(pause[-1]) + 10
    variables = at(container, "env")
    assert isinstance(variables, list)
    assert variables
    assert all("value" not in each for each in variables), "a secret is referred to, not written"
    names = {each["name"] for each in variables} | set(at(by_kind["ConfigMap"], "data"))  # type: ignore[call-overload]  # a mapping
    assert names <= {name.upper() for name in Settings.model_fields}
    assert at(by_kind["Deployment"], "spec.template.metadata.labels") == at(
        by_kind["Service"], "spec.selector"
    )
    assert at(container, "securityContext.readOnlyRootFilesystem") is True
    assert at(pod, "securityContext.runAsNonRoot") is True


@pytest.mark.parametrize("path", list(CHART))
def test_the_chart_knows_the_values(path: str) -> None:
    part = at(read(DEPLOY / "kubernetes" / "values.yaml"), path)
    assert isinstance(part, dict)
    assert part.keys() <= CHART[path]


def test_the_run_launcher_takes_what_the_values_tell_it() -> None:
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    reported = at(values, "runLauncher.config.k8sRunLauncher.runK8sConfig")
    assert isinstance(reported, dict)
    config = {
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": at(values, "global.dagsterHome"),
        "postgres_password_secret": at(values, "global.postgresqlSecretName"),
        "load_incluster_config": True,
        "run_k8s_config": {snake(name): part for name, part in reported.items()},
    }
    schema = K8sRunLauncher.config_type()  # type: ignore[no-untyped-call]  # Dagster's
    checked = validate_config(schema, config)
    assert checked.success, checked.errors


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


def test_the_cluster_queues_as_the_other_deployments_do() -> None:
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    queue = at(values, "dagsterDaemon.runCoordinator.config.customRunCoordinator")
    plain = read(INSTANCES[0])
    limits = at(plain, "run_coordinator.config.tag_concurrency_limits")
    assert at(queue, "config.tag_concurrency_limits") == limits
    for part in ("module", "class"):
        assert at(queue, part) == at(plain, f"run_coordinator.{part}")
    assert at(values, "postgresql.postgresqlScheme") == at(
        plain, "storage.postgres.postgres_db.scheme"
    )
    assert at(values, "dagsterDaemon.runMonitoring.maxResumeRunAttempts") == 0


def test_compose_starts_each_service_when_what_it_needs_is_well() -> None:
    compose = read(DEPLOY / "compose.yaml")
    services = compose["services"]
    assert isinstance(services, dict)
    assert set(services) == {
        "postgres", "redis", "web", "code", "webserver", "daemon", "worker"
    }  # fmt: skip
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert set(service) <= {
            "image", "build", "command", "environment", "env_file", "volumes", "depends_on",
            "healthcheck", "restart", "init", "read_only", "tmpfs", "cap_drop", "security_opt",
            "ports", "stop_grace_period", "deploy",
        }, name  # fmt: skip
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} would be reachable from elsewhere"
        for needed, condition in service.get("depends_on", {}).items():
            assert needed in services
            assert condition == {"condition": "service_healthy"}
    assert services["worker"]["deploy"]["replicas"] == int(
        services["worker"]["environment"]["DAGSTER_RUN_SLOTS"]
    )
    assert "deploy" not in services["daemon"], "there is exactly one daemon"
    wanted = {name for path in INSTANCES for name in wanted_variables(path)}
    assert wanted <= services["daemon"]["environment"].keys()


def test_compose_holds_no_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    passwords = [line for line in text.splitlines() if "PASSWORD" in line.upper()]
    assert passwords
    for line in passwords:
        assert "${" in line or "$$" in line or line.lstrip().startswith("#"), line


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_one_systemd_takes(unit: Path, tmp_path: Path) -> None:
    """By systemd itself where it is installed, with the commands of this environment."""
    commands = Path(sys.executable).parent
    for each in UNITS:
        text = each.read_text(encoding="utf-8")
        text = text.replace("/usr/local/lib/ledgerguard/.venv/bin", str(commands))
        (tmp_path / each.name).write_text(text, encoding="utf-8")
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]  # as its manual says
    parsed.read(unit, encoding="utf-8")
    assert parsed["Unit"]["Description"]
    if unit.suffix == ".service":
        program, *_ = shlex.split(parsed["Service"]["ExecStart"])
        assert (commands / Path(program).name).exists(), f"{program} is no command of this product"
        assert parsed["Service"]["User"] == "ledgerguard"
        assert parsed["Service"]["Restart"] == "always"
    verify = shutil.which("systemd-analyze")
    if verify is None:
        return
    name = unit.name.replace("@.", "@1.")
    done = subprocess.run(
        [verify, "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in done.stderr.splitlines() if "ledgerguard" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_there_is_one_daemon_and_a_worker_per_slot() -> None:
    target = (DEPLOY / "celery" / "systemd" / "ledgerguard.target").read_text(encoding="utf-8")
    wants = re.findall(r"ledgerguard-[\w@]+\.service", target)
    assert wants.count("ledgerguard-daemon.service") == 1
    workers = [name for name in wants if name.startswith("ledgerguard-worker@")]
    assert len(workers) == len(set(workers)) == int(example()["DAGSTER_RUN_SLOTS"])
    # Celery alone gets the signal: its children would die of it in the middle of a run.
    unit = (DEPLOY / "celery" / "systemd" / "ledgerguard-worker@.service").read_text(
        encoding="utf-8"
    )
    assert "KillMode=mixed" in unit
    assert "/bin/celery " in unit


def test_the_image_is_built_from_the_lock_and_runs_without_root() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    stages = [line for line in lines if line.startswith("FROM ")]
    assert len(stages) == 2
    installs = [line for line in lines if "pip install" in line]
    assert "--require-hashes -r requirements-scale.lock" in installs[0]
    assert "--no-index" in installs[1]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert all(user.split(":")[0] not in {"0", "root"} for user in users)
    assert lines.index(f"USER {users[-1]}") > max(
        index for index, line in enumerate(lines) if line.startswith("COPY --from=build")
    )
    # A host name in an image's name has a dot before the first slash.
    images = [*(line.split()[1] for line in stages), *composed_images()]
    assert [image for image in images if "." in image.partition("/")[0].partition(":")[0]] == []


def composed_images() -> list[str]:
    services = read(DEPLOY / "compose.yaml")["services"]
    assert isinstance(services, dict)
    return [str(service["image"]) for service in services.values()]


def test_everything_copied_into_the_image_exists_and_is_let_through() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    let_through = {
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def test_the_documented_commands_are_the_units_own() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    section = text.split("## From the embedded default to Celery on one machine")[1]
    section = section.split("\n## ")[0]
    reported = re.findall(
        r"^ *((?:PYTHONPATH=\S+ )?\.venv/bin/(?!ledgerguard doctor).+)$", section, re.MULTILINE
    )
    meant = []
    for unit in UNITS:
        if unit.suffix != ".service":
            continue
        text = unit.read_text(encoding="utf-8").replace("/usr/local/lib/ledgerguard/", "")
        path = re.search(r"^Environment=(PYTHONPATH=\S+)$", text, re.MULTILINE)
        command = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
        assert command is not None
        line = f"{path[1]} {command[1]}" if path else command[1]
        numbers = ("1", "2") if "%i" in line else ("",)
        meant += [line.replace("%i", number).replace("%%", "%") for number in numbers]
    assert sorted(reported) == sorted(meant)
