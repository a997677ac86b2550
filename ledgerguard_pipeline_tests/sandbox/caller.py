"""A tiny hand-made company and a plain HTTP client of the sandbox, for its own tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches

REALM = "9130000000000001"
OTHER_REALM = "9130000000000002"
NOW = 1_790_000_000
"""When the tiny company was last touched: 2026-09-21."""
CALLBACK = "http://localhost:8000/api/v1/auth/callback"
Json = dict[str, Any]


def put(
    company: SandboxCompany,
    entity: str,
    id: str,
    *,
    created: int = NOW - 86_400,
    updated: int | None = None,
    active: bool = True,
    raw: str = "",
    **members: object,
) -> bytes:
    """Place a row; ``raw`` is JSON text added verbatim. Returns its exact body."""
    at = created if updated is None else updated
    times = {"CreateTime": write_time(created), "LastUpdatedTime": write_time(at)}
    document = {"domain": "QBO", "Id": id, "SyncToken": "0", "MetaData": times, **members}
    text = json.dumps(document, ensure_ascii=False)[:-1] + (f", {raw}" if raw else "") + "}"
    company.tables[entity].put(Row(id, created, at, 0, active, text.encode()))
    return text.encode()


def tiny_company(realm: str = REALM, invoices: int = 0) -> SandboxCompany:
    """Three customers (one inactive), a few singletons and as many invoices as wanted."""
    company = SandboxCompany(realm, f"Tiny {realm[-1]}", seed=1)
    put(company, "Customer", "1", DisplayName="Adam's Candy Shop", Active=True, raw='"Balance": 0')
    put(company, "Customer", "2", DisplayName="Müller Orgelbau", Active=True,
        raw='"Balance": 100.10')  # fmt: skip
    put(company, "Customer", "3", DisplayName="Old (deleted)", Active=False, active=False)
    put(company, "CompanyInfo", "1", CompanyName=company.name)
    put(company, "Preferences", "1")
    for number in range(1, invoices + 1):
        put(
            company,
            "Invoice",
            str(number),
            created=NOW - 100_000 + number,
            DocNumber=f"D-{number}",
            TxnDate="2026-09-01",
            CustomerRef={"value": "1", "name": "Adam's Candy Shop"},
            raw=f'"TotalAmt": {number}.10',
        )
    return company


class Caller:
    """Speaks to one sandbox with the tokens of one consent; asks for JSON."""

    def __init__(self, server: SandboxServer, realm: str | None = None) -> None:
        self.server = server
        self.realm = realm or server.realm_id
        self.http = requests.Session()
        self.http.trust_env = False
        self.tokens = self.exchange(self.code()).json()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def authorize_url(self, **changes: str) -> str:
        asked = {
            "client_id": self.server.client_id,
            "response_type": "code",
            "scope": "com.intuit.quickbooks.accounting",
            "redirect_uri": CALLBACK,
            "state": "a state",
            **changes,
        }
        return f"{self.server.base_url}/connect/oauth2?{urlencode(asked)}"

    def code(self) -> str:
        """A fresh code, by walking the consent page."""
        callback = self.server.consent(self.authorize_url(), self.realm)
        return parse_qs(urlsplit(callback).query)["code"][0]

    def token_call(self, secret: str | None = None, **form: str) -> requests.Response:
        return self.http.post(
            f"{self.server.base_url}/oauth2/v1/tokens/bearer",
            data=form,
            auth=(self.server.client_id, secret or self.server.client_secret),
            headers={"Accept": "application/json", **self._extra},
            timeout=30,
        )

    _extra: dict[str, str] = {}  # noqa: RUF012  # replaced, never changed

    def exchange(self, code: str, redirect_uri: str = CALLBACK) -> requests.Response:
        return self.token_call(
            grant_type="authorization_code", code=code, redirect_uri=redirect_uri
        )

    def refresh(self, value: str | None = None, *, hard: bool = False) -> requests.Response:
        self._extra = {"x-include-refresh-token-hard-expires-in": "true"} if hard else {}
        value = self.tokens["refresh_token"] if value is None else value
        return self.token_call(grant_type="refresh_token", refresh_token=value)

    def get(self, tail: str, accept: str = "application/json", **params: str) -> requests.Response:
        return self.http.get(
            f"{self.server.base_url}/v3/company/{self.realm}/{tail}",
            params=params,
            headers=self.headers(accept),
            allow_redirects=False,
            timeout=30,
        )

    def headers(self, accept: str = "application/json") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}", "Accept": accept}

    def query(self, statement: str) -> requests.Response:
        return self.get("query", query=statement)

    def rows(self, statement: str) -> list[Json]:
        """The rows of an answer that has to be a good one."""
        answer = self.query(statement)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()["QueryResponse"]
        lists = [value for value in found.values() if isinstance(value, list)]
        return list(lists[0]) if lists else []

    def ids(self, statement: str) -> list[str]:
        return [row["Id"] for row in self.rows(statement)]

    def count(self, statement: str) -> int:
        return int(self.query(statement).json()["QueryResponse"]["totalCount"])

    def cdc(self, entities: str, since: str) -> requests.Response:
        return self.get("cdc", entities=entities, changedSince=since)

    def batch(self, *items: Json) -> requests.Response:
        return self.http.post(
            f"{self.server.base_url}/v3/company/{self.realm}/batch",
            json={"BatchItemRequest": list(items)},
            headers=self.headers(),
            timeout=30,
        )


def fault_of(answer: requests.Response) -> Json:
    """The only error of an accounting-layer ``Fault``."""
    (error,) = answer.json()["Fault"]["Error"]
    return dict(error)


@contextmanager
def calling(*companies: SandboxCompany, **switches: object) -> Iterator[Caller]:
    """A running sandbox and a connected client; limits are off unless asked for."""
    start = Switches()
    start.change({"limits": False, "clock_offset_seconds": NOW - time.time(), **switches})
    with (
        SandboxServer(companies or (tiny_company(),), switches=start) as server,
        Caller(server) as caller,
    ):
        yield caller
