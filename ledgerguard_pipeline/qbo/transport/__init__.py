"""How a call gets there: hosts, connections, retries, permits."""
