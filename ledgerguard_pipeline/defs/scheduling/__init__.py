"""Schedules and sensors that start runs of single companies."""
