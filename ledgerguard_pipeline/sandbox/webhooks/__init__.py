"""Sending webhooks as Intuit does."""
