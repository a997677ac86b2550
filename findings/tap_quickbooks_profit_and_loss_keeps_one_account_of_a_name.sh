#!/bin/sh
# tap-quickbooks 2.5.0: of two accounts of one name the profit and loss keeps the last one's amount.
#
# The stream profit_loss_report files each line of Intuit's report under its name alone. In QuickBooks a
# sub-account's name has to be unique only below its parent: Intuit's own sample company has "Plants and
# Soil" and "Job Materials" both as income and as job expenses. The expense overwrites the income, totals
# of sections included, and the record says nothing of it; only adding the accounts up shows that the
# lines no longer make the total. Intuit sends the accounts' Ids with the lines; the stream drops them.
#
# Output:
#   Intuit sends: Plants and Soil 2351.97, Plants and Soil 353.12
#   the record:   Plants and Soil 353.12, Total Job Materials 353.12, Total Income 2351.97
# In this product: amounts of reports are filed by the account's Id (ledgerguard_pipeline/reports/statement.py).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check tap-quickbooks==2.5.0
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import io
from datetime import UTC, datetime, timedelta

from tap_quickbooks.streams import ProfitAndLossReport

START = datetime.now(UTC) - timedelta(minutes=1)


def cells(name, amount, **more):
    return {"ColData": [{"value": name, **more}, {"value": amount}, {"value": amount}]}


def section(name, rows, amount):
    return {"Header": cells(name, ""), "Rows": {"Row": rows}, "Summary": cells(f"Total {name}", amount),
            "type": "Section"}


INCOME = cells("Plants and Soil", "2351.97", id="49")
EXPENSE = cells("Plants and Soil", "353.12", id="66")


class Intuit:
    """Stands for Intuit: one day, with a section for income and one for expenses."""

    def get(self, url, params):
        dates = [{"Name": "StartDate", "Value": params["start_date"]},
                 {"Name": "EndDate", "Value": params["start_date"]}]
        columns = [{"ColTitle": "", "ColType": "Account"},
                   {"ColTitle": "Day", "ColType": "Money", "MetaData": dates},
                   {"ColTitle": "Total", "ColType": "Money"}]
        rows = [section("Income", [section("Job Materials", [INCOME], "2351.97")], "2351.97"),
                section("Expenses", [section("Job Materials", [EXPENSE], "353.12")], "353.12"),
                {"Summary": cells("Net Income", "1998.85"), "type": "Section", "group": "NetIncome"}]
        return {"Columns": {"Column": columns}, "Rows": {"Row": rows}}


stream = ProfitAndLossReport(Intuit(), {"start_date": START.isoformat()}, {})
with contextlib.redirect_stdout(io.StringIO()):  # the tap writes its bookmarks there
    (record,) = stream.sync()
lines = record["Details"]
sent = [" ".join(cell["value"] for cell in line["ColData"][:2]) for line in (INCOME, EXPENSE)]
print("Intuit sends:", ", ".join(sent))
kept = ("Plants and Soil", "Total Job Materials", "Total Income")
print("the record:  ", ", ".join(f"{name} {lines[name]}" for name in kept))
assert lines["Net Income"] == "1998.85", "totals used to be kept"
assert [lines[name] for name in kept] == ["353.12", "353.12", "2351.97"], "the behaviour changed"
assert "2351.97" not in [lines[name] for name in lines if name != "Total Income"], "both are kept now"
PYTHON
