"""OAuth tokens sealed at rest, in SQL and in Redis, and the keys they need."""
