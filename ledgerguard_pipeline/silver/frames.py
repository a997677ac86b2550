"""Silver's tables and views as pandas frames with exact decimals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledgerguard_pipeline import exact
from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.silver.layout import SCHEMA
from ledgerguard_pipeline.silver.relations import Relation, explain_missing, relation
from ledgerguard_pipeline.silver.statements import at
from ledgerguard_pipeline.silver.tables import has_table, present_tables

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_KINDS = {"TIMESTAMPTZ": "datetime64[us, UTC]", "BIGINT": "Int64", "BOOLEAN": "boolean"}


def read_frame(
    workspace: Workspace, name: str, realm_id: str | None = None, limit: int | None = None
) -> pd.DataFrame:
    """A table or view of Silver, sorted by its key, with the columns its page says.

    Numbers are ``Decimal``, every digit of them and no zeros behind; dates are ``date``, instants
    ``datetime64`` in UTC; whole numbers and flags know NULL, anything else missing is None.
    ``limit`` keeps the rows that changed last, where the table knows when.

    Raises:
        BadInputError: Silver has no table of this name, or the limit is below 1.
    """
    found = relation(name)
    if found.schema != SCHEMA or found.kind == "macro":
        raise BadInputError(f"{found.full_name} is no table or view of Silver; ask it by `sql`.")
    if limit is not None and limit < 1:
        raise BadInputError(f"`limit` is a number of rows from 1 up, not {limit}.")
    with workspace.read() as view:
        if view is None:
            return _frame(found, None)
        if not has_table(view.connection, at(view.catalog, found.name)):
            if not present_tables(view.connection, view.catalog):
                raise BadInputError(explain_missing(found.full_name))
            return _frame(found, None)
        rows = view.connection.execute(
            _statement(found, realm=realm_id is not None, limit=limit),
            {} if realm_id is None else {"realm": realm_id},
        ).to_arrow_table()
    return _frame(found, rows)


def _statement(found: Relation, *, realm: bool, limit: int | None) -> str:
    names = [column.name for column in found.columns]
    # Short ids first, as numbers sort.
    order = ", ".join(
        f"length({quoted(name)}), {quoted(name)}" if name.endswith("id") else quoted(name)
        for name in found.key
    )
    where = " WHERE realm_id = $realm" if realm else ""
    if limit is None:
        tail = f" ORDER BY {order}"
    else:
        newest = next(
            (each for each in ("last_updated_at", "loaded_at", "txn_date") if each in names), None
        )
        tail = f" ORDER BY {f'{newest} DESC, ' if newest else ''}{order} LIMIT {limit}"
    columns = ", ".join(map(quoted, names))
    return f"SELECT {columns} FROM {SCHEMA}.{quoted(found.name)}{where}{tail}"


def _frame(found: Relation, rows: pa.Table | None) -> pd.DataFrame:
    import pandas as pd

    data = {}
    for column in found.columns:
        kind = _KINDS.get(column.type, "object")
        if rows is None:
            data[column.name] = pd.Series([], dtype=kind)
        elif column.type == "TIMESTAMPTZ":
            data[column.name] = pd.Series(rows.column(column.name).to_pandas(), dtype=kind)
        else:
            values = rows.column(column.name).to_pylist()
            if column.type.startswith("DECIMAL"):
                values = [None if value is None else exact.plain(value) for value in values]
            data[column.name] = pd.Series(values, dtype=kind)
    return pd.DataFrame(data)
