from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.caller import (
    NOW,
    OTHER_REALM,
    REALM,
    Caller,
    calling,
    tiny_company,
)


@pytest.fixture
def caller() -> Iterator[Caller]:
    with calling(build_company(REALM, invoices=40, now=NOW)) as ready:
        yield ready


def test_the_truth_is_what_the_api_serves_byte_for_byte(caller: Caller) -> None:
    truth = caller.server.truth("Invoice")
    assert len(truth.rows) == 40
    served = caller.query("select * from Invoice maxresults 1000").content
    for body in truth.bodies().values():
        assert body in served
    assert truth.graves
    assert not truth.graves.keys() & truth.rows.keys()


def test_an_edit_moves_the_row_and_cdc_shows_it(caller: Caller) -> None:
    id = caller.ids("select * from Invoice maxresults 1")[0]
    before = caller.server.truth("Invoice").rows[id]
    done = caller.server.edit("update", "Invoice", id, at=NOW + 5, note="changed 'by' hand")
    assert (done["kind"], done["entity"], done["id"]) == ("update", "Invoice", id)
    after = caller.server.truth("Invoice").rows[id]
    assert after.updated == NOW + 5 != before.updated
    assert after.sync_token == (before.sync_token or 0) + 1
    changed = caller.cdc("Invoice", "2026-09-21T07:13:25-07:00").content
    assert (after.body or "?").encode() in changed


def test_a_delete_leaves_a_tombstone(caller: Caller) -> None:
    caller.server.edit("delete", "Estimate", id := caller.ids("select * from Estimate")[0])
    truth = caller.server.truth("Estimate")
    assert id in truth.graves
    assert id not in truth.rows
    assert caller.get(f"estimate/{id}").json()["Fault"]["Error"][0]["code"] == "610"


def test_edits_happen_at_the_sandboxs_own_time(caller: Caller) -> None:
    done = caller.server.edit("create", "Invoice")
    assert abs(int(str(done["at"])) - NOW) < 60


@pytest.mark.parametrize(
    "kind,entity,id",
    [
        ("explode", "Invoice", None),
        ("update", "Nonsense", None),
        ("update", "Invoice", "404404"),
        ("void", "Deposit", None),
    ],
)
def test_an_edit_that_cannot_be_is_refused(
    caller: Caller, kind: str, entity: str, id: str | None
) -> None:
    with pytest.raises(ValueError, match="refuses edit"):
        caller.server.edit(kind, entity, id)


def test_the_books_change_between_pages_as_the_hazard_says(caller: Caller) -> None:
    caller.server.set(hazard={"entities": ["Invoice"], "update": 2, "delete": 1, "insert": 3})
    before = caller.server.truth("Invoice")
    assert caller.count("select count(*) from Invoice") == 40
    caller.ids("select * from Customer")
    assert caller.server.truth("Invoice") == before
    caller.ids("select * from Invoice maxresults 10")
    after = caller.server.truth("Invoice")
    assert len(after.rows) == 42
    assert len(after.graves) == len(before.graves) + 1
    moved = [id for id, row in after.rows.items() if row != before.rows.get(id)]
    assert len(moved) >= 4
    caller.server.set(hazard=None)
    caller.ids("select * from Invoice maxresults 10")
    assert caller.server.truth("Invoice") == after


def test_a_hazard_can_stop_after_some_pages(caller: Caller) -> None:
    caller.server.set(hazard={"insert": 1, "pages": 2})
    for _ in range(4):
        caller.ids("select * from Invoice maxresults 10")
    assert caller.count("select count(*) from Invoice") == 42


@pytest.mark.parametrize(
    "patch", [{"no_such_switch": 1}, {"latency_ms": "slow"}, {"cdc_cap": "none"}]
)
def test_an_unknown_switch_or_value_changes_nothing(
    caller: Caller, patch: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="refuses switches"):
        caller.server.set(gzip=False, **patch)
    assert caller.server.world.switches.gzip is True


def test_several_companies_live_side_by_side() -> None:
    with calling(tiny_company(invoices=2), tiny_company(OTHER_REALM, invoices=3)) as caller:
        assert caller.server.realms == [REALM, OTHER_REALM]
        assert [each["name"] for each in caller.server.companies()] == ["Tiny 1", "Tiny 2"]
        assert len(caller.server.truth("Invoice").rows) == 2
        assert len(caller.server.truth("Invoice", OTHER_REALM).rows) == 3
        with Caller(caller.server, OTHER_REALM) as other:
            assert other.count("select count(*) from Invoice") == 3


def test_unknown_controls_companies_and_entities_are_refused(caller: Caller) -> None:
    base = f"{caller.server.base_url}/_sandbox"
    assert caller.http.get(f"{base}/nothing", timeout=30).status_code == 404
    assert caller.http.get(f"{base}/truth/{OTHER_REALM}/Invoice", timeout=30).status_code == 404
    assert caller.http.get(f"{base}/truth/{REALM}/Nothing", timeout=30).status_code == 404


def test_statistics_count_calls_rows_and_oauth(caller: Caller) -> None:
    caller.server.reset_stats()
    caller.ids("select * from Invoice maxresults 7")
    caller.cdc("Invoice", "2026-09-20")
    caller.refresh()
    stats = caller.server.stats()
    assert stats["calls"] == {REALM: {"query": 1, "cdc": 1}}
    assert stats["oauth_calls"] == {"token": 1}
    assert stats["statuses"] == {"200": 3}
    log = caller.server.pop_log()
    assert [call.endpoint for call in log] == ["query", "cdc", "token"]
    assert log[-1].target == "refresh_token"
    assert caller.server.pop_log() == []


def test_no_token_shows_in_log_or_statistics(caller: Caller) -> None:
    caller.ids("select * from Invoice")
    caller.refresh()
    shown = f"{caller.server.stats()}{caller.server.pop_log()}"
    assert caller.tokens["access_token"][60:] not in shown
    assert caller.tokens["refresh_token"] not in shown
