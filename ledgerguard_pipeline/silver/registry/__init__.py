"""What Silver knows of each entity type, as data: one block a type, one line a column."""
