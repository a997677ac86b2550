"""Connect the sandbox's company to a new home and hand out its access token."""

from __future__ import annotations

import json
import sys
from urllib.parse import parse_qsl, urlsplit

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle

order = json.load(sys.stdin)
settings = load_settings()
sandbox = SandboxHandle(order["base_url"], *settings.credentials(), [order["realm_id"]])
with Installation.open(settings) as installation:
    callback = sandbox.consent(installation.connector.begin())
    company = installation.connector.complete(dict(parse_qsl(urlsplit(callback).query)))
    token = installation.token_provider.current(company.realm_id).value.get_secret_value()
print(json.dumps({"token": token}))
