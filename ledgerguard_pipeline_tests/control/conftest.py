"""What one kind of store does its own way; what they share is in ``conformance``."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures
