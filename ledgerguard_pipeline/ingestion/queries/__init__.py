"""Asking Intuit for rows: of one type, by changes, whole, and piece by piece."""
