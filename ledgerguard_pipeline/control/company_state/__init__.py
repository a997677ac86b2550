"""What the control plane remembers of each company."""
