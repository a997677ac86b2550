"""Whatever reads foreign bytes keeps its promise for the corpus and for inputs made from it.

``scripts/fuzz --minutes 30`` makes up more of them.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline_tests.fuzz import campaign
from ledgerguard_pipeline_tests.fuzz.corpus import corpus
from ledgerguard_pipeline_tests.fuzz.mutation import inputs
from ledgerguard_pipeline_tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_of_the_corpus_keeps_the_promise(target: str) -> None:
    entries = corpus(target)
    assert len(entries) >= 10
    assert all(entry.why for entry in entries)
    for entry in entries:
        try:
            TARGETS[target].check(entry.data)
        except Exception as error:
            error.add_note(f"{target}: {entry.why}")
            raise


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_made_up_inputs_keep_the_promise(target: str, data: st.DataObject) -> None:
    TARGETS[target].check(data.draw(inputs(target)))


def test_a_status_at_the_end_of_a_sentence_is_no_secret() -> None:
    TARGETS["faults"].check(b"{Code=502")


def test_a_broken_promise_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that cannot bear NaN, which the words of its inputs hold."""

    def weak(data: bytes) -> None:
        if b"NaN" in data:
            raise KeyError("NaN")

    monkeypatch.setitem(TARGETS, "splitter", Target(weak, TARGETS["splitter"].words))
    found = campaign.broken_by("splitter", examples=500, number=1)
    assert found is not None
    data, error = found
    assert isinstance(error, KeyError)
    assert b"NaN" in data
    assert len(data) < 40, "an input of the corpus, unchanged, or less"
