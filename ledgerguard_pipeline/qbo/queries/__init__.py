"""What is asked of Intuit: statements and requests that can only read."""
