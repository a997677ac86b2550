"""L0a, L3, L3b and L5: does the journal add up to what Intuit says of every account."""
