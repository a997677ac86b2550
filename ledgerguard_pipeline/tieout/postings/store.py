"""Keeping ``silver.postings`` current: all legs are derived, and those that changed are written.

A leg depends on more than its document: on items, accounts, rates of other documents and on what the
journal taught. Deriving all legs again costs no more than comparing them with the journal, which
is done anyway, and forgets none of that. Decision 72 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.silver.books_tables import POSTINGS
from ledgerguard_pipeline.silver.rebuild import catch_up
from ledgerguard_pipeline.silver.tables import present_tables
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.postings import learning
from ledgerguard_pipeline.tieout.postings.rules import legs_sql
from ledgerguard_pipeline.tieout.tables import POSTING_TABLES, at, create
from ledgerguard_pipeline.values import RealmId

_DERIVED = "derived_postings"
"""A table of the connection alone."""
_ROLES = {
    "undeposited": "account_sub_type = 'UndepositedFunds'",
    "discounts": "account_sub_type = 'DiscountsRefundsGiven'",
    "exchange": "account_sub_type = 'ExchangeGainOrLoss'",
}
_ROLES_BY_CURRENCY = {
    "receivable": "account_type = 'Accounts Receivable'",
    "payable": "account_type = 'Accounts Payable'",
}


@dataclass(frozen=True, slots=True)
class Derived:
    """What a derivation did: documents written or taken away, and how many legs there are now."""

    documents: int
    legs: int


class PostingStore:
    """The postings of every company of a store."""

    def __init__(self, store: BronzeStore) -> None:
        self._store = store
        self._workspace = store.workspace

    def bring_up_to_date(self, realm: RealmId | str) -> Derived:
        """Derive the legs of a company from its documents, and learn the accounts of taxes.

        Raises:
            NotCompared: Silver has no account of this company.
            BronzeError: nothing could be kept.
        """
        catch_up(self._store, str(realm))
        return self._derive(realm)

    def _derive(self, realm: RealmId | str) -> Derived:
        home = self._store.reports.company_facts(realm).home_currency
        values = {"realm": str(realm), "home": home}

        def work(session: OpenStore) -> Derived:
            connection, catalog = session.connection, session.catalog
            for statement in (*create(catalog), *create(catalog, POSTING_TABLES)):
                connection.execute(statement)
            present = present_tables(connection, catalog)
            connection.register("role_account", _roles(session, present, str(realm), home))
            try:
                return _write(session, present, values)
            finally:
                connection.unregister("role_account")

        return self._workspace.write(realm, work)


def _write(session: OpenStore, present: set[str], values: dict[str, str | None]) -> Derived:
    connection = session.connection
    _legs(session, present, values)
    if learning.learn(session, str(values["realm"]), _DERIVED):
        _legs(session, present, values)
    changed = _replace(session, {"realm": values["realm"]})
    row = connection.execute(f"SELECT count(*) FROM {_DERIVED}").fetchone()
    connection.execute(f"DROP TABLE {_DERIVED}")
    connection.execute("DROP TABLE tax_map")
    return Derived(changed, int(row[0]) if row else 0)


def _legs(session: OpenStore, present: set[str], values: dict[str, str | None]) -> None:
    """Derive the legs of a company, with what is known of its taxes."""
    connection, catalog = session.connection, session.catalog
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE tax_map AS SELECT tax_rate_id, side, account_id FROM "
        f"{at(catalog, 'tax_account')} WHERE realm_id = $realm",
        {"realm": values["realm"]},
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_DERIVED} AS "
        + legs_sql(lambda name: at(catalog, name), present),
        values,
    )


def _replace(session: OpenStore, realm: dict[str, str | None]) -> int:
    """Write the documents whose legs changed; how many."""
    connection = session.connection
    postings = at(session.catalog, "postings")
    listed = ", ".join(POSTINGS.types)
    digest = f"entity, txn_id, count(*) AS legs, bit_xor(hash({listed})) AS digest"
    changed = connection.execute(
        f"SELECT entity, txn_id FROM (SELECT {digest} FROM {_DERIVED} GROUP BY ALL) AS new "
        f"FULL JOIN (SELECT {digest} FROM {postings} WHERE realm_id = $realm GROUP BY ALL) AS old "
        "USING (entity, txn_id) WHERE new.legs IS DISTINCT FROM old.legs "
        "OR new.digest IS DISTINCT FROM old.digest",
        realm,
    ).to_arrow_table()
    if changed.num_rows:
        connection.register("changed_postings", changed)
        connection.execute(
            f"DELETE FROM {postings} WHERE realm_id = $realm AND (entity, txn_id) IN "
            "(SELECT entity, txn_id FROM changed_postings)",
            realm,
        )
        connection.execute(
            f"INSERT INTO {postings} BY NAME SELECT * FROM {_DERIVED} "
            "SEMI JOIN changed_postings USING (entity, txn_id)"
        )
        connection.unregister("changed_postings")
    return int(changed.num_rows)


def _roles(session: OpenStore, present: set[str], realm: str, home: str | None) -> Any:
    """The accounts that documents reach without naming them; a guess where several would do.

    Then it is the one that the journal has most often, which may be inactive by now: what was posted
    stays where it is.
    """
    import pyarrow as pa

    account = at(session.catalog, "account")
    if "account" not in present or not _accounts(session, account, None, "true", realm):
        raise NotCompared(
            "Silver holds no account of this company, so documents cannot be posted. Run "
            "`ledgerguard sync` first; nothing was concluded.",
            FindingKind.DOCUMENTS_MISSING,
            realm_id=realm,
            entity="Account",
        )
    # There may be none of them: what would reach one has a leg without an account then.
    found: list[tuple[str, str, str, str]] = []
    used = at(session.catalog, "journal") if "journal" in present else None
    for role, where in _ROLES.items():
        found += _chosen(
            role, ((id, "*") for id, _ in _accounts(session, account, used, where, realm))
        )
    for role, where in _ROLES_BY_CURRENCY.items():
        rows = _accounts(session, account, used, where, realm)
        found += _chosen(role, ((id, currency or home or "") for id, currency in rows))
    names = ("role", "currency_id", "account_id", "confidence")
    return pa.table(
        {name: [row[index] for row in found] for index, name in enumerate(names)},
        schema=pa.schema([(name, pa.string()) for name in names]),
    )


def _accounts(
    session: OpenStore, account: str, journal: str | None, where: str, realm: str
) -> list[tuple[str, str | None]]:
    rows: list[tuple[str, str | None]] = session.connection.execute(
        f"SELECT id, currency_id FROM {account} WHERE realm_id = ? AND {where} "
        "ORDER BY active DESC, length(id), id",
        [realm],
    ).fetchall()
    if len(rows) < 2 or journal is None:
        return rows
    legs = session.connection.execute(
        f"SELECT account_id, count(*) FROM {journal} WHERE realm_id = ? AND account_id IN "
        "(SELECT unnest(?)) GROUP BY account_id",
        [realm, [id for id, _ in rows]],
    ).fetchall()
    often = {str(id): int(count) for id, count in legs}
    return sorted(rows, key=lambda row: -often.get(row[0], 0))


def _chosen(role: str, accounts: Iterable[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    """The first of each currency."""
    by_currency: dict[str, list[str]] = {}
    for id, currency in accounts:
        by_currency.setdefault(currency, []).append(id)
    return [
        (role, currency, ids[0], "sure" if len(ids) == 1 else "guess")
        for currency, ids in by_currency.items()
    ]
