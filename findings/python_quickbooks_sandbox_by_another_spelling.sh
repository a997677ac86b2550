#!/bin/sh
# python-quickbooks 0.9.12 with intuit-oauth 1.2.6: "Sandbox" signs in at one host and reads at another.
#
# intuit-oauth compares the environment without regard to case, and takes "sand" as well. The
# QuickBooks client built from that AuthClient compares with "sandbox" exactly and treats everything
# else as production: the tokens belong to a sandbox company, the calls go to the production host.
#
# Output:
#   sandbox -> sandbox-quickbooks.api.intuit.com
#   Sandbox -> quickbooks.api.intuit.com
#   sand -> quickbooks.api.intuit.com
# In this product: INTUIT_ENV is checked when the settings are read; both hosts follow from it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check python-quickbooks==0.9.12 intuit-oauth==1.2.6
"$folder/venv/bin/python" - <<'PYTHON'
from urllib.parse import urlsplit

from intuitlib import config
from intuitlib.client import AuthClient
from quickbooks import QuickBooks
from requests import Session

NAMES = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint",
         "issuer", "jwks_uri")
discovered = []


def get(self, url, **options):
    """Intuit's discovery document, which needs a network otherwise."""
    discovered.append(url)
    answer = {"status_code": 200, "json": lambda: dict.fromkeys(NAMES, "https://localhost")}
    return type("Answer", (), {name: staticmethod(value) if callable(value) else value
                               for name, value in answer.items()})


Session.get = get
hosts = {}
for environment in ("sandbox", "Sandbox", "sand"):
    auth = AuthClient("id", "secret", "http://localhost/callback", environment,
                      access_token="access", refresh_token="refresh")
    client = QuickBooks(auth_client=auth, refresh_token="refresh", company_id="1", minorversion=75)
    hosts[environment] = urlsplit(client.api_url).hostname
    print(environment, "->", hosts[environment])
assert set(discovered) == {config.DISCOVERY_URL["sandbox"]}, "all three are the sandbox to one package"
assert len(set(hosts.values())) == 2, "the behaviour changed: both packages agree"
PYTHON
