"""What operators' tools ask: metrics and readiness."""
