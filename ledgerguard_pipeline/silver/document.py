"""``docs/silver.md``, made from the registry."""

from __future__ import annotations

from collections.abc import Iterator

from ledgerguard_pipeline.entities import DERIVED, ENTITIES, Group
from ledgerguard_pipeline.silver.books_tables import BOOKS_TABLES
from ledgerguard_pipeline.silver.layout import LINEAGE, EntityTables, Table, tables_of
from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS
from ledgerguard_pipeline.silver.views.form import ReaderView

_HEAD = """\
# Silver: the books as typed tables

Made from the registry by `python -m ledgerguard_pipeline.silver.document > docs/silver.md`; do not
edit it by hand.

Schema `silver` holds one table per entity type and one per list inside it. It is level with
Bronze after every sync, webhook, backfill and library call. `LEDGERGUARD_SILVER=off` leaves it out.

- **Key.** `realm_id`, `id`, and in tables of lists a number that counts from 0 within its object.
  Ids are unique within company and entity type only.
- **Rows.** What exists now, one row per object. Deleted and merged objects are gone, inactive and
  voided ones stay with their `state`. History is in Bronze.
- **Numbers** are `DECIMAL(38,18)` and hold every digit Intuit sent; nothing passes through a float.
  The view `v_<table>` shows amounts of money as `DECIMAL(18,2)` and quantities, prices and
  rates as `DECIMAL(18,7)`, for tools that read no wider ones; further digits are rounded there, and
  what is too large is NULL (the check `narrow_views_lose_nothing` names both).
  Do not mix sums of both: where two sums with 18, 7 or 2 digits after the point become one column
  (`UNION`, `EXCEPT`, `IN`, `coalesce()`), DuckDB rounds to the fewer without an error
  (`findings/duckdb_sums_of_two_scales_are_rounded.sh`).
- **References** are two columns: `x_id` to join by, `x_name` as printed on the document. A name
  changes without a sign when the other object is renamed; an id never does. Where the type is not
  always the same there is `x_type` too. Types of parties (`Customer`, `Vendor`, `Employee`) and of what
  files are attached to are spelled in one way, also where Intuit sends `CUSTOMER`.
- **What fits nowhere** (an amount that is a text, a date that does not exist, 40 digits) is NULL in
  its column and stands in `silver._misfits`: company, entity type, id, path and text.
- **Personal numbers** are left out: social security and tax numbers, dates of birth, bank and card
  numbers. They stay in Bronze's payloads.

Every table of objects also has these columns:

"""
_BOOKS_HEAD = """
## Books

Written when the books are compared with Intuit's reports (`ledgerguard tieout`, every night).
"""
_VIEWS_HEAD = """
## Views for readers

Views on top of the tables, with amounts of every digit; `v_<view>` shows them as
`DECIMAL(18,2)` and `DECIMAL(18,7)`.
"""


def document() -> str:
    """The whole text."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    yield "| column | type | meaning |\n|---|---|---|\n"
    for column in LINEAGE:
        yield f"| `{column.name}` | {column.kind.sql} | {column.meaning} |\n"
    yield "\nTables of lists have `loaded_at` of their object.\n"
    for group in Group:
        yield f"\n## {group.value.capitalize()}\n"
        for entity in ENTITIES:
            if entity.group is group:
                found = tables_of(entity)
                for table in found.tables:
                    yield from _table(table)
                yield from _derived(found)
                if found.block.personal:
                    names = ", ".join(f"`{path}`" for path in found.block.personal)
                    yield f"\nLeft out as personal: {names}.\n"
    yield _BOOKS_HEAD
    for books in BOOKS_TABLES:
        yield f"\n### `silver.{books.name}`\n\n{books.meaning} One row is {books.grain}."
        yield f" Key: {', '.join(f'`{name}`' for name in books.key)}.\n"
        yield "\n| column | type | meaning |\n|---|---|---|\n"
        for column in books.columns:
            yield f"| `{column.name}` | {column.kind.sql} | {column.meaning} |\n"
    yield _VIEWS_HEAD
    for view in READER_VIEWS.values():
        yield from _view(view)


def _table(table: Table) -> Iterator[str]:
    level = "###" if table.child is None else "####"
    yield f"\n{level} `silver.{table.name}`\n\n{table.meaning}"
    yield f" Key: {', '.join(f'`{name}`' for name in table.key)}.\n\n"
    yield "| column | type | Intuit's field | meaning |\n|---|---|---|---|\n"
    for column in table.typed:
        path = f"`{column.path}`" if column.path else ""
        yield f"| `{column.name}` | {column.kind.sql} | {path} | {column.meaning} |\n"


def _derived(tables: EntityTables) -> Iterator[str]:
    for each in DERIVED:
        if each.base == tables.entity.name:
            names = [one.name.replace(tables.entity.table, each.table, 1) for one in tables.tables]
            yield (
                f"\nViews over these, with the same columns: "
                f"{', '.join(f'`silver.{name}`' for name in names)}. {each.description}\n"
            )


def _view(view: ReaderView) -> Iterator[str]:
    yield f"\n### `silver.{view.name}`\n\n{view.meaning} One row is {view.grain}."
    yield f" Key: {', '.join(f'`{name}`' for name in view.key)}.\n"
    if view.dated:
        yield (
            f"`silver.{view.macro}(DATE '2026-03-31')` gives the same as of that day; the view is "
            "as of today in UTC.\n"
        )
    yield f"\n```sql\n{view.example};\n```\n\n| column | type | meaning |\n|---|---|---|\n"
    for column in view.columns:
        yield f"| `{column.name}` | {column.kind.sql} | {column.meaning} |\n"


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201  # its one purpose
