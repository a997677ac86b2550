"""Intuit's reports, made from the books."""
