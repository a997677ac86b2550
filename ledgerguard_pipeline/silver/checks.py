"""What must hold of Silver's tables of one entity type and company, as statements to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.silver.layout import EntityTables, Table, tables_of
from ledgerguard_pipeline.silver.references import TARGETS
from ledgerguard_pipeline.silver.specs import Block, Child

SHOWN = 5
"""Cases that a failed check names."""
Ask = Callable[[str], Sequence[Sequence[object]]]
"""Runs one reading statement and gives its rows."""


@dataclass(frozen=True, slots=True)
class SilverCheck:
    """One statement about the tables; ``severe`` ones are never true of sound books."""

    name: str
    description: str
    severe: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing wrong, or how many cases and the first of them."""

    check: SilverCheck
    cases: int = 0
    first: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return not self.cases


LEVEL = SilverCheck("level_with_bronze", "Every living object of Bronze is there, none more.", True)
UNIQUE = SilverCheck("keys_are_unique", "No key stands twice in any of its tables.", True)
READABLE = SilverCheck("every_value_is_readable", "No value stands in silver._misfits.", False)
RESOLVED = SilverCheck("references_resolve", "What is referred to is there.", False)
NARROW = SilverCheck("narrow_views_lose_nothing", "Amounts fit the narrow views.", False)
KNOWN = SilverCheck("every_field_is_known", "Bronze saw no field that the registry lacks.", False)
ADDS_UP = SilverCheck("lines_add_up", "Sub-totals and totals are the sums of their lines.", False)
OPEN = SilverCheck("balance_within_total", "No balance is larger than its total.", False)


def checks_of(entity: EntityType) -> tuple[SilverCheck, ...]:
    """The checks that make sense for an entity type."""
    columns = {column.name for column in tables_of(entity).header.columns}
    found = [LEVEL, UNIQUE, READABLE, RESOLVED, NARROW, KNOWN]
    if _sold(tables_of(entity)):
        found.append(ADDS_UP)
    if {"balance", "total_amt"} <= columns:
        found.append(OPEN)
    return tuple(found)


def find(ask: Ask, entity: EntityType, realm: str) -> list[Finding]:
    """Run all checks of an entity type for one company.

    ``realm`` is decimal digits by its type and tables come from the registry, so neither can
    carry SQL.
    """
    present = {
        (str(schema), str(name))
        for schema, name in ask(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE schema_name IN ('bronze', 'silver')"
        )
    }
    tables = tables_of(entity)
    # Silver has empty tables, too, of types that Bronze never held: its views need them.
    bronze = {name for schema, name in present if schema == "bronze"}
    if ("silver", tables.header.name) not in present or entity.table not in bronze:
        return [Finding(check) for check in checks_of(entity)]
    statements = {
        LEVEL: _level(tables, realm),
        UNIQUE: " UNION ALL ".join(_twice(table, realm) for table in tables.tables),
        READABLE: (
            "SELECT id || ' ' || path || ': ' || text FROM silver._misfits "
            f"WHERE realm_id = '{realm}' AND entity = '{entity.name}'"
        ),
        RESOLVED: " UNION ALL ".join(_dangling(tables, realm, bronze)),
        NARROW: " UNION ALL ".join(filter(None, (_narrowed(one, realm) for one in tables.tables))),
        ADDS_UP: _sums(tables, realm),
        OPEN: (
            f"SELECT id || ': ' || balance || ' of ' || total_amt "
            f"FROM silver.{quoted(tables.header.name)} WHERE realm_id = '{realm}' "
            "AND abs(balance) > abs(total_amt)"
        ),
    }
    found = []
    for check in checks_of(entity):
        if check is KNOWN:
            found.append(_unknown(ask, tables.block))
            continue
        statement = statements[check]
        found.append(_finding(ask, check, statement) if statement else Finding(check))
    return found


def _finding(ask: Ask, check: SilverCheck, cases: str) -> Finding:
    rows = ask(f"SELECT column0, count(*) OVER () FROM ({cases}) AS t(column0) LIMIT {SHOWN}")
    return Finding(
        check, int(str(rows[0][1])) if rows else 0, tuple(str(row[0])[:200] for row in rows)
    )


def _level(tables: EntityTables, realm: str) -> str:
    bronze = quoted(tables.entity.table)
    living = (
        f"SELECT id, max(loaded_at) AS loaded_at FROM bronze.{bronze} "
        f"WHERE realm_id = '{realm}' GROUP BY id "
        f"HAVING arg_max(state, loaded_at) NOT IN {GONE}"
    )
    return (
        f"SELECT coalesce(b.id || ' is missing or old', s.id || ' is no more') "
        f"FROM ({living}) AS b FULL JOIN "
        f"(SELECT id, loaded_at FROM silver.{quoted(tables.header.name)} "
        f"WHERE realm_id = '{realm}') AS s ON b.id = s.id AND b.loaded_at = s.loaded_at "
        "WHERE b.id IS NULL OR s.id IS NULL"
    )


def _twice(table: Table, realm: str) -> str:
    key = ", ".join(quoted(name) for name in table.key)
    return (
        f"SELECT '{table.name} ' || id FROM silver.{quoted(table.name)} "
        f"WHERE realm_id = '{realm}' GROUP BY {key} HAVING count(*) > 1"
    )


def _dangling(tables: EntityTables, realm: str, bronze: set[str]) -> Iterator[str]:
    for table in tables.tables:
        names = {column.name for column in table.columns}
        for stem, targets in TARGETS.items():
            there = [target for target in targets if target in bronze]
            if f"{stem}_id" in names and there:
                known = " UNION ALL ".join(
                    f"SELECT realm_id, id FROM bronze.{quoted(target)}" for target in there
                )
                yield (
                    f"SELECT '{table.name} ' || id || ': {stem}_id ' || {quoted(stem + '_id')} "
                    f"FROM silver.{quoted(table.name)} WHERE realm_id = '{realm}' "
                    f"AND {quoted(stem + '_id')} IS NOT NULL "
                    f"AND {quoted(stem + '_id')} <> 'SHIPPING_ITEM_ID' "
                    f"AND (realm_id, {quoted(stem + '_id')}) NOT IN ({known})"
                )


def _narrowed(table: Table, realm: str) -> str | None:
    lost = [
        f"{quoted(column.name)} IS DISTINCT FROM "
        f"TRY_CAST({quoted(column.name)} AS {column.kind.narrow})"
        for column in table.columns
        if column.kind.exact
    ]
    return (
        f"SELECT '{table.name} ' || id FROM silver.{quoted(table.name)} "
        f"WHERE realm_id = '{realm}' AND ({' OR '.join(lost)})"
        if lost
        else None
    )


def _sold(tables: EntityTables) -> Table | None:
    """The table of lines, for sales forms."""
    return next(
        (
            table
            for table in tables.children
            if any(column.name == "discount_account_id" for column in table.columns)
            and any(column.name == "total_amt" for column in tables.header.columns)
        ),
        None,
    )


def _sums(tables: EntityTables, realm: str) -> str:
    lines = _sold(tables)
    if lines is None:
        return ""
    return (
        "SELECT h.id || ': total ' || h.total_amt || ', lines and tax ' || s.amount FROM "
        f"silver.{quoted(tables.header.name)} AS h JOIN (SELECT l.realm_id, l.id, sum(CASE "
        "WHEN l.detail_type = 'DiscountLineDetail' THEN -l.amount ELSE l.amount END) AS amount "
        f"FROM silver.{quoted(lines.name)} AS l WHERE l.realm_id = '{realm}' "
        "AND l.parent_line_no IS NULL AND l.detail_type IN ('SalesItemLineDetail', "
        "'GroupLineDetail', 'DiscountLineDetail') GROUP BY ALL) AS s USING (realm_id, id) "
        "WHERE h.state <> 'voided' "
        "AND coalesce(h.global_tax_calculation, '') <> 'TaxInclusive' "
        "AND h.total_amt <> s.amount + coalesce(h.total_tax, 0)"
    )


def _unknown(ask: Ask, block: Block) -> Finding:
    """Paths that Bronze saw and the registry neither reads nor leaves out on purpose."""
    rows = ask(
        f"SELECT DISTINCT path FROM bronze._fields WHERE entity = '{block.entity}' ORDER BY path"
    )
    strange = [path for path in (str(row[0]) for row in rows) if not is_known(block, path)]
    return Finding(KNOWN, len(strange), tuple(strange[:SHOWN]))


def is_known(block: Block, path: str) -> bool:
    """Whether a path, or one above or below it, stands in the registry."""
    from ledgerguard_pipeline.silver.registry.forms import HEADER_LEFT_OUT

    if block.wrapped:
        path = path.partition(".")[2]
        # The rest of a template is what its documents will be, and stands in their tables then.
        if not path.startswith("RecurringInfo"):
            return True
    left_out = (*HEADER_LEFT_OUT, *block.personal, *block.left_out)
    if any(path == each or path.startswith((f"{each}.", f"{each}[]")) for each in left_out):
        return True
    known = set(_paths(block))
    return path in known or any(each.startswith((f"{path}.", f"{path}[]")) for each in known)


def _paths(block: Block) -> Iterator[str]:
    for column in block.columns:
        yield from column.paths
    for child in block.children:
        yield from _child_paths(child)
    for one in block.picked:
        # What else stands beside a named value only describes how it is wrapped.
        yield f"{one.list_path}[].{one.name_path}"
        yield f"{one.list_path}[].{one.value_path}"


def _child_paths(child: Child) -> Iterator[str]:
    for source in child.sources:
        for column in child.columns:
            yield from (f"{source.path}[].{path}" for path in column.paths)
