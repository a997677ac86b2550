"""OAuth 2.0 with Intuit."""
