"""Pages of one type of one company, asked for in whatever way the company accepts.

Everybody who reads many rows reads them through here: the sync, the events, the client's own
``get_all_entities``. A refused order makes it take the next one of the ladder (``order_ladder``), an
answer that is too big or too slow a smaller one (``page_size``), and a record that Intuit cannot
render is set aside (``bad_records``). What was found out is remembered for the next reader.

Which of the three is the reason no code tells for sure: an order or a size was seen to be refused
as a wrong statement, as a failure of the server and as a time-out. So two probes at a position
behind the last row come first, without and with the order; no record and no size is to blame there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime

from ledgerguard_pipeline.capabilities import Capabilities, Capability
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import (
    AnswerTooBig,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
)
from ledgerguard_pipeline.qbo.answers.fault_rules import PROCESSING_ERROR, TOO_BIG
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.qbo.paging.bad_records import blame_a_record, isolated
from ledgerguard_pipeline.qbo.paging.order_ladder import UNORDERED, Form, Ladder
from ledgerguard_pipeline.qbo.paging.page_size import PageSize
from ledgerguard_pipeline.qbo.paging.page_walk import Fetch, PageWalk
from ledgerguard_pipeline.qbo.queries.statement import (
    BEYOND,
    FEW_ROWS,
    Condition,
    Order,
    Query,
)
from ledgerguard_pipeline.values import Record, parse_instant

QueryPage = Callable[[EntityType, Query], Page]


class Pager:
    """Reads one type page by page. Thread-safe; one for each walk.

    ``where`` narrows the rows, ``changes`` says that they are those changed since a time.
    Without ``isolating`` a record that cannot be rendered is the caller's error.
    """

    def __init__(
        self,
        query_page: QueryPage,
        entity: EntityType,
        capabilities: Capabilities | None,
        *,
        where: Sequence[Condition] = (),
        changes: bool = False,
        most: int = MAX_ROWS,
        isolating: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._query_page = query_page
        self._entity = entity
        self._capabilities = capabilities
        self._where = tuple(where)
        self._isolating = isolating
        self._clock = clock
        self._ladder = Ladder(entity, capabilities, changes=changes)
        self._resumed: datetime | None = None
        self._begun_anew = False
        self._beginning = threading.Lock()
        self._sizes_refused = False
        """Whether the number of rows was seen to be refused under the code of a bad record."""
        self.size = PageSize(entity.name, capabilities, most=most)

    def walk(
        self,
        pool: Executor | None,
        *,
        cursor: str | None = None,
        expected: int | None = None,
        ahead: int = 1,
    ) -> PageWalk:
        """Walk all rows, or those behind the ``cursor`` of an earlier walk."""
        self._resumed = self._anchor_of(cursor)
        return PageWalk(
            self.fetch,
            pool,
            self.key,
            anchor=self._resumed,
            expected=expected,
            ahead=ahead,
            size=self.size,
            tied=self._tied_fetch,
        )

    @property
    def answered(self) -> bool:
        """Whether any page was served."""
        return self._ladder.answered

    def key(self, record: Record) -> datetime | None:
        """The value a walk goes by."""
        return self._ladder.form.key(record)

    def cursor(self, covered_to: datetime | None) -> str | None:
        """A text from which a later walk can go on; it names the order if it is not the first."""
        if covered_to is None:
            return None
        form, text = self._ladder.form, covered_to.isoformat()
        return text if form.name == _FIRST else f"{form.name}@{text}"

    def _anchor_of(self, cursor: str | None) -> datetime | None:
        name, _, text = (cursor or "").rpartition("@")
        if not text or (name or _FIRST) != self._ladder.form.name:
            return None
        return parse_instant(text)

    def fetch(self, anchor: datetime | None, start: int, limit: int) -> Page:
        """Rows ``start`` .. of those at or after ``anchor``, as many as one answer can hold.

        Raises:
            PoisonPage: the type is refused as a whole, or so is a record nobody isolates.
            QBOAPIError: the page could not be read.
        """
        if not self._ladder.answered:
            # Which order is accepted is found out by one page: several would step on each other.
            with self._beginning:
                if not self._ladder.answered:
                    return self._fitting(self._formed, anchor, start, limit)
        return self._fitting(self._formed, anchor, start, limit)

    @property
    def _tied_fetch(self) -> Fetch | None:
        known = self._capabilities
        if known is not None and known.denied(self._entity.name, Capability.TIE_ORDER):
            return None
        return self._by_two_keys if self._ladder.form.valued else None

    def _by_two_keys(self, anchor: datetime | None, start: int, limit: int) -> Page:
        return self._fitting(self._tied, anchor, start, limit)

    def _tied(self, anchor: datetime | None, start: int, limit: int) -> Page:
        form = self._ladder.form
        order = (*form.order, Order("Id")) if form.valued else form.order
        try:
            return self._ask(form, order, anchor, start, limit)
        except RequestRejected:
            self._note_ties()
            raise

    def _note_ties(self) -> None:
        if self._capabilities is not None:
            self._capabilities.note(self._entity.name, Capability.TIE_ORDER, "no")

    def _fitting(self, fetch: Fetch, anchor: datetime | None, start: int, limit: int) -> Page:
        """The rows, or the first of them if they are too many for one answer."""
        asked, probed = limit, False
        while True:
            form = self._ladder.form
            try:
                page = fetch(anchor, start, asked)
            except PoisonPage as refusal:
                if not probed and self._order_is_at_fault(fetch, form, anchor, refusal):
                    self._step_down(fetch, form, anchor, refusal)
                    continue
                probed = True
                if asked > self._fewest(refusal):
                    asked = self.size.refused(asked)
                    continue
                return self._apart(fetch, anchor, start, asked, refusal)
            except RequestRejected as refusal:
                if probed or asked == 1 or fetch == self._tied:
                    raise
                if not self._size_is_at_fault(refusal, anchor):
                    raise
                self._sizes_refused = True
                asked = self.size.refused(asked)
                continue
            else:
                self.size.fitted(asked, page.rows)
            return replace(page, limit=asked)

    def _apart(
        self, fetch: Fetch, anchor: datetime | None, start: int, asked: int, refusal: PoisonPage
    ) -> Page:
        """A page without the records that fail it, or the first part of one that is too big.

        Raises:
            PoisonPage: a record fails it, and nobody sets it aside here.
        """
        if refusal.fault_code == TOO_BIG:
            # Not even one row: the walk would go on behind the last one for ever.
            blame_a_record(fetch, anchor, refusal)
        page = isolated(fetch, anchor, start, asked, refusal, self._entity, self._clock)
        if page.limit is not None and page.limit < asked:
            self._sizes_refused = True
            self.size.refused(asked)
            self.size.fitted(page.limit, page.rows)
            return page
        if not self._isolating:
            raise refusal
        self.size.forgive()
        return replace(page, limit=asked)

    def _order_is_at_fault(
        self, fetch: Fetch, form: Form, anchor: datetime | None, refusal: PoisonPage
    ) -> bool:
        """Whether rows are served, but not in this order.

        Raises:
            PoisonPage, ServiceUnavailable: not even an empty page is served, in no order.
        """
        if refusal.fault_code == TOO_BIG:
            return False
        if not form.order or (self._ladder.answered and fetch != self._tied):
            blame_a_record(fetch, anchor, refusal)
            return False
        blame_a_record(self._unordered, anchor, refusal)
        try:
            fetch(anchor, BEYOND, 1)
        except (PoisonPage, ServiceUnavailable):
            return True
        return False

    def _unordered(self, anchor: datetime | None, start: int, limit: int) -> Page:
        return self._ask(UNORDERED, (), anchor, start, limit)

    def _step_down(
        self, fetch: Fetch, form: Form, anchor: datetime | None, refusal: PoisonPage
    ) -> None:
        """Take the next order instead of one whose refusal did not name it.

        Raises:
            RequestRejected: there is none left.
        """
        if fetch == self._tied:
            self._note_ties()
        # Another order cannot go on from a value of this one.
        elif anchor in (None, self._resumed) and self._ladder.down(form):
            self._begun_anew = anchor is not None
            return
        raise RequestRejected(
            f"QuickBooks serves {self._entity.name} objects, but not in an order that this walk "
            "can go on with.",
            realm_id=refusal.realm_id,
            entity=refusal.entity,
            fault_code=refusal.fault_code,
            intuit_tid=refusal.intuit_tid,
            status=refusal.status,
        ) from refusal

    def _size_is_at_fault(self, refusal: RequestRejected, anchor: datetime | None) -> bool:
        """Whether a statement that was called wrong in every order is right for fewer rows."""
        if refusal.status is None:
            return False  # nobody refused: without an order it is this walk that stops
        if self._sizes_refused:
            return True
        try:
            self._unordered(anchor, BEYOND, 1)
        except QBOAPIError:
            return False
        return True

    def _fewest(self, refusal: PoisonPage) -> int:
        """Down to how many rows asking for fewer can help."""
        if self._sizes_refused or isinstance(refusal, AnswerTooBig):
            return 1
        return MAX_ROWS if refusal.fault_code == PROCESSING_ERROR else FEW_ROWS

    def _formed(self, anchor: datetime | None, start: int, limit: int) -> Page:
        """One page in the best order the company accepts."""
        if self._begun_anew and anchor == self._resumed:
            anchor = None
        while True:
            form = self._ladder.form
            try:
                page = self._ask(form, form.order, anchor, start, limit)
            except RequestRejected:
                # Another order cannot go on from a value of this one, and this one was served.
                moving = anchor not in (None, self._resumed) or self._ladder.answered
                if moving or not self._ladder.down(form):
                    raise
                # Where an earlier walk stopped means nothing in another order: begin anew.
                self._begun_anew = anchor is not None
                anchor = None
            else:
                self._ladder.worked(form)
                return page

    def _ask(
        self,
        form: Form,
        order: Sequence[Order],
        anchor: datetime | None,
        start: int,
        limit: int,
    ) -> Page:
        if self._entity.kind is Kind.SINGLETON:
            page = self._query_page(self._entity, Query.select(self._entity, limit=None))
            return replace(page, limit=MAX_ROWS)
        where = list(self._where)
        if anchor is not None and form.prop is not None and form.valued:
            where.append(Condition(form.prop, ">=", anchor))
        query = Query.select(self._entity, where, order=order, start=start, limit=limit)
        page = self._query_page(self._entity, query)
        if form.prop is None and page.rows >= limit:
            raise RequestRejected(
                f"QuickBooks sorts {self._entity.name} objects in no order, and one answer does "
                "not hold them all. Without an order pages would shift, so nothing was read; "
                "report it to Intuit with the intuit_tid.",
                entity=self._entity.name,
                intuit_tid=page.request_id,
            )
        return page


_FIRST = "created"
"""The order whose cursors are bare times, as they always were."""
