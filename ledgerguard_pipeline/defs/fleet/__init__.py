"""Syncing many companies in one run."""
