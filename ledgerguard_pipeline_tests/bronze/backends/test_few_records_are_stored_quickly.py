"""Tables of symbols for text are worth their time where there are many rows, and only there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.follower import Nobody, Run
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.silver.books import Books


class Looking(Nobody):
    """Looks at the open file after each commit, before it is checkpointed."""

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def follow(
        self, run: Run, written: Mapping[str, Collection[str]], realms: Collection[str]
    ) -> None:
        del written, realms
        run(self._look)

    def _look(self, session: OpenStore, present: set[str]) -> None:
        del present
        asked = "SELECT current_setting('disabled_compression_methods')"
        row = session.connection.execute(asked).fetchone()
        assert row is not None
        self.left_out.append(str(row[0]).lower())


@pytest.mark.parametrize("records, expected", [(4_999, "fsst"), (5_000, "")])
def test_only_a_large_commit_looks_for_symbols(tmp_path: Path, records: int, expected: str) -> None:
    looking = Looking()
    books = Books(
        BronzeStore(tmp_path / "quickbooks.duckdb", Environment.SANDBOX, follower=looking)
    )
    books.write("Term", {str(number): {"Name": "Net"} for number in range(1, records + 1)})
    assert looking.left_out == [expected]
