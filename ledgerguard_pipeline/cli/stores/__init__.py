"""Checking Bronze and Silver, moving and mending what they hold; fetching attached files."""
