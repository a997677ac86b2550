#!/bin/sh
# DuckDB 1.5.5 and Python's json read one document with two values of one key differently.
#
# RFC 8259 leaves open what {"Id":"1","Id":"2"} means. DuckDB's ->> and json_extract take the first,
# Python's json (and msgspec 0.22.0) the last. A pipeline that keys rows in Python and lets people
# query the same document in SQL shows two identities for one row. DuckDB's json_each and json_keys
# show both members, so the last one can be had in SQL too.
#
# Output:
#   DuckDB 1, json 2, msgspec 2, last by json_keys 2
# In this product: the last counts everywhere, also in the view bronze.expense.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check duckdb==1.5.5 msgspec==0.22.0
"$folder/venv/bin/python" - <<'PYTHON'
import json

import duckdb
import msgspec

document = '{"Id":"1","Id":"2"}'
(first, last) = duckdb.execute(
    "SELECT d->>'Id', json_extract_string(d, '$.*')[-list_position(list_reverse(json_keys(d)), 'Id')]"
    " FROM (SELECT ? AS d)",
    [document],
).fetchone()
python, packed = json.loads(document)["Id"], msgspec.json.decode(document)["Id"]
print(f"DuckDB {first}, json {python}, msgspec {packed}, last by json_keys {last}")
assert (first, python, packed, last) == ("1", "2", "2", "2"), "the behaviour changed"
PYTHON
