"""The health of a company, and why: rules, status and summary."""
