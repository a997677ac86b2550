"""Documents whose lines do not make what the document says of them, as a statement to run.

Where Intuit writes the same thing in more than one way, each way is right: lines of a document
with tax in its prices hold the amount with or without the tax, a bundle's own amount repeats its
lines or is missing, a sub-total is of all lines or of those since the last one. Anything else is
named. Cents are rounded as the form rounds them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.silver.layout import EntityTables, Table, tables_of

_NO_AMOUNT = "('SubTotalLineDetail', 'DescriptionOnly', 'DescriptionLineDetail', 'TaxLineDetail')"
"""Lines whose amount repeats what others hold."""
_LARGEST = 10**14
"""Amounts beyond would not add up within a decimal, so their document is named for them."""
_FORMS = frozenset(
    {
        *("Invoice", "SalesReceipt", "CreditMemo", "RefundReceipt", "Estimate", "ChangeOrder"),
        *("Bill", "VendorCredit", "Purchase", "PurchaseOrder", "Deposit"),
    }
)
_APPLIED = {
    "Payment": ("'Invoice'", "'CreditMemo'"),
    "BillPayment": ("'Bill'", "'VendorCredit'"),
}
"""What a payment settles, and what it takes into account. Of other links the side is not known."""
_ENTRY = "JournalEntry"
_OF_COMPANY = 31
"""A character (unit separator) that stands between a company and an id."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Of which rows: a company's, and only those loaded ``since`` an instant where it is given.

    With ``realms`` those of several companies in one statement. There an id begins with its
    company's, so that ids of different companies differ: what a statement finds names its company.
    """

    realm: str
    since: str | None = None
    realms: tuple[str, ...] = ()

    def silver(self, name: str) -> str:
        """A table of Silver, to select from."""
        return self._table(f"silver.{quoted(name)}")

    def bronze(self, name: str) -> str:
        """A table of Bronze, to select from."""
        return self._table(f"bronze.{quoted(name)}")

    def mine(self, alias: str) -> str:
        """The companies, as a condition on such a table."""
        return "true" if self.realms else f"{alias}.realm_id = '{self.realm}'"

    def of(self, alias: str) -> str:
        """Companies and instant, as a condition on such a table."""
        mine = self.mine(alias)
        return mine if self.since is None else f"{mine} AND {alias}.loaded_at >= '{self.since}'"

    def same_company(self, id: str, reference: str) -> str:
        """SQL of a reference as an id of the company that ``id`` belongs to."""
        if not self.realms:
            return reference
        return f"split_part({id}, chr({_OF_COMPANY}), 1) || chr({_OF_COMPANY}) || {reference}"

    def by_company(self, found: str) -> str:
        """A statement for the company in a text that was found, and for the text without it."""
        if not self.realms:
            return f"SELECT '{self.realm}' AS realm, found FROM ({found}) AS t(found)"
        key = rf"'([0-9]+)\x{{{_OF_COMPANY:02x}}}'"
        return (
            f"SELECT regexp_extract(found, {key}, 1) AS realm, "
            f"regexp_replace(found, {key}, '') AS found FROM ({found}) AS t(found)"
        )

    def _table(self, name: str) -> str:
        if not self.realms:
            return name
        realms = ", ".join(f"'{realm}'" for realm in self.realms)
        return (
            f"(SELECT * REPLACE (realm_id || chr({_OF_COMPANY}) || id AS id) FROM {name} "
            f"WHERE realm_id IN ({realms}))"
        )


def adds_up(entity: EntityType) -> bool:
    """Whether lines of this type make a total or a balance."""
    return entity.name in _FORMS or entity.name in _APPLIED or entity.name == _ENTRY


def wrong_sums(entity: EntityType, scope: Scope) -> str:
    """A statement for the documents that do not add up, each as one text."""
    tables = tables_of(entity)
    if entity.name in _APPLIED:
        return _applied(tables, scope)
    if entity.name == _ENTRY:
        return _entries(tables, scope)
    return _forms(tables, scope)


def shown(amount: str) -> str:
    """SQL of a decimal as people write it."""
    return rf"regexp_replace(CAST({amount} AS VARCHAR), '\.?0+$', '')"


def _lines(tables: EntityTables) -> Table:
    return next(table for table in tables.children if table.name == f"{tables.entity.table}_line")


def _document(name: str, alias: str, scope: Scope) -> str:
    return f"{scope.silver(name)} AS {alias} WHERE {scope.of(alias)}"


def _forms(tables: EntityTables, scope: Scope) -> str:
    """Forms with a total: ``m`` are the ways to read the amounts of their lines.

    ``plain`` as sent, ``gross`` with the tax in them, ``lowered`` less the discount of the line,
    ``goods`` without shipping. Discount lines count against them in totals and not in sub-totals.
    """
    lines, header = _lines(tables), tables.header
    has = {column.name for column in lines.columns}
    on_header = {column.name for column in header.columns}
    gross = "tax_inclusive_amt" if "tax_inclusive_amt" in has else "NULL"
    off = "discount_amt" if "discount_amt" in has else "NULL"
    item = "item_id" if "item_id" in has else "NULL"
    bundled = "parent_line_no" in has
    inner = (
        "SELECT id, parent_line_no AS line_no, sum(amount) AS amount, "
        "sum(coalesce(tax_inclusive_amt, amount)) AS gross, count(*) AS parts FROM small "
        "WHERE parent_line_no IS NOT NULL GROUP BY ALL"
        if bundled
        else "SELECT NULL::VARCHAR AS id, 0 AS line_no, NULL::DECIMAL(38,18) AS amount, "
        "NULL::DECIMAL(38,18) AS gross, 0 AS parts WHERE false"
    )
    top = "AND parent_line_no IS NULL" if bundled else ""
    cash_back = "coalesce(h.cash_back_amount, 0)" if "cash_back_amount" in on_header else "0"
    kept = "coalesce(h.less_cis, 0)" if "less_cis" in on_header else "0"
    inclusive = (
        "coalesce(h.global_tax_calculation, '') = 'TaxInclusive'"
        if "global_tax_calculation" in on_header
        else "false"
    )
    return f"""
WITH line AS (
    SELECT l.* FROM {_document(lines.name, "l", scope)}
), head AS (
    SELECT h.*, coalesce(h.total_tax, 0) AS tax, {kept} AS kept, {cash_back} AS cash_back,
        {inclusive} AS inclusive
    FROM {_document(header.name, "h", scope)} AND h.state <> 'voided' AND h.total_amt IS NOT NULL
), large AS (
    SELECT id FROM line WHERE abs(amount) >= {_LARGEST} OR abs({gross}) >= {_LARGEST}
    UNION
    SELECT id FROM head WHERE abs(total_amt) >= {_LARGEST} OR abs(tax) >= {_LARGEST}
        OR abs(kept) >= {_LARGEST} OR abs(cash_back) >= {_LARGEST}
), small AS (
    SELECT line.*, coalesce({gross}, amount) AS with_tax, {off} AS off, {item} AS item
    FROM line ANTI JOIN large USING (id)
), bundle AS (
    {inner}
), counted AS (
    SELECT s.id, s.line_no, s.detail_type, s.item, s.amount AS own, b.amount AS inside,
        coalesce(b.parts, 0) AS parts,
        CASE WHEN s.detail_type = 'GroupLineDetail' AND coalesce(s.amount, 0) = 0
            THEN coalesce(b.amount, 0) ELSE coalesce(s.amount, 0) END AS plain,
        CASE WHEN s.detail_type = 'GroupLineDetail'
            THEN coalesce(b.gross, s.amount, 0) ELSE coalesce(s.with_tax, 0) END AS gross,
        coalesce(s.off, 0) AS off
    FROM small AS s LEFT JOIN bundle AS b ON b.id = s.id AND b.line_no = s.line_no
    WHERE true {top}
), valued AS (
    SELECT *, CASE WHEN coalesce(detail_type, '') IN {_NO_AMOUNT}
            OR detail_type IN ('DiscountLineDetail', 'TDSLineDetail') THEN 0 ELSE 1 END AS sold,
        CASE WHEN detail_type = 'DiscountLineDetail' THEN 1 ELSE 0 END AS cut,
        CASE WHEN detail_type = 'TDSLineDetail' THEN plain ELSE 0 END AS withheld,
        CASE WHEN detail_type = 'SubTotalLineDetail' THEN 1 ELSE 0 END AS sums_up,
        CASE WHEN item = 'SHIPPING_ITEM_ID' THEN plain ELSE 0 END AS shipping
    FROM counted
), document AS (
    SELECT id, sum(sold * plain) AS plain, sum(sold * gross) AS gross,
        sum(sold * off) AS off, sum(cut * plain) AS cut, sum(withheld) AS withheld,
        sum(sums_up) AS sub_totals, max(sums_up * plain) AS sub_total
    FROM valued GROUP BY id
), total AS (
    SELECT head.id, head.total_amt, head.tax, head.cash_back, head.kept, head.inclusive,
        coalesce(d.plain, 0) AS plain, coalesce(d.gross, 0) AS gross, coalesce(d.off, 0) AS off,
        coalesce(d.cut, 0) AS cut, coalesce(d.withheld, 0) AS withheld
    FROM head ANTI JOIN large USING (id) LEFT JOIN document AS d USING (id)
), due AS (
    SELECT id, total_amt, plain - cut + tax - cash_back AS amount,
        [plain - cut + tax, plain - cut + tax - off, CASE WHEN inclusive THEN plain - cut END,
            CASE WHEN inclusive THEN gross - cut END] AS ways,
        cash_back, kept, withheld
    FROM total
), many AS (
    SELECT v.* FROM valued AS v SEMI JOIN (
        SELECT id FROM document WHERE sub_totals > 1 OR (sub_totals = 1 AND sub_total <> plain)
    ) AS d USING (id)
), running AS (
    SELECT id, line_no, own, sums_up,
        [sum(sold * plain) OVER before, sum(sold * plain - cut * plain) OVER before,
            sum(sold * gross) OVER before, sum(sold * (plain - off)) OVER before,
            sum(sold * (plain - shipping)) OVER before] AS before,
        [sum(sold * plain) OVER whole, sum(sold * plain - cut * plain) OVER whole,
            sum(sold * gross) OVER whole, sum(sold * (plain - off)) OVER whole,
            sum(sold * (plain - shipping)) OVER whole] AS whole
    FROM many
    WINDOW before AS (PARTITION BY id ORDER BY line_no ROWS BETWEEN UNBOUNDED PRECEDING
        AND CURRENT ROW), whole AS (PARTITION BY id)
), sub_total AS (
    SELECT id, line_no, own, before, whole,
        lag(before) OVER (PARTITION BY id ORDER BY line_no) AS earlier
    FROM running WHERE sums_up = 1
)
SELECT id || ': total ' || {shown("total_amt")} || ', lines and tax ' || {shown("amount")}
FROM due
WHERE amount <> total_amt AND NOT list_contains(flatten(list_transform(
    list_filter(ways, lambda way: way IS NOT NULL), lambda way: flatten(list_transform(
        [way, way - withheld, way + withheld, way - kept],
        lambda each: [each - cash_back, round(each - cash_back, 2)])))), total_amt)
UNION ALL
SELECT id || ': sub-total ' || {shown("own")} || ' in line ' || line_no || ', lines before it '
    || {shown("before[1] - coalesce(earlier[1], 0)")}
FROM sub_total
WHERE NOT list_contains(flatten(list_transform(
    before || whole || list_transform(before, lambda each, nth: each - coalesce(earlier[nth], 0)),
    lambda each: [each, round(each, 2)])), coalesce(own, 0))
UNION ALL
SELECT id || ': bundle of ' || {shown("own")} || ' in line ' || line_no || ', its lines '
    || {shown("inside")}
FROM valued
WHERE detail_type = 'GroupLineDetail' AND parts > 0 AND coalesce(own, 0) <> 0 AND own <> inside
UNION ALL
SELECT id || ': amounts too large to be added' FROM large
"""


def _applied(tables: EntityTables, scope: Scope) -> str:
    """Payments: what is applied, less the credits it takes into account, and what is left."""
    settled, credit = _APPLIED[tables.entity.name]
    header, table = tables.header.name, tables.entity.table
    rest = (
        "h.unapplied_amt"
        if any(column.name == "unapplied_amt" for column in tables.header.columns)
        else "CAST(NULL AS DECIMAL(38,18))"
    )
    return f"""
WITH link AS (
    SELECT id, line_no, CASE WHEN min(txn_type) = max(txn_type) THEN min(txn_type) END AS txn_type
    FROM {_document(f"{table}_linked", "k", scope)} AND k.line_no IS NOT NULL GROUP BY ALL
), line AS (
    SELECT l.id, l.amount, k.txn_type FROM {scope.silver(f"{table}_line")} AS l
    LEFT JOIN link AS k ON k.id = l.id AND k.line_no = l.line_no WHERE {scope.of("l")}
), unclear AS (
    SELECT id FROM line
    WHERE coalesce(txn_type, '') NOT IN ({settled}, {credit}) OR abs(amount) >= {_LARGEST}
), applied AS (
    SELECT id, sum(CASE WHEN txn_type = {settled} THEN amount ELSE -amount END) AS amount
    FROM line ANTI JOIN unclear USING (id) GROUP BY id
), total AS (
    SELECT h.id, h.total_amt, {rest} AS rest, coalesce(a.amount, 0) AS amount
    FROM {scope.silver(header)} AS h LEFT JOIN applied AS a ON a.id = h.id
    WHERE {scope.of("h")} AND h.state <> 'voided' AND abs(h.total_amt) < {_LARGEST}
        AND abs(coalesce({rest}, 0)) < {_LARGEST} AND h.id NOT IN (SELECT id FROM unclear)
)
SELECT id || ': total ' || {shown("total_amt")} || ', applied ' || {shown("amount")}
    || coalesce(', not applied ' || {shown("rest")}, '')
FROM total WHERE CASE WHEN rest IS NULL THEN amount > total_amt ELSE amount + rest <> total_amt END
"""


def _entries(tables: EntityTables, scope: Scope) -> str:
    """Entries of the journal: debits are credits; tax may stand on one side without a line."""
    header, lines = tables.header.name, _lines(tables).name
    return f"""
WITH line AS (
    SELECT id, sum(CASE WHEN posting_type = 'Debit' THEN amount ELSE 0 END) AS debit,
        sum(CASE WHEN posting_type = 'Credit' THEN amount ELSE 0 END) AS credit
    FROM {_document(lines, "l", scope)} AND abs(l.amount) < {_LARGEST} GROUP BY id
)
SELECT h.id || ': debits ' || {shown("debit")} || ', credits ' || {shown("credit")}
FROM {scope.silver(header)} AS h JOIN line ON line.id = h.id
WHERE {scope.of("h")} AND h.state <> 'voided' AND debit <> credit
    AND abs(debit - credit) <> abs(coalesce(h.total_tax, 0))
"""
