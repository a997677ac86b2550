"""The HTTP edge: connecting companies, webhooks, metrics, health. Nothing imports it but cli."""
