"""One suite per contract: the same tests run on every kind of store that keeps it."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures
