"""What the sandbox serves: Accounting API, OAuth, faults, its own controls."""
