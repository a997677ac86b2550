"""How one entity type is read: in full, by changes, or by comparison."""
