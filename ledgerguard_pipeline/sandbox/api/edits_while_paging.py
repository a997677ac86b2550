"""Edits of the books between the pages of a walk."""

from __future__ import annotations

import random
from collections import defaultdict
from contextlib import suppress

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.edits.edits import EditRefused, edit
from ledgerguard_pipeline.sandbox.query.engine import Found
from ledgerguard_pipeline.sandbox.switches import Hazard


class Disturber:
    """Follows query pages with the edits a ``Hazard`` asks for."""

    def __init__(self) -> None:
        self._hazard: Hazard | None = None
        self._random = random.Random()
        self._pages = 0
        self._served: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def after_page(
        self, hazard: Hazard | None, company: SandboxCompany, found: Found, now: float
    ) -> None:
        """Edit rows of the entity just paged; the caller holds the company's lock."""
        if hazard is not self._hazard:
            self._hazard, self._pages = hazard, 0
            self._served.clear()
            self._random.seed(hazard.seed if hazard else 0)
        if hazard is None or not found.rows or found.count_only:
            return
        entity = found.entity.name
        if hazard.entities and entity not in hazard.entities:
            return
        if hazard.pages is not None and self._pages >= hazard.pages:
            return
        self._pages += 1
        served = self._served[company.realm_id, entity]
        served.extend(row.id for row in found.rows)
        for _ in range(hazard.update):
            self._touch("update", company, entity, served, int(now))
        for _ in range(hazard.delete):
            self._touch("delete", company, entity, served, int(now))
        for _ in range(hazard.insert):
            edit(company, "create", entity, None, int(now))

    def _touch(
        self, kind: str, company: SandboxCompany, entity: str, served: list[str], at: int
    ) -> None:
        """Served rows and rows to come alternate at random; one that is gone or must stay is passed."""
        rows = company.tables[entity].rows
        everything = company.ids(entity)
        for _ in range(50):
            victim = self._random.choice(self._random.choice((served, everything)))
            if victim in rows:
                with suppress(EditRefused):
                    edit(company, kind, entity, victim, at)
                    return
