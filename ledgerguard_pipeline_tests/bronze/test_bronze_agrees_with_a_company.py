"""Observations of a coherent company, delivered late, twice and out of order.

The oracle: what Bronze shows of an object is what the latest delivered observation showed.
"""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.write.version_order import (
    Version,
    VersionDecision,
    judge,
    raised_floor,
    version_of,
)
from ledgerguard_pipeline.values import Environment, Record
from ledgerguard_pipeline_tests.bronze.records import load, record, tombstone


class Company:
    """Objects whose state moves with the server's clock, which the API shows in whole seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alive: dict[str, Record] = {}
        self.gone: dict[str, float] = {}
        self.tokens: dict[str, int] = {}

    def tick(self, seconds: float) -> None:
        self.now += seconds

    def save(self, id: str, *, bump: bool) -> None:
        """Create, edit, restore, or (without ``bump``) have a balance moved."""
        moved = bump or id not in self.alive
        token = self.tokens[id] = self.tokens.get(id, -1) + (1 if moved else 0)
        second = int(self.now)
        text = f'{{"Id":"{id}","SyncToken":"{token}","Balance":{self.now!r}}}'
        self.alive[id] = record(id, text, updated=second, token=str(token), read=0)
        self.gone.pop(id, None)

    def delete(self, id: str) -> None:
        if self.alive.pop(id, None) is not None:
            self.gone[id] = int(self.now)

    def observe(self, id: str) -> Record | None:
        """What a read right now shows; reads never share an instant."""
        self.tick(0.001)
        if id in self.alive:
            seen = self.alive[id]
            return record(
                id, seen.payload, updated=_seconds(seen), token=seen.sync_token, read=self.now
            )
        if id in self.gone:
            return tombstone(id, updated=self.gone[id], read=self.now)
        return None


def _seconds(seen: Record) -> float:
    assert seen.last_updated_at is not None
    assert seen.created_at is not None
    return (seen.last_updated_at - seen.created_at).total_seconds()


IDS = st.sampled_from(["1", "2"])
DEEDS = st.tuples(
    st.sampled_from(["edit", "balance", "delete", "look"]), IDS, st.sampled_from([0.0, 0.4, 3.0])
)


def _act(company: Company, deed: str, id: str, seconds: float) -> Record | None:
    company.tick(seconds)
    if deed == "delete":
        company.delete(id)
    elif deed != "look":
        company.save(id, bump=deed == "edit")
    return company.observe(id)


def _shown(observation: Record) -> bytes | None:
    return observation.payload


@settings(max_examples=300, deadline=None)
@given(st.lists(DEEDS, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_deliveries_in_any_order_end_in_the_latest_observation(
    deeds: list[tuple[str, str, float]], random: Random
) -> None:
    company = Company()
    seen = [one for deed in deeds if (one := _act(company, *deed)) is not None]
    latest = {one.id: one for one in seen}
    random.shuffle(seen)
    stored: dict[str, tuple[Version, Record]] = {}
    for one in [*seen, *seen]:
        version = version_of(one, None if one.payload is None else one.payload.hex())
        held = stored.get(one.id)
        if judge(version, held and held[0]) is VersionDecision.WRITE:
            stored[one.id] = (raised_floor(version, held and held[0]), one)
    assert {id: _shown(held[1]) for id, held in stored.items()} == {
        id: _shown(one) for id, one in latest.items()
    }


class CompanyAndBronze(RuleBasedStateMachine):
    """The same through the store: rows, views, reruns."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="bronze-model-"))
        self.store = BronzeStore(self.folder / "bronze.duckdb", Environment.SANDBOX)
        self.company = Company()
        self.waiting: list[Record] = []
        self.delivered: list[Record] = []
        self.changed = False

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(deeds=st.lists(DEEDS, min_size=1, max_size=6))
    def something_happens_and_is_read(self, deeds: list[tuple[str, str, float]]) -> None:
        for deed in deeds:
            observation = _act(self.company, *deed)
            if observation is not None:
                self.waiting.append(observation)

    @rule(data=st.data())
    def some_reads_arrive(self, data: st.DataObject) -> None:
        if self.waiting:
            batch = data.draw(st.lists(st.sampled_from(self.waiting), min_size=1, unique_by=id))
            self.waiting = [one for one in self.waiting if one not in batch]
            self.commit(batch)

    @rule()
    def a_walk_finds_an_object_missing_by_mistake(self) -> None:
        """An inferred tombstone is wrong; the next read alive heals it."""
        if "1" in self.company.alive:
            self.company.tick(0.001)
            self.commit([tombstone("1", updated=None, read=self.company.now)])
            healed = self.company.observe("1")
            assert healed is not None
            self.commit([healed])

    @rule(data=st.data())
    def an_old_load_runs_again(self, data: st.DataObject) -> None:
        if self.delivered:
            count = self.rows()
            self.store.commit([load(*data.draw(st.permutations(self.delivered)))])
            assert self.rows() == count

    @invariant()
    def the_current_view_is_the_latest_observation(self) -> None:
        if not self.changed:
            return
        self.changed = False
        latest: dict[str, Record] = {}
        for one in self.delivered:
            if one.id not in latest or one.fetched_at > latest[one.id].fetched_at:
                latest[one.id] = one
        expected = {
            one.id: one.payload.decode() for one in latest.values() if one.payload is not None
        }
        rows = self.store.sql("SELECT id, payload FROM bronze.invoice_current").rows
        assert set(rows) == set(expected.items())

    @invariant()
    def living_versions_never_go_back_in_time(self) -> None:
        if self.delivered:
            rows = self.store.sql(
                "SELECT id, last_updated_at FROM bronze.invoice WHERE state = 'active' "
                "ORDER BY id, loaded_at"
            ).rows
            for (id, earlier), (next_id, later) in pairwise(rows):
                assert id != next_id or str(earlier) <= str(later)

    def commit(self, batch: list[Record]) -> None:
        self.store.commit([load(*batch)])
        self.delivered.extend(batch)
        self.changed = True

    def rows(self) -> int:
        [(count,)] = self.store.sql("SELECT count(*) FROM bronze.invoice").rows
        return int(str(count))


TestCompanyAndBronze = CompanyAndBronze.TestCase
TestCompanyAndBronze.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
