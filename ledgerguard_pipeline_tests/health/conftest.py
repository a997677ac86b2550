"""What health is judged by comes from every kind of store."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures
