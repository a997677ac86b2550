"""Documents of a company, and single faults planted in what Bronze holds of them."""

from __future__ import annotations

from decimal import Decimal

import duckdb

from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass
from ledgerguard_pipeline.tieout.postings.rules import POSTING
from ledgerguard_pipeline_tests.tieout.books import Books

LISTS = ("Account", "CompanyInfo", "Customer", "Item", "Preferences", "Vendor")


def sync_documents(books: Books) -> None:
    """Bring everything that posts into Bronze and Silver, with the lists it refers to."""
    books.sync_entities(*LISTS, *POSTING)


def plant(books: Books, statement: str, *entities: str) -> None:
    """Change rows of Bronze; Silver of these types is made from them anew."""
    with duckdb.connect(str(books.file)) as connection:
        connection.execute(statement)
    rebuild(books.store, entities)
    books.documents.derive()


def move_amount(books: Books, table: str, id: str, member: str, by: Decimal) -> None:
    """Move the last amount of this name in a document; those of lines stand before it."""
    (payload,) = one(books, f"SELECT payload FROM bronze.{table} WHERE id = '{id}'")
    head, name, tail = payload.rpartition(f'"{member}":')
    number = tail.split(",")[0].split("}")[0]
    changed = f"{head}{name}{Decimal(number) + by}{tail[len(number) :]}"
    entity = next(each for each, of in POSTING.items() if of == table)
    plant(books, f"UPDATE bronze.{table} SET payload = $${changed}$$ WHERE id = '{id}'", entity)


def unexplained(found: list[Difference]) -> list[Difference]:
    """Those that no class explains."""
    return [each for each in found if each.kind is DifferenceClass.UNEXPLAINED]


def one(books: Books, statement: str) -> tuple[str, ...]:
    """The first row, as texts."""
    return tuple(str(value) for value in books.store.sql(statement).rows[0])
