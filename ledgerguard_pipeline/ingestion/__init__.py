"""Bringing Bronze up to date: what to read, how, and how to be sure."""
