"""Attached files: downloaded once each, hashed, kept in a folder or bucket."""
