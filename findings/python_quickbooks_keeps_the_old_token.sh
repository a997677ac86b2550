#!/bin/sh
# python-quickbooks 0.9.12 with intuit-oauth 1.2.6: a refreshed AuthClient does not reach its client.
#
# QuickBooks(auth_client=...) copies the access token once. After auth_client.refresh() the AuthClient
# holds the new token and the QuickBooks object goes on sending the old one, so a program that
# refreshes every hour and keeps its client fails with 401 at the first call after the hour. The client
# has to be built anew after each refresh.
#
# Output:
#   AuthClient holds access-2, the client sends Bearer access-1
# In this product: the token is asked for before each call (ledgerguard_pipeline/auth/token_provider.py).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check python-quickbooks==0.9.12 intuit-oauth==1.2.6
OAUTHLIB_INSECURE_TRANSPORT=1 "$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from intuitlib.client import AuthClient
from quickbooks import QuickBooks
from quickbooks.objects.customer import Customer

seen, refreshed = [], 1


class Intuit(BaseHTTPRequestHandler):
    def do_GET(self):
        names = ("authorization", "token", "revocation", "userinfo")
        self.answer({f"{name}_endpoint": f"{BASE}/{name}" for name in names}
                    | {"issuer": BASE, "jwks_uri": f"{BASE}/keys"})

    def do_POST(self):
        global refreshed
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            refreshed += 1
            self.answer({"access_token": f"access-{refreshed}", "refresh_token": "refresh",
                         "expires_in": 3600, "x_refresh_token_expires_in": 8640000})
        else:
            seen.append(self.headers["Authorization"])
            self.answer({"QueryResponse": {}})

    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Intuit)
BASE = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
auth = AuthClient("id", "secret", "http://localhost/callback", BASE,
                  access_token="access-1", refresh_token="refresh")
client = QuickBooks(auth_client=auth, refresh_token="refresh", company_id="1", minorversion=75)
client.api_url_v3 = BASE
auth.refresh()
Customer.filter(qb=client)
print(f"AuthClient holds {auth.access_token}, the client sends {seen[-1]}")
assert auth.access_token == "access-2" and seen == ["Bearer access-1"], "the behaviour changed"
server.shutdown()
PYTHON
