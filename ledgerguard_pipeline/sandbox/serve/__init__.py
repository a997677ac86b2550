"""Running the sandbox, and working it from outside."""
