"""A local QuickBooks Online over HTTP.

Decision 10 in docs/decisions.md.
"""

from __future__ import annotations

PORT = 8010
"""Where ``ledgerguard up`` serves it and ``sandbox edit`` looks for it."""
