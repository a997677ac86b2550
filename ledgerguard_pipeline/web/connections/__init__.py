"""Connecting and disconnecting through the browser."""
