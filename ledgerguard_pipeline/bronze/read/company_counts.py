"""What Bronze holds of companies that are asked for together, in one read.

A sync compares what it read with what is stored several times. Of a small company that is a few
statements over forty tables for a few hundred rows; threads that ask at the same time would wait
for each other at the file and each do the same. So who is first in line asks for all behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.first_in_line import FirstInLine, Waiting
from ledgerguard_pipeline.bronze.loads import Walk
from ledgerguard_pipeline.bronze.read.counts import live_counts_of
from ledgerguard_pipeline.bronze.read.only_quarantined import OnlyQuarantined, only_quarantined
from ledgerguard_pipeline.entities import ENTITIES, EntityType

Reading = Callable[[], AbstractContextManager[tuple[duckdb.DuckDBPyConnection | None, set[str]]]]


@dataclass(slots=True)
class Held:
    """Of one company, by entity name."""

    live: dict[str, int] = field(default_factory=dict)
    """Living objects."""
    inactive: dict[str, int] = field(default_factory=dict)
    """How many of them are inactive."""
    quarantined: dict[str, int] = field(default_factory=dict)
    """Unresolved records in quarantine."""
    only_quarantined: dict[str, OnlyQuarantined] = field(default_factory=dict)
    walks: dict[str, Walk] = field(default_factory=dict)
    """Full walks that were begun and not finished."""

    def waiting(self, entity: EntityType) -> OnlyQuarantined:
        """What is only in quarantine. Where a count may leave rows out, it may leave these out too."""
        found = self.only_quarantined.get(entity.name, OnlyQuarantined())
        return OnlyQuarantined(0, found.named + found.nameless) if entity.inactive_apart else found


@dataclass(slots=True)
class _Question(Waiting):
    realm: str
    held: Held | None = None
    error: Exception | None = None


class CompanyCounts:
    """Answers as of a moment after the question. Thread-safe."""

    def __init__(self, reading: Reading, let_go: Callable[[], None]) -> None:
        self._reading = reading
        self._let_go = let_go
        self._line = FirstInLine[_Question]()

    def of(self, realm: str) -> Held:
        """What Bronze holds of a company.

        Raises:
            BronzeBusy, BronzeUnavailable, BronzeError: it cannot be read.
        """
        self._let_go()  # a thread that shares this read may be the one that makes it
        question = _Question(realm)
        if self._line.leads(question):
            self._lead()
        if question.error is not None:
            raise question.error
        # Who asked for it was interrupted, which is no answer to the others.
        return self.of(realm) if question.held is None else question.held

    def _lead(self) -> None:
        with self._line.group() as group:
            try:
                found = self._read([question.realm for question in group])
                for question in group:
                    question.held = found[question.realm]
            except Exception as error:  # noqa: BLE001  # none would fare better alone
                for question in group:
                    question.error = error

    def _read(self, realms: Sequence[str]) -> Mapping[str, Held]:
        found = {realm: Held() for realm in realms}
        with self._reading() as (connection, present):
            if connection is None:
                return found
            tables = {each.table: each.name for each in ENTITIES if each.table in present}
            if tables:
                for realm, entity, *counts in live_counts_of(connection, tables, list(found)):
                    held = found[realm]
                    for of_type, count in zip((held.live, held.inactive), counts, strict=True):
                        of_type[entity] = of_type.get(entity, 0) + count
            rows = connection.execute(statements.COUNT_QUARANTINE_OF, [list(found)]).fetchall()
            for realm, entity, count in rows:
                found[str(realm)].quarantined[str(entity)] = int(count)
            waiting = {realm: held.quarantined for realm, held in found.items()}
            if rows:
                for (realm, entity), only in only_quarantined(connection, present, waiting).items():
                    found[realm].only_quarantined[entity] = only
            rows = connection.execute(statements.READ_UNFINISHED_WALKS_OF, [list(found)]).fetchall()
            for realm, entity, *walk in rows:
                found[str(realm)].walks[str(entity)] = Walk.of_row(walk)
        return found
