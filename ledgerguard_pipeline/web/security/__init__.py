"""Who may ask: admin token, sessions, forms, limits per address."""
