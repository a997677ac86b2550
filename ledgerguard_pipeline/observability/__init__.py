"""What leaves the process for operators: logs without secrets, and metrics."""
