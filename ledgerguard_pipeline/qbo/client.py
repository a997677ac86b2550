"""The QuickBooks Online client: everything a company's books can be asked, nothing that changes
them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from pydantic import SecretStr

from ledgerguard_pipeline import entities as registry
from ledgerguard_pipeline.arguments import also_called, instant, whole_number
from ledgerguard_pipeline.capabilities import (
    Capabilities,
    Capability,
    CapabilityMemory,
    OwnMemory,
)
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    BadInputError,
    ChangesTooOld,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
)
from ledgerguard_pipeline.members import SIGNED_LINKS
from ledgerguard_pipeline.qbo.answers.batch import read_batch_counts, read_batch_pages
from ledgerguard_pipeline.qbo.answers.batch_with_changes import BatchWithChanges, read_with_changes
from ledgerguard_pipeline.qbo.answers.cdc import REACH_DAYS, Changes, read_changes
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.qbo.answers.pages import (
    Counts,
    Page,
    read_count,
    read_link,
    read_page,
    read_single,
)
from ledgerguard_pipeline.qbo.authorization import Granted, check_app
from ledgerguard_pipeline.qbo.intuit_limits import MAX_BATCH
from ledgerguard_pipeline.qbo.oauth.company_profile import CompanyProfile
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_set import TokenSet
from ledgerguard_pipeline.qbo.oauth.token_source import TokenSource
from ledgerguard_pipeline.qbo.paging.batch_pages import BatchOfPages
from ledgerguard_pipeline.qbo.paging.batch_parts import in_parts
from ledgerguard_pipeline.qbo.paging.every_object import readable, walk
from ledgerguard_pipeline.qbo.queries import read_requests
from ledgerguard_pipeline.qbo.queries.custom_fields import INCLUDE, CustomFields, Wanted
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.qbo.queries.where import parse_where
from ledgerguard_pipeline.qbo.records import Records
from ledgerguard_pipeline.qbo.reporting import Reporting
from ledgerguard_pipeline.qbo.session import ApiSession, Outcomes, Parse
from ledgerguard_pipeline.qbo.transport.gate import CallGate, CallRecorder, LocalGate, NoRecorder
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import Transport
from ledgerguard_pipeline.qbo.transport.retry import RetryPolicy
from ledgerguard_pipeline.qbo.transport.stats import CallStats
from ledgerguard_pipeline.values import (
    Environment,
    Record,
    parse_environment,
    parse_realm,
)

T = TypeVar("T")

_Counted = tuple[dict[str, int | QBOAPIError], datetime, str | None]


class QBOClient(Granted, Reporting, Closing):
    """One app in one environment, speaking for one company. Thread-safe; a context manager.

    Given a ``tokens`` source, ``gate``, ``ledger`` and ``memory`` it shares an installation's
    grants, budgets and what was seen of its companies; without them it keeps its own.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | SecretStr,
        redirect_uri: str,
        environment: Environment | str,
        *,
        base_url: str | None = None,
        on_refresh: Callable[[TokenSet], object] | None = None,
        tokens: TokenSource | None = None,
        gate: CallGate | None = None,
        ledger: CallRecorder | None = None,
        memory: CapabilityMemory | None = None,
        realm_id: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
        max_connections: int = 8,
        policy: RetryPolicy | None = None,
        transport: Transport | None = None,
        custom_fields: Wanted = "all",
    ) -> None:
        """Nothing is sent yet. A ``transport`` given is shared with others and stays open.

        ``base_url`` replaces every Intuit host; where it is left out, ``INTUIT_BASE_URL`` does if
        it is set. ``custom_fields`` says whether all of them are asked for, or those of a plain
        answer are enough. ``on_refresh`` is called with each renewed set of tokens before it is used.

        Raises:
            BadInputError: something of the app, the environment or the realm is not one.
            ConfigurationError: ``base_url`` is plain http beyond loopback.
        """
        check_app(client_id, client_secret, redirect_uri)
        self.environment = parse_environment(environment)
        self._clock = clock
        self._max_connections = max_connections
        hosts = Hosts.of(self.environment, base_url or os.environ.get("INTUIT_BASE_URL") or None)
        self._oauth = OAuthEndpoint(client_id, client_secret, redirect_uri, hosts, clock=clock)
        self._on_refresh = on_refresh
        self._tokens = self._own_tokens() if tokens is None else tokens
        self._realm = parse_realm(realm_id) if realm_id is not None else None
        seen = memory or OwnMemory(clock)
        self._capabilities = lru_cache(1)(lambda realm: Capabilities(seen, realm, clock=clock))
        self.custom_fields = CustomFields(custom_fields, lambda: self.capabilities)
        self._shares_tokens = tokens is not None
        self._shares_transport = transport is not None
        self._session = ApiSession(
            transport or Transport(client_id, hosts, clock, max_connections=max_connections),
            hosts,
            self._tokens,
            gate or LocalGate(clock, concurrent=max_connections),
            ledger or NoRecorder(),
            clock,
            policy or RetryPolicy(),
        )

    def close(self) -> None:
        """Close the pooled connections; a later call opens new ones.

        Tokens held in memory are forgotten with the object.
        """
        if not self._shares_transport:
            self._session.close()

    @property
    def capabilities(self) -> Capabilities:
        """What this company's API was seen to accept.

        Raises:
            BadInputError: no company is chosen.
        """
        return self._capabilities(self._require_realm())

    @property
    def max_connections(self) -> int:
        """Calls this client may have in flight at once."""
        return self._max_connections

    @property
    def stats(self) -> CallStats:
        """Calls and bytes so far."""
        return self._session.stats

    # One statement, one call

    def query_page(self, entity: EntityType, query: Query, *, purpose: str = "query") -> Page:
        """The rows of one statement.

        Raises:
            PoisonPage: one record keeps Intuit from rendering the page.
            QBOAPIError, QBOAuthError: the call failed.
        """
        if query.entity != entity or query.counting:
            raise BadInputError(f"The statement does not select {entity.name}.")
        page = self.custom_fields.call(
            read_requests.query(query, purpose),
            lambda read: self._call(read, lambda answer: read_page(answer, entity)),
            wanted=self.custom_fields.asked_of(entity),
        )
        self.custom_fields.look(entity, page.records)
        return page

    def query_batch(self, queries: Sequence[tuple[EntityType, Query]]) -> list[Page | QBOAPIError]:
        """Up to 25 statements in one call; one that fails comes back as its error.

        Raises:
            QBOAPIError, QBOAuthError: the batch as a whole failed.
        """
        if any(query.entity != entity or query.counting for entity, query in queries):
            raise BadInputError("A batch of pages selects rows of the types it names.")
        return BatchOfPages(self.custom_fields, self._batch, self.query_page).read(queries)

    def count_batch(self, entities: Sequence[EntityType | str] | str) -> Counts:
        """Objects per type, inactive ones included where queries show them, 25 types a call.

        Types Intuit cannot count are left out. ``time`` is the server's before the first count.

        Raises:
            QBOAPIError, QBOAuthError: a batch as a whole failed.
            BadInputError: none of the types can be counted.
        """
        kinds = registry.named(entities)
        statements = [Query.count(entity) for entity in kinds if entity.countable]
        if not statements:
            raise BadInputError("None of these types can be counted.")
        parts = in_parts(statements, self._count, most=MAX_BATCH)
        merged = {name: count for counts, *_ in parts for name, count in counts.items()}
        return Counts(merged, *parts[0][1:])

    @also_called(types="entities", entity_types="entities")
    def changes(self, entities: Sequence[EntityType | str] | str, since: datetime | str) -> Changes:
        """What changed in these types since a time, by one change-data-capture call.

        Raises:
            BadInputError: a type is not covered by it, or the time is none.
            ChangesTooOld: ``since`` lies more than 30 days back.
            QBOAPIError, QBOAuthError: the call failed.
        """
        kinds = registry.named(entities)
        since = instant(since, "since")
        read = read_requests.changes(kinds, since)
        if since < self._clock.now() - timedelta(days=REACH_DAYS):
            raise ChangesTooOld(
                f"Changes since {since:%Y-%m-%d} are beyond the {REACH_DAYS} days QuickBooks "
                "keeps: run `ledgerguard sync --full`.",
                realm_id=self._realm,
            )
        return self._call(
            read, lambda answer: read_changes(answer, kinds), lambda found: found.outcomes
        )

    def batch_with_changes(
        self,
        queries: Sequence[tuple[EntityType, Query]],
        entities: Sequence[EntityType],
        since: datetime | None,
    ) -> BatchWithChanges:
        """Statements (pages or counts) and the changes of ``entities``, all in one call.

        Without entities the call carries the statements alone.

        Raises:
            QBOAPIError, QBOAuthError: the call as a whole failed.
            BadInputError: more than a batch holds.
        """
        statements = [query for _, query in queries]
        captured = entities if since is not None else []
        read = (
            read_requests.batch_with_changes(statements, captured, since)
            if captured and since is not None
            else read_requests.batch(statements, "changes")
        )
        return self._call(
            read,
            lambda answer: read_with_changes(answer, statements, captured),
            lambda found: found.outcomes,
        )

    def company_info(self) -> CompanyProfile:
        """Who the company is; fails where the token does not fit the realm.

        Raises:
            QBOAPIError, QBOAuthError: the call failed.
        """
        realm = self._require_realm()
        info = registry.entity_type("CompanyInfo")
        record = self._call(
            read_requests.company_info(realm), lambda answer: read_single(answer, info)
        )
        return CompanyProfile.of(realm, record)

    # The everyday interface, by name

    @also_called(entity="entity_type", entity_id="id")
    def get_entity(self, entity_type: EntityType | str, id: str | int) -> Record:
        """One object by id.

        Raises:
            NotFound, UnreadableRecord: no object of that id is alive, or its row cannot be read.
            BadInputError: no such type, or no possible id.
            QBOAPIError, QBOAuthError: the call failed.
        """
        kind = registry.entity_type(entity_type)
        return self.custom_fields.call(
            read_requests.entity(kind, str(id)),
            lambda read: self._call(read, lambda answer: read_single(answer, kind)),
            wanted=self.custom_fields.asked_of(kind),
            capability=Capability.CUSTOM_FIELDS_BY_ID,
        )

    @also_called(entity="entity_type")
    def query_entities(
        self, entity_type: EntityType | str, where_clause: str | None = None
    ) -> list[Record]:
        """All objects that meet conditions such as ``TotalAmt > '100' AND Active = true``.

        A row that cannot be read is left out and logged.

        Raises:
            BadInputError: no such type, or the clause is not of that form.
            QBOAPIError, QBOAuthError: a call failed.
        """
        kind, conditions = registry.entity_type(entity_type), parse_where(where_clause or "")
        known = self.capabilities
        pages = walk(self.query_page, kind, where=conditions, capabilities=known)
        return list(readable(kind, pages))

    @also_called(entity="entity_type")
    def count_entities(self, entity_type: EntityType | str, where_clause: str | None = None) -> int:
        """How many objects there are, inactive ones included where queries show them.

        Raises:
            BadInputError: no such type, or the clause is not usable.
            QBOAPIError, QBOAuthError: the call failed.
        """
        kind = registry.entity_type(entity_type)
        if not kind.countable:
            raise BadInputError(f"QuickBooks cannot count {kind.name}; a company has one.")
        statement = Query.count(kind, parse_where(where_clause or ""))
        return self._call(read_requests.query(statement, "count"), read_count)

    @also_called(entity="entity_type")
    def get_all_entities(
        self,
        entity_type: EntityType | str,
        since: datetime | str | None = None,
        max_results: int | None = None,
    ) -> Records:
        """Every object of a type, each once, whatever others edit meanwhile.

        ``since`` (a datetime or ISO 8601) keeps to objects updated at or after it,
        ``max_results`` stops early. A loop reads page by page and memory stays flat; ``len`` or
        an index reads and keeps them. A row that cannot be read is left out and logged.

        Raises:
            BadInputError: no such type, no usable time or number.
            QBOAPIError, QBOAuthError: a call failed; raised where the records are read.
        """
        kind = registry.entity_type(entity_type)
        start = None if since is None else instant(since, "since")
        most = None if max_results is None else whole_number(max_results, "max_results")
        known = self.capabilities

        def read() -> Iterator[Record]:
            pages = walk(self.query_page, kind, since=start, capabilities=known)
            return itertools.islice(readable(kind, pages), most)

        return Records(read)

    def file_links(self, ids: Sequence[str]) -> dict[str, str]:
        """Short-lived links to the files of attachments, by id; each opens a file to whoever holds it.

        They live 900 seconds and belong in no log. Ids without a file are left out.

        Raises:
            QBOAPIError, QBOAuthError: a call failed.
        """
        kind = registry.entity_type("Attachable")
        page = self.query_page(kind, Query.ids(kind, ids), purpose="download")
        links = {each.id: str(each.get(SIGNED_LINKS[0]) or "") for each in page.records}
        for id in [each for each, link in links.items() if not link]:
            with suppress(NotFound, PoisonPage, RequestRejected):  # of this file alone
                links[id] = self._call(read_requests.download(id), read_link)
        return {id: link for id, link in links.items() if link}

    # Inside

    def _call(
        self, read: read_requests.Read, parse: Parse[T], outcomes: Outcomes[T] = lambda _: ()
    ) -> T:
        return self._session.call(self._require_realm(), read, parse, outcomes)

    def _batch(self, statements: Sequence[Query], *, include: bool) -> list[Page | QBOAPIError]:
        def send(part: Sequence[Query]) -> list[Page | QBOAPIError]:
            read = read_requests.batch(part)
            if include:
                read = replace(read, params={**read.params, **INCLUDE})
            return self._call(read, lambda answer: read_batch_pages(answer, part), list)

        return in_parts(statements, send)

    def _count(self, statements: Sequence[Query]) -> list[_Counted]:
        def parse(answer: ApiAnswer) -> tuple[_Counted, int]:
            counts, rows = read_batch_counts(answer, statements)
            return (counts, answer.time(answer.open()), answer.where.intuit_tid), rows

        read = read_requests.batch(statements, "count")
        return [self._call(read, parse, lambda found: list(found[0].values()))]
