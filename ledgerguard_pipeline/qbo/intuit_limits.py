"""What one call may hold at Intuit; sandbox/ has its own, so that each checks the other."""

from __future__ import annotations

MAX_ROWS = 1000
"""Objects in one answer. For queries this is Intuit's "Query operations and syntax" page
(MAXRESULTS); for change data capture its page says it of an answer, and whether it holds per type
or in all is not documented, nor whether a batch has it per item or in all: code that relies on it
must be right either way.
"""

MAX_BATCH = 25
"""Items per batch call. Intuit's pages name 10, 30 and 50; 25 has worked for years."""

ROWS_PER_BATCH = 900
"""Objects a batch is filled with: below ``MAX_ROWS``, with room for rows that appear meanwhile."""
