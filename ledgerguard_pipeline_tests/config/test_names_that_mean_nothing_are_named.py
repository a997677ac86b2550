"""A misspelt setting has no effect; it is named, with the one that was probably meant."""

from __future__ import annotations

from pathlib import Path

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.config.unknown_variables import unknown_variables

ENV = """
# LEDGERGUARD_COMMENT=1
INTUIT_CLIENT_ID=abc
export LEDGERGUARD_HOMES=books
  intuit_client_secert = xyz
SOMETHING_ELSE=1
"""


def test_the_environment_and_the_file_are_looked_through(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(ENV)
    names = dict.fromkeys(
        (*(name.upper() for name in Settings.model_fields), "LEDGERGUARD_DEBUG"), ""
    )
    environment = {**names, "LEDGERGUARD_XYZZY": "1", "ledgerguard_home": "books"}
    found = unknown_variables(environment, file)
    assert [(each.name, each.nearest) for each in found] == [
        ("LEDGERGUARD_HOMES", "LEDGERGUARD_HOME"),
        ("LEDGERGUARD_XYZZY", None),
        ("intuit_client_secert", "INTUIT_CLIENT_SECRET"),
    ]
    assert unknown_variables(names, tmp_path / "missing") == []
