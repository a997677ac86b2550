"""One company's sync, step by step, and the lease on it."""
