"""What a check found, one row for each company: the table that Dagster shows of an evaluation.

Decision 47 in docs/decisions.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

_Cell = str | int | float | bool | None
_FIRST = ("company", "realm", "result")
_LAST = ("since", "finding")


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """One company in one check; ``figures`` are columns of their own."""

    company: str
    realm_id: str
    result: str
    since: datetime | None = None
    finding: str = ""
    figures: Mapping[str, dg.MetadataValue] = field(default_factory=dict)

    def cells(self) -> dict[str, _Cell]:
        """Its cells by column; a figure that is no plain value is its text."""
        found: dict[str, _Cell] = {
            "company": self.company or self.realm_id,
            "realm": self.realm_id,
            "result": self.result,
        }
        for name, metadata in self.figures.items():
            value = metadata.value
            found[name] = value if isinstance(value, str | int | float | bool) else str(value)
        if self.since is not None:
            found["since"] = f"{self.since:%Y-%m-%d %H:%M} UTC"
        if self.finding:
            found["finding"] = self.finding
        return found


def company_table(rows: Sequence[CompanyRow]) -> dg.MetadataValue:
    """The table; columns that no row has are left out, cells that a row lacks are empty."""
    cells = [row.cells() for row in rows]
    present = list(dict.fromkeys(name for each in cells for name in each))
    figures = [name for name in present if name not in (*_FIRST, *_LAST)]
    columns = [*_FIRST, *figures, *(name for name in _LAST if name in present)]
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: each.get(name) for name in columns}) for each in cells],
        schema=dg.TableSchema(
            columns=[dg.TableColumn(name, _kind(name, cells)) for name in columns]
        ),
    )


def _kind(name: str, cells: Sequence[Mapping[str, _Cell]]) -> str:
    values = [each[name] for each in cells if each.get(name) is not None]
    if values and all(isinstance(value, bool) for value in values):
        return "bool"
    if values and all(isinstance(value, int) for value in values):
        return "int"
    if values and all(isinstance(value, int | float) for value in values):
        return "float"
    return "string"
