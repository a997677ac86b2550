"""Edits of the books as bookkeepers make them, drawn from a step's number."""

from __future__ import annotations

from random import Random

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.soak.books import CALM_TYPES
from ledgerguard_pipeline_tests.soak.journal import Journal

_LISTS = ("Customer", "Vendor", "Item", "Class")
_SPECIAL = (
    "merge", "rename", "email", "touch_balance", "void", "deactivate", "delete", "create",
    "custom_fields",
)  # fmt: skip
_OF_A_KIND = {
    "rename": ("Customer", "Vendor", "Item"),
    "email": ("Invoice", "Estimate"),
    "touch_balance": ("Account", "Customer", "Vendor"),
    "void": ("Invoice", "Payment", "Purchase"),
    "deactivate": ("Item", "Class", "Customer"),
    "delete": ("Attachable", "TimeActivity", "JournalEntry", "Estimate"),
    "create": ("Invoice", "Customer", "Bill", "Transfer"),
    "custom_fields": ("Invoice", "Customer"),
}


class Bookkeeper:
    """Edits the companies of a sandbox over HTTP and notes what each edit changed."""

    def __init__(self, sandbox: SandboxServer, journal: Journal) -> None:
        self._sandbox = sandbox
        self._journal = journal

    def work(self, realm: str, rng: Random) -> None:
        """A burst of ordinary edits, and one of a rarer kind."""
        self.edit(realm, "burst", "*", n=rng.randint(1, 3), seed=rng.randrange(1_000))
        kind = rng.choice(_SPECIAL)
        if kind == "merge":
            self._merge(realm, rng)
            return
        note = f"Renamed {rng.randrange(10_000)}" if kind == "rename" else None
        self.edit(realm, kind, rng.choice(_OF_A_KIND[kind]), note=note)

    def edit(
        self,
        realm: str,
        kind: str,
        entity: str,
        id: str | None = None,
        *,
        at: int | None = None,
        **more: object,
    ) -> list[str]:
        """The objects that changed, as ``realm/Entity/id``; none where QuickBooks refuses."""
        try:
            done = self._sandbox.edit(kind, entity, id, realm_id=realm, at=at, **more)
        except ValueError:
            return []
        changes = done["changes"]
        about = (
            [f"{realm}/{each['entity']}/{each['id']}" for each in changes]
            if isinstance(changes, list)
            else []
        )
        what = f"{kind} {entity} of {realm}"
        shown = ", ".join(name.partition("/")[2] for name in about[:6])
        self._journal.note("edit", f"{what}: {shown}", frozenset(about))
        return about

    def one(
        self, realm: str, rng: Random, entities: tuple[str, ...] = CALM_TYPES
    ) -> tuple[str, str]:
        """A living object of one of these types."""
        entity = rng.choice(entities)
        ids = self._ids(realm, entity)
        return entity, rng.choice(ids)

    def _merge(self, realm: str, rng: Random) -> None:
        entity = rng.choice(_LISTS)
        ids = self._ids(realm, entity)
        if len(ids) > 4:
            survivor, loser = rng.sample(ids, 2)
            self.edit(realm, "merge", entity, survivor, loser=loser)

    def _ids(self, realm: str, entity: str) -> list[str]:
        company = self._sandbox.world.companies[realm]
        with company.lock:
            return sorted(row.id for row in company.tables[entity].rows.values() if row.active)
