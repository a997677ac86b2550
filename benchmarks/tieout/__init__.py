"""How surely and how fast the books are compared: planted faults, clean companies, seconds."""
