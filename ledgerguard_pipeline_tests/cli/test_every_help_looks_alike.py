from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from ledgerguard_pipeline.cli.app import app
from ledgerguard_pipeline.cli.help_pages import Commands
from ledgerguard_pipeline.cli.progress import PlainLines
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard


def every_command() -> Iterator[list[str]]:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    yield []
    for name, command in root.commands.items():
        yield [name]
        if isinstance(command, TyperGroup):
            yield from ([name, verb] for verb in command.commands)
    yield from (["sandbox", verb] for verb in ("serve", "edit", "fault"))


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_starts_with_its_own_usage_and_cuts_nothing(
    ledgerguard: Ledgerguard, words: list[str], option: str
) -> None:
    if words == ["bench"]:
        words = []  # a process of its own, with the same look
    shown = ledgerguard(*words, option)
    assert shown.code == 0
    assert shown.out.startswith(" ".join(["Usage: ledgerguard", *words, ""]))
    listed = shown.out.partition("Commands:")[2]
    assert "..." not in listed
    assert "─" not in shown.out


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_each_option_and_argument_says_what_it_is(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word) or _sandbox(word)
    silent = [each.name for each in command.params if not (each.hidden or each.help)]
    assert silent == [] or words in (["sandbox"], ["bench"])


def _sandbox(verb: str) -> Any:
    from ledgerguard_pipeline.sandbox.__main__ import app as sandbox

    return typer.main.get_command(sandbox).commands[verb]  # type: ignore[attr-defined]  # a group


def test_the_list_of_all_says_what_each_says_itself_and_imports_none() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, Commands)
    assert root.rows(None) == Commands.rows(root, None)
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ledgerguard_pipeline.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(
        re.findall(r"(ledgerguard_pipeline\.cli\.\w+\.\w+|structlog)$", shown.stderr, re.MULTILINE)
    )
    assert "Commands:" in shown.stdout
    assert imported == set()


@pytest.mark.parametrize("words", [[], ["events"], ["keys"]], ids=" ".join)
def test_without_a_command_the_help_is_shown(ledgerguard: Ledgerguard, words: list[str]) -> None:
    shown = ledgerguard(*words)
    assert shown.code == 0
    assert "Commands:" in shown.out
    assert shown.err == ""


def test_errors_of_the_sandbox_are_errors_of_the_command(ledgerguard: Ledgerguard) -> None:
    assert ledgerguard("sandbox", "edit", "create", "Invoice", "--port", "1").code == 1
    assert ledgerguard("sandbox", "edit", "--no-such-option").code == 2


def test_a_wrong_option_leads_to_the_help_of_its_command(ledgerguard: Ledgerguard) -> None:
    assert "`ledgerguard sync --help`" in ledgerguard("sync", "--no-such-option").err


def test_ctrl_c_in_a_sync_says_stopped(
    ledgerguard: Ledgerguard, connected: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_self: PlainLines, _realm: RealmId, _entities: tuple[str, ...]) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PlainLines, "started", interrupted)
    outcome = ledgerguard("sync", "--entity", "Class")
    assert outcome.code == 130
    assert "Stopped" in outcome.err


@pytest.mark.parametrize(
    "typed,offered",
    [
        ("ledgerguard snap", ["snapshot"]),
        ("ledgerguard sync --entity Invo", ["Invoice"]),
        ("ledgerguard sandbox f", ["fault"]),
        ("ledgerguard sandbox fault out", ["outage"]),
        ("ledgerguard sandbox edit upd", ["update"]),
        ("ledgerguard sandbox edit update Cust", ["Customer", "CustomerType"]),
    ],
)
def test_words_can_be_completed(
    ledgerguard: Ledgerguard, monkeypatch: pytest.MonkeyPatch, typed: str, offered: list[str]
) -> None:
    monkeypatch.setenv("_LEDGERGUARD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert ledgerguard().out.split() == offered
