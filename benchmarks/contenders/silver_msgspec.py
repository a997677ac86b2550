"""The rival: msgspec structs with Decimal fields, made into Arrow columns, into the same tables.

The structs are made from this project's registry, so that both read the same fields; they are
typed, which is msgspec's fastest way.
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal

import duckdb
import msgspec
import pandas  # noqa: F401, ICN001
import pyarrow as pa

from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.decode.rows import stored_schema
from ledgerguard_pipeline.silver.decode.shape import parsed_type
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.specs import Kind

TABLES = tables_of("Invoice")
CHUNK = 8_192


def struct(name, arrow):
    fields = []
    for each in arrow:
        fields.append((each.name, of(f"{name}_{each.name}", each.type) | None, None))
    return msgspec.defstruct(name, fields, rename=None, gc=False)


def of(name, arrow):
    if pa.types.is_struct(arrow):
        return struct(name, arrow)
    if pa.types.is_list(arrow):
        return list[of(name, arrow.value_type)]
    if pa.types.is_decimal(arrow):
        return Decimal
    if pa.types.is_boolean(arrow):
        return bool
    return int if pa.types.is_integer(arrow) else str


def getter(path):
    steps = path.split(".")

    def get(value):
        for step in steps:
            if value is None:
                return None
            value = getattr(value, step)
        return value

    return get


def first(column):
    gets = [getter(path) for path in column.paths]
    if len(gets) == 1:
        return gets[0]

    def get(value):
        for each in gets:
            found = each(value)
            if found is not None:
                return found
        return None

    return get


DECODER = msgspec.json.Decoder(struct("Invoice", parsed_type(TABLES.block)))
HEADER = [(column.name, column.kind, first(column)) for column in TABLES.block.columns]
CHILDREN = [
    (table, [(column.name, column.kind, first(column)) for column in table.child.columns])
    for table in TABLES.children
]


def column(values, kind, schema_type):
    if kind in (Kind.DATE, Kind.TIME):
        return pa.array(values, pa.string()).cast(schema_type)
    return pa.array(values, schema_type)


def elements(document, source):
    """The elements of a list, with the number of the line they stand in."""
    if not source.path.startswith("Line[]."):
        return [(None, each) for each in getter(source.path)(document) or ()]
    gets = [getter(step) for step in source.path.removeprefix("Line[].").split("[].")]
    found = list(enumerate(document.Line or ()))
    for get in gets:
        found = [(number, each) for number, value in found for each in get(value) or ()]
    return found


def decode(payloads):
    documents = [DECODER.decode(payload) for payload in payloads]
    schema = stored_schema(TABLES.header)
    made = {"row": pa.array(range(len(documents)), pa.int32())}
    for name, kind, get in HEADER:
        made[name] = column([get(each) for each in documents], kind, schema.field(name).type)
    yield TABLES.header, pa.table(made)
    for table, columns in CHILDREN:
        rows, numbers, parents, found, amounts = [], [], [], [], []
        for row, document in enumerate(documents):
            number = 0
            for source in table.child.sources:
                for parent, each in elements(document, source):
                    rows.append(row)
                    numbers.append(number)
                    parents.append(parent)
                    found.append(each)
                    amounts.append(None if parent is None else document.Line[parent].Amount)
                    number += 1
        if not rows:
            continue
        schema = stored_schema(table)
        made = {
            "row": pa.array(rows, pa.int32()),
            table.child.number: pa.array(numbers, pa.int64()),
        }
        if table.child.parent:
            made[table.child.parent] = pa.array(parents, pa.int64())
        for name, kind, get in columns:
            made[name] = column([get(each) for each in found], kind, schema.field(name).type)
        if table.child.amount:
            made["amount"] = pa.array(amounts, schema.field("amount").type)
        yield table, pa.table(made)


order = json.load(sys.stdin)
began = time.perf_counter()
connection = duckdb.connect(":memory:")
connection.execute(
    f"ATTACH '{order['path']}' AS ledgerguard (ROW_GROUP_SIZE 10240, STORAGE_VERSION 'v1.4.0')"
)
for name, value in (("TimeZone", "'UTC'"), ("threads", "2"), ("memory_limit", "'384MB'")):
    connection.execute(f"SET {name} = {value}")
reader = connection.cursor()
connection.execute("BEGIN")
connection.execute(statements.create_schema("ledgerguard"))
for statement in [
    *statements.drop_entity("ledgerguard", TABLES),
    *statements.create_entity("ledgerguard", TABLES),
]:
    connection.execute(statement)
written = 0
stream = reader.execute(
    "SELECT realm_id, id, loaded_at, sync_token, state, created_at, last_updated_at, "
    "payload_sha256, payload FROM ledgerguard.bronze.invoice_current"
).to_arrow_reader(CHUNK)
for batch in stream:
    for table, rows in decode(batch.column("payload").to_pylist()):
        positions = rows.column("row")
        rows = rows.drop_columns(["row"])
        names = ["realm_id", "id", "loaded_at"]
        if table.child is None:
            names += ["sync_token", "state", "created_at", "last_updated_at", "payload_sha256"]
        for name in names:
            rows = rows.append_column(name, pa.chunked_array([batch.column(name)]).take(positions))
        connection.register("silver_incoming", rows)
        connection.execute(statements.insert("ledgerguard", table.name))
    written += batch.num_rows
connection.execute("COMMIT")
reader.close()
connection.close()
print(json.dumps({"seconds": time.perf_counter() - began, "rows": written}))
