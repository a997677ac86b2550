"""Which account the tax of a rate goes to: no entity says it, the journal shows it.

A document teaches where nothing else of it is left over: what the journal has beyond its other legs is
one account with the whole tax, or as many accounts as there are rates, each with the amount of one.
Of several answers the one that most documents give counts; the others are counted against it and
stay differences. Accounts of counted goods are left out, their costs are in no document.
"""

from __future__ import annotations

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.silver.tables import present_tables
from ledgerguard_pipeline.tieout.tables import at

_PURCHASE = "('Bill', 'VendorCredit', 'Purchase')"


def learn(session: OpenStore, realm: str, postings: str) -> bool:
    """Learn the map of a company anew; False if every rate still has the account it had.

    ``postings`` names the table of its legs as they were just derived.
    """
    connection, catalog = session.connection, session.catalog
    map_ = at(catalog, "tax_account")
    present = present_tables(connection, catalog)
    if "journal" not in present:
        return False
    values = {"realm": realm}
    statement = _votes(catalog, postings, items="item" in present)
    found = connection.execute(statement, values).to_arrow_table()
    before = set(
        connection.execute(
            f"SELECT tax_rate_id, side, account_id FROM {map_} WHERE realm_id = $realm", values
        ).fetchall()
    )
    rows = found.to_pylist()
    after = {(row["tax_rate_id"], row["side"], row["account_id"]) for row in rows}
    connection.execute(f"DELETE FROM {map_} WHERE realm_id = $realm", values)
    if rows:
        connection.register("learned_accounts", found)
        connection.execute(f"INSERT INTO {map_} BY NAME SELECT * FROM learned_accounts")
        connection.unregister("learned_accounts")
    return before != after


def _votes(catalog: str, postings: str, *, items: bool) -> str:
    journal = at(catalog, "journal")
    stock = (
        "SELECT unnest([asset_account_id, expense_account_id, cogs_account_id]) AS account_id "
        f"FROM {at(catalog, 'item')} WHERE realm_id = $realm AND type = 'Inventory'"
        if items
        else "SELECT CAST(NULL AS VARCHAR) AS account_id WHERE false"
    )
    return f"""
WITH stock AS ({stock}),
tax AS (
    SELECT entity, txn_id, tax_rate_id, any_value(txn_date) AS txn_date, sum(amount) AS amount
    FROM {postings} WHERE realm_id = $realm AND tax_rate_id IS NOT NULL
    GROUP BY entity, txn_id, tax_rate_id HAVING sum(amount) <> 0
),
whole AS (
    SELECT entity, txn_id, count(*) AS n, sum(amount) AS amount FROM tax GROUP BY entity, txn_id
),
left_over AS (
    SELECT entity, txn_id, account_id, sum(amount) AS amount FROM (
        SELECT entity, txn_id, account_id, amount FROM {journal}
        WHERE realm_id = $realm AND entity IS NOT NULL
        UNION ALL
        SELECT entity, txn_id, account_id, -amount FROM {postings}
        WHERE realm_id = $realm AND tax_rate_id IS NULL
    ) SEMI JOIN whole USING (entity, txn_id)
    WHERE account_id NOT IN (SELECT account_id FROM stock WHERE account_id IS NOT NULL)
    GROUP BY entity, txn_id, account_id HAVING sum(amount) <> 0
),
left_whole AS (
    SELECT entity, txn_id, count(*) AS n, sum(amount) AS amount FROM left_over
    GROUP BY entity, txn_id
),
alone AS (
    SELECT tax.entity, tax.txn_id, tax.txn_date, tax.tax_rate_id, left_over.account_id
    FROM tax JOIN whole USING (entity, txn_id) JOIN left_whole USING (entity, txn_id)
        JOIN left_over USING (entity, txn_id)
    WHERE left_whole.n = 1 AND left_whole.amount = whole.amount
),
paired AS (
    SELECT tax.entity, tax.txn_id, tax.txn_date, tax.tax_rate_id, left_over.account_id
    FROM tax JOIN whole USING (entity, txn_id) JOIN left_whole USING (entity, txn_id)
        JOIN left_over ON left_over.entity = tax.entity AND left_over.txn_id = tax.txn_id
        AND left_over.amount = tax.amount
    WHERE left_whole.n = whole.n AND whole.n > 1
),
sound AS (
    SELECT entity, txn_id FROM paired JOIN whole USING (entity, txn_id) GROUP BY entity, txn_id
    HAVING count(*) = any_value(whole.n) AND count(DISTINCT tax_rate_id) = any_value(whole.n)
        AND count(DISTINCT account_id) = any_value(whole.n)
),
vote AS (
    SELECT * FROM alone
    UNION ALL
    SELECT * FROM paired SEMI JOIN sound USING (entity, txn_id)
),
counted AS (
    SELECT tax_rate_id, CASE WHEN entity IN {_PURCHASE} THEN 'purchase' ELSE 'sales' END AS side,
        account_id, count(*) AS seen, max(txn_date) AS last_seen
    FROM vote GROUP BY ALL
)
SELECT $realm AS realm_id, tax_rate_id, side, account_id, seen,
    CAST(sum(seen) OVER (PARTITION BY tax_rate_id, side) - seen AS BIGINT) AS contradicted, last_seen
FROM counted
QUALIFY row_number() OVER (
    PARTITION BY tax_rate_id, side ORDER BY seen DESC, length(account_id), account_id
) = 1
"""
