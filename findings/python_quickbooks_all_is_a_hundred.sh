#!/bin/sh
# python-quickbooks 0.9.12: Customer.all() answers a hundred customers, not all of them.
#
# all() is described as returning every object of the company. It sends one statement with MAXRESULTS
# 100 and returns what that page holds, without a sign that there is more. filter() and where() send
# no MAXRESULTS, and Intuit's own default is 100 as well. Nothing in the package reads a second page.
#
# Output:
#   statements sent: ['SELECT * FROM Customer MAXRESULTS 100']
#   customers at Intuit 250, returned 100
# In this product: ledgerguard_pipeline/qbo/paging walks every page and checks the seams.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check python-quickbooks==0.9.12
"$folder/venv/bin/python" - <<'PYTHON'
import json
import re

from quickbooks import QuickBooks
from quickbooks.objects.customer import Customer

CUSTOMERS = [{"Id": str(number), "DisplayName": f"Customer {number}"} for number in range(1, 251)]
sent = []


class Company:
    """Stands for Intuit: answers a statement as its grammar says, a hundred rows if not asked for more."""

    access_token = "token"

    def request(self, method, url, *, headers, params, data):
        sent.append(data)
        most = re.search(r"MAXRESULTS (\d+)", data)
        rows = CUSTOMERS[: int(most.group(1)) if most else 100]
        answer = {"QueryResponse": {"Customer": rows, "startPosition": 1, "maxResults": len(rows)}}
        return type("Answer", (), {"status_code": 200, "text": json.dumps(answer)})


client = QuickBooks(company_id="1", minorversion=75)
client.session = Company()
returned = Customer.all(qb=client)
print("statements sent:", sent)
print(f"customers at Intuit {len(CUSTOMERS)}, returned {len(returned)}")
assert len(sent) == 1 and len(returned) == 100, "the behaviour changed: more than one page is read"
PYTHON
