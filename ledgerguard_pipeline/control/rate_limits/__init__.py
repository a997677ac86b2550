"""Intuit's limits per minute and per month, in SQL and in Redis."""
