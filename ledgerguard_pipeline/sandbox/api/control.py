"""``/_sandbox/...``: the sandbox's own controls, which Intuit has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from ledgerguard_pipeline.sandbox.answers.replies import Answer
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.api.faults import FaultRule
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.edits.ledger_only import post_ledger_only, remove_ledger_only
from ledgerguard_pipeline.sandbox.query.properties import queryable

PREFIX = "/_sandbox/"
SCOPE = "com.intuit.quickbooks.accounting"
_TRUTH_CHUNK = 500


class EditDetails(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Further arguments of ``edits.edit``, which says what they mean."""

    like: str | None = None
    pays: str | None = None
    amount: str | None = None
    note: str | None = None
    loser: str | None = None
    n: int = 10
    seed: int = 0


class EditOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One edit of the books."""

    kind: str
    entity: str
    id: str | None = None
    realm: str | None = None
    at: int | None = None
    """Epoch seconds; the sandbox's now by default."""
    more: EditDetails = EditDetails()


_ORDERS = msgspec.json.Decoder(list[EditOrder])


class LedgerOrder(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A transaction that no entity holds: its type, and from which account to which (ids)."""

    label: str
    date: str
    amount: str
    debit: str
    credit: str
    memo: str = ""
    realm: str | None = None


class _LedgerRemoval(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    realm: str | None = None


class TruthLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One object as it is: its exact body, or for a deleted one only the time."""

    id: str
    updated: int
    created: int | None = None
    sync_token: int | None = None
    active: bool = True
    body: str | None = None


class IssuedTokens(msgspec.Struct, kw_only=True):
    """A grant of one company; times in seconds from now."""

    realm: str
    name: str
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int


class _Realms(msgspec.Struct, forbid_unknown_fields=True):
    realms: list[str] | None = None


class _Realm(msgspec.Struct, forbid_unknown_fields=True):
    realm: str | None = None


class Control:
    """Answers the control endpoints; anyone who reaches the port may use them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._actions: dict[str, Callable[[bytes], object]] = {
            "GET health": self._health,
            "GET companies": lambda _: self._companies(),
            "GET stats": lambda _: world.stats.snapshot(),
            "GET switches": lambda _: world.switches,
            "POST switches": self._change_switches,
            "POST stats/reset": _doing(world.stats.reset),
            "POST limits/reset": _doing(world.limits.reset),
            "POST log/pop": lambda _: world.stats.pop_log(),
            "POST faults": self._add_faults,
            "POST faults/clear": _doing(world.faults.clear),
            "POST tokens/expire": self._expire,
            "POST tokens/revoke": self._revoke,
            "POST tokens/issue": self._issue,
            "POST edit": self._edits,
            "POST ledger": self._post_ledger_only,
            "POST ledger/remove": self._remove_ledger_only,
        }

    def answer(self, request: Request) -> Answer:
        """Errors come as ``{"error": "..."}`` with status 400 or 404."""
        try:
            return self._routed(request)
        except LookupError as error:
            return _json({"error": str(error.args[0] if error.args else error)}, 404)
        except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
            return _json({"error": str(error)}, 400)

    def truth(self, path: str) -> Iterator[bytes]:
        """JSON lines of every object of ``truth/{realm}/{entity}``, in chunks.

        Raises:
            LookupError: no such company or entity.
        """
        _, realm, name = path.removeprefix(PREFIX).split("/", 2)
        company = self._company(realm)
        entity = queryable(name)
        if entity is None:
            raise LookupError(f"the sandbox has no entity {name}")
        return _truth_lines(company, entity.name)

    def _routed(self, request: Request) -> Answer:
        name = f"{request.method} {request.path.removeprefix(PREFIX)}"
        action = self._actions.get(name)
        if action is None:
            raise LookupError(f"the sandbox has no control {name}")
        return _json(action(request.body or b"{}"))

    def _health(self, _: bytes) -> object:
        return {"status": "ok", "time": self._world.now()}

    def _change_switches(self, body: bytes) -> object:
        self._world.switches.change(msgspec.json.decode(body, type=dict[str, object]))
        return self._world.switches

    def _add_faults(self, body: bytes) -> object:
        for rule in msgspec.json.decode(body, type=list[FaultRule]):
            self._world.faults.add(rule)
        return {}

    def _expire(self, body: bytes) -> object:
        realm = msgspec.json.decode(body, type=_Realm).realm
        return {"expired": self._world.grants.expire_access(realm)}

    def _revoke(self, body: bytes) -> object:
        realm = msgspec.json.decode(body, type=_Realm).realm
        return {"revoked": self._world.grants.disconnect(realm)}

    def _issue(self, body: bytes) -> object:
        chosen = msgspec.json.decode(body, type=_Realms).realms
        realms = list(self._world.companies) if chosen is None else chosen
        now = self._world.now()
        issued = []
        for realm in realms:
            company = self._company(realm)
            tokens = self._world.grants.issue(realm, SCOPE, now)
            issued.append(
                IssuedTokens(
                    realm=realm,
                    name=company.name,
                    access_token=tokens.access_token,
                    refresh_token=tokens.refresh_token,
                    expires_in=tokens.expires_in,
                    refresh_expires_in=tokens.refresh_expires_in,
                )
            )
        return issued

    def _edits(self, body: bytes) -> object:
        return [self._edit(order) for order in _ORDERS.decode(body)]

    def _edit(self, order: EditOrder) -> object:
        company = self._company(order.realm)
        at = int(self._world.now()) if order.at is None else order.at
        with company.lock:
            return edit(
                company,
                order.kind,
                order.entity,
                order.id,
                at,
                like=order.more.like,
                pays=order.more.pays,
                amount=order.more.amount,
                note=order.more.note,
                loser=order.more.loser,
                n=order.more.n,
                seed=order.more.seed,
                quiet=not self._world.switches.merge_touches,
            )

    def _post_ledger_only(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=LedgerOrder)
        company, at = self._company(order.realm), int(self._world.now())
        with company.lock:
            id = post_ledger_only(
                company,
                order.label,
                at,
                date=order.date,
                amount=Decimal(order.amount),
                debit=order.debit,
                credit=order.credit,
                memo=order.memo,
            )
        return {"id": id}

    def _remove_ledger_only(self, body: bytes) -> object:
        order = msgspec.json.decode(body, type=_LedgerRemoval)
        company = self._company(order.realm)
        with company.lock:
            remove_ledger_only(company, order.id, int(self._world.now()))
        return {}

    def _company(self, realm: str | None) -> SandboxCompany:
        companies = self._world.companies
        if realm is None:
            return next(iter(companies.values()))
        if realm not in companies:
            raise LookupError(f"the sandbox has no company {realm}")
        return companies[realm]

    def _companies(self) -> list[dict[str, object]]:
        return [
            {
                "realm": company.realm_id,
                "name": company.name,
                "rows": {name: len(table.rows) for name, table in company.tables.items()},
            }
            for company in self._world.companies.values()
        ]


def _truth_lines(company: SandboxCompany, entity: str) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    with company.lock:
        table = company.tables[entity]
        rows, graves = list(table.rows.values()), list(table.graves.values())
    for first in range(0, len(rows), _TRUTH_CHUNK):
        with company.lock:
            lines = [
                encode(
                    TruthLine(
                        id=row.id,
                        updated=row.updated,
                        created=row.created,
                        sync_token=row.sync_token,
                        active=row.active,
                        body=table.body(row).decode(),
                    )
                )
                for row in rows[first : first + _TRUTH_CHUNK]
            ]
        yield b"\n".join(lines) + b"\n"
    for grave in graves:
        yield encode(TruthLine(id=grave.id, updated=grave.updated)) + b"\n"


def _doing(action: Callable[[], None]) -> Callable[[bytes], object]:
    def answer(_: bytes) -> object:
        action()
        return {}

    return answer


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, msgspec.json.encode(value))
