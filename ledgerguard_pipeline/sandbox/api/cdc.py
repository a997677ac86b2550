"""Change data capture: every change since a time, at most 1000 objects, tombstones last.

Intuit: "Change data capture" page. Groups come in the order asked for (a switch); within a group live
objects by time of change, then deleted ones; what is beyond the cap is silently missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.sandbox.answers.custom_fields import trimmed
from ledgerguard_pipeline.sandbox.answers.refusals import Refusal, lacking, poisoned, unsupported
from ledgerguard_pipeline.sandbox.answers.replies import dumps, fault_member
from ledgerguard_pipeline.sandbox.api.forms_of_records import shown
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Grave
from ledgerguard_pipeline.sandbox.books.header import DAY_DATED
from ledgerguard_pipeline.sandbox.books.pacific_time import next_midnight, write_time
from ledgerguard_pipeline.sandbox.query.engine import QueryEngine
from ledgerguard_pipeline.sandbox.query.literals import read_literal
from ledgerguard_pipeline.sandbox.query.properties import Queryable, queryable
from ledgerguard_pipeline.sandbox.switches import Switches

CAP = 1000
REACH_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Changes:
    """The ``CDCResponse`` member and how many objects it holds."""

    member: bytes
    rows: int


def changes(
    company: SandboxCompany,
    engine: QueryEngine,
    switches: Switches,
    names: str,
    since: str,
    now: float,
    *,
    full: bool,
) -> Changes:
    """Answer one CDC request. The caller holds the company's lock.

    Raises:
        Refusal: 2020 for a missing parameter, 500 for an entity CDC does not cover or a time
            it does not reach, 4002 for a poison record.
    """
    entities = _entities(names)
    for entity in entities:
        if entity.name in switches.not_offered:
            raise lacking(entity.name)
        if entity.name in switches.cdc_refuses:
            raise unsupported(f"Operation cdc is not supported for entity {entity.name}.")
    start = _since(since, now)
    left = CAP
    groups: list[bytes] = []
    total = 0
    for entity in entities:
        room = CAP if switches.cdc_cap == "group" else left
        try:
            bodies, living = _group(company, engine, switches, entity, start, room, now)
        except Refusal as refusal:
            if switches.cdc_fault == "whole":
                raise
            groups.append(b"{" + fault_member(refusal) + b"}")
            continue
        bodies = bodies if full else [trimmed(entity.name, body) for body in bodies]
        left -= len(bodies)
        total += len(bodies)
        bare = living == 0 and switches.tombstone_groups == "captured"
        groups.append(_member(answer_key(entity, switches), bodies, bare=bare))
    if switches.cdc_order == "reversed":
        groups.reverse()
    inner = b'"CDCResponse":[{"QueryResponse":[' + b",".join(groups) + b"]}]"
    return Changes(inner, total)


def _entities(names: str) -> list[Queryable]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise _missing("entities")
    found: list[Queryable] = []
    for name in wanted:
        entity = queryable(name)
        if entity is None or not entity.cdc:
            raise unsupported(f"Operation cdc is not supported for entity {name}.")
        found.append(entity)
    return found


def _since(text: str, now: float) -> float:
    if not text:
        raise _missing("changedSince")
    try:
        start = read_literal(text)
    except ValueError:
        raise unsupported(
            f"Operation cdc with changedSince date {text} is not supported."
        ) from None
    if start < now - REACH_SECONDS:
        raise unsupported(
            f"Operation cdc with changedSince date {text} which is older than fixed days is not "
            "supported."
        )
    return start


def _missing(name: str) -> Refusal:
    return Refusal(
        "2020",
        "Required param missing, need to supply the required value for the API",
        f"Required parameter {name} is missing in the request",
    )


def _group(
    company: SandboxCompany,
    engine: QueryEngine,
    switches: Switches,
    entity: Queryable,
    since: float,
    room: int,
    now: float,
) -> tuple[list[bytes], int]:
    """What is listed of a type, and how many of it are living objects: they come first."""
    table = company.tables[entity.name]
    by_day = entity.name in DAY_DATED and switches.cdc_by_day
    rows = engine.changed(table, next_midnight(since) if by_day else since).page(0, room)
    if any((entity.name, row.id) in switches.poison for row in rows):
        raise poisoned()
    graves = [grave for grave in table.graves.values() if grave.updated >= since]
    if switches.silence is not None and (hidden := switches.silence.hidden(table, "cdc")):
        rows, graves = [row for row in rows if row.id not in hidden], []
    if switches.false_tombstones:
        reported = {id for name, id in switches.false_tombstones if name == entity.name}
        graves += [
            Grave(row.id, int(since) + 1) for row in table.rows.values() if row.id in reported
        ]
        rows = [row for row in rows if row.id not in reported]
    graves.sort(key=lambda grave: (grave.updated, grave.id))
    living = [shown(table, row, "cdc", switches, now) for row in rows]
    wrapped = switches.template_tombstones == "wrapped" and entity.name == "RecurringTransaction"
    bury = _wrapped_tombstone if wrapped else _tombstone
    return living + [bury(grave) for grave in graves[: room - len(rows)]], len(rows)


def _wrapped_tombstone(grave: Grave) -> bytes:
    meta = {"LastUpdatedTime": write_time(grave.updated)}
    return dumps(
        {"status": "Deleted", "domain": "QBO", "MetaData": meta, "Invoice": {"Id": grave.id}}
    )


def _tombstone(grave: Grave) -> bytes:
    return dumps(
        {
            "domain": "QBO",
            "status": "Deleted",
            "Id": grave.id,
            "MetaData": {"LastUpdatedTime": write_time(grave.updated)},
        }
    )


def answer_key(entity: Queryable, switches: Switches) -> bytes:
    """Under which key rows of a type are listed."""
    if entity.name == "ReimburseCharge" and switches.misspelt_reimburse_charge:
        return b"ReimburseCarge"
    return entity.answer_key.encode()


def _member(key: bytes, bodies: list[bytes], *, bare: bool) -> bytes:
    """A group with its counters; one of tombstones only (``bare``) has no ``startPosition``."""
    if not bodies:
        return b"{}"
    rows = b",".join(bodies)
    if bare:
        count = len(bodies)
        return b'{"%b":[%b],"maxResults":%d,"totalCount":%d}' % (key, rows, count, count)
    return b'{"%b":[%b],"startPosition":1,"maxResults":%d}' % (key, rows, len(bodies))
