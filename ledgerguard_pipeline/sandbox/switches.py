"""Everything about the sandbox that can be set at start or while it runs."""

from __future__ import annotations

from typing import Literal

import msgspec

from ledgerguard_pipeline.sandbox.report_switches import ReportSwitches
from ledgerguard_pipeline.sandbox.silence import Silence


class Hazard(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Edits made to the books after each query page that had rows (page-walk hazard).

    ``entities`` empty means every entity that is paged; ``pages`` limits how many pages are
    followed by edits. Rows already served are edited as often as rows still to come: a deleted
    row that was served moves everything behind it.
    """

    entities: tuple[str, ...] = ()
    update: int = 0
    delete: int = 0
    insert: int = 0
    pages: int | None = None
    seed: int = 1


class Stub(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A record shown as a stub: what changed, not how.

    ``endpoints`` are those of ``showing.Endpoint``; ``shape`` is ``status`` (a status and the
    time), ``sparse`` (called sparse) or ``short`` (a full header, and most members missing).
    """

    endpoints: frozenset[Literal["query", "by_id", "cdc", "read"]] = frozenset({"cdc"})
    shape: Literal["status", "sparse", "short"] = "status"


Inclusion = Literal["honoured", "ignored", "refused"]


class Switches(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The defaults are Intuit's documented behaviour, or the likelier one where it is unknown.

    Seconds and milliseconds as named. ``clock_offset_seconds`` moves the sandbox's own idea of
    now: token life, the 30 days of CDC and the times of edits, not the limits' windows.
    """

    latency_ms: float = 0.0
    gzip: bool = True

    limits: bool = True
    requests_per_minute: int = 500
    requests_per_second: int = 10
    batches_per_minute: int = 40
    concurrent_requests: int | None = None
    retry_after_seconds: int | None = None

    quota_spent: Literal["no", "api", "everywhere"] = "no"
    """Whether the app's reads of the month are used up: 429 to every call of the API, and with
    ``everywhere`` to every refresh and sign-in at the token endpoint too, as was seen once."""

    access_token_seconds: int = 3600
    rotate_after_seconds: int = 86400
    """0 rotates the refresh token every time."""
    rotation_grace_seconds: int = 0
    replay_revokes: bool = False
    """Sending a superseded refresh token ends the whole grant."""
    invalid_client_status: Literal[400, 401] = 401

    default_order: Literal["captured", "id"] = "captured"
    """Rows of a query without ORDERBY. ``captured``: transactions by LastUpdatedTime descending,
    lists by name in byte order, what has neither by Id; ``id``: everything by Id."""
    id_order: Literal["numeric", "lexical"] = "numeric"
    tie_order: Literal["id", "alternating"] = "id"
    """``alternating``: rows with equal sort keys change places from one query to the next."""
    two_sort_keys: bool = True
    """False: an ORDERBY with two keys is refused."""
    unsortable: frozenset[tuple[str, str]] = frozenset()
    """(entity or ``*``, property) that an ORDERBY may not name."""
    unsortable_answer: Literal["invalid", "unsupported", "unreadable", "failure", "too_slow"] = (
        "invalid"
    )
    """What either gets: 400 / 4001, 400 / 500 "Unsupported Operation", 400 / 4002,
    500 / 10000, or 504 with 6002 in XML."""
    page_limit: dict[str, int] = msgspec.field(default_factory=dict)
    """By entity or ``*``: more rows than these are not handed out at once."""
    page_limit_answer: Literal[
        "too_slow", "too_big", "failure", "unreadable", "invalid", "unsupported"
    ] = "too_big"
    """What asking for more gets: 504 with 6002 in XML, 400 / 10100, 500 / 10000, 400 / 4002,
    400 / 4001, or 400 / 500 "Unsupported Operation"."""
    batch_items: int = 30
    """Batches of more items are refused: 1040."""
    batch_limit: int | None = None
    """Batches of more items take too long: 504."""
    extra_row: bool = False
    """Serve one row more than asked for, as was seen once."""
    total_count: Literal["captured", "single", "always", "never"] = "captured"
    """Which pages have one. ``single``: those that hold everything; ``captured``: all pages of
    some types, none of others, and like ``single`` where no capture is known."""
    envelope_time: Literal["milliseconds", "seconds"] = "milliseconds"
    """How exact the ``time`` of an answer is; whole seconds are cut, not rounded."""
    batch_id: Literal["after", "before"] = "after"
    """Where ``bId`` is in an item of a batch answer: as captured, or first."""
    tombstone_groups: Literal["captured", "paged"] = "captured"
    """Counters of a change data capture group of deletions only: ``maxResults`` and
    ``totalCount`` as captured, or those of other groups."""
    cdc_refuses: frozenset[str] = frozenset()
    """Entities that change data capture does not serve in these companies."""
    unclear_inactive: Literal["hidden", "shown", "unnamed"] = "hidden"
    """What queries do with inactive customer types, tax codes and tax rates: hide them unless
    ``Active`` is named, as those of other lists; show them always; or show them always and refuse
    the name (4001)."""
    merge_touches: bool = True
    """Whether a merge moves the time and SyncToken of documents that named the loser; if not, they
    show the survivor from then on and tell no change."""
    no_query: frozenset[str] = frozenset({"InventoryAdjustment"})
    """Entities without a query (4001), as InventoryAdjustment is documented."""
    day_times: frozenset[str] = frozenset()
    """More entities whose MetaData has a bare date and no CreateTime, as InventoryAdjustment's
    documented samples have."""
    full_times: frozenset[str] = frozenset()
    """Entities whose MetaData has both times although their books have a bare date only: with
    InventoryAdjustment here and out of ``no_query`` it is a type like others."""
    cdc_by_day: bool = False
    """Change data capture compares the bare dates of such entities, each as its Pacific midnight,
    with ``changedSince``; what changed earlier on the same day is not reported."""
    last_modified_by: bool = True
    """MetaData of invoices, bills and purchase orders names a user between its two times."""
    misspelt_reimburse_charge: bool = False
    """The key of ReimburseCharge rows as the documented sample of a query spells it."""
    not_offered: frozenset[str] = frozenset()
    """Entities these companies' edition lacks: 400 / 5030 wherever one is asked for."""
    cdc_cap: Literal["request", "group"] = "request"
    cdc_order: Literal["request", "reversed"] = "request"
    """In which order types come: Intuit's own sample has another one than its request."""
    cdc_fault: Literal["whole", "inside"] = "whole"
    """What a record that cannot be shown does: fail the answer, or put a ``Fault`` (which names no type) in
    place of its type, as the schema allows."""
    template_tombstones: Literal["plain", "wrapped"] = "plain"
    """Whether deleted templates come as other objects, or as a deletion answers: the status outside
    and the Id inside the wrapped type."""
    batch_order: Literal["request", "reversed"] = "request"

    read_form: Literal["read", "query"] = "read"
    """Members a read of one object answers: those captured, or those of a query."""
    cdc_form: Literal["query", "read", "own"] = "query"
    """Members change data capture answers; ``own``: those of neither."""
    links: Literal["fresh", "fixed"] = "fresh"
    """Whether the download links of attachments are signed anew at each read."""
    link_member: bool = True
    """Whether attachments show ``TempDownloadUri``; ``/download/{id}`` gives the link in any case."""
    refused_downloads: int = 0
    """So many downloads are refused as if their link had ended."""
    stubs: dict[str, Stub] = {}
    """``Entity/id`` of records that are shown as stubs."""

    poison: frozenset[tuple[str, str]] = frozenset()
    """(entity, id) of records that make every answer containing them fail with 4002."""
    cut_text: frozenset[tuple[str, str]] = frozenset()
    """(entity, id) of records in which a text ends in the middle of an emoji, as one does that was cut
    to its length: half of a surrogate pair is JSON by its grammar and no text."""
    hazard: Hazard | None = None
    silence: Silence | None = None
    """Types whose objects answers leave out without a fault."""
    include_on_query: Inclusion = "honoured"
    include_on_read: Inclusion = "honoured"
    include_on_batch: Inclusion = "honoured"
    include_on_cdc: Inclusion = "ignored"
    """What ``include=enhancedAllCustomFields`` does on each endpoint; only query is documented."""
    unseen: frozenset[tuple[str, str]] = frozenset()
    """(entity, id) of objects that are there and not shown yet: no query has them, and a read gives
    error 610."""
    false_tombstones: frozenset[tuple[str, str]] = frozenset()
    """(entity, id) of living objects that change data capture reports as deleted."""
    reports: ReportSwitches = ReportSwitches()
    """How reports look and fail; what a change leaves out takes its default."""
    clock_offset_seconds: float = 0.0

    def change(self, patch: dict[str, object]) -> None:
        """Set some of them.

        Raises:
            ValueError: a name or a value is not known; nothing is changed.
        """
        changed = msgspec.convert({**msgspec.to_builtins(self), **patch}, Switches)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(changed, name))
