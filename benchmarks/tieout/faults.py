"""Single faults in the books of one company, and whether each is named where it has to be.

A fault is planted in what Bronze holds of a document. Five of different kinds are planted at a time, each in
a document of its own, in a copy of the books. Nobody tells Silver.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from benchmarks.process import BenchFailed
from benchmarks.tieout.companies import Books, store_at
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.tieout.differences import Difference, Level
from ledgerguard_pipeline.tieout.postings.rules import POSTING
from ledgerguard_pipeline.tieout.proof import ProofResult

_CENT = Decimal("0.01")
_COPY = 9_000_000_000
"""Added to the id of a document that stands in Bronze twice."""
_VOIDED = ("Invoice", "SalesReceipt", "Payment", "BillPayment")
_AMENDED = ("Bill", "Purchase", "SalesReceipt", "Invoice", "VendorCredit")
_COPIED = ("Invoice", "Bill", "Purchase", "Payment", "SalesReceipt", "Deposit", "Transfer",
           "JournalEntry", "CreditMemo", "BillPayment")  # fmt: skip
_LINED = ("Bill", "Invoice", "Purchase", "JournalEntry", "SalesReceipt", "VendorCredit")
_TOTALLED = tuple(each for each in _COPIED if each not in ("Transfer", "JournalEntry"))
_WITHOUT_LINES = ("Payment", "BillPayment")
_PER_DOCUMENT = {Level.BALANCED, Level.DERIVED, Level.LISTED, Level.POSTINGS}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in one document; ``level`` has to name it by ``key``, which may be a beginning."""

    kind: str
    entity: str
    id: str
    level: Level
    key: str
    statements: tuple[str, ...]
    """What it does to Bronze."""

    @property
    def ids(self) -> set[str]:
        """Under which it may be named on other levels."""
        return {self.id, str(_COPY + int(self.id))}

    def named_by(self, found: Sequence[Difference]) -> bool:
        """Whether the right level names the right document, and its account where it has one."""
        return any(
            each.level is self.level
            and (each.key == self.key or each.key.startswith(f"{self.key}/"))
            for each in found
        )


@dataclass(slots=True)
class Outcome:
    """What became of planted faults."""

    planted: dict[str, int] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    """Differences that no planted fault accounts for."""
    missed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Planter:
    """Chooses documents of a company, no two faults in one."""

    books: Books
    file: Path
    draw: Random
    taken: set[tuple[str, str]] = field(default_factory=set)

    def amend(self, voids: int, changes: int) -> list[tuple[str, str, str]]:
        """Edit documents in QuickBooks, so that there are older versions to be stale."""
        made: list[tuple[str, str, str]] = []
        for kind, entities, count in (("void", _VOIDED, voids), ("update", _AMENDED, changes)):
            choices = cycle(entities)
            done = 0
            while done < count:
                entity = next(choices)
                id = self._any(entity)
                more = {} if kind == "void" else {"amount": f"{self.draw.randrange(100, 900)}.37"}
                try:
                    self.books.sandbox.edit(
                        kind, entity, id, realm_id=self.books.realm, at=int(time.time()), **more
                    )
                except ValueError:
                    continue
                made.append((kind, entity, id))
                done += 1
        return made

    def rounds(self, amended: Sequence[tuple[str, str, str]], count: int) -> Iterator[list[Fault]]:
        """Faults for each round: one of every kind, and one of those ``amended``."""
        copied, totalled, lined = cycle(_COPIED), cycle(_TOTALLED), cycle(_LINED)
        kinds: tuple[tuple[Callable[[str, str], Fault], Iterator[str]], ...] = (
            (self._dropped, lined), (self._moved, totalled), (_hidden, copied), (_doubled, copied),
        )  # fmt: skip
        for number in range(count):
            faults = [make(entity := next(names), self._any(entity)) for make, names in kinds]
            yield [*faults, *(_stale(*each) for each in amended[number : number + 1])]

    def _any(self, entity: str) -> str:
        # A total of zero posts nothing, and money in another currency rests on more than one rate.
        table = POSTING[entity]
        plain = (
            "" if entity in ("Transfer", "JournalEntry") else "AND total_amt BETWEEN 1 AND 1000000"
        )
        with duckdb.connect(str(self.file), read_only=True) as connection:
            rows = connection.execute(
                f"SELECT id FROM silver.{table} WHERE realm_id = ? AND state = 'active' {plain} "
                "AND coalesce(exchange_rate, 1) = 1 AND txn_date < current_date ORDER BY length(id), id",
                [self.books.realm],
            ).fetchall()
        free = [str(row[0]) for row in rows if (entity, str(row[0])) not in self.taken]
        if not free:
            raise BenchFailed(f"the sandbox has no {entity} left for another fault")
        id = self.draw.choice(free)
        self.taken.add((entity, id))
        return id

    def _dropped(self, entity: str, id: str) -> Fault:
        """Without one of its lines, which the account it was on has to show."""
        document = json.loads(self._payload(entity, id))
        lines = document["Line"]
        number = next((at for at, line in enumerate(lines) if self._account(line)), None)
        if number is None:  # goods on a bill, or a bundle
            return self._dropped(entity, self._any(entity))
        account = self._account(lines.pop(number))
        # Amounts this small keep every digit.
        changed = json.dumps(document, separators=(",", ":"))
        key = f"{entity}/{id}/{account}"
        return Fault(
            "a leg dropped", entity, id, Level.POSTINGS, key, (_amended(entity, id, changed),)
        )

    def _moved(self, entity: str, id: str) -> Fault:
        """With a total that is a cent larger."""
        head, name, tail = self._payload(entity, id).rpartition('"TotalAmt":')
        number = tail.split(",")[0].split("}")[0]
        changed = f"{head}{name}{Decimal(number) + _CENT}{tail[len(number) :]}"
        # A payment is nothing but its total, so both its legs are a cent too large.
        level = Level.POSTINGS if entity in _WITHOUT_LINES else Level.DERIVED
        key = f"{entity}/{id}"
        return Fault("a cent moved", entity, id, level, key, (_amended(entity, id, changed),))

    def _payload(self, entity: str, id: str) -> str:
        table = entity_type(entity).table
        with duckdb.connect(str(self.file), read_only=True) as connection:
            row = connection.execute(
                f"SELECT payload FROM bronze.{table} WHERE id = ? ORDER BY loaded_at DESC LIMIT 1",
                [id],
            ).fetchone()
        return "" if row is None else str(row[0])

    def _account(self, line: dict[str, Any]) -> str | None:
        """The account a line is booked on; None for one that posts nothing by itself."""
        detail = line.get(line.get("DetailType", ""), {})
        if not line.get("Amount"):
            return None
        if "AccountRef" in detail:
            return str(detail["AccountRef"]["value"])
        item = detail.get("ItemRef", {}).get("value")
        if (
            line.get("DetailType") != "SalesItemLineDetail"
            or item is None
            or not line.get("Amount")
        ):
            return None
        with duckdb.connect(str(self.file), read_only=True) as connection:
            row = connection.execute(
                "SELECT income_account_id FROM silver.item WHERE realm_id = ? AND id = ?",
                [self.books.realm, item],
            ).fetchone()
        return None if row is None or row[0] is None else str(row[0])


def _amended(entity: str, id: str, payload: str) -> str:
    table = entity_type(entity).table
    return f"UPDATE bronze.{table} SET payload = $json${payload}$json$ WHERE id = '{id}'"


def _hidden(entity: str, id: str) -> Fault:
    table = entity_type(entity).table
    return Fault(
        "a document hidden", entity, id, Level.LISTED, f"{entity}/{id}",
        (f"DELETE FROM bronze.{table} WHERE id = '{id}'",),
    )  # fmt: skip


def _doubled(entity: str, id: str) -> Fault:
    table, copy = entity_type(entity).table, str(_COPY + int(id))
    twice = (
        f"INSERT INTO bronze.{table} SELECT * REPLACE ('{copy}' AS id, replace(payload, "
        f'\'"Id":"{id}"\', \'"Id":"{copy}"\') AS payload) FROM bronze.{table} WHERE id = \'{id}\' '
        "ORDER BY loaded_at DESC LIMIT 1"
    )
    return Fault("a duplicate", entity, id, Level.LISTED, f"{entity}/{copy}", (twice,))


def _stale(change: str, entity: str, id: str) -> Fault:
    table = entity_type(entity).table
    older = (
        f"DELETE FROM bronze.{table} WHERE id = '{id}' AND loaded_at = "
        f"(SELECT max(loaded_at) FROM bronze.{table} WHERE id = '{id}')"
    )
    kind = "a void missed" if change == "void" else "a stale version"
    return Fault(kind, entity, id, Level.POSTINGS, f"{entity}/{id}", (older,))


def plant_and_prove(
    books: Books, file: Path, rounds: Iterator[list[Fault]], folder: Path
) -> Outcome:
    """Plant each round's faults in a copy of the file, compare, and look for every fault."""
    outcome = Outcome()
    copy = folder / "faulty.duckdb"
    for number, faults in enumerate(rounds):
        shutil.copyfile(file, copy)
        result = _proved(books, copy, faults)
        found = result.unexplained
        for fault in faults:
            outcome.planted[fault.kind] = outcome.planted.get(fault.kind, 0) + 1
            if fault.named_by(found):
                outcome.named[fault.kind] = outcome.named.get(fault.kind, 0) + 1
            else:
                outcome.missed.append(f"{fault.kind}: {fault.level} {fault.key}")
        outcome.strange += _strange(found, faults)
        outcome.strange += [each.text for each in result.findings]
        sys.stderr.write(
            f"  round {number + 1}: {sum(f.named_by(found) for f in faults)} of {len(faults)} named, "
            f"{len(found)} differences\n"
        )
        copy.unlink()
    return outcome


def _proved(books: Books, copy: Path, faults: Sequence[Fault]) -> ProofResult:
    with duckdb.connect(str(copy)) as connection:
        for fault in faults:
            for statement in fault.statements:
                connection.execute(statement)
    return books.prove(store_at(copy))


def _strange(found: Sequence[Difference], faults: Sequence[Fault]) -> Iterator[str]:
    """What names a document without a fault, or an account that the journal has rightly."""
    ids = {id for fault in faults for id in fault.ids}
    for each in found:
        if each.level in _PER_DOCUMENT:
            parts = each.key.split("/")
            strange = (parts[1] if len(parts) > 1 else parts[0]) not in ids
        else:
            # What is open follows from the documents; accounts and statements do not.
            strange = each.level is not Level.OPEN_ITEMS
        if strange:
            yield each.message
