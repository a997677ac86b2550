"""The HTTP edge: connecting a company, the OAuth callback and health. Nothing imports it but cli."""
