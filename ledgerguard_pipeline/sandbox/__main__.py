"""``python -m ledgerguard_pipeline.sandbox serve``: a local QuickBooks for trying and testing."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.serve.edit_command import edit
from ledgerguard_pipeline.sandbox.serve.fault_command import fault
from ledgerguard_pipeline.sandbox.serve.help_pages import LOOK, Commands
from ledgerguard_pipeline.sandbox.serve.kept_books import BooksKeeper, read_books
from ledgerguard_pipeline.sandbox.serve.server_process import (
    Announcement,
    build_companies,
    listen,
)
from ledgerguard_pipeline.sandbox.serve.web_server import WebServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.sandbox.webhooks.switches import WebhookSwitches

app = typer.Typer(add_completion=False, cls=Commands, **LOOK)


@app.callback()
def sandbox() -> None:
    """A local QuickBooks Online over HTTP: serve one, edit its books, let it misbehave."""


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
    invoices: Annotated[int, typer.Option(min=0, help="Invoices per company.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same books.")] = 1,
    companies: Annotated[
        int, typer.Option(help="How many companies; of more than 20 each has small books.", min=1)
    ] = 1,
    latency_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds to wait before every answer.")
    ] = 0.0,
    *,
    varied: Annotated[
        bool,
        typer.Option(
            "--varied",
            help="Books with discounts, bundles, several taxes and currencies, payroll and more.",
        ),
    ] = False,
    limits: Annotated[
        bool, typer.Option(help="Enforce Intuit's 500 calls a minute and 10 a second.")
    ] = True,
    gzip: Annotated[bool, typer.Option(help="Compress answers for clients that accept it.")] = True,
    switch: Annotated[
        list[str] | None,
        typer.Option(help="Any other switch, as name=JSON; may be repeated."),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Send webhooks to this URL, which has to be on this machine.")
    ] = None,
    webhook_token: Annotated[
        str,
        typer.Option(help="Verifier token to sign webhooks with.", envvar="SANDBOX_WEBHOOK_TOKEN"),
    ] = "",
    webhook: Annotated[
        list[str] | None,
        typer.Option(help="A switch of the webhooks, as name=JSON; may be repeated."),
    ] = None,
    books: Annotated[
        Path | None,
        typer.Option(help="Keep the books in this file, and go on with those that are in it."),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="End when stdin does.", hidden=True)
    ] = False,
) -> None:
    """Serve companies until Ctrl-C. The first line of stdout is JSON and says where."""
    switches = Switches()
    try:
        given = dict(_parsed(text) for text in switch or ())
        switches.change({"latency_ms": latency_ms, "limits": limits, "gzip": gzip, **given})
        posted = {"url": webhook_url, "token": webhook_token}
        hooks = WebhookSwitches().changed(
            {**posted, **dict(_parsed(text) for text in webhook or ())}
        )
        kept = None if books is None else read_books(books)
        bound = listen(port)
    except (ValueError, OSError) as error:
        typer.echo(f"The sandbox cannot start: {error}.", err=True)
        raise typer.Exit(2) from None
    if kept is None:
        made = build_companies(companies, seed=seed, invoices=invoices, varied=varied)
        world = World(made, switches=switches)
    else:
        world = World(kept.companies, switches=switches, grants=kept.grants)
    keeper = None if books is None else BooksKeeper(world, books)
    world.webhooks.change(msgspec.to_builtins(hooks))
    server = WebServer(world)
    if until_stdin_closes:
        threading.Thread(target=_watch_stdin, args=(server,), daemon=True).start()
    hello = Announcement(
        base_url=f"http://127.0.0.1:{bound.getsockname()[1]}",
        client_id=world.client_id,
        client_secret=world.client_secret,
        realms=list(world.companies),
    )
    typer.echo(msgspec.json.encode(hello).decode())
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):  # uvicorn hands Ctrl-C on once it has closed
        server.run(sockets=[bound])
    world.close()
    if keeper is not None:
        keeper.close()


app.command("edit")(edit)
app.command("fault")(fault)


def _parsed(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise ValueError(f"{text} is not a switch as name=JSON") from None


def _watch_stdin(server: WebServer) -> None:
    """End with the process that started this one, however it ended.

    Reads the descriptor: a thread inside ``sys.stdin`` would hold its lock at exit.
    """
    while os.read(0, 4096):
        pass
    server.end()


if __name__ == "__main__":
    app()
