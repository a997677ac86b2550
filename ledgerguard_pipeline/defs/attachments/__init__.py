"""Attached files as an asset, partitioned by company."""
