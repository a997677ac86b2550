"""Commands, variables and files named in the documentation exist and are accepted as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from ledgerguard_pipeline.cli.app import app
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline_tests.hygiene.project import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BY_HAND = {"LEDGERGUARD_LOG_LEVEL", "LEDGERGUARD_CRASH_AT"}
"""Variables read before the settings are."""


def shown(path: Path) -> list[str]:
    """The code of a document: lines of fenced blocks and inline spans."""
    text = path.read_text(encoding="utf-8")
    fenced = [
        line.strip()
        for block in re.findall(r"^ *```(?:sh)?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for line in (*fenced, *inline) if line]


def commands(program: str) -> list[tuple[Path, str]]:
    """Where a program is called, without the folder it may be called from."""
    found = []
    for path in DOCUMENTS:
        for line in shown(path):
            call = re.sub(r"^\.venv/bin/", "", line)
            if call.split(maxsplit=1)[0] == program and " " in call:
                found.append((path, call))
    return found


def names(calls: list[tuple[Path, str]]) -> list[str]:
    return [f"{path.name}: {call}" for path, call in calls]


MAKE = commands("make")
LEDGERGUARD = commands("ledgerguard")
ROOT_COMMAND = typer.main.get_command(app)


@pytest.mark.parametrize("path, call", MAKE, ids=names(MAKE))
def test_a_documented_make_target_exists(path: Path, call: str) -> None:
    target = shlex.split(call, comments=True)[1]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(target)}:.*## \S", makefile, re.MULTILINE), path


@pytest.mark.parametrize("path, call", LEDGERGUARD, ids=names(LEDGERGUARD))
def test_a_documented_command_is_understood_as_written(path: Path, call: str) -> None:
    command = ROOT_COMMAND
    arguments = shlex.split(call, comments=True)[1:]
    while isinstance(command, TyperGroup) and (arguments or not command.invoke_without_command):
        command = command.commands[arguments.pop(0)]
    if arguments:  # a bare mention of a verb leaves out what it needs
        command.make_context(command.name, arguments)


def test_every_command_is_documented() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    reported = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    for name, command in root.commands.items():
        assert f"`{name}`" in reported or f"ledgerguard {name}" in reported, name
        assert command.help, name


def variables(path: Path) -> dict[str, str]:
    pairs = re.findall(r"^([A-Z_]+)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pairs)


def test_the_example_configuration_has_every_setting_and_its_default(
    clean_environment: Path,
) -> None:
    example = variables(ROOT / ".env.example")
    assert set(example) == {name.upper() for name in Settings.model_fields}
    defaults = load_settings()
    (clean_environment / ".env").write_text((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert load_settings() == defaults
    for name, field in Settings.model_fields.items():
        assert bool(example[name.upper()]) == (field.default is not None), name


def test_every_variable_the_docs_name_exists() -> None:
    known = {name.upper() for name in Settings.model_fields} | BY_HAND
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        named = set(re.findall(r"\b(?:INTUIT|LEDGERGUARD)_[A-Z_]*[A-Z]\b", text))
        assert named <= known, path.name


def test_every_file_the_docs_name_exists() -> None:
    for path in DOCUMENTS:
        for name in re.findall(
            r"`((?:docs|scripts)/[\w./-]+|[A-Z]+\.md)`", path.read_text("utf-8")
        ):
            assert (ROOT / name).exists(), f"{path.name} names {name}"


def test_the_makefile_calls_commands_that_exist() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    called = re.findall(r"bin/ledgerguard (\w+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert called
    assert set(called) <= set(root.commands)
