"""Documents and accounts that QuickBooks changed after the last sync: they differ because the copy is older.

One call of change data capture tells them apart from changes that a sync should have brought: only what
changed at or after the point the sync of its type had reached, and is newer than what Bronze holds,
counts. Everything else stays unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ledgerguard_pipeline.bronze.loads import StoredVersion
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.silver.registry.forms import PARTY_TYPES
from ledgerguard_pipeline.silver.specs import spelled
from ledgerguard_pipeline.tieout.differences import (
    ROUNDED,
    Difference,
    DifferenceClass,
    Level,
    TieOut,
)
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.values import RealmId, Record

NEWER = "QuickBooks changed it after the last sync; run `ledgerguard sync`."
_PARTIES = {"CustomerRef": "Customer", "VendorRef": "Vendor"}
_OF_ANY_TYPE = ("Entity", "EntityRef")
"""Members that say themselves, or beside them, of which type the party is."""
_OLDER = (
    "SELECT DISTINCT party_type, party_id FROM silver.postings WHERE realm_id = ? AND entity = ? "
    "AND list_contains(?, txn_id) AND party_id IS NOT NULL"
)
_ON_DOCUMENTS = (Level.LISTED, Level.POSTINGS)
_ACCOUNT = "Account"


@dataclass(frozen=True, slots=True)
class Newer:
    """Ids of documents and accounts by entity type, and the customers and vendors they concern, then or now."""

    documents: Mapping[str, frozenset[str]]
    parties: frozenset[tuple[str, str]]

    def explains(self, each: Difference) -> bool:
        """Whether a difference is about one of them."""
        kind, _, rest = each.key.partition("/")
        if each.level in _ON_DOCUMENTS:
            return rest.partition("/")[0] in self.documents.get(kind, frozenset())
        if each.level is Level.ACCOUNT_BALANCES:
            return each.key in self.documents.get(_ACCOUNT, frozenset())
        if each.level is Level.OPEN_ITEMS:
            # The sum of all parties moves with any of them.
            return any(kind == of and rest in ("", id) for of, id in self.parties)
        return False


def explain_newer(
    client: QBOClient, store: BronzeStore, realm: RealmId | str, found: Sequence[Difference]
) -> list[Difference]:
    """Give differences of documents that are newer in QuickBooks their class; those it gave it to.

    One call where a document or an account's row differs without an explanation, none otherwise. Where it is refused,
    everything stays as it was.

    Raises:
        BronzeError: the class could not be kept.
    """
    open_ = [
        each
        for each in found
        if each.kind is DifferenceClass.UNEXPLAINED and each.explanation != ROUNDED
    ]
    reached = store.watermarks(realm)
    kinds = [each for each in ENTITIES if each.cdc and each.name in reached]
    named = {each.key.partition("/")[0] for each in open_ if each.level in _ON_DOCUMENTS}
    named |= {_ACCOUNT for each in open_ if each.level is Level.ACCOUNT_BALANCES}
    wanted = [each for each in kinds if each.name in named]
    if not wanted:
        return []
    newer = _newer(client, store, realm, wanted, reached)
    explained = [each for each in open_ if newer.explains(each)]
    if explained:
        TieOut(store.workspace).explain(realm, explained, DifferenceClass.SNAPSHOT_MOVED, NEWER)
    return explained


def _newer(
    client: QBOClient,
    store: BronzeStore,
    realm: RealmId | str,
    kinds: Sequence[EntityType],
    reached: Mapping[str, datetime],
) -> Newer:
    store.workspace.let_go()
    try:
        groups = client.changes(kinds, min(reached[each.name] for each in kinds)).groups
    except LedgerGuardError:
        return Newer({}, frozenset())
    changed = {
        each: [*groups[each.name].records, *groups[each.name].tombstones]
        for each in kinds
        if each.name in groups
    }
    held = store.versions(realm, {kind: [one.id for one in rows] for kind, rows in changed.items()})
    documents: dict[str, frozenset[str]] = {}
    parties: set[tuple[str, str]] = set()
    for kind, rows in changed.items():
        fresh = [
            each
            for each in rows
            if _is_newer(each, held.get(kind.name, {}).get(each.id), reached[kind.name])
        ]
        documents[kind.name] = frozenset(each.id for each in fresh)
        parties.update(_parties(fresh))
        parties.update(_former(store, realm, kind.name, documents[kind.name]))
    return Newer(documents, frozenset(parties))


def _is_newer(each: Record, held: StoredVersion | None, reached: datetime) -> bool:
    at = each.last_updated_at
    if at is None or at < reached:
        return False
    before = None if held is None else held.last_updated_at
    return before is None or at > before


def _parties(rows: Sequence[Record]) -> Iterator[tuple[str, str]]:
    for each in rows:
        try:
            yield from _named(msgspec.json.decode(each.payload or b"null"))
        except (msgspec.DecodeError, RecursionError):
            continue  # what cannot be read explains nothing


def _named(node: object) -> Iterator[tuple[str, str]]:
    """Customers, vendors and employees in a payload."""
    if isinstance(node, list):
        for each in node:
            yield from _named(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            id = value.get("value") if isinstance(value, dict) else None
            kind = _PARTIES.get(name)
            if name in _OF_ANY_TYPE and isinstance(value, dict):
                kind = value.get("type") or node.get("Type")
            if isinstance(id, str) and isinstance(kind, str):
                yield spelled(kind, PARTY_TYPES), id
            yield from _named(value)


def _former(
    store: BronzeStore, realm: RealmId | str, entity: str, ids: frozenset[str]
) -> list[tuple[str, str]]:
    """Whom these documents concerned as they are known here."""
    with store.workspace.read() as view:
        if not ids or view is None or not has_table(view, "postings"):
            return []
        rows = view.connection.execute(_OLDER, [str(realm), entity, sorted(ids)]).fetchall()
    return [(str(party), str(id)) for party, id in rows]
