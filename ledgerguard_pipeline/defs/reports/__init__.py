"""Intuit's reports as assets: one for each kind, partitioned by company."""
