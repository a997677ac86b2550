"""Asking a sandbox for reports over HTTP, and plain readings of what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer

Json = Any


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class Reporter:
    """One caller with a token of the first company."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self._token = sandbox.issue_tokens()[0].access_token

    def ask(self, name: str, **params: str) -> Reply:
        path = f"/v3/company/{self.sandbox.realm_id}/reports/{name}?{urlencode(params)}"
        connection = HTTPConnection(urlsplit(self.sandbox.base_url).netloc, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Reply(answer.status, headers_of(answer), answer.read())
        finally:
            connection.close()

    def get(self, name: str, **params: str) -> Json:
        reply = self.ask(name, **params)
        assert reply.status == 200, reply.body
        return reply.json


def headers_of(answer: HTTPResponse) -> dict[str, str]:
    """Headers by their names in lower case."""
    return {name.lower(): value for name, value in answer.getheaders()}


def rows(report: Json) -> Iterator[list[Json]]:
    """Data rows of any depth, as cells."""
    yield from _rows(report["Rows"].get("Row", []))


def _rows(found: Json) -> Iterator[list[Json]]:
    for row in found:
        if "ColData" in row:
            yield row["ColData"]
        yield from _rows(row.get("Rows", {}).get("Row", []))


def headers(report: Json) -> Iterator[list[Json]]:
    """The headers of sections of any depth, as cells."""
    yield from _headers(report["Rows"].get("Row", []))


def _headers(found: Json) -> Iterator[list[Json]]:
    for row in found:
        if "Header" in row:
            yield row["Header"]["ColData"]
        yield from _headers(row.get("Rows", {}).get("Row", []))


def money(cell: Json) -> Decimal:
    return Decimal(cell["value"] or "0")


def sides(cells: list[Json]) -> Decimal:
    """Debit less credit of a row that ends with both."""
    return money(cells[-2]) - money(cells[-1])
