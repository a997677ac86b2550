"""Every request this client can make. All of them read.

Intuit's accounting scope can also write and there is no read-only one, so the promise is kept
here: a ``Read`` that is neither a GET nor a query in a POST body cannot be built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.qbo.intuit_limits import MAX_BATCH
from ledgerguard_pipeline.qbo.queries.statement import Query, instant_literal
from ledgerguard_pipeline.reports.types import ReportRequest
from ledgerguard_pipeline.values import RealmId

_LONG_STATEMENT = 4000
_ID = re.compile(r"[A-Za-z0-9_\-]{1,64}", re.ASCII)
_PATH = re.compile(r"/[a-z]+(?:/[A-Za-z0-9_\-]{1,64})?", re.ASCII)
PROBE = "probe"
"""The purpose of calls that ask whether anything is answered at all."""
_POSTS = {"/query": "application/text", "/batch": "application/json"}


CHANGES_ITEM = "changes"
"""The ``bId`` of the change-data-capture item of a batch."""


class _CDCQuery(msgspec.Struct, forbid_unknown_fields=True):
    Entities: str
    ChangedSince: str


class _Item(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    bId: str  # noqa: N815  # the field as Intuit spells it
    Query: str | None = None
    CDCQuery: _CDCQuery | None = None


class _Items(msgspec.Struct, forbid_unknown_fields=True):
    BatchItemRequest: list[_Item]


_ITEMS = msgspec.json.Decoder(_Items)
"""Made here and not at first use: msgspec 0.22 crashes where several threads use a type first."""


@dataclass(frozen=True, slots=True)
class Read:
    """One read of a company. ``entity`` and ``purpose`` are labels for logs and the ledger;
    ``metered`` is how many calls Intuit charges for it. ``ranged`` reads ask for a range of rows or
    for several things at once, so one of those may be the reason of a failure; a count, one object
    or a probe asks for no rows. ``divisible`` ones can be asked again in smaller parts; ``few``
    tells that they are small already.
    """

    path: str
    entity: str
    purpose: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    metered: int = 1
    ranged: bool = False
    divisible: bool = False
    few: bool = False

    def __post_init__(self) -> None:
        if _PATH.fullmatch(self.path) is None:
            raise BadInputError(f"{self.path[:80]!r} is not a path of a read.")
        if "operation" in self.params:
            raise BadInputError("This client only reads; an operation cannot be sent.")
        if self.body is not None:
            self._check_body(self.body)

    def _check_body(self, body: bytes) -> None:
        statements: list[str] = []
        if self.path == "/query":
            statements = [body.decode()]
        elif self.path == "/batch":
            try:
                items = _ITEMS.decode(body).BatchItemRequest
            except msgspec.MsgspecError:
                raise BadInputError("This client only sends batches of queries.") from None
            statements = [item.Query for item in items if item.Query is not None]
            if len(statements) + sum(item.CDCQuery is not None for item in items) != len(items):
                raise BadInputError("This client only sends batches of queries.")
        if not statements or not all(text.startswith("SELECT ") for text in statements):
            raise BadInputError("This client only reads; that body could change books.")

    @property
    def method(self) -> str:
        """GET, or POST where a statement travels in the body."""
        return "GET" if self.body is None else "POST"

    @property
    def content_type(self) -> str | None:
        """Of the body, where there is one."""
        return None if self.body is None else _POSTS[self.path]

    @property
    def batch(self) -> bool:
        """Whether the tighter budget of batch calls applies."""
        return self.path == "/batch"


def query(statement: Query, purpose: str = "query") -> Read:
    """One statement; a long one travels in the body, where no URL limit cuts it."""
    text, entity = statement.text, statement.entity.name
    long = len(text) > _LONG_STATEMENT
    return Read(
        "/query",
        entity,
        purpose,
        {} if long else {"query": text},
        body=text.encode() if long else None,
        ranged=statement.ranged and purpose != PROBE,
        divisible=statement.divisible,
        few=statement.few,
    )


def entity(type: EntityType, id: str) -> Read:
    """One object by id; singletons are asked for by query, which needs none.

    Raises:
        BadInputError: the id is not of the form Intuit uses.
    """
    if type.kind is Kind.SINGLETON:
        return query(Query.select(type, limit=None), "read")
    if _ID.fullmatch(id) is None:
        raise BadInputError(f"{id[:60]!r} is not an object id.", entity=type.name)
    return Read(f"/{type.path}/{id}", type.name, "read")


def download(id: str) -> Read:
    """The short-lived link to an attached file, as the text of the answer.

    Raises:
        BadInputError: the id is not of the form Intuit uses.
    """
    if _ID.fullmatch(id) is None:
        raise BadInputError(f"{id[:60]!r} is not an object id.", entity="Attachable")
    return Read(f"/download/{id}", "Attachable", "download")


def company_info(realm: RealmId) -> Read:
    """The company itself; the cheapest proof that a token fits a realm."""
    return Read(f"/companyinfo/{realm}", "CompanyInfo", PROBE)


def report(request: ReportRequest) -> Read:
    """One report. A window of several days can be asked for in halves instead."""
    type_, params = request.type, dict(request.params)
    path = f"/reports/{type_.path}"
    return Read(path, type_.name, "report", params, divisible=request.divisible)


def changes(types: Sequence[EntityType], since: datetime) -> Read:
    """What changed since a time, for all these types in one call.

    Raises:
        BadInputError: no type, a type change data capture leaves out, or a bare time.
    """
    names = _covered(types)
    label = names if len(types) == 1 else f"{len(types)} types"
    return Read(
        "/cdc",
        label,
        "changes",
        {"entities": names, "changedSince": instant_literal(since)},
        ranged=True,
        divisible=True,
    )


def batch(statements: Sequence[Query], purpose: str = "batch") -> Read:
    """Several statements in one call; item ``i`` carries the id ``q<i>``.

    Raises:
        BadInputError: no statement, or more than a batch holds.
    """
    if not 1 <= len(statements) <= MAX_BATCH:
        raise BadInputError(f"A batch holds 1 to {MAX_BATCH} queries, not {len(statements)}.")
    items = _Items([_Item(f"q{i}", each.text) for i, each in enumerate(statements)])
    names = sorted({each.entity.name for each in statements})
    return Read(
        "/batch",
        names[0] if len(names) == 1 else f"{len(names)} types",
        purpose,
        body=msgspec.json.encode(items),
        metered=len(statements),
        ranged=True,
        divisible=True,
    )


def batch_with_changes(
    statements: Sequence[Query], types: Sequence[EntityType], since: datetime
) -> Read:
    """Statements and one change-data-capture question in one batch.

    Raises:
        BadInputError: more than a batch holds, or a type change data capture leaves out.
    """
    if not 1 <= len(statements) < MAX_BATCH:
        raise BadInputError(
            f"A batch with changes holds 1 to {MAX_BATCH - 1} queries, not {len(statements)}."
        )
    items = [_Item(f"q{i}", each.text) for i, each in enumerate(statements)]
    asked = _CDCQuery(_covered(types), instant_literal(since))
    items.append(_Item(CHANGES_ITEM, CDCQuery=asked))
    return Read(
        "/batch",
        f"{len(types) + len(statements)} types",
        "changes",
        body=msgspec.json.encode(_Items(items)),
        metered=len(items),
        ranged=True,
        divisible=True,
    )


def _covered(types: Sequence[EntityType]) -> str:
    outside = [type.name for type in types if not type.cdc]
    if outside or not types:
        raise BadInputError(
            f"Change data capture does not cover {', '.join(outside) or 'an empty list'}; query "
            "those by LastUpdatedTime."
        )
    return ",".join(type.name for type in types)
