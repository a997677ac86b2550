"""A row that is no text, as after a name was cut in the middle of an emoji, harms no other row.

Its object is there: it is neither buried, nor does it keep its type from being read.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import UnreadableRecord
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Reject
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import act, event

VENDOR, TAX_CODE, INVOICE = map(entity_type, ("Vendor", "TaxCode", "Invoice"))
ADJUSTMENT = entity_type("InventoryAdjustment")
CUT = rb"\ud83d"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=12) as server:
        yield server


@pytest.fixture
def loaded(connected: Installation) -> Installation:
    assert failures(sync(connected, [VENDOR])) == {}
    return connected


def ids(installation: Installation, sandbox: SandboxServer) -> list[str]:
    return sorted(stored(installation, VENDOR, realm_of(sandbox)), key=int)


def cut(sandbox: SandboxServer, id: str, entity: str = "Vendor") -> None:
    sandbox.edit("update", entity, id)
    sandbox.set(cut_text=[[entity, id]])


def waiting(installation: Installation) -> list[tuple[object, ...]]:
    """Unresolved quarantined records: the id, and whether the cut text was kept."""
    _, rows = installation.bronze.sql(
        "SELECT id, payload FROM bronze._quarantine WHERE resolved_at IS NULL ORDER BY id"
    )
    return [(id, isinstance(payload, bytes) and CUT in payload) for id, payload in rows]


def missed(installation: Installation, sandbox: SandboxServer) -> Sequence[str]:
    return differing(installation, sandbox, [VENDOR]).get("Vendor", [])


@pytest.mark.parametrize("pages", [{}, {"Vendor": 8}])
@pytest.mark.parametrize("gone", [0, 1, 6])
def test_a_full_read_of_its_type_goes_on_and_does_not_bury_it(
    loaded: Installation, sandbox: SandboxServer, pages: dict[str, int], gone: int
) -> None:
    broken, edited, new, *others = ids(loaded, sandbox)
    cut(sandbox, broken)
    sandbox.edit("update", "Vendor", edited)
    for loser in others[:gone]:
        sandbox.edit("merge", "Vendor", new, loser=loser)
    sandbox.set(page_limit=pages)
    result = sync(loaded, [VENDOR], full=True)
    assert failures(result) == {}
    assert missed(loaded, sandbox) == [broken]
    found = states(loaded, VENDOR, realm_of(sandbox))
    assert found[broken] == "active"
    assert {id for id, state in found.items() if state == "merged"} == set(others[:gone])
    assert waiting(loaded) == [(broken, True)]
    sandbox.set(cut_text=[], page_limit={})
    sync(loaded, [VENDOR], full=True)
    assert differing(loaded, sandbox, [VENDOR]) == {}
    assert waiting(loaded) == []


def test_an_inactive_one_that_only_a_second_question_shows_is_not_buried(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [TAX_CODE])
    id = min(stored(connected, TAX_CODE, realm_of(sandbox)))
    sandbox.edit("deactivate", "TaxCode", id)
    sandbox.set(cut_text=[["TaxCode", id]])
    assert failures(sync(connected, [TAX_CODE], full=True)) == {}
    act(connected, sandbox, event(sandbox, "Delete", "TaxCode", id))
    assert states(connected, TAX_CODE, realm_of(sandbox))[id] == "active"
    assert waiting(connected) == [(id, True)]


def test_inactive_ones_that_intuit_cannot_serve_keep_no_neighbour_from_being_read(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [TAX_CODE])
    poison, other, edited = sorted(stored(connected, TAX_CODE, realm_of(sandbox)))[:3]
    for id in (poison, other):
        sandbox.edit("deactivate", "TaxCode", id)
    sandbox.edit("update", "TaxCode", edited)
    sandbox.set(poison=[["TaxCode", poison]])
    about = [event(sandbox, "Update", "TaxCode", id) for id in (poison, other, edited)]
    assert failures(act(connected, sandbox, *about)) == {}
    assert differing(connected, sandbox, [TAX_CODE]) == {"TaxCode": [poison]}
    assert failures(sync(connected, [TAX_CODE], full=True)) == {}
    assert states(connected, TAX_CODE, realm_of(sandbox))[poison] == "active"


@pytest.mark.parametrize("poisoned", [False, True])
def test_events_about_its_neighbours_are_acted_upon_and_its_row_is_kept(
    loaded: Installation, sandbox: SandboxServer, *, poisoned: bool
) -> None:
    broken, good, poison = ids(loaded, sandbox)[:3]
    cut(sandbox, broken)
    sandbox.edit("update", "Vendor", good)
    if poisoned:
        sandbox.set(poison=[["Vendor", poison]])
    about = [broken, good, *([poison] if poisoned else [])]
    result = act(loaded, sandbox, *(event(sandbox, "Update", "Vendor", id) for id in about))
    assert failures(result) == {}
    assert missed(loaded, sandbox) == [broken]
    expected = [(broken, True), *([(poison, False)] if poisoned else [])]
    assert waiting(loaded) == sorted(expected)


def test_it_waits_once_in_quarantine_however_it_was_met(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    broken = ids(loaded, sandbox)[0]
    cut(sandbox, broken)
    for _ in range(2):
        sync(loaded, [VENDOR])
        act(loaded, sandbox, event(sandbox, "Update", "Vendor", broken))
        sync(loaded, [VENDOR], full=True)
    assert waiting(loaded) == [(broken, True)]


def test_a_deletion_that_is_not_true_of_it_brings_its_row(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [INVOICE])
    id = min(stored(connected, INVOICE, realm_of(sandbox)))
    sandbox.set(cut_text=[["Invoice", id]], false_tombstones=[["Invoice", id]])
    assert failures(sync(connected, [INVOICE])) == {}
    act(connected, sandbox, event(sandbox, "Delete", "Invoice", id))
    assert states(connected, INVOICE, realm_of(sandbox))[id] == "active"
    assert waiting(connected) == [(id, True)]


@pytest.mark.parametrize("full", [False, True])
def test_a_type_whose_objects_are_read_one_by_one_goes_on(
    connected: Installation, sandbox: SandboxServer, *, full: bool
) -> None:
    sync(connected, [ADJUSTMENT])
    broken, edited, *_ = sorted(stored(connected, ADJUSTMENT, realm_of(sandbox)))
    cut(sandbox, broken, "InventoryAdjustment")
    sandbox.edit("update", "InventoryAdjustment", edited)
    assert failures(sync(connected, [ADJUSTMENT], full=full)) == {}
    about = [event(sandbox, "Update", "InventoryAdjustment", id) for id in (broken, edited)]
    assert failures(act(connected, sandbox, *about)) == {}
    assert differing(connected, sandbox, [ADJUSTMENT]) == {"InventoryAdjustment": [broken]}
    assert set(waiting(connected)) == {(broken, True)}


def test_an_old_one_that_changes_do_not_reach_is_read_one_by_one_and_not_buried(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [ADJUSTMENT])
    id = min(stored(connected, ADJUSTMENT, realm_of(sandbox)))
    sandbox.set(cut_text=[["InventoryAdjustment", id]])
    assert failures(sync(connected, [ADJUSTMENT], full=True)) == {}
    assert states(connected, ADJUSTMENT, realm_of(sandbox))[id] == "active"
    assert waiting(connected) == [(id, True)]


def test_a_read_of_it_says_so_at_once(loaded: Installation, sandbox: SandboxServer) -> None:
    id = ids(loaded, sandbox)[0]
    sandbox.set(cut_text=[["Vendor", id]])
    sandbox.pop_log()
    with pytest.raises(UnreadableRecord) as caught:
        loaded.client(realm_of(sandbox)).get_entity("Vendor", id)
    assert len(sandbox.pop_log()) == 1, "asking again would bring the same"
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # made in the line before
    assert isinstance(again.row, Reject)
    assert CUT in (again.row.payload or b"")
    assert CUT.decode() not in str(again)
