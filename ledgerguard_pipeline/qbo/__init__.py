"""The QuickBooks Online client."""
