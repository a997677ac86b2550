"""Checks, alerts, killed runs and the daily care for idle grants."""
