"""The status of companies: pages for people, JSON for programs."""
