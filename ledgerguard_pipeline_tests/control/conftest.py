"""Every kind of store: what they share is tested on each of them, the rest on its own."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures
