"""python-quickbooks: page through entity types with ``all()``; objects are built, nothing stored.

A page of None leaves the library's own default.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace

import quickbooks.objects
from quickbooks import QuickBooks

order = json.load(sys.stdin)
size = order["page"] or 100
began = time.perf_counter()
# What the library reads of its OAuth client; the real one asks the network for Intuit's addresses.
grant = SimpleNamespace(
    client_id="bench", access_token=order["token"], refresh_token="", environment="sandbox"
)
QuickBooks.sandbox_api_url_v3 = f"{order['base_url']}/v3"
client = QuickBooks(auth_client=grant, company_id=order["realm_id"], minorversion=75)
rows = 0
types = []
for entity in order["entities"]:
    kind = getattr(quickbooks.objects, entity["name"], None)
    if not hasattr(kind, "all"):
        continue
    types.append(entity["name"])
    start = 1
    while True:
        chosen = {"max_results": order["page"]} if order["page"] else {}
        # For items alone all() asks for "*, Sku", which the sandbox's grammar does not know.
        read = kind.where if entity["name"] == "Item" else kind.all
        found = read(start_position=start, qb=client, **chosen)
        rows += len(found)
        if len(found) < size:
            break
        start += size
print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows, "types": len(types)}))
