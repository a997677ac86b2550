"""``sandbox edit``: what a person at the keyboard does to a running sandbox."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from typer.testing import CliRunner, Result

from ledgerguard_pipeline.sandbox.__main__ import app
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, listen


def edit(sandbox: SandboxServer, *arguments: str) -> Result:
    port = str(urlsplit(sandbox.base_url).port)
    return CliRunner().invoke(app, ["edit", *arguments, "--port", port])


def test_an_edit_changes_the_books_and_names_every_object_it_touched(
    sandbox: SandboxServer,
) -> None:
    before = sandbox.truth("Invoice").rows.keys()
    done = edit(sandbox, "create", "Invoice")
    assert done.exit_code == 0, done.output
    (new,) = sandbox.truth("Invoice").rows.keys() - before
    assert done.output.splitlines()[0] == f"Create Invoice {new}"
    assert any(line.startswith("Touch Account ") for line in done.output.splitlines())


def test_options_reach_the_edit(sandbox: SandboxServer) -> None:
    survivor, loser = sorted(sandbox.truth("Customer").rows, key=int)[-2:]
    done = edit(sandbox, "merge", "Customer", survivor, "--loser", loser)
    assert f"Merge Customer {survivor} (merged: {loser})" in done.output.splitlines()
    noted = min(sandbox.truth("Invoice").rows)
    edit(sandbox, "update", "Invoice", noted, "--note", "Paid in coins")
    assert b'"Paid in coins"' in sandbox.truth("Invoice").bodies()[noted]
    assert edit(sandbox, "burst", "*", "--count", "3").exit_code == 0


def test_json_tells_the_same(sandbox: SandboxServer) -> None:
    reported = json.loads(edit(sandbox, "delete", "Estimate", "--json").stdout)
    assert (reported["kind"], reported["entity"]) == ("delete", "Estimate")
    assert reported["id"] in sandbox.truth("Estimate").graves


def test_an_edit_that_quickbooks_would_refuse_is_one_sentence(sandbox: SandboxServer) -> None:
    done = edit(sandbox, "fold", "Invoice")
    assert done.exit_code == 2
    assert done.stderr.startswith("The sandbox refuses edit: 'fold' is no kind of edit")
    assert len(done.stderr.splitlines()) == 1


def test_without_a_sandbox_it_says_how_to_start_one() -> None:
    with listen() as taken:
        port = taken.getsockname()[1]
    done = CliRunner().invoke(app, ["edit", "create", "Invoice", "--port", str(port)])
    assert done.exit_code == 1
    assert done.stderr == (f"No sandbox answers on port {port}; start one with `ledgerguard up`.\n")
