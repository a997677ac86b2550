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


def test_what_means_something_elsewhere_only_is_named_where_it_is_read_by_nobody(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    file.write_text("LEDGERGUARD_LOG_LEVEL=DEBUG\n")
    (found,) = unknown_variables({}, file)
    assert str(found).startswith("LEDGERGUARD_LOG_LEVEL has no effect in .env")
    assert unknown_variables({"LEDGERGUARD_LOG_LEVEL": "DEBUG"}, file) == []


def test_what_kubernetes_says_of_services_is_no_slip_of_the_pen(tmp_path: Path) -> None:
    address = {"LEDGERGUARD_WEB_SERVICE_HOST": "10.0.0.9", "LEDGERGUARD_WEB_SERVICE_PORT": "80"}
    given = address | {
        "LEDGERGUARD_WEB_SERVICE_PORT_HTTP": "80",
        "LEDGERGUARD_WEB_PORT": "tcp://10.0.0.9:80",
        "LEDGERGUARD_WEB_PORT_80_TCP_ADDR": "10.0.0.9",
    }
    assert unknown_variables(given, tmp_path / "none") == []
    (found,) = unknown_variables({"LEDGERGUARD_WEB_PORT": "8000"}, tmp_path / "none")
    assert found.name == "LEDGERGUARD_WEB_PORT"
