#!/bin/sh
# python-quickbooks 0.9.12: amounts read exactly are written back as text.
#
# use_decimal=True makes every amount a Decimal instead of a float. to_json(), which save() sends,
# writes a Decimal as a JSON string: 100.10 comes in as a number and goes out as "100.10". Comparing
# what was read with what is written finds every amount changed, and a loader that types JSON columns
# gets VARCHAR for money.
#
# Output:
#   read:    {"TotalAmt": 100.10}
#   written: {"TotalAmt": "100.10"}
# In this product: records are never written back and their bytes are kept as they were sent.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check python-quickbooks==0.9.12
"$folder/venv/bin/python" - <<'PYTHON'
import json
from decimal import Decimal

from quickbooks import QuickBooks
from quickbooks.objects.invoice import Invoice


class Company:
    access_token = "token"

    def request(self, method, url, *, headers, params, data):
        text = '{"Invoice": {"Id": "1", "TotalAmt": 100.10}}'
        return type("Answer", (), {"status_code": 200, "text": text})


client = QuickBooks(company_id="1", minorversion=75, use_decimal=True)
client.session = Company()
invoice = Invoice.get(1, qb=client)
assert invoice.TotalAmt == Decimal("100.10")
written = json.loads(invoice.to_json())["TotalAmt"]
print('read:    {"TotalAmt": 100.10}')
print("written:", json.dumps({"TotalAmt": written}))
assert written == "100.10", "the behaviour changed: a number is written now"
PYTHON
