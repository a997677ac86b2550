"""Which rows a check looks at: those of some companies and entity types, in one statement.

With about a hundred rows a statement is planned for longer than it runs, so a check looks at
many types and companies together. There an id begins with its type and company: what a check finds
tells whose it is, and equal ids of two companies stay apart.

Decision 91 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledgerguard_pipeline.bronze.statements import quoted

_BETWEEN = "chr(31)"
"""A character (unit separator) between type, company and id."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one table, called ``t``: whose type they are, columns by name as SQL, a condition."""

    entity: str
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    where: str = ""

    @classmethod
    def silver(
        cls, entity: str, name: str, columns: Mapping[str, str] | None = None, where: str = ""
    ) -> Part:
        """Of a table of Silver."""
        return cls(entity, f"silver.{quoted(name)}", columns or {}, where)

    @classmethod
    def bronze(
        cls, entity: str, name: str, columns: Mapping[str, str] | None = None, where: str = ""
    ) -> Part:
        """Of a table of Bronze."""
        return cls(entity, f"bronze.{quoted(name)}", columns or {}, where)


@dataclass(frozen=True, slots=True)
class Scope:
    """Companies and names of entity types; of one type also ``since`` when rows were loaded.

    Names and instants cannot carry SQL.
    """

    realms: tuple[str, ...]
    entities: tuple[str, ...]
    since: str | None = None

    @property
    def alone(self) -> bool:
        """Whether it is about one type of one company, whose ids need nothing before them."""
        return len(self.realms) == 1 and len(self.entities) == 1

    def rows(self, parts: Iterable[Part], *, anew: bool = True) -> str:
        """A subquery with the columns of the parts and ``id``; unless ``anew``, however old the rows."""
        mine = [*parts]
        columns = list(mine[0].columns)
        if self.alone:
            return f"({' UNION ALL '.join(self._of(each, anew=anew) for each in mine)})"
        rows = " UNION ALL ".join(
            self._of(each, f"'{each.entity}' AS entity", "t.realm_id", anew=anew) for each in mine
        )
        id = f"entity || {_BETWEEN} || realm_id || {_BETWEEN} || id AS id"
        return f"(SELECT {', '.join((id, *columns))} FROM {self.within(rows)})"

    def within(self, rows: str) -> str:
        """What of these rows, which have a ``realm_id``, belongs to the companies."""
        if len(self.realms) == 1:
            return f"({rows})"
        return f"({rows}) SEMI JOIN (SELECT unnest([{self._listed}]) AS realm_id) USING (realm_id)"

    @property
    def mine(self) -> str:
        """A condition on a table ``t`` that all rows of the companies meet, and few others."""
        if len(self.realms) == 1:
            return f"t.realm_id = '{self.realms[0]}'"
        return f"t.realm_id BETWEEN '{min(self.realms)}' AND '{max(self.realms)}'"

    @property
    def recent(self) -> str:
        """A condition on a table ``t`` that what was loaded in time meets."""
        return "true" if self.since is None else f"t.loaded_at >= '{self.since}'"

    def whose(self, cases: str) -> str:
        """A statement for type, company and text of cases, which have ``id``, ``before`` and ``after``."""
        if self.alone:
            names = f"'{self.entities[0]}' AS entity, '{self.realms[0]}' AS realm, id"
        else:
            split = f"split_part(id, {_BETWEEN}"
            names = f"{split}, 1) AS entity, {split}, 2) AS realm, {split}, 3) AS id"
        return (
            "SELECT entity, realm, before || id || after AS found "
            f"FROM (SELECT {names}, before, after FROM ({cases}) AS t(id, before, after))"
        )

    @property
    def _listed(self) -> str:
        return ", ".join(f"'{realm}'" for realm in self.realms)

    def _of(self, part: Part, *above: str, anew: bool) -> str:
        columns = (*above, "t.id", *(f"{sql} AS {name}" for name, sql in part.columns.items()))
        conditions = [self.mine, *([self.recent] if anew else []), *filter(None, [part.where])]
        return (
            f"SELECT {', '.join(columns)} FROM {part.table} AS t WHERE {' AND '.join(conditions)}"
        )
