"""The verbs of ``ledgerguard``, each imported and taken apart when it is asked for.

Turning the signatures of forty commands into options takes longer than most of them need for
their work.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer

from ledgerguard_pipeline.cli.help_pages import LOOK, Commands

_HOME = "ledgerguard_pipeline.cli"

VERBS = {
    "doctor": ("doctor.command", "doctor"),
    "connect": ("commands.connect", "connect"),
    "disconnect": ("commands.companies", "disconnect"),
    "companies": ("commands.companies", "app"),
    "sync": ("commands.sync", "sync"),
    "status": ("commands.status", "status"),
    "events": ("commands.events", "app"),
    "alerts": ("commands.alerts", "app"),
    "keys": ("commands.keys", "app"),
    "report": ("commands.report", "report"),
    "tieout": ("commands.tieout", "tieout"),
    "sql": ("commands.sql", "sql"),
    "tables": ("commands.tables", "tables"),
    "entities": ("commands.tables", "entities"),
    "snapshot": ("commands.sql", "snapshot"),
    "backup": ("stores.backup", "backup"),
    "dbt-sources": ("commands.tables", "dbt_sources"),
    "attachments": ("stores.attachments", "app"),
    "bronze": ("stores.bronze", "app"),
    "silver": ("stores.silver", "app"),
    "web": ("commands.web", "web"),
    "up": ("local.up", "up"),
    "demo": ("local.demo", "demo"),
    "bench": ("commands.bench", "bench"),
    "sandbox": ("local.sandbox", "sandbox"),
}
"""Module and function of each, in the order of the help; ``app`` is a group with verbs of its own.

A module whose command hands its options on has their context settings in ``PASS_THROUGH``.
"""


class Verbs(MutableMapping[str, Any]):
    """The commands by name; one that nobody asks for is never imported."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = dict.fromkeys(VERBS)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = _made(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class Root(Commands):
    """``ledgerguard`` itself."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.commands = Verbs()


def _made(name: str) -> Any:
    module_name, attribute = VERBS[name]
    module = import_module(f"{_HOME}.{module_name}")
    found = getattr(module, attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False, **(LOOK | {"no_args_is_help": False}))
        alone.command(name, context_settings=getattr(module, "PASS_THROUGH", None))(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command
