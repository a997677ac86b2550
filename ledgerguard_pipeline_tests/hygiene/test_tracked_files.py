"""What may not stand in any tracked file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.hygiene.project import (
    PACKAGE,
    ROOT,
    TESTS,
    name_of,
    python_files,
    tracked_files,
)

LOCKS = (
    "requirements.lock",
    "requirements-scale.lock",
    "requirements-dev.lock",
    "requirements-uv.lock",
)
TEXTS = [path for path in tracked_files() if path != Path(__file__)]

# Spelled apart, so that this list does not find itself.
REGISTRY_HOST = re.compile(
    "pypi" + r"\.org|python" + r"hosted|registry\.npm" + r"js|deb\.debian" + r"\.org"
)
REGISTRY = re.compile(REGISTRY_HOST.pattern + r"|index-" + r"url|find-" + r"links")
MACHINE_PATH = re.compile(r"(?<![\w.:/}>-])/(?:home|root|Users|work|opt|mnt|srv)/[\w.-]+")
NAMED_PATH = re.compile(
    r"(?<![\w/-])(?:ledgerguard_pipeline(?:_tests)?|benchmarks|docs|scripts)/[\w./-]*\w"
)
LOOSE_ENDS = re.compile(
    r"\b(?:TO" + r"DO|FIX" + r"ME)\b|NotImplemented" + r"Error|pytest\.(?:mark\.)?(?:sk"
    r"ip|xf" + r"ail)\b|assert Tr" + r"ue\b"
)


def found(pattern: re.Pattern[str], files: Iterable[Path]) -> dict[str, list[str]]:
    """Every match, by file."""
    matches = {name_of(path): pattern.findall(path.read_text(encoding="utf-8")) for path in files}
    return {name: hits for name, hits in matches.items() if hits}


def test_no_file_names_a_package_registry() -> None:
    # The two scripts handle pip's own index settings, and name no host.
    scripts = {ROOT / "scripts" / "setup", ROOT / "scripts" / "lock"}
    assert found(REGISTRY, (path for path in TEXTS if path not in scripts)) == {}
    assert found(REGISTRY_HOST, scripts) == {}


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert found(MACHINE_PATH, TEXTS) == {}


def test_every_path_that_a_script_names_exists() -> None:
    # A path that moved makes pytest collect nothing at all, on the other Pythons only.
    scripts = [path for path in TEXTS if path.parent.name in {"scripts", ".ci"}]
    named = {
        path_name
        for path in (*scripts, ROOT / "Makefile")
        for path_name in NAMED_PATH.findall(
            path.read_text(encoding="utf-8").replace("$tests", "ledgerguard_pipeline_tests")
        )
    }
    assert "ledgerguard_pipeline_tests/webhooks" in named
    assert sorted(path_name for path_name in named if not (ROOT / path_name).exists()) == []


def test_nothing_is_left_for_later() -> None:
    code = (*python_files(PACKAGE), *python_files(TESTS))
    assert found(LOOSE_ENDS, (path for path in code if path != Path(__file__))) == {}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash", ""), re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        pin, *hashes = entry.replace("\\\n", "\n").splitlines()
        assert re.match(r"[a-z0-9-]+==[\w.+!]+( ;.*)?\s*$", pin), pin
        assert hashes, f"{pin} has no hash"
        assert all(re.fullmatch(r"\s+--hash=sha256:[0-9a-f]{64}\s*", line) for line in hashes), pin


def pins(name: str) -> dict[str, set[str]]:
    pinned: dict[str, set[str]] = {}
    text = (ROOT / name).read_text(encoding="utf-8")
    for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE):
        pinned.setdefault(package, set()).add(version)
    return pinned


def test_each_lock_holds_the_smaller_one() -> None:
    runtime, scale = pins("requirements.lock"), pins("requirements-scale.lock")
    development = pins("requirements-dev.lock")
    for smaller, larger in ((runtime, scale), (scale, development)):
        assert smaller
        for package, versions in smaller.items():
            assert larger.get(package) == versions, package


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]

    def names(entries: list[str]) -> set[str]:
        return {
            re.split(r"[^A-Za-z0-9_.-]", entry)[0].lower().replace("_", "-") for entry in entries
        }

    extras = project["project"]["optional-dependencies"]
    assert names(project["project"]["dependencies"]) <= set(pins("requirements.lock"))
    assert names(extras["scale"] + extras["kubernetes"]) <= set(pins("requirements-scale.lock"))
    assert names(groups["test"] + groups["lint"]) <= set(pins("requirements-dev.lock"))


def test_every_lint_exception_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("ignore = [") : text.index("[tool.ruff.lint.isort]")]
    for line in block.splitlines():
        if re.match(r'\s+"[A-Z]+[0-9]*",', line):
            assert re.search(r"#\s*\S+", line), line


def test_scripts_are_executable_and_the_makefile_stays_small() -> None:
    for name in (
        "setup",
        "lock",
        "check",
        "test",
        "pythons",
        "coverage",
        "interpreter",
        "system-packages",
    ):
        assert (ROOT / "scripts" / name).stat().st_mode & 0o111, name
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    targets = re.findall(
        r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {"help", "demo", "test", "up"} <= set(targets)
    assert len(targets) <= 10


def test_each_python_that_is_named_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [
        text.rpartition(" ")[2]
        for text in project["classifiers"]
        if re.search(r":: [0-9]+\.[0-9]+$", text)
    ]
    script = (ROOT / "scripts" / "pythons").read_text(encoding="utf-8")
    assert f"for version in {' '.join(named)}; do" in script
    following = int(named[-1].rpartition(".")[2]) + 1
    assert project["requires-python"] == f">={named[0]},<3.{following}"


def test_findings_run_alone_and_pin_what_they_look_at() -> None:
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert scripts
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_mode & 0o111, path.name
        assert text.startswith("#!/bin/sh\n# "), path.name
        assert "# Output:" in text, path.name
        assert "ledgerguard_pipeline" not in text.partition("set -eu")[2], path.name
        (packages,) = re.findall(r'pip" install -q --disable-pip-version-check (.+)', text)
        pins = packages.replace('"', "").split()
        assert all(re.fullmatch(r"[\w-]+(\[\w+\])?==[\w.]+", each) for each in pins), path.name
