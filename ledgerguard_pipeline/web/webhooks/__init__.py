"""``POST /api/v1/webhooks/qbo``: stored before it is answered."""
