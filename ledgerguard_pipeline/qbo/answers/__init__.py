"""What Intuit answers: bytes to records, and refusals to typed errors."""
