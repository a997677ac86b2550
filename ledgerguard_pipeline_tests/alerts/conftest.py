"""Alerts are remembered in every kind of store, so their tests run on each."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures
