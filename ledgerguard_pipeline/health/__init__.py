"""How well a company is, and why: rules, status and summary."""
