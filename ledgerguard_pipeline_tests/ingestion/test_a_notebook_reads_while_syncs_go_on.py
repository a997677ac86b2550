"""Notebooks and dbt read a copy that renews itself; the examples for both run as they stand."""

from __future__ import annotations

import ast
import json
import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml  # type: ignore[import-untyped]  # ships none

from ledgerguard_pipeline import BadInputError, LedgerGuard
from ledgerguard_pipeline.bronze.read.snapshot_reader import GENERATIONS
from ledgerguard_pipeline.ingestion import own_copy
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.silver.dbt_sources import sources_yml
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.hygiene.project import ROOT

EXAMPLES = ROOT / "examples"
SOME = ["Customer", "Invoice", "Item", "Payment", "CreditMemo"]


@pytest.fixture
def bronze_alone() -> None:
    """Notebooks read Silver too."""


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=8)


@pytest.fixture(scope="module")
def folder(sandbox: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one company, a few types of which are loaded."""
    home = tmp_path_factory.mktemp("notebooks")
    with opened(home, sandbox) as books:
        connect(books._installation, sandbox)
        assert books.sync(entity_types=SOME).errors == []
    return home


@pytest.fixture
def books(folder: Path, sandbox: SandboxServer) -> Iterator[LedgerGuard]:
    with opened(folder, sandbox) as found:
        yield found


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks at the store."""
    monkeypatch.setattr(own_copy, "PAUSE_SECONDS", 0.0)


def opened(home: Path, sandbox: SandboxServer, **more: object) -> LedgerGuard:
    return LedgerGuard.open(
        home, intuit_client_id=sandbox.client_id, intuit_client_secret=sandbox.client_secret,
        intuit_base_url=sandbox.base_url, **more,
    )  # fmt: skip


def one(frame: Any) -> int:
    return int(frame["n"][0])


COUNT = "SELECT count(*) AS n FROM bronze.customer_current"


def test_pandas_polars_and_duckdb_say_the_same_to_the_last_digit(books: LedgerGuard) -> None:
    frame, other = books.pandas("invoice"), books.polars("silver.invoice")
    sums = books.relation("Invoice").aggregate("sum(total_amt)").fetchone()
    assert sums is not None
    assert all(isinstance(each, Decimal) for each in frame["total_amt"])
    assert isinstance(other, pl.DataFrame)
    assert sum(frame["total_amt"]) == other["total_amt"].sum() == sums[0]
    assert str(frame["last_updated_at"].dtype) == "datetime64[us, UTC]"
    assert len(frame) == len(other) > 0


def test_columns_that_a_join_repeats_get_names_of_their_own(books: LedgerGuard) -> None:
    joined = (
        "SELECT i.*, c.id, c.display_name FROM silver.invoice AS i JOIN silver.customer AS c "
        "ON c.realm_id = i.realm_id AND c.id = i.customer_id"
    )
    frame, other, asked = books.pandas(joined), books.polars(joined), books.sql(joined).frame()
    assert list(frame["customer_id"]) == list(frame["id_2"])
    assert list(frame.columns) == other.columns == list(asked.columns)
    assert len(frame) > 0


def test_a_copy_follows_every_sync_and_is_made_once_for_each(
    books: LedgerGuard, sandbox: SandboxServer, folder: Path
) -> None:
    before = one(books.pandas(COUNT))
    copy = folder / "notebooks" / "books.duckdb"
    books.pandas(COUNT)
    made = copy.stat().st_ino
    assert one(books.polars(COUNT)) == before
    assert copy.stat().st_ino == made, "nothing changed, so nothing is copied"
    sandbox.edit("create", "Customer")
    assert books.sync(entity_types=["Customer"]).errors == []
    assert one(books.pandas(COUNT)) == before + 1
    assert copy.stat().st_mode & 0o077 == 0


def test_a_relation_stays_on_its_copy_and_no_sync_waits_for_it(
    books: LedgerGuard, sandbox: SandboxServer
) -> None:
    kept = books.relation("SELECT id FROM bronze.customer_current")
    known = len(kept.fetchall())
    for more in range(1, GENERATIONS):
        sandbox.edit("create", "Customer")
        assert books.sync(entity_types=["Customer"]).errors == []
        assert one(books.pandas(COUNT)) == known + more
    assert len(kept.aggregate("count(*)").fetchall()) == 1
    assert kept.aggregate("count(*)").fetchall() == [(known,)]


def test_an_older_copy_is_read_while_a_loader_holds_the_file(
    books: LedgerGuard, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledgerguard_pipeline.library.COPY_WAIT_SECONDS", 0.1)
    before = one(books.pandas(COUNT))
    sandbox.edit("create", "Customer")
    assert books.sync(entity_types=["Customer"]).errors == []
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with books.storage.workspace.shared():
            books.storage.workspace.write(sandbox.realm_id, lambda _: wait(), lambda _: None)

    def wait() -> bool:
        held.set()
        return over.wait(60)

    loader = threading.Thread(target=hold)
    loader.start()
    assert held.wait(60)
    try:
        assert one(books.pandas(COUNT)) == before
    finally:
        over.set()
        loader.join()
    assert one(books.pandas(COUNT)) == before + 1


def test_the_file_that_syncs_keep_is_read_where_there_is_one(
    folder: Path, sandbox: SandboxServer, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.duckdb"
    with opened(folder, sandbox, ledgerguard_snapshot=kept) as books:
        before = one(books.pandas(COUNT))
        assert kept.exists()
        sandbox.edit("create", "Customer")
        assert books.sync(entity_types=["Customer"]).errors == []
        assert one(books.pandas(COUNT)) == before + 1


@pytest.mark.parametrize(
    "what,said",
    [
        ("invoces", "invoice"),
        ("ar_open_as_of", "takes arguments"),
        ("SELECT nothing FROM silver.invoice", "DuckDB refuses"),
        ("CREATE TABLE bronze.mine (a INT)", "DuckDB refuses"),
        (" ", "Name a table"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    books: LedgerGuard, what: str, said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        books.pandas(what)


def test_books_are_not_called_missing_where_only_their_copy_is(
    books: LedgerGuard, folder: Path, sandbox: SandboxServer, tmp_path: Path
) -> None:
    assert len(books.pandas("invoice")) > 0
    copy = tmp_path / "missing" / "books.duckdb"
    with (
        opened(folder, sandbox, ledgerguard_snapshot=copy) as other,
        pytest.raises(BadInputError, match=r"none can be made there \(`ledgerguard doctor`\)"),
    ):
        other.pandas("invoice")


def test_where_nothing_was_loaded_that_is_said(tmp_path: Path) -> None:
    with LedgerGuard.open(tmp_path / "empty") as books, pytest.raises(BadInputError, match="sync"):
        books.polars("SELECT 1")
    assert not (tmp_path / "empty").exists()


def test_the_notebook_runs_cell_by_cell_as_it_stands(
    folder: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "LEDGERGUARD_HOME": str(folder), "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret, "INTUIT_BASE_URL": sandbox.base_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], len({each["id"] for each in notebook["cells"]})) == (
        4, len(notebook["cells"]),
    )  # fmt: skip
    names: dict[str, Any] = {}
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "a notebook in the repository shows nobody's books"
        tree = ast.parse("".join(cell["source"]))
        last = tree.body[-1]
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, "notebook", "exec"), names)  # noqa: S102  # the example itself
        if isinstance(last, ast.Expr):
            code = compile(ast.Expression(last.value), "notebook", "eval")
            shown.append(eval(code, names))  # noqa: S307  # the same
    companies, invoices, owed, sales, by_age, history, status, _ = shown
    assert companies[0][1] == sandbox.realm_id
    assert all(len(each) for each in (invoices, owed, sales, by_age, history))
    assert status[0][1] is not None


def test_the_models_of_the_dbt_project_read_the_copy(books: LedgerGuard, folder: Path) -> None:
    project = EXAMPLES / "dbt_project"
    sources = yaml.safe_load(sources_yml(database="books"))["sources"]
    assert {each["database"] for each in sources} == {"books"}
    known = {(each["name"], table["name"]) for each in sources for table in each["tables"]}
    books.pandas(COUNT)
    models = {path.stem: path.read_text("utf-8") for path in (project / "models").glob("*.sql")}
    described = yaml.safe_load((project / "models" / "models.yml").read_text("utf-8"))["models"]
    assert models.keys() == {each["name"] for each in described}
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder / 'notebooks' / 'books.duckdb'}' AS books (READ_ONLY)")
        for name in ("receivables_by_customer", "revenue_by_month", "largest_debtors"):
            query = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", models[name])
            for schema, table in re.findall(r"source\('(\w+)', '(\w+)'\)", query):
                assert (schema, table) in known
            query = re.sub(r"\{\{ source\('(\w+)', '(\w+)'\) \}\}", r"books.\1.\2", query)
            connection.execute(f"CREATE TABLE {name} AS {query}")
            assert connection.table(name).shape[0] > 0, name
