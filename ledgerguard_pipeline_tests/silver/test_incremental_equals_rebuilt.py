"""After any history Silver is what building it anew makes of Bronze."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.entities import ENTITIES as EVERY_TYPE
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.silver import reading, update
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.reading import Changed
from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.values import RealmId, State
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at

pytestmark = pytest.mark.timeout(300)
"""Four histories of six commits and two rebuilds each: 97 seconds were seen beside much other work."""

ENTITIES = ("Invoice", "Customer")
edits = st.lists(
    st.tuples(
        st.sampled_from(ENTITIES),
        st.sampled_from([REALM, OTHER_REALM]),
        st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True),
        st.sampled_from(["write", "write", "write", "bury", "merge", "void"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


def contents(books: Books, entities: Collection[str] = ENTITIES) -> dict[str, list[str]]:
    """Every table of these types but for when its rows were written."""
    found = {}
    present = {
        name
        for (name,) in books.store.sql(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'silver'"
        ).rows
    }
    for entity in entities:
        for table in tables_of(entity).tables:
            if table.name in present:
                without = " EXCLUDE (silver_at)" if table.child is None else ""
                rows = books.store.sql(f"SELECT *{without} FROM silver.{table.name}").rows
                found[table.name] = sorted(map(repr, rows))
    found["_misfits"] = sorted(map(repr, books.store.sql("FROM silver._misfits").rows))
    return found


def replay(books: Books, history: list[tuple[str, str, list[str], str, int]]) -> None:
    for entity, realm, ids, what, size in history:
        if what == "bury":
            books.bury(entity, *ids, realm=realm)
        elif what == "merge":
            books.bury(entity, *ids, realm=realm, state=State.MERGED)
        else:
            line = {"Amount": size, "DetailType": "SalesItemLineDetail" if size else "Novel"}
            payload = {"DisplayName": what * size, "TotalAmt": size, "Line": [line] * size}
            state = State.VOIDED if what == "void" else State.ACTIVE
            books.write(entity, dict.fromkeys(ids, payload), realm=realm, state=state)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits)
def test_any_history_leaves_what_a_rebuild_makes(
    history: list[tuple[str, str, list[str], str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(store_at(Path(folder) / "books.duckdb"))
        replay(books, history)
        before = contents(books)
        rebuild(books.store)
        assert contents(books) == before
        again = rebuild(books.store, ["Invoice"])
        assert contents(books) == before
        assert {each.entity for each in again} <= {"Invoice"}


def test_types_that_are_read_together_become_the_rows_that_each_becomes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    for realm in (REALM, OTHER_REALM):
        books.fill(build_company(RealmId(realm), 1, 2))
    names = [entity.name for entity in EVERY_TYPE]
    seen: list[list[int]] = []
    groups = reading.groups

    def watched(every: Sequence[Changed]) -> list[list[Changed]]:
        found = [*groups(every)]
        seen.append([len(group) for group in found])
        return found

    monkeypatch.setattr("ledgerguard_pipeline.silver.apply.groups", watched)
    rebuild(books.store)
    together, (sizes,) = contents(books, names), seen
    assert max(sizes) > 20, "most types are small"
    monkeypatch.setattr(reading, "CHUNK_ROWS", 7)
    monkeypatch.setattr(update, "_KEYS_AT_ONCE", 40)
    seen.clear()
    rebuild(books.store)
    assert contents(books, names) == together
    assert len(seen) > 1
    assert {len(sizes) for sizes in seen} != {1}
