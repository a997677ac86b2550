"""In which order a company's rows can be walked, best first: the ladder all readers share.

No form of ORDERBY is taken for granted. Intuit announced in 2025 that ``Id`` stops being
sortable, two keys are documented nowhere, and what a type may be sorted by differs. So rows are
asked for by one time; where that is refused, by the other one; where both are, by Id; and
without any order only as far as one answer holds them all, because pages of an unordered set
shift with every edit. The form that worked is remembered per company and entity type.

Decision 58 in docs/decisions.md.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.capabilities import Capabilities, Capability
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.qbo.queries.statement import CREATE_TIME, LAST_UPDATED_TIME, Order
from ledgerguard_pipeline.values import Record


@dataclass(frozen=True, slots=True)
class Form:
    """One order of a walk; ``prop`` is what rows are sorted by, None for no order at all."""

    name: str
    prop: str | None

    @property
    def order(self) -> tuple[Order, ...]:
        """The sort key. Rows equal in it come in any order, and in another one next time."""
        return () if self.prop is None else (Order(self.prop),)

    @property
    def valued(self) -> bool:
        """Whether the key is a time, from which a walk can go on."""
        return self.prop in (CREATE_TIME, LAST_UPDATED_TIME)

    def key(self, record: Record) -> datetime | None:
        """The time a record is sorted by; None where the order goes by no time."""
        if self.prop == CREATE_TIME:
            return record.created_at
        return record.last_updated_at if self.prop == LAST_UPDATED_TIME else None


CREATED = Form("created", CREATE_TIME)
"""Edits do not move a row; deletions move others to the left only."""
UPDATED = Form("updated", LAST_UPDATED_TIME)
"""An edited row moves to the end, where it is met again."""
BY_ID = Form("id", "Id")
UNORDERED = Form("none", None)


def forms_of(entity: EntityType, *, changes: bool) -> tuple[Form, ...]:
    """The ladder of a type, for all of its rows or for those changed since a time."""
    if entity.kind is Kind.SINGLETON:
        return (UNORDERED,)
    if not entity.timestamps:
        return (BY_ID, UNORDERED)
    return (UPDATED, CREATED, BY_ID, UNORDERED) if changes else (CREATED, UPDATED, BY_ID, UNORDERED)


class Ladder:
    """Where on the ladder one type of a company is. Thread-safe."""

    def __init__(
        self, entity: EntityType, capabilities: Capabilities | None, *, changes: bool = False
    ) -> None:
        self._forms = forms_of(entity, changes=changes)
        self._entity = entity
        self._capabilities = capabilities
        self._capability = Capability.CHANGE_ORDER if changes else Capability.ORDER
        self._lock = threading.Lock()
        known = capabilities and capabilities.value(entity.name, self._capability)
        self._form = next((form for form in self._forms if form.name == known), self._forms[0])
        self._refused: set[Form] = set()
        self._noted = False

    @property
    def form(self) -> Form:
        """The form to ask in now."""
        return self._form

    @property
    def answered(self) -> bool:
        """Whether a form was answered."""
        return self._noted

    def down(self, refused: Form) -> bool:
        """A form was refused: take the best one that was not; False where there is none left.

        What was remembered may be out of date, so forms above it are tried as well.
        """
        with self._lock:
            if self._form != refused:
                return True  # somebody else found it out meanwhile
            self._refused.add(refused)
            left = [form for form in self._forms if form not in self._refused]
            if not left:
                # Not the order was the reason, so nothing is known about orders.
                self._form = self._forms[0]
                self._refused.clear()
                return False
            self._form = left[0]
            return True

    def worked(self, form: Form) -> None:
        """A form was answered."""
        with self._lock:
            if self._noted or form != self._form:
                return
            self._noted = True
        if self._capabilities is None or len(self._forms) == 1:
            return
        if form == self._forms[0]:
            self._capabilities.drop(self._entity.name, self._capability)
        elif self._capabilities.value(self._entity.name, self._capability) != form.name:
            self._capabilities.note(self._entity.name, self._capability, form.name)
