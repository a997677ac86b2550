"""Changing the books as a user would."""
