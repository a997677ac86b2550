"""After any history Silver is what building it anew makes of Bronze."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.rebuild import rebuild
from ledgerguard_pipeline.values import State
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


def contents(books: Books) -> dict[str, list[str]]:
    """Every table but for when its rows were written."""
    found = {}
    present = {
        name
        for (name,) in books.store.sql(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'silver'"
        ).rows
    }
    for entity in ENTITIES:
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
