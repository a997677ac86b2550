"""docs/silver.md is made from the registry."""

from __future__ import annotations

from ledgerguard_pipeline.silver.document import document
from ledgerguard_pipeline_tests.hygiene.project import ROOT


def test_the_page_of_silver_is_what_the_registry_says() -> None:
    assert (ROOT / "docs" / "silver.md").read_text(encoding="utf-8") == document()
