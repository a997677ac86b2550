"""Documents whose lines do not make what the document says of them, as a statement to run.

Where Intuit writes the same thing in more than one way, each way is right: lines of a document
with tax in its prices hold the amount with or without the tax, a bundle's own amount repeats its
lines or is missing, a sub-total is of all lines or of those since the last one. Anything else is
named. Cents are rounded as the form rounds them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.silver.checks.scope import Part, Scope
from ledgerguard_pipeline.silver.layout import EntityTables, Table

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
_EXACT = "DECIMAL(38,18)"


def adds_up(entity: EntityType) -> bool:
    """Whether lines of this type make a total or a balance."""
    return entity.name in _FORMS or entity.name in _APPLIED or entity.name == _ENTRY


def wrong_sums(every: Sequence[EntityTables], scope: Scope) -> str | None:
    """A statement for the documents of these types that do not add up; None if no type has any.

    It gives ``id``, and what stands before and after it in the text of a case.
    """
    kinds = (
        (_forms, [one for one in every if one.entity.name in _FORMS]),
        (_applied, [one for one in every if one.entity.name in _APPLIED]),
        (_entries, [one for one in every if one.entity.name == _ENTRY]),
    )
    found = [f"SELECT * FROM ({cases(mine, scope)})" for cases, mine in kinds if mine]
    return " UNION ALL ".join(found) if found else None


def shown(amount: str) -> str:
    """SQL of a decimal as people write it."""
    return rf"regexp_replace(CAST({amount} AS VARCHAR), '\.?0+$', '')"


def _lines(tables: EntityTables) -> Table:
    return next(table for table in tables.children if table.name == f"{tables.entity.table}_line")


def _of_line(tables: EntityTables) -> Part:
    """The lines of a form; what a type lacks is NULL."""
    lines = _lines(tables)
    has = {column.name for column in lines.columns}
    columns = {name: f"t.{name}" for name in ("line_no", "detail_type", "amount")}
    for name, column, kind in (
        ("parent_line_no", "parent_line_no", "BIGINT"),
        ("taxed", "tax_inclusive_amt", _EXACT),
        ("off", "discount_amt", _EXACT),
        ("item", "item_id", "VARCHAR"),
    ):
        columns[name] = f"t.{column}" if column in has else f"NULL::{kind}"
    return Part.silver(tables.entity.name, lines.name, columns)


def _of_header(tables: EntityTables) -> Part:
    header = tables.header
    has = {column.name for column in header.columns}

    def amount(name: str) -> str:
        return f"coalesce(t.{name}, 0)" if name in has else f"0::{_EXACT}"

    inclusive = "coalesce(t.global_tax_calculation, '') = 'TaxInclusive'"
    columns = {
        "total_amt": "t.total_amt",
        "tax": amount("total_tax"),
        "kept": amount("less_cis"),
        "cash_back": amount("cash_back_amount"),
        "inclusive": inclusive if "global_tax_calculation" in has else "false",
    }
    where = "t.state <> 'voided' AND t.total_amt IS NOT NULL"
    return Part.silver(tables.entity.name, header.name, columns, where)


def _forms(every: Sequence[EntityTables], scope: Scope) -> str:
    """Forms with a total: ``ways`` are the ways to read the amounts of their lines.

    ``plain`` as sent, ``gross`` with the tax in them, ``off`` the discount of the line.
    Discount lines count against them in totals and not in sub-totals.
    """
    return f"""
WITH line AS (
    SELECT * FROM {scope.rows(map(_of_line, every))}
), head AS (
    SELECT * FROM {scope.rows(map(_of_header, every))}
), large AS (
    SELECT id FROM line WHERE abs(amount) >= {_LARGEST} OR abs(taxed) >= {_LARGEST}
    UNION
    SELECT id FROM head WHERE abs(total_amt) >= {_LARGEST} OR abs(tax) >= {_LARGEST}
        OR abs(kept) >= {_LARGEST} OR abs(cash_back) >= {_LARGEST}
), small AS (
    SELECT line.*, coalesce(taxed, amount) AS with_tax
    FROM line ANTI JOIN large USING (id)
), bundle AS (
    SELECT id, parent_line_no AS line_no, sum(amount) AS amount,
        sum(with_tax) AS gross, count(*) AS parts
    FROM small WHERE parent_line_no IS NOT NULL GROUP BY ALL
), counted AS (
    SELECT s.id, s.line_no, s.detail_type, s.item, s.amount AS own, b.amount AS inside,
        coalesce(b.parts, 0) AS parts,
        CASE WHEN s.detail_type = 'GroupLineDetail' AND coalesce(s.amount, 0) = 0
            THEN coalesce(b.amount, 0) ELSE coalesce(s.amount, 0) END AS plain,
        CASE WHEN s.detail_type = 'GroupLineDetail'
            THEN coalesce(b.gross, s.amount, 0) ELSE coalesce(s.with_tax, 0) END AS gross,
        coalesce(s.off, 0) AS off
    FROM small AS s LEFT JOIN bundle AS b ON b.id = s.id AND b.line_no = s.line_no
    WHERE s.parent_line_no IS NULL
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
SELECT id, '', ': total ' || {shown("total_amt")} || ', lines and tax ' || {shown("amount")}
FROM due
WHERE amount <> total_amt AND NOT list_contains(flatten(list_transform(
    list_filter(ways, lambda way: way IS NOT NULL), lambda way: flatten(list_transform(
        [way, way - withheld, way + withheld, way - kept],
        lambda each: [each - cash_back, round(each - cash_back, 2)])))), total_amt)
UNION ALL
SELECT id, '', ': sub-total ' || {shown("own")} || ' in line ' || line_no || ', lines before it '
    || {shown("before[1] - coalesce(earlier[1], 0)")}
FROM sub_total
WHERE NOT list_contains(flatten(list_transform(
    before || whole || list_transform(before, lambda each, nth: each - coalesce(earlier[nth], 0)),
    lambda each: [each, round(each, 2)])), coalesce(own, 0))
UNION ALL
SELECT id, '', ': bundle of ' || {shown("own")} || ' in line ' || line_no || ', its lines '
    || {shown("inside")}
FROM valued
WHERE detail_type = 'GroupLineDetail' AND parts > 0 AND coalesce(own, 0) <> 0 AND own <> inside
UNION ALL
SELECT id, '', ': amounts too large to be added' FROM large
"""


def _applied(every: Sequence[EntityTables], scope: Scope) -> str:
    """Payments: what is applied, less the credits it takes into account, and what is left."""
    links, lines, headers = [], [], []
    for one in every:
        name, table = one.entity.name, one.entity.table
        settled, credit = _APPLIED[name]
        columns = {"line_no": "t.line_no", "txn_type": "t.txn_type"}
        links.append(Part.silver(name, f"{table}_linked", columns, "t.line_no IS NOT NULL"))
        columns = {"line_no": "t.line_no", "amount": "t.amount", "settled": settled}
        lines.append(Part.silver(name, f"{table}_line", {**columns, "credit": credit}))
        rest = any(column.name == "unapplied_amt" for column in one.header.columns)
        columns = {
            "total_amt": "t.total_amt",
            "rest": "t.unapplied_amt" if rest else f"NULL::{_EXACT}",
        }
        where = f"t.state <> 'voided' AND abs(t.total_amt) < {_LARGEST}"
        headers.append(Part.silver(name, one.header.name, columns, where))
    return f"""
WITH link AS (
    SELECT id, line_no, CASE WHEN min(txn_type) = max(txn_type) THEN min(txn_type) END AS txn_type
    FROM {scope.rows(links)} GROUP BY ALL
), line AS (
    SELECT l.id, l.amount, l.settled, l.credit, k.txn_type FROM {scope.rows(lines)} AS l
    LEFT JOIN link AS k ON k.id = l.id AND k.line_no = l.line_no
), unclear AS (
    SELECT id FROM line
    WHERE coalesce(txn_type, '') NOT IN (settled, credit) OR abs(amount) >= {_LARGEST}
), applied AS (
    SELECT id, sum(CASE WHEN txn_type = settled THEN amount ELSE -amount END) AS amount
    FROM line ANTI JOIN unclear USING (id) GROUP BY id
), total AS (
    SELECT h.id, h.total_amt, h.rest, coalesce(a.amount, 0) AS amount
    FROM {scope.rows(headers)} AS h LEFT JOIN applied AS a ON a.id = h.id
    WHERE abs(coalesce(h.rest, 0)) < {_LARGEST} AND h.id NOT IN (SELECT id FROM unclear)
)
SELECT id, '', ': total ' || {shown("total_amt")} || ', applied ' || {shown("amount")}
    || coalesce(', not applied ' || {shown("rest")}, '')
FROM total WHERE CASE WHEN rest IS NULL THEN amount > total_amt ELSE amount + rest <> total_amt END
"""


def _entries(every: Sequence[EntityTables], scope: Scope) -> str:
    """Entries of the journal: debits are credits; tax may stand on one side without a line."""
    lines = [
        Part.silver(
            one.entity.name,
            _lines(one).name,
            {"posting_type": "t.posting_type", "amount": "t.amount"},
            f"abs(t.amount) < {_LARGEST}",
        )
        for one in every
    ]
    headers = [
        Part.silver(one.entity.name, one.header.name, {"tax": "t.total_tax"}, "t.state <> 'voided'")
        for one in every
    ]
    return f"""
WITH line AS (
    SELECT id, sum(CASE WHEN posting_type = 'Debit' THEN amount ELSE 0 END) AS debit,
        sum(CASE WHEN posting_type = 'Credit' THEN amount ELSE 0 END) AS credit
    FROM {scope.rows(lines)} GROUP BY id
)
SELECT h.id, '', ': debits ' || {shown("debit")} || ', credits ' || {shown("credit")}
FROM {scope.rows(headers)} AS h JOIN line ON line.id = h.id
WHERE debit <> credit AND abs(debit - credit) <> abs(coalesce(h.tax, 0))
"""
