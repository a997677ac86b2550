"""The database and the Redis below the control plane."""
