"""A local QuickBooks Online over HTTP."""

from __future__ import annotations

PORT = 8010
"""Where ``ledgerguard up`` serves it and ``sandbox edit`` looks for it."""
