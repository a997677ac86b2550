"""Intuit's query language over the books."""
