"""``ledgerguard demo``: the whole product in one minute, on a made-up company of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import note, write_json
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError

if TYPE_CHECKING:
    from ledgerguard_pipeline.cli.local.demo_story import Story
    from ledgerguard_pipeline.config.settings import Settings

_MARKER = "made-by-ledgerguard-demo"
_INVOICES = 5_000


def demo(
    home: Annotated[
        Path, typer.Option(help="Folder for the demo's state; emptied by the next demo.")
    ] = Path(".demo"),
    invoices: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Size of the made-up company.")
    ] = _INVOICES,
    as_json: Json = False,
) -> None:
    """Connect a made-up company, load it through Dagster, change its books, sync again."""
    from ledgerguard_pipeline.config.settings import load_settings

    preferences = load_settings()
    preferences.require_home()
    folder = home.absolute()
    _renew(folder)
    with ExitStack() as stack:
        _say(as_json, f"1/5  Opening a made-up QuickBooks company with {invoices:,} invoices ...")
        story = _begin(stack, preferences, folder, invoices)
        _say(as_json, "2/5  Connecting it by OAuth, walking the consent page ...")
        story.connect()
        _say(as_json, "3/5  Loading everything through Dagster into Bronze ...")
        story.load(quiet=as_json)
        _say(as_json, "4/5  Changing the books in QuickBooks, then syncing only the changes ...")
        story.change_books()
        story.sync_changes(quiet=as_json)
        _say(as_json, "5/5  Comparing Bronze with QuickBooks, byte for byte ...")
        story.compare()
        if as_json:
            write_json(story.to_json())
        else:
            from ledgerguard_pipeline.cli.local.demo_summary import show

            show(story)
    if not story.ok:
        raise LedgerGuardError("The demo did not end as it should; the lines above say why.")


def _renew(home: Path) -> None:
    """An empty folder of our own; a folder somebody else uses is never emptied."""
    if home.exists():
        ours = (home / _MARKER).exists()
        if not home.is_dir() or (any(home.iterdir()) and not ours):
            raise BadInputError(
                f"{home} exists and is not a demo's folder, so it is left alone; choose another "
                "with --home."
            )
        shutil.rmtree(home)
    make_private(home)
    (home / _MARKER).touch()


def _begin(stack: ExitStack, preferences: Settings, home: Path, invoices: int) -> Story:
    """Start the sandbox and turn this process into one that knows only the demo's settings."""
    from ledgerguard_pipeline.cli.embedded_sandbox import Embedded, outer_environment
    from ledgerguard_pipeline.cli.local.demo_story import Story
    from ledgerguard_pipeline.cli.local.ports import free_port
    from ledgerguard_pipeline.config.settings import load_settings
    from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess

    sandbox = stack.enter_context(SandboxProcess(invoices=invoices))
    embedded = Embedded(
        home, sandbox.client_id, sandbox.client_secret, sandbox.base_url, free_port()
    )
    outer = outer_environment()
    os.environ.clear()
    os.environ.update(outer | embedded.variables(preferences))
    # Out of reach of the caller's .env, which is read from the working folder.
    os.chdir(home)
    return Story(load_settings(), sandbox)


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        note(text)
