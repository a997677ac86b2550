"""Pages from templates, and the files they need."""
