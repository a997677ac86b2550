"""Webhook deliveries and the queue of their events."""
