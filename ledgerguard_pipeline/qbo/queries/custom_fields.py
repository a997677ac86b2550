"""Reading every custom field, where Intuit lets one.

A plain answer shows the first three text fields of sales forms; with the query parameter
``include=enhancedAllCustomFields`` all of them are shown, of every kind, on purchase forms,
customers and vendors too (Intuit's page on custom fields). Query and single reads take it; whether
a batch does is not documented, so a batch is believed once a field that only it could have brought
was seen in one. Until then rows of these types are queried one statement a call, which costs as
many metered calls. What was refused or not honoured is remembered and tried again after a day.

A query that takes the parameter and does nothing looks like one of a company without more fields.
So where rows have custom fields and none that only the parameter brings, one of them is read singly,
once a day: if that shows more of the same version, queries ignore the parameter.

Decisions 57 and 67 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import msgspec

from ledgerguard_pipeline.capabilities import IGNORED, WHOLE_COMPANY, Capabilities, Capability
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import LedgerGuardError, RequestRejected
from ledgerguard_pipeline.qbo.queries.read_requests import Read
from ledgerguard_pipeline.values import Record

T = TypeVar("T")

Wanted = Literal["all", "first-three"]

INCLUDE = {"include": "enhancedAllCustomFields"}

REFUSED, HONOURED, UNPROVEN = "refused", "honoured", "unproven"

_REFUSING = (400, 200)
"""A parameter is refused as a bad request; Intuit says so inside a good answer as well."""

LOOKED_AT = 50
"""Rows of a page that are looked at for a field that only the parameter brings."""

PLAIN_FIELDS = 3
"""Text fields that a plain answer shows of a sales form."""


class _Field(msgspec.Struct, gc=False):
    Type: str = "StringType"


class _Fields(msgspec.Struct, gc=False):
    CustomField: list[_Field] = []


_FIELDS = msgspec.json.Decoder(_Fields)
"""Made here and not at first use: msgspec 0.22 crashes where several threads use a type first."""


class CustomFields:
    """Which calls of one company ask for all custom fields, and what came of it."""

    def __init__(self, wanted: Wanted, capabilities: Callable[[], Capabilities]) -> None:
        self.wanted = wanted
        self._capabilities = capabilities
        self._shown = False
        self._hint: tuple[EntityType, Record] | None = None

    def asked_of(self, entity: EntityType) -> bool:
        """Whether all fields of this type are wanted."""
        return self.wanted == "all" and entity.custom_fields

    @property
    def refused(self) -> bool:
        """Whether queries were refused with the parameter when they last had it."""
        seen = self._capabilities().seen(WHOLE_COMPANY, Capability.CUSTOM_FIELDS)
        return seen is not None and seen.value == REFUSED

    def call(
        self,
        read: Read,
        call: Callable[[Read], T],
        *,
        wanted: bool,
        capability: Capability = Capability.CUSTOM_FIELDS,
    ) -> T:
        """Make a call with the parameter where it is wanted, and without where it is refused.

        Raises:
            QBOAPIError, QBOAuthError: the call failed, whether with the parameter or without.
        """
        known = self._capabilities()
        if not wanted or known.value(WHOLE_COMPANY, capability) == REFUSED:
            return call(read)
        try:
            answer = call(replace(read, params={**read.params, **INCLUDE}))
        except RequestRejected as refusal:
            if refusal.status not in _REFUSING:
                raise
            answer = call(read)
            known.note(WHOLE_COMPANY, capability, REFUSED)
            return answer
        seen = known.seen(WHOLE_COMPANY, capability)
        if seen is not None and seen.value == REFUSED:
            known.drop(WHOLE_COMPANY, capability)
        return answer

    @property
    def ignored(self) -> bool:
        """Whether queries were last seen to show less than a single read does."""
        seen = self._capabilities().seen(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_BY_QUERY)
        return seen is not None and seen.value == IGNORED

    @property
    def whole(self) -> bool:
        """Whether queries show all fields, as far as is known."""
        return self.wanted == "all" and not self.refused and not self.ignored

    def look(self, entity: EntityType, records: Sequence[Record]) -> None:
        """Learn from a queried page whether queries show what only the parameter brings."""
        if self._shown or not self.asked_of(entity) or self.refused:
            return
        for record in records[:LOOKED_AT]:
            if _more(entity, record.payload):
                self._shown = True
                self._capabilities().drop(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_BY_QUERY)
                return
            if self._hint is None and _has_fields(record.payload):
                self._hint = entity, record

    def prove(self, read: Callable[[str, str], Record]) -> None:
        """Where queries showed nothing more, compare one row with a single read, once a day.

        A read that fails proves nothing, and is no failure of a sync.
        """
        known = self._capabilities()
        if self._shown or self._hint is None:
            return
        if known.value(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_BY_QUERY) is not None:
            return
        entity, row = self._hint
        try:
            alone = read(entity.name, row.id)
        except LedgerGuardError:
            return
        self._hint = None
        if (alone.sync_token, alone.last_updated_at) == (row.sync_token, row.last_updated_at):
            value = IGNORED if _more(entity, alone.payload) else UNPROVEN
            known.note(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_BY_QUERY, value)

    @property
    def batch(self) -> str | None:
        """What a batch does with the parameter; None where that is to be found out."""
        return self._capabilities().value(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_IN_BATCH)

    def note_batch(self, value: str) -> None:
        """Remember what a batch did; one that proves nothing takes no other's proof away."""
        if value == UNPROVEN and self.batch == HONOURED:
            return
        self._capabilities().note(WHOLE_COMPANY, Capability.CUSTOM_FIELDS_IN_BATCH, value)


def shows_more(entity: EntityType, records: Iterable[Record]) -> bool:
    """Whether rows hold a custom field that no plain answer would show."""
    return any(_more(entity, record.payload) for record in records)


def _has_fields(payload: bytes | None) -> bool:
    return payload is not None and b'"CustomField":[{' in payload


def _more(entity: EntityType, payload: bytes | None) -> bool:
    if payload is None or not _has_fields(payload):
        return False
    try:
        fields = _FIELDS.decode(payload).CustomField
    except (msgspec.MsgspecError, RecursionError):
        return False
    beyond = len(fields) > PLAIN_FIELDS or any(each.Type != "StringType" for each in fields)
    return beyond or (entity.kind is Kind.LIST and bool(fields))
