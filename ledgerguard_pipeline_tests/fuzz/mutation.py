"""Inputs made from those of the corpus: bytes taken out, doubled, exchanged and put in."""

from __future__ import annotations

from hypothesis import strategies as st

from ledgerguard_pipeline_tests.fuzz.corpus import corpus
from ledgerguard_pipeline_tests.fuzz.targets import TARGETS

_MOST_CHANGES = 8
_LONGEST = 20_000
_DEEDS = ("take out", "double", "put in", "exchange", "flip", "cut off", "join")


@st.composite
def inputs(draw: st.DrawFn, target: str) -> bytes:
    """An input of a target; fewer changes are simpler ones."""
    known = [entry.data for entry in corpus(target)]
    words = st.sampled_from(TARGETS[target].words)
    data = draw(st.sampled_from(known) | st.binary(max_size=60))[:_LONGEST]
    for _ in range(draw(st.integers(0, _MOST_CHANGES))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        match draw(st.sampled_from(_DEEDS)):
            case "take out":
                data = data[:at] + data[end:]
            case "double":
                data = data[:end] + data[at:end] * draw(st.integers(1, 30)) + data[end:]
            case "put in":
                data = data[:at] + draw(words) + data[at:]
            case "exchange":
                data = data[:at] + draw(words) + data[end:]
            case "flip":
                data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
            case "cut off":
                data = data[:at]
            case _:
                other = draw(st.sampled_from(known))
                data = data[:at] + other[draw(st.integers(0, len(other))) :]
        data = data[:_LONGEST]
    return data
