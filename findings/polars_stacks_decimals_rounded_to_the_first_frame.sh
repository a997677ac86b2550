#!/bin/sh
# polars 2.1.0: concat() rounds decimals of the second frame to the scale of the first.
#
# Frames whose column differs in type are refused by concat() (only the strategies called relaxed convert):
# Int64 and Float64, and decimals beside integers, which would lose nothing. Decimals of two scales are taken,
# and the first frame's scale stays: under amounts with two decimals a rate of 0.125 becomes 0.12 (ties go to
# even), in the other order all digits are kept. Frames and lazy frames, vertical and diagonal, vstack() and
# extend() do the same; join() and read_parquet() refuse the same two columns. A Decimal column made by Python
# has the scale of the values it was made from, so it depends on the rows whether anything is lost.
#
# Output:
#   integers under decimals: SchemaError
#   amounts first: 10.00, 2.50, 0.12
#   rates first:   0.125, 10.000, 2.500
#   relaxed:       10.000, 2.500, 0.125
#   read from two files: SchemaError
# In this product: LedgerGuard.polars() makes a frame of one table, each of whose amounts has the type the
# table declares; nothing in it stacks frames.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check polars==2.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from decimal import Decimal

import polars as pl

amounts = pl.DataFrame({"value": [Decimal("10.00"), Decimal("2.50")]})
rates = pl.DataFrame({"value": [Decimal("0.125")]})
amounts.write_parquet("amounts.parquet")
rates.write_parquet("rates.parquet")


def values(make):
    try:
        return ", ".join(str(value) for value in make()["value"])
    except pl.exceptions.SchemaError as error:
        return type(error).__name__


found = (
    values(lambda: pl.concat([amounts, pl.DataFrame({"value": [1]})])),
    values(lambda: pl.concat([amounts, rates])),
    values(lambda: pl.concat([rates, amounts])),
    values(lambda: pl.concat([amounts, rates], how="vertical_relaxed")),
    values(lambda: pl.read_parquet(["amounts.parquet", "rates.parquet"])),
)
titles = ("integers under decimals:", "amounts first:", "rates first:  ", "relaxed:      ", "read from two files:")
for title, text in zip(titles, found):
    print(title, text)
lazy = pl.concat([amounts.lazy(), rates.lazy()]).collect()
assert found[0] == found[4] == "SchemaError", "other types used to be refused"
assert found[2:4] == ("0.125, 10.000, 2.500", "10.000, 2.500, 0.125"), "these used to be exact"
assert found[1] == "10.00, 2.50, 0.12", "the behaviour changed"
assert lazy["value"][2] == Decimal("0.12"), "the behaviour changed for lazy frames"
PYTHON
