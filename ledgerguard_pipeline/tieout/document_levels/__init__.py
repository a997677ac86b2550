"""L0b, L1, L2 and L4: do Bronze's documents explain what Intuit's reports show."""
