"""Intuit's webhooks: whether a delivery is genuine, what it says, and acting upon it."""
