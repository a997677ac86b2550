"""``sandbox edit``: change the books of a running sandbox as a user of QuickBooks would."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from ledgerguard_pipeline.sandbox import PORT
from ledgerguard_pipeline.sandbox.books.change import Change
from ledgerguard_pipeline.sandbox.edits.edits import KINDS
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline.sandbox.serve.help_pages import complain


class _Done(msgspec.Struct):
    changes: list[Change]


def edit(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    entity: Annotated[
        str, typer.Argument(help="Entity type such as Invoice; a burst also takes '*' for any.")
    ],
    id: Annotated[str | None, typer.Argument(help="Id of the object; any one if left out.")] = None,
    *,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the sandbox on this machine.")
    ] = PORT,
    realm: Annotated[
        str | None, typer.Option(help="Realm id of the company; the first by default.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Text that an update writes.")] = None,
    amount: Annotated[str | None, typer.Option(help="Amount of an update or a payment.")] = None,
    pays: Annotated[
        str | None, typer.Option(help="Id of the document that a new payment settles.")
    ] = None,
    loser: Annotated[
        str | None,
        typer.Option(help="Id of the object that a merge ends; the one named as ID stays."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="How many edits a burst makes.")
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Change the books of a running sandbox, which then sends webhooks about it."""
    given = {"note": note, "amount": amount, "pays": pays, "loser": loser}
    more: dict[str, object] = {name: text for name, text in given.items() if text is not None}
    handle = SandboxHandle(f"http://127.0.0.1:{port}", "", "", [])
    try:
        answer = handle.edit(kind, entity, id, realm_id=realm, at=None, n=count, **more)
    except OSError:
        complain(f"No sandbox answers on port {port}; start one with `ledgerguard up`.", 1)
    except ValueError as error:
        complain(f"{error}.", 2)
    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    for change in msgspec.convert(answer, _Done).changes:
        into = f" (merged: {change.deleted_id})" if change.deleted_id else ""
        typer.echo(f"{change.op} {change.entity} {change.id}{into}")
