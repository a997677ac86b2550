#!/bin/sh
# python-quickbooks 0.9.12: change_data_capture() drops the offset of the time it is given.
#
# A datetime with a time zone is written without one: 20:00 UTC and 12:00 at -08:00 are one instant
# and become two different values of changedSince. Intuit has to read the bare text in some time zone
# of its own, so a watermark kept in UTC, as most are, asks from hours too late or too early. Too late
# means that changes are missed, and no answer shows it.
#
# Output:
#   equal instants: True
#   changedSince: 2026-11-28T20:00:00 and 2026-11-28T12:00:00
# In this product: every instant is sent with its offset (ledgerguard_pipeline/qbo/queries).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check python-quickbooks==0.9.12
"$folder/venv/bin/python" - <<'PYTHON'
import json
from datetime import UTC, datetime, timedelta, timezone

from quickbooks import QuickBooks
from quickbooks.cdc import change_data_capture
from quickbooks.objects.invoice import Invoice

asked = []


class Company:
    access_token = "token"

    def request(self, method, url, *, headers, params, data):
        asked.append(params["changedSince"])
        answer = {"CDCResponse": [{"QueryResponse": [{}]}], "time": "2026-11-28T12:00:01-08:00"}
        return type("Answer", (), {"status_code": 200, "text": json.dumps(answer)})


client = QuickBooks(company_id="1", minorversion=75)
client.session = Company()
watermark = datetime(2026, 11, 28, 20, tzinfo=UTC)
same = watermark.astimezone(timezone(timedelta(hours=-8)))
for instant in (watermark, same):
    change_data_capture([Invoice], instant, qb=client)
print("equal instants:", watermark == same)
print("changedSince:", " and ".join(asked))
assert watermark == same and len(set(asked)) == 2, "the behaviour changed: the offset is sent now"
PYTHON
