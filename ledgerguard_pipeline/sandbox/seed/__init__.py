"""Making a whole company from a seed."""
