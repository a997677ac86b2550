"""Intuit's reports: what can be asked, and reading what comes back by keys and ids."""
