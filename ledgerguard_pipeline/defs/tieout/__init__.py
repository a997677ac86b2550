"""The journal as an asset, and its comparison with Intuit's reports as checks."""
