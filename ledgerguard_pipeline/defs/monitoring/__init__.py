"""Checks, alerts, killed runs and keeping idle grants alive."""
