"""How companies are: pages for people, JSON for programs."""
