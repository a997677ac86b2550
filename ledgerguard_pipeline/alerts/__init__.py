"""What is worth an alert, what was already sent, and sending it."""
