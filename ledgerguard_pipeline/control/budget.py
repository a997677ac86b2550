"""The monthly call budget: what is used of it and what that leaves to be done.

Intuit counts the reads of an app over all its companies, so the budget is one for the whole
installation. Near its end calls are spaced out; shortly before, what can wait is left out.
"""

from __future__ import annotations

SLOW_DOWN_AT = 0.80
"""From this share on calls are spaced out."""

STOP_AT = 0.95
"""From this share on optional work is left out; webhooks and incremental syncs go on."""
