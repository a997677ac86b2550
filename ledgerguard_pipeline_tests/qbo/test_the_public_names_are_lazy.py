from __future__ import annotations

import subprocess
import sys

import pytest

import ledgerguard_pipeline
from ledgerguard_pipeline import errors
from ledgerguard_pipeline.qbo.client import QBOClient


def test_every_public_name_is_the_class_it_says() -> None:
    for name in ledgerguard_pipeline.__all__:
        assert getattr(ledgerguard_pipeline, name).__name__ == name
    assert ledgerguard_pipeline.QBOClient is QBOClient
    assert ledgerguard_pipeline.QBOAuthError is errors.QBOAuthError


def test_importing_the_package_loads_no_library() -> None:
    code = (
        "import sys, ledgerguard_pipeline; "
        "heavy = {'requests', 'msgspec', 'pydantic', 'duckdb', 'dagster'}; "
        "sys.exit(', '.join(heavy & sys.modules.keys()) or 0)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True,
        cwd=ledgerguard_pipeline.__path__[0] + "/..",
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = ledgerguard_pipeline.Nonsense
