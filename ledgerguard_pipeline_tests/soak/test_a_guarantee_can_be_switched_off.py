"""Test builds: each guarantee has one line to switch it off by, and the soak notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.deploy.stack import PROJECT
from ledgerguard_pipeline_tests.soak.guarantees import CLOCK, HURRY, WITHOUT, Guarantee
from ledgerguard_pipeline_tests.soak.outcome import ACKNOWLEDGED, PROMISES, TOKENS
from ledgerguard_pipeline_tests.soak.run import soak
from ledgerguard_pipeline_tests.soak.truth import Wrong

PROMISE = {
    Guarantee.SEAM_CHECK: PROMISES[Wrong.LOST],
    Guarantee.TOKEN_SWAP: TOKENS,
    Guarantee.ACK_AFTER_COMMIT: ACKNOWLEDGED,
    Guarantee.OVERLAP: PROMISES[Wrong.STALE],
    Guarantee.TOMBSTONES: PROMISES[Wrong.BURIED_ALIVE],
}


def test_a_build_fails_once_a_line_it_replaces_has_moved() -> None:
    package = PROJECT / "ledgerguard_pipeline"
    replaced = [CLOCK, *HURRY, *(each for texts in WITHOUT.values() for each in texts)]
    assert set(WITHOUT) == set(PROMISE) == set(Guarantee)
    counts = [
        (package / each.path).read_text(encoding="utf-8").count(each.old) for each in replaced
    ]
    assert counts == [1] * len(replaced)


@pytest.mark.soak
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("guarantee", list(Guarantee))
def test_a_soak_without_a_guarantee_says_which_promise_broke(
    tmp_path: Path, guarantee: Guarantee
) -> None:
    found = soak(tmp_path, minutes=0.75, seed=1, without=[guarantee], loud=False)
    assert PROMISE[guarantee] in {each.promise for each in found.broken}, found.text()
    assert not found.held
    assert "--seed 1" in found.text()
